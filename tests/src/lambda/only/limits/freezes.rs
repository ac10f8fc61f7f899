//! Connections that ended while the function was frozen: to the table, and to the upstream.

use std::sync::{
    Arc, RwLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::*;
use crate::{case_files, upstream::Lost};

pub(crate) const TESTS: &[Test] = &[
    ("closed_connections_are_replaced", closed),
    ("reset_reservation_is_repeated", reset),
    ("reservation_whose_response_is_lost_is_charged_once", response_lost),
    ("silent_connections_to_the_table_are_replaced", silent),
    ("table_that_stays_silent_is_503", silent_table),
];

/// A function whose connections to its table, and to the upstream, a test can end.
struct Frozen {
    function: Limited,
    table: Arc<Table>,
    relay: RespondingUpstream,
    upstream: RespondingUpstream,
}

impl Frozen {
    /// `relay` responds to the requests to the table.
    fn start(
        users: &str,
        more: &[(&str, &str)],
        relay: impl Fn(&Table, &ReceivedRequest) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let upstream = RespondingUpstream::start(|_| completion(12, 30));
        let table = Arc::new(Moto::shared().create_table());
        let forwarding = Arc::clone(&table);
        let relay = RespondingUpstream::start(move |request| relay(&forwarding, request));
        let settings = table.settings_over(relay.address());
        let function = Limited::start_with(STREAMING, upstream.address(), users, &settings, more);
        function.0.api.next_poll();
        Self { function, table, relay, upstream }
    }

    /// Serves an event, and waits for the next poll.
    #[track_caller]
    fn serve(&self) {
        assert_eq!(self.function.send(&chat(false)).0.status(), 200);
        self.function.0.api.next_poll();
    }

    /// Freezes the function, which polls, and returns the client whose request ends the freeze.
    fn frozen(&self, meanwhile: impl FnOnce()) -> RawConnection {
        self.function.0.freeze();
        meanwhile();
        let client = self.function.client(&chat(false));
        self.function.0.resume();
        client
    }

    /// Serves the event that ends a freeze.
    #[track_caller]
    fn serve_frozen(&self, meanwhile: impl FnOnce()) {
        let (head, body) = read_response(&mut self.frozen(meanwhile));
        assert_eq!(head.status(), 200, "{}", String::from_utf8_lossy(&body));
        self.function.0.api.next_poll();
    }

    /// Checks that exactly so many requests were sent, and each charged once.
    #[track_caller]
    fn check(&self, requests: i64) {
        assert_eq!(self.upstream.take().len(), usize::try_from(requests).expect("a count"));
        let each = cost(12, 30).as_pico();
        assert_eq!(self.function.spent(), (Usd::from_pico(each * requests), Usd::ZERO));
        let rows = self.table.rows();
        assert_eq!(rows.len(), usize::try_from(requests).expect("a count"), "{rows:?}");
        assert!(rows.iter().all(|row| row["ended"]["S"] == "complete"), "{rows:?}");
    }
}

fn closed() {
    let frozen = Frozen::start(BUDGET, &[], Table::forward);
    frozen.serve();
    for _ in 0..10 {
        frozen.serve_frozen(|| {
            assert_eq!((frozen.relay.close_connections(), frozen.upstream.close_connections()), (1, 1));
        });
    }
    frozen.check(11);
}

/// The reset comes after the reservation was written.
fn reset() {
    let frozen = Frozen::start(BUDGET, &[], Table::forward);
    frozen.serve();
    for _ in 0..3 {
        frozen.serve_frozen(|| assert_eq!(frozen.relay.lose_connections(Lost::Reset), 1));
    }
    frozen.check(4);
}

/// The table has stored it.
fn response_lost() {
    let (is_lost, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (losing, counted) = (Arc::clone(&is_lost), Arc::clone(&lost));
    let frozen = Frozen::start(BUDGET, &[], move |table, request| {
        let response = table.forward(request);
        if is_write(request) && losing.swap(false, Ordering::SeqCst) {
            assert!(response.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&response));
            counted.fetch_add(1, Ordering::SeqCst);
            return Vec::new();
        }
        response
    });
    frozen.serve();
    for _ in 0..3 {
        frozen.serve_frozen(|| is_lost.store(true, Ordering::SeqCst));
    }
    assert_eq!(lost.load(Ordering::SeqCst), 3);
    frozen.check(4);
}

/// All connections are silent: no second one is tried.
fn silent() {
    const CLIENTS: usize = 4;
    let key = |name: &str| format!("sk-{name}-second0second0second0");
    let names = ["Ann", "Bob", "Eve"];
    let others = names.map(|name| {
        let keys = case_files::digest(&key(name));
        format!("\n[users.{name}]\nkeys = [\"{keys}\"]\nbudgets = [{{ usd = 1, per = \"month\" }}]")
    });
    let is_slow = Arc::new(AtomicBool::new(true));
    let slow = Arc::clone(&is_slow);
    let more = [("AWS_LAMBDA_MAX_CONCURRENCY", &*CLIENTS.to_string())];
    let frozen = Frozen::start(&format!("{BUDGET}{}", others.concat()), &more, move |table, request| {
        if slow.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(30));
        }
        table.forward(request)
    });
    (1..CLIENTS).for_each(|_| frozen.function.0.api.next_poll());
    let keys: Vec<_> = [case_files::KEY.to_owned()].into_iter().chain(names.map(key)).collect();
    let mut rounds = 0;
    wait_until("several connections to the table are open", || {
        let requests = keys.iter().map(|key| chat(false).replace(case_files::KEY, key));
        let clients: Vec<_> = requests.map(|request| frozen.function.client(&request)).collect();
        for mut client in clients {
            assert_eq!(read_response(&mut client).0.status(), 200);
            frozen.function.0.api.next_poll();
        }
        rounds += 1;
        frozen.relay.connections() >= CLIENTS
    });
    is_slow.store(false, Ordering::SeqCst);
    frozen.serve_frozen(|| assert!(frozen.relay.lose_connections(Lost::Silent) >= CLIENTS));
    let each = cost(12, 30).as_pico();
    assert_eq!(frozen.function.spent(), (Usd::from_pico(each * (rounds + 1)), Usd::ZERO));
}

/// New connections are silent too. Requests to the table arrive late.
fn silent_table() {
    let gate = Arc::new(RwLock::new(()));
    let silence = Arc::clone(&gate);
    let frozen = Frozen::start(BUDGET, &[], move |table, request| {
        let _passed = silence.read().expect("no panic");
        table.forward(request)
    });
    frozen.serve();
    let silent = gate.write().expect("no panic");
    let mut client = frozen.frozen(|| {});
    super::super::assert_error(&mut client, 503, "ledger_unavailable");
    assert_eq!(frozen.upstream.take().len(), 1, "nothing was sent");
    drop(silent);
    wait_until("the table responds", || frozen.function.send(&chat(false)).0.status() == 200);
    assert_eq!(frozen.upstream.take().len(), 1);
    let each = cost(12, 30);
    assert_eq!(frozen.function.spent(), (each.plus(each), Usd::ZERO));
    assert_eq!(frozen.table.rows().len(), 2);
}
