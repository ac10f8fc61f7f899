//! The process is killed at any instant: nothing that was sent is lost, and the budget holds.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    thread,
};

use super::*;
use crate::upstream::RespondingUpstream;

pub(crate) const TESTS: &[Test] =
    &[("under_load", || under_load(1)), ("one_of_two_processes_under_load", || under_load(2))];

/// How often the process is killed. `KILLS` sets another number.
const KILLS: usize = 5;

/// Requests that the upstream receives before each kill.
const REQUESTS: usize = 40;

const CLIENTS: usize = 6;

/// Each kill hits the next process. The others go on.
fn under_load(processes: usize) {
    let kills = env::var("KILLS").map_or(KILLS, |count| count.parse().expect("a number"));
    // What the upstream bills, which is the truth.
    let (billed, received) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicUsize::new(0)));
    let (bill, count) = (Arc::clone(&billed), Arc::clone(&received));
    let upstream = RespondingUpstream::start(move |_| {
        let output = 1 + i64::try_from(count.fetch_add(1, Ordering::SeqCst)).expect("a small number") % 100;
        bill.fetch_add(cost(10, output).as_pico(), Ordering::SeqCst);
        completion(10, output)
    });
    // Enough for the requests, and for the holds that each kill leaves.
    let budget = Usd::from_pico(50_000_000_000 * i64::try_from(kills).expect("a small number"));
    let users = format!("[users.Tom]\nbudgets = [{{ usd = \"{budget}\", per = \"total\" }}]");
    let mut server = Budgeted::start(upstream.address(), &users);
    let mut others: Vec<_> = (1..processes).map(|_| RunningServer::start(&server.settings)).collect();
    let answered = AtomicUsize::new(0);
    for kill in 0..kills {
        let others_at = others.iter().map(RunningServer::address);
        let addresses: Vec<_> = [server.address()].into_iter().chain(others_at).collect();
        let stop = AtomicBool::new(false);
        let before = received.load(Ordering::SeqCst);
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (address, stop, answered) = (addresses[client % processes], &stop, &answered);
                scope.spawn(move || {
                    while !stop.load(Ordering::SeqCst) && try_chat(address) == Some(200) {
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            wait_until("requests have arrived", || received.load(Ordering::SeqCst) >= before + REQUESTS);
            let victim = if kill % processes == 0 { &server.proxy } else { &others[kill % processes - 1] };
            victim.process.signal("KILL");
            stop.store(true, Ordering::SeqCst);
        });
        let restarted = RunningServer::start(&server.settings);
        let victim = if kill % processes == 0 { &mut server.proxy } else { &mut others[kill % processes - 1] };
        *victim = restarted;
    }
    let spent = server.settled();
    let billed = Usd::from_pico(billed.load(Ordering::SeqCst));
    assert!(billed <= spent && spent <= budget, "billed {billed}, spent {spent} of {budget}");
    let usage = server.usage();
    let days = usage["days"].as_array().expect("days");
    let sum = days.iter().fold(Usd::ZERO, |sum, day| sum.plus(amount(&day["usd"])));
    assert_eq!(sum, spent, "the rows are what was charged");
    let rows: u64 = days.iter().filter_map(|day| day["requests"].as_u64()).sum();
    let rows = usize::try_from(rows).expect("a small number");
    let (received, answered) = (received.load(Ordering::SeqCst), answered.load(Ordering::SeqCst));
    // A request that was reserved and not sent when the process was killed has a row too.
    assert!(
        answered <= received && received <= rows && rows <= received + kills * CLIENTS,
        "{answered} {received} {rows}"
    );
    println!(
        "{processes} processes, {kills} kills: {answered} responses, {received} requests, {rows} rows; billed {billed}, spent {spent}"
    );
}

/// The status of a response; `None` if the process was killed.
fn try_chat(address: SocketAddr) -> Option<u16> {
    let mut client = RawConnection::try_connect(address).ok()?;
    client.try_send(chat()).ok()?;
    client.try_head().map(|head| head.status())
}
