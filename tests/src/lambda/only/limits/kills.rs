//! The process is killed at any instant: nothing that was sent is lost, and the budget holds.

use std::{
    collections::BTreeSet,
    env,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
        mpsc,
    },
};

use super::*;
use crate::{lambda::only::BUFFERING, raw_connection::STEP_TIMEOUT};

pub(crate) const TESTS: &[Test] =
    &[("one_of_two_functions_under_load", under_load), ("at_each_write_of_a_request", at_each_write)];

/// How often a function is killed. `KILLS` sets another number.
const KILLS: usize = 3;

/// Requests that the upstream receives before each kill, at least.
const REQUESTS: i64 = 12;

/// Clients of each function, each with a request at a time.
const CLIENTS: usize = 4;

/// The output cap of each request.
const OUTPUT: u32 = 1_000;

/// With a short timeout, because the hold of a request that was killed ends after it.
const KILLED: Lambda = Lambda { timeout: Duration::from_secs(5), ..BUFFERING };

/// Tokens of the response to a request, by its number: no other has the same. They cost almost what is held.
const fn usage(number: i64) -> (i64, i64) {
    (1 + number / 100, 900 + number % 100)
}

fn price(number: i64) -> Usd {
    let (input, output) = usage(number);
    cost(input.unsigned_abs(), output.unsigned_abs())
}

/// A function that waits for as many events as it has clients.
fn start_function(upstream: SocketAddr, users: &str, table: &Table) -> Limited {
    let more = [("AWS_LAMBDA_MAX_CONCURRENCY", &*CLIENTS.to_string())];
    let function = Limited::start_with(KILLED, upstream, users, &table.settings(), &more);
    (0..CLIENTS).for_each(|_| function.0.api.next_poll());
    function
}

/// Each kill hits the other function. What the upstream received is the truth: at no time does it cost more than what is
/// spent and held, and that is never more than the budget.
fn under_load() {
    let kills = env::var("KILLS").map_or(KILLS, |count| count.parse().expect("a number"));
    let received = Arc::new(AtomicI64::new(0));
    let counted = Arc::clone(&received);
    let upstream = RespondingUpstream::start(move |_| {
        let (input, output) = usage(counted.fetch_add(1, Ordering::SeqCst));
        completion(input, output)
    });
    let truth = || (0..received.load(Ordering::SeqCst)).map(price).fold(Usd::ZERO, Usd::plus);
    // For the requests, those that are open at a kill, and some more.
    let budget = Usd::from_pico(cost(300, OUTPUT.into()).as_pico() * (24 * i64::try_from(kills).expect("few") + 24));
    let users = format!("[users.Tom]\nconcurrent_requests = 64\nbudgets = [{{ usd = \"{budget}\", per = \"total\" }}]");
    let table = Moto::shared().create_table();
    let mut functions = [(); 2].map(|()| start_function(upstream.address(), &users, &table));
    for kill in 0..kills {
        let enough = received.load(Ordering::SeqCst) + REQUESTS + i64::try_from(kill).expect("few") * 7 % 5;
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for client in 0..2 * CLIENTS {
                let (function, stop) = (functions[client % 2].address(), &stop);
                let is_served = move || try_chat(function).is_some_and(|status| [200, 503].contains(&status));
                scope.spawn(move || while !stop.load(Ordering::SeqCst) && is_served() {});
            }
            wait_until("requests have arrived", || received.load(Ordering::SeqCst) >= enough);
            functions[kill % 2].0.kill();
            stop.store(true, Ordering::SeqCst);
            check(truth(), budget, &functions[1 - kill % 2]);
        });
        functions[kill % 2] = start_function(upstream.address(), &users, &table);
        check(truth(), budget, &functions[kill % 2]);
    }
    // Until no other request fits beside what is held.
    thread::scope(|scope| {
        for client in 0..2 * CLIENTS {
            let function = functions[client % 2].address();
            scope.spawn(move || {
                let statuses = std::iter::repeat_with(|| try_chat(function));
                let last = statuses.into_iter().find(|status| ![Some(200), Some(503)].contains(status));
                assert_eq!(last, Some(Some(429)));
            });
        }
    });
    check(truth(), budget, &functions[0]);
    wait_until("the holds have ended", || functions[0].spent().1 == Usd::ZERO);
    let (truth, spent) = (truth(), functions[1].spent().0);
    assert!(truth <= spent && spent <= budget, "received {truth}, spent {spent} of {budget}");
    check_rows(&table, received.load(Ordering::SeqCst), spent);
    println!("{kills} kills: received {truth}, spent {spent} of {budget}");
}

/// Compares what the upstream had received with what the ledger shows later.
#[track_caller]
fn check(truth: Usd, budget: Usd, function: &Limited) {
    let (spent, held) = function.spent();
    assert!(truth <= spent.plus(held), "received {truth}, spent {spent}, held {held}");
    assert!(spent.plus(held) <= budget, "spent {spent}, held {held} of {budget}");
}

