//! Many requests at once: together they never cost more than the budget.

use std::{
    sync::{Arc, Condvar, Mutex},
    thread,
};

use super::*;
use crate::upstream::RespondingUpstream;

/// On every platform that has budgets.
pub(super) const SHARED: &[SharedTest] = &[("first_requests_of_a_new_user", first_requests)];

/// On the server.
pub(crate) const TESTS: &[Test] = &[
    ("four_at_once_with_a_dear_model", four_at_once),
    ("two_processes_on_one_ledger", two_processes),
    ("two_processes_show_all_open_requests", usage_of_both_processes),
];

/// An upstream that holds its responses back, each of which costs the most that the request may.
pub(super) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(super) fn start(input: i64, output: i64) -> (Self, RespondingUpstream) {
        let gate = Self(Arc::new((Mutex::new(false), Condvar::new())));
        let opened = Arc::clone(&gate.0);
        let upstream = RespondingUpstream::start(move |_| {
            let (is_open, changed) = &*opened;
            drop(changed.wait_while(is_open.lock().expect("the lock"), |is_open| !*is_open));
            completion(input, output)
        });
        (gate, upstream)
    }

    pub(super) fn open(&self) {
        *self.0.0.lock().expect("the lock") = true;
        self.0.1.notify_all();
    }
}

/// What one request reserves.
fn hold_of_one(start: Start<'_>) -> Usd {
    let upstream = Upstream::start();
    let server = start(upstream.address(), BUDGET);
    let (client, upstream_conn) = server.sent(&upstream, &chat());
    let held = server.amount("held_usd");
    drop((client, upstream_conn));
    held
}

fn users(budget: Usd) -> String {
    format!("[users.Tom]\nconcurrent_requests = 64\nbudgets = [{{ usd = \"{budget}\", per = \"month\" }}]")
}

/// Fifty requests on a budget for ten: ten are sent, and the others get their response while these are open.
fn first_requests(start: Start<'_>) {
    let hold = hold_of_one(start);
    let budget = Usd::from_pico(hold.as_pico() * 10 + hold.as_pico() / 2);
    let (gate, upstream) = Gate::start(10, 100);
    let server = start(upstream.address(), &users(budget));
    let mut clients: Vec<_> = (0..50).map(|_| server.client(&chat())).collect();
    let refused = Counter::default();
    thread::scope(|scope| {
        for client in &mut clients {
            let (refused, gate) = (&refused, &gate);
            scope.spawn(move || open_after_refusals(client.head().status(), refused, gate));
        }
    });
    assert_eq!((refused.count(), upstream.take().len()), (40, 10));
    let spent = server.settled();
    assert_eq!(spent, Usd::from_pico(cost(10, 100).as_pico() * 10));
    assert!(spent <= budget);
}

/// The responses that were held back arrive once forty requests are refused.
fn open_after_refusals(status: u16, refused: &Counter, gate: &Gate) {
    if status == 200 {
        return;
    }
    assert_eq!(status, 429);
    if refused.add() == 40 {
        gate.open();
    }
}

#[derive(Default)]
struct Counter(Mutex<usize>);

impl Counter {
    fn add(&self) -> usize {
        let mut count = self.0.lock().expect("the lock");
        *count += 1;
        *count
    }

    fn count(&self) -> usize {
        *self.0.lock().expect("the lock")
    }
}

/// Without a cap each of them could cost the whole budget. A quarter of what is left is the most that one takes.
fn four_at_once() {
    let prices = "[models.model]\nmode = \"chat\"\nmax_input = 400000\nmax_output = 128000\nstandard = { input = \"15\", output = \"120\" }";
    let (gate, upstream) = Gate::start(10, 100);
    let server = Budgeted::start(upstream.address(), "[users.Tom]\nbudgets = [{ usd = 5, per = \"month\" }]");
    server.files.write("prices", prices);
    server.proxy.process.wait_for(|line| line.contains("reloaded").then_some(()));
    let body = serde_json::json!({"model": "model", "messages": [{"role": "user", "content": "Hello"}]});
    let mut clients: Vec<_> = (0..4).map(|_| server.client(&post("/v1/chat/completions", &body))).collect();
    let received = Mutex::new(Vec::new());
    wait_until("all four are sent", || {
        let mut received = received.lock().expect("the lock");
        received.extend(upstream.take());
        received.len() == 4
    });
    gate.open();
    for client in &mut clients {
        assert_eq!(client.head().status(), 200);
    }
    server.settled();
}

fn two_processes() {
    fifty_requests_to_two(|upstream, users| {
        let server = Budgeted::start(upstream, users);
        let other = RunningServer::start(&server.settings);
        (server, other)
    });
}

/// A user sees the requests that its limit counts.
fn usage_of_both_processes() {
    let upstream = Upstream::start();
    let server = Budgeted::start(upstream.address(), BUDGET);
    let other = RunningServer::start(&server.settings);
    let open = |address| {
        let mut client = RawConnection::connect(address);
        client.send(get("/v1/usage"));
        let head = client.head();
        let usage: Value = serde_json::from_slice(&client.body(&head)).expect("JSON");
        usage["limits"]["concurrent_requests"]["open"].clone()
    };
    let (_client, _upstream_conn) = server.sent(&upstream, &chat());
    assert_eq!([server.address(), other.address()].map(open), [1, 1]);
}

/// Fifty requests on a budget for ten, to two servers by turns.
pub(super) fn fifty_requests_to_two(start: impl FnOnce(SocketAddr, &str) -> (Budgeted, RunningServer)) {
    let hold = hold_of_one(&Budgeted::boxed);
    let budget = Usd::from_pico(hold.as_pico() * 10 + hold.as_pico() / 2);
    let (gate, upstream) = Gate::start(10, 100);
    let (server, other) = start(upstream.address(), &users(budget));
    let addresses = [server.address(), other.address()];
    let refused = Counter::default();
    thread::scope(|scope| {
        for number in 0..50 {
            let address = addresses[number % addresses.len()];
            let (refused, gate) = (&refused, &gate);
            scope.spawn(move || {
                let mut client = RawConnection::connect(address);
                client.send(chat());
                open_after_refusals(client.head().status(), refused, gate);
            });
        }
    });
    assert_eq!((refused.count(), upstream.take().len()), (40, 10));
    assert_eq!(server.settled(), Usd::from_pico(cost(10, 100).as_pico() * 10));
}
