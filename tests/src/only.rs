//! Tests of the standalone server alone, one file per topic.

mod admin;
mod client_limits;
mod drain;
mod hostile_upstream;
mod hostile_upstream_http2;
mod http2_attacks;
mod http2_floods;
mod http2_upstream;
mod load;
mod log;
mod places;
mod refused_heads;
mod rlimits;
mod send_timeout;
mod settings;
mod smuggling;
mod temporary_key;
mod tls;
mod unreachable;
mod unread;
mod upstream_timeouts;
mod user_requests;

use std::net::SocketAddr;

use libtest_mimic::Trial;

use crate::{
    adapter::Running as _,
    raw_connection::RawConnection,
    server::RunningServer,
    upstream::Upstream,
    wire::{self, settings as settings_for},
};

type Test = (&'static str, fn());

const TOPICS: [(&str, &[Test]); 22] = [
    ("client_limits", client_limits::TESTS),
    ("drain", drain::TESTS),
    ("temporary_key", temporary_key::TESTS),
    ("hostile_upstream", hostile_upstream::TESTS),
    ("hostile_upstream_http2", hostile_upstream_http2::TESTS),
    ("http2_attacks", http2_attacks::TESTS),
    ("http2_floods", http2_floods::TESTS),
    ("http2_upstream", http2_upstream::TESTS),
    ("places", places::TESTS),
    ("refused_heads", refused_heads::TESTS),
    ("user_requests", user_requests::TESTS),
    ("rlimits", rlimits::TESTS),
    ("load", load::TESTS),
    ("log", log::TESTS),
    ("admin", admin::TESTS),
    ("upstream_timeouts", upstream_timeouts::TESTS),
    ("send_timeout", send_timeout::TESTS),
    ("settings", settings::TESTS),
    ("smuggling", smuggling::TESTS),
    ("tls", tls::TESTS),
    ("unreachable", unreachable::TESTS),
    ("unread", unread::TESTS),
];

/// One trial per test.
#[must_use]
pub fn trials() -> Vec<Trial> {
    let tests = TOPICS.into_iter().flat_map(|(topic, tests)| tests.iter().map(move |test| (topic, test)));
    let trial = |(topic, (name, run)): (&str, &'static Test)| {
        Trial::test(format!("server::{topic}::{name}"), move || {
            run();
            Ok(())
        })
    };
    tests.map(trial).collect()
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
    let opening = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let (proxy, mut client, mut upstream_conn) = forwarded(more, &wire::request("GET", target, opening));
    upstream_conn.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    client.head();
    (proxy, client, upstream_conn)
}

fn get(target: &str) -> String {
    wire::request("GET", target, "")
}