/// Each request that the upstream received has a row with its price, or is one of those that were charged in full.
fn check_rows(table: &Table, received: i64, spent: Usd) {
    let rows = table.rows();
    let number = |row: &Value, name: &str| row[name]["N"].as_str().map_or(0, |text| text.parse().expect("a number"));
    let (mut settled, mut expired, mut sum) = (BTreeSet::new(), 0, Usd::ZERO);
    for row in &rows {
        let charged = Usd::from_pico(number(row, "cost"));
        sum = sum.plus(charged);
        match row["ended"]["S"].as_str() {
            Some("complete") => {
                let of = (number(row, "input") - 1) * 100 + number(row, "output") - 900;
                assert!((0..received).contains(&of) && settled.insert(of), "request {of} of {received}: {row}");
                assert_eq!(charged, price(of), "{row}");
            }
            Some("expired") => {
                expired += 1;
                assert!(charged >= cost(0, OUTPUT.into()), "{row}");
            }
            _ => panic!("{row}"),
        }
    }
    assert_eq!(sum, spent, "the rows are what was charged");
    let unsettled = received - i64::try_from(settled.len()).expect("a count");
    assert!(unsettled <= expired, "{unsettled} requests have no row, and {expired} were charged in full");
}

/// The status of a response; `None` if it is cut.
fn try_chat(address: SocketAddr) -> Option<u16> {
    let mut client = RawConnection::try_connect(address).ok()?;
    client.try_send(chat::post("/v1/chat/completions", &chat::body(MODEL, OUTPUT, false))).ok()?;
    let head = client.try_head()?;
    client.try_bytes(head.content_length()?)?;
    Some(head.status())
}

/// When a function is killed: at its first write, a reservation, or its second one, which stores the cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Moment {
    /// The write has not reached the table.
    Before(usize),
    /// The write is done, and its response has not reached the function.
    After(usize),
}

/// What becomes of its request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Booked {
    Nothing,
    /// What was reserved, at the end of the hold.
    Reservation,
    Cost,
}

fn at_each_write() {
    let cases = [
        (Moment::Before(1), 0, Booked::Nothing),
        (Moment::After(1), 0, Booked::Reservation),
        (Moment::Before(2), 1, Booked::Reservation),
        (Moment::After(2), 1, Booked::Cost),
    ];
    let killed = cases.map(|(moment, sent, booked)| {
        let (table, received) = killed_at(moment);
        assert_eq!(received, sent, "{moment:?}");
        let other = Limited::start(([127, 0, 0, 1], 1).into(), BUDGET, &table);
        let (spent, held) = other.spent();
        let is_held = booked == Booked::Reservation;
        assert_eq!((spent, held > Usd::ZERO), (if booked == Booked::Cost { price(0) } else { Usd::ZERO }, is_held));
        assert!(!is_held || held >= price(0), "{moment:?}");
        (moment, table, other, booked, spent.plus(held))
    });
    for (moment, table, other, booked, spent) in killed {
        wait_until("the hold has ended", || other.spent().1 == Usd::ZERO);
        assert_eq!(other.spent().0, spent, "{moment:?}");
        let ended: Vec<_> = table.rows().iter().map(|row| row["ended"]["S"].clone()).collect();
        let expected: &[&str] = match booked {
            Booked::Nothing => &[],
            Booked::Reservation => &["expired"],
            Booked::Cost => &["complete"],
        };
        assert_eq!(ended, expected, "{moment:?}");
    }
}

/// Kills a function while it serves a request. Returns its table, and how many requests the upstream received.
fn killed_at(moment: Moment) -> (Arc<Table>, usize) {
    let upstream = RespondingUpstream::start(|_| completion(usage(0).0, usage(0).1));
    let table = Arc::new(Moto::shared().create_table());
    let (reach, reached) = mpsc::channel();
    let (go_on, killed) = mpsc::channel();
    // The lock is held at the moment, because a function sends a request again that gets no response.
    let gate = Mutex::new((0, reach, killed));
    let forwarding = Arc::clone(&table);
    let relay = RespondingUpstream::start(move |request| {
        let (writes, reach, killed) = &mut *gate.lock().expect("no panic");
        let (Moment::Before(last) | Moment::After(last)) = moment;
        *writes += usize::from(is_write(request));
        match *writes {
            writes if writes > last => return Vec::new(),
            writes if writes < last || !is_write(request) => return forwarding.forward(request),
            _ => {}
        }
        if moment == Moment::After(last) {
            forwarding.forward(request);
        }
        reach.send(()).expect("the test waits");
        killed.recv().expect("the test kills the function");
        *writes += 1;
        Vec::new()
    });
    let function = Limited::start_with(KILLED, upstream.address(), BUDGET, &table.settings_over(relay.address()), &[]);
    let mut client = function.client(&chat::post("/v1/chat/completions", &chat::body(MODEL, OUTPUT, false)));
    reached.recv_timeout(STEP_TIMEOUT).expect("the moment comes");
    let is_stored_after_the_response = [Moment::Before(2), Moment::After(2)].contains(&moment);
    if is_stored_after_the_response {
        assert_eq!(read_response(&mut client).0.status(), 200);
    }
    function.0.kill();
    go_on.send(()).expect("the relay waits");
    (table, upstream.take().len())
}
