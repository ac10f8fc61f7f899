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
mod load;
mod panics;
mod read_bodies;
mod runtime;
mod settings;
pub(super) mod size;
mod users;

type Test = (&'static str, fn(&Worker));

/// One trial per test.
#[must_use]
pub fn trials(worker: &Worker) -> Vec<Trial> {
    let worker = Arc::new(worker.clone());
    let tests: [Test; 34] = [
        ("size::is_bounded", size::is_bounded),
        ("size::source_has_no_policy", size::source_has_no_policy),
        ("size::deployed_wasm_is_the_tested_wasm", size::is_deployed),
        ("bodies::events_pass_without_wasm_calls", bodies::no_calls),
        ("bodies::fifty_megabytes_each_way_use_flat_memory", bodies::flat),
        ("bodies::three_hundred_concurrent_streams", bodies::many_streams),
        ("panics::panic_does_not_affect_other_requests", panics::isolated),
        ("load::settings_are_read", load::read_before),
        ("load::made_up_exchange_runs_to_its_end", load::rehearsal),
        ("settings::invalid_settings_are_named", settings::invalid),
        ("settings::from_a_secrets_store", settings::from_store),
        ("settings::unavailable_secrets_store", settings::store_unavailable),
        ("users::invalid_value_refuses_each_key", users::invalid),
        ("users::kv_is_read_again_after_thirty_seconds", users::kv),
        ("users::kv_without_a_value_refuses_each_key", users::kv_without_value),
        ("users::kv_takes_a_last_key_away", users::kv_last_key),
        ("users::kv_is_read_on_when_the_client_leaves", users::kv_client_leaves),
        ("users::kv_is_not_read_by_each_request_while_settings_are_invalid", users::kv_invalid_settings),
        ("users::websocket_outlives_its_key", users::websocket),
        ("read_bodies::pass_unchanged", read_bodies::passes),
        ("read_bodies::memory_is_bounded", read_bodies::memory),
        ("read_bodies::slow_one_is_refused", read_bodies::slow_body),
        ("read_bodies::memory_of_a_reset_upload_is_free_again", read_bodies::reset_upload),
        ("read_bodies::memory_of_a_reset_request_is_free_again", read_bodies::reset_sent),
        ("read_bodies::announced_one_is_refused_unread", read_bodies::announced),
        ("read_bodies::get_is_not_sent", read_bodies::get),
        ("read_bodies::endless_list_is_not_read_on", read_bodies::endless_list),
        ("read_bodies::longest_list_of_models", read_bodies::longest_list),
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
        self.watch("/")
    }

    /// Sets how many milliseconds its clock is ahead.
    pub(super) fn set_ahead(&self, ahead: u64) {
        self.watch(&format!("/ahead/{ahead}"));
    }

    /// Sets how many times earlier its timers fire.
    pub(super) fn set_speed(&self, speed: u64) {
        self.watch(&format!("/speed/{speed}"));
    }

    pub(super) fn watch(&self, target: &str) -> (u64, u64) {
        let mut client = RawConnection::connect(self.watch);
        client.send(format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n"));
        let body = String::from_utf8(read_response(&mut client).1).expect("numbers");
        let (calls, memory) = body.split_once(' ').expect("two numbers");
        (calls.parse().expect("a number"), memory.parse().expect("a number"))
    }
}
