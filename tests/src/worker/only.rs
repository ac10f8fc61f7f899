//! Tests of the Worker alone.

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

/// One trial per test.
#[must_use]
pub fn trials(worker: &Worker) -> Vec<Trial> {
    let worker = Arc::new(worker.clone());
    let tests: [Test; 16] = [
        ("size::is_bounded", size::is_bounded),
        ("size::source_has_no_policy", size::source_has_no_policy),
        ("size::deployed_wasm_is_the_tested_wasm", size::is_deployed),
        ("bodies::events_pass_without_wasm_calls", bodies::no_calls),
        ("bodies::fifty_megabytes_each_way_use_flat_memory", bodies::flat),
        ("bodies::three_hundred_concurrent_streams", bodies::many_streams),
        ("panics::panic_does_not_affect_other_requests", panics::isolated),
        ("settings::invalid_settings_are_named", settings::invalid),
        ("settings::from_a_secrets_store", settings::from_store),
        ("settings::unavailable_secrets_store", settings::store_unavailable),
        ("runtime::normalizes_targets", runtime::targets),
        ("runtime::joins_repeated_fields", runtime::fields),
        ("runtime::responses_are_not_cached", runtime::not_cached),
        ("runtime::rejects_unknown_methods", runtime::methods),
        ("runtime::get_may_have_a_body", runtime::get_with_body),
        ("runtime::client_reset_cancels", runtime::reset),
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

/// A response with its body.
fn read_response(client: &mut RawConnection) -> (Head, Vec<u8>) {
    let head = client.head();
    let body = client.body(&head);
    (head, body)
}

/// A started event stream: the client's and the upstream's connection.
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
    /// The number of calls into the wasm, and the size of its memory in bytes.
    fn tally(&self) -> (u64, u64) {
        let mut client = RawConnection::connect(self.watch);
        client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
        let body = String::from_utf8(read_response(&mut client).1).expect("numbers");
        let (calls, memory) = body.split_once(' ').expect("two numbers");
        (calls.parse().expect("a number"), memory.parse().expect("a number"))
    }
}
