//! workerd is killed under load and started again on the same disk.

use std::{
    env,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use sparekey_policy::Usd;

use super::{Test, settings};
use crate::{
    only::budgets::{Metered, chat, completion, cost},
    raw_connection::{RawConnection, wait_until},
    upstream::RespondingUpstream,
    worker::Worker,
};

pub(super) const TESTS: &[Test] = &[("killed_under_load", killed)];

/// Tokens of a response: the most that the request may use.
const USAGE: (i64, i64) = (12, 100);

fn rounds() -> u64 {
    env::var("KILL_ROUNDS").map_or(3, |rounds| rounds.parse().expect("a number"))
}

/// What was sent never costs more than what is spent and held, and that never more than the budget.
fn killed(worker: &Worker) {
    let received = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&received);
    let upstream = RespondingUpstream::start(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        completion(USAGE.0, USAGE.1)
    });
    // Each round allows about fifty requests more.
    let allowing = |round: u64| {
        let budget = Usd::from_pico(i64::try_from(round + 1).expect("a round") * 60_000_000_000);
        let budget = format!("budgets = [{{ usd = \"{budget}\", per = \"total\" }}]");
        settings(upstream.address(), &format!("[users.Tom]\nconcurrent_requests = 64\n{budget}"), &[])
    };
    let mut proxy = worker.serve(&allowing(0), "");
    let ledger = Arc::clone(proxy.ledger.as_ref().expect("a ledger"));
    for round in 0..rounds() {
        let address = Metered::address(&proxy);
        let clients: Vec<_> = (0..16).map(|_| thread::spawn(move || requests(address))).collect();
        let enough = received.load(Ordering::SeqCst) + 5 + round * 37 % 25;
        wait_until("requests are sent", || received.load(Ordering::SeqCst) >= enough);
        proxy.process.signal("KILL");
        drop(proxy);
        for client in clients {
            client.join().expect("a client");
        }
        proxy = worker.serve_again(&allowing(round + 1), &ledger);
        // Holds of requests that were killed are charged at their end. They are places too.
        proxy.set_ahead((round + 1) * 31 * 60 * 1_000);
        let truth = cost_of(&received);
        let (spent, held) = (proxy.amount("spent_usd"), proxy.amount("held_usd"));
        let budget = proxy.amount("usd");
        println!("round {round}: sent {truth}, spent {spent}, held {held}");
        assert!(truth <= spent.plus(held), "sent {truth}, spent {spent}, held {held}");
        assert!(spent.plus(held) <= budget, "spent {spent}, held {held}");
    }
    let is_sent = |_: &u64| proxy.send(&chat()).0.status() == 200;
    let more = (0..2_000).take_while(is_sent).count();
    let (truth, spent, budget) = (cost_of(&received), proxy.settled(), proxy.amount("usd"));
    println!("{more} more: sent {truth}, spent {spent}");
    assert!((1..2_000).contains(&more), "{more}");
    assert!(truth <= spent && spent <= budget, "sent {truth}, spent {spent}");
}

/// What the upstream's responses cost.
fn cost_of(requests: &AtomicU64) -> Usd {
    let count = i64::try_from(requests.load(Ordering::SeqCst)).expect("a count");
    Usd::from_pico(cost(USAGE.0, USAGE.1).as_pico() * count)
}

/// Sends requests until the connection breaks.
fn requests(address: SocketAddr) {
    let Ok(mut client) = RawConnection::try_connect(address) else { return };
    while client.try_send(chat()).is_ok() {
        let Some(head) = client.try_head() else { break };
        let length = head.header("content-length").and_then(|length| length.parse().ok());
        if length.is_none_or(|length| client.try_bytes(length).is_none()) {
            break;
        }
    }
}
