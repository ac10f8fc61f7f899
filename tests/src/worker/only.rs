//! What the Worker alone has to show.

use std::{net::SocketAddr, sync::Arc};

use libtest_mimic::Trial;

use super::{RunningWorker, Worker, wrangler::Dev};
use crate::{
    adapter::{Adapter, Running as _},
    clients,
    raw_connection::{Head, RawConnection},
    upstream::Upstream,
    wire::{self, EVENTS, request},
};

mod bodies;
mod panics;
mod runtime;
mod settings;
mod size;

type Test = (&'static str, fn(&Worker));

/// One trial a test.
#[must_use]
pub fn trials(worker: &Worker) -> Vec<Trial> {
    let worker = Arc::new(worker.clone());
    let tests: [Test; 15] = [
        ("size::is_bounded", size::is_bounded),
        ("size::the_source_decides_nothing", size::source_decides_nothing),
        ("size::what_is_deployed_is_what_is_tested", size::is_deployed),
        ("bodies::events_pass_without_a_call_into_the_wasm", bodies::no_calls),
        ("bodies::fifty_megabytes_each_way_leave_its_memory_alone", bodies::flat),
        ("bodies::three_hundred_streams_at_once", bodies::many_streams),
        ("panics::a_panic_leaves_other_requests_whole", panics::isolated),
        ("settings::wrong_ones_are_named", settings::wrong),
        ("settings::from_a_secrets_store", settings::from_store),
        ("settings::from_a_store_that_is_away", settings::store_away),
        ("runtime::it_writes_targets_in_its_own_way", runtime::targets),
        ("runtime::it_joins_repeated_fields", runtime::fields),
        ("runtime::it_refuses_methods_itself", runtime::methods),
        ("runtime::a_get_may_have_a_body", runtime::get_with_body),
        ("runtime::a_reset_before_the_head_cancels", runtime::reset),
    ];
    let trial = |(name, test): Test| {
        let worker = Arc::clone(&worker);
        Trial::test(format!("worker::{name}"), move || {
            test(&worker);
            Ok(())
        })
    };
    let dev: Arc<dyn Adapter> = Arc::new(Dev);
    tests.into_iter().map(trial).chain(clients::trials(&dev)).collect()
}

fn start(worker: &Worker, upstream: SocketAddr) -> RunningWorker {
    worker.serve(&wire::settings(&format!("http://{upstream}"), &[]), "")
}

/// An read_response, its body read.
fn read_response(client: &mut RawConnection) -> (Head, Vec<u8>) {
    let head = client.head();
    let body = client.body(&head);
    (head, body)
}

/// A stream of events that has begun: the client's end and the upstream's.
fn stream(proxy: &RunningWorker, upstream: &Upstream) -> (RawConnection, RawConnection) {
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("GET", "/v1/responses/1?stream=true", ""));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send(EVENTS);
    client.head();
    (client, upstream_conn)
}

impl RunningWorker {
    /// How often the wasm was called, and the bytes of its memory.
    fn tally(&self) -> (u64, u64) {
        let mut client = RawConnection::connect(self.watch);
        client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
        let body = String::from_utf8(read_response(&mut client).1).expect("numbers");
        let (calls, memory) = body.split_once(' ').expect("two numbers");
        (calls.parse().expect("a number"), memory.parse().expect("a number"))
    }
}
