//! Tests of the standalone server alone, one file per topic.

mod admin;
mod balancer;
pub(crate) mod budgets;
mod client_limits;
mod command_folder;
mod commands;
mod dead_path;
mod debian;
mod deploy;
mod drain;
mod files;
mod forwarded_prefix;
mod front_page;
mod hostile_upstream;
mod hostile_upstream_http2;
mod http2_attacks;
mod http2_floods;
mod http2_upstream;
mod load;
mod log;
mod monitoring;
mod operations;
mod operations_page;
mod outbound_proxy;
mod page_checks;
mod places;
mod prices_command;
mod readme;
mod refused_bodies;
mod refused_heads;
mod reload;
mod reverse_proxies;
mod rlimits;
mod send_timeout;
mod settings;
mod smuggling;
mod temporary_key;
mod tls;
mod unreachable;
mod unread;
mod upgrade;
mod upstream_timeouts;
mod usage_command;
mod usage_page;
mod user_limits;
mod user_requests;
mod users_command;

use std::net::SocketAddr;

use libtest_mimic::Trial;

use crate::{
    adapter::Running as _,
    programs::{self, ProgramTest},
    raw_connection::RawConnection,
    server::RunningServer,
    upstream::Upstream,
    wire::{self, settings as settings_for},
};

type Test = (&'static str, fn());

const TOPICS: &[(&str, &[Test])] = &[
    ("alerts", budgets::ALERTS),
    ("budgets", budgets::TESTS),
    ("budgets_ends", budgets::ENDS),
    ("budgets_kill", budgets::KILL),
    ("budgets_ledger", budgets::LEDGER),
    ("budgets_parallel", budgets::PARALLEL),
    ("budgets_refusals", budgets::REFUSALS),
    ("client_limits", client_limits::TESTS),
    ("commands", commands::TESTS),
    ("deploy", deploy::TESTS),
    ("drain", drain::TESTS),
    ("forwarded_prefix", forwarded_prefix::TESTS),
    ("temporary_key", temporary_key::TESTS),
    ("hostile_upstream", hostile_upstream::TESTS),
    ("hostile_upstream_http2", hostile_upstream_http2::TESTS),
    ("http2_attacks", http2_attacks::TESTS),
    ("http2_floods", http2_floods::TESTS),
    ("http2_upstream", http2_upstream::TESTS),
    ("operations", operations::TESTS),
    ("outbound_proxy", outbound_proxy::TESTS),
    ("places", places::TESTS),
    ("prices_command", prices_command::TESTS),
    ("readme", readme::TESTS),
    ("refused_bodies", refused_bodies::TESTS),
    ("refused_heads", refused_heads::TESTS),
    ("reconcile", usage_command::RECONCILE),
    ("usage_command", usage_command::TESTS),
    ("user_limits", user_limits::TESTS),
    ("user_bodies", user_limits::BODIES),
    ("user_load", user_limits::LOAD),
    ("user_places", user_limits::PLACES),
    ("user_reload", user_limits::RELOAD),
    ("user_requests", user_requests::TESTS),
    ("users_command", users_command::TESTS),
    ("reload", reload::TESTS),
    ("reverse_proxies", reverse_proxies::TESTS),
    ("rlimits", rlimits::TESTS),
    ("load", load::TESTS),
    ("log", log::TESTS),
    ("monitoring", monitoring::TESTS),
    ("admin", admin::TESTS),
    ("upstream_timeouts", upstream_timeouts::TESTS),
    ("send_timeout", send_timeout::TESTS),
    ("settings", settings::TESTS),
    ("smuggling", smuggling::TESTS),
    ("tls", tls::TESTS),
    ("unreachable", unreachable::TESTS),
    ("unread", unread::TESTS),
    ("upgrade", upgrade::TESTS),
];

/// Tests that need programs which a system may not have.
const PROGRAM_TOPICS: &[(&str, &[ProgramTest])] = &[
    ("admin", admin::PROGRAM_TESTS),
    ("balancer", balancer::PROGRAM_TESTS),
    ("debian", debian::PROGRAM_TESTS),
    ("deploy", deploy::PROGRAM_TESTS),
    ("front_page_in_a_browser", front_page::PROGRAM_TESTS),
    ("monitoring", monitoring::PROGRAM_TESTS),
    ("operations_page_in_a_browser", operations_page::PROGRAM_TESTS),
    ("reverse_proxies", reverse_proxies::PROGRAM_TESTS),
    ("usage_page_in_a_browser", usage_page::PROGRAM_TESTS),
];

/// One trial per test.
#[must_use]
pub fn trials() -> Vec<Trial> {
    let tests = TOPICS.iter().flat_map(|(topic, tests)| tests.iter().map(move |test| (topic, test)));
    let trial = |(topic, (name, run)): (&&str, &'static Test)| {
        Trial::test(format!("server::{topic}::{name}"), move || {
            run();
            Ok(())
        })
    };
    tests
        .map(trial)
        .chain(budgets::trials())
        .chain(program_trials())
        .chain(budgets::several_servers())
        .chain(dead_path::trials())
        .collect()
}

fn program_trials() -> impl Iterator<Item = Trial> {
    let tests = PROGRAM_TOPICS.iter().flat_map(|(topic, tests)| tests.iter().map(move |test| (topic, test)));
    tests.map(|(topic, (name, program, run))| programs::trial(format!("server::{topic}::{name}"), program, *run))
}

/// Starts the server with Tom's key in front of this upstream; `more` settings are added.
fn start(upstream: SocketAddr, more: &[(&str, &str)]) -> RunningServer {
    RunningServer::start(&settings_for(&format!("http://{upstream}"), more))
}

/// Sends a request and waits for its head at the upstream: the server and both connections.
fn forwarded(more: &[(&str, &str)], request: &str) -> (RunningServer, RawConnection, RawConnection) {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), more);
    let mut client = RawConnection::connect(proxy.address());
    client.send(request);
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    (proxy, client, upstream_conn)
}

/// Opens a WebSocket: the server and both connections, after the handshake.
fn websocket(more: &[(&str, &str)], target: &str) -> (RunningServer, RawConnection, RawConnection) {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), more);
    let (client, upstream_conn) = open_websocket(&proxy, &upstream, target);
    (proxy, client, upstream_conn)
}

/// An open WebSocket: the client's and the upstream's connection.
fn open_websocket(proxy: &RunningServer, upstream: &Upstream, target: &str) -> (RawConnection, RawConnection) {
    let opening = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut client = RawConnection::connect(proxy.address());
    client.send(wire::request("GET", target, opening));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    client.head();
    (client, upstream_conn)
}

fn get(target: &str) -> String {
    wire::request("GET", target, "")
}
