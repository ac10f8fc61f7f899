//! What the Lambda function alone has, each theme in a file of its own.

mod at_once;
mod buffer;
mod deadline;
mod events;
mod freeze;
mod secrets;
mod shipped;
mod stream;

use std::net::SocketAddr;

use libtest_mimic::Trial;

use super::{Invoked, Kind, Lambda};
use crate::{
    adapter::Running as _,
    raw_connection::{Head, RawConnection},
    upstream::Upstream,
    wire,
};

type Test = (&'static str, fn());

const THEMES: [(&str, &[Test]); 8] = [
    ("at_once", at_once::TESTS),
    ("buffer", buffer::TESTS),
    ("deadline", deadline::TESTS),
    ("events", events::TESTS),
    ("freeze", freeze::TESTS),
    ("secrets", secrets::TESTS),
    ("shipped", shipped::TESTS),
    ("stream", stream::TESTS),
];

/// One trial a test.
#[must_use]
pub(super) fn trials() -> Vec<Trial> {
    let tests = THEMES.into_iter().flat_map(|(theme, tests)| tests.iter().map(move |test| (theme, test)));
    let trial = |(theme, (name, run)): (&str, &'static Test)| {
        Trial::test(format!("lambda::{theme}::{name}"), move || {
            run();
            Ok(())
        })
    };
    tests.map(trial).collect()
}

const STREAMED: Lambda = Lambda::new("lambda", Kind::FunctionUrl, "stream");
const BUFFERED: Lambda = Lambda::new("lambda", Kind::HttpApi, "buffer");

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// Starts a function for Tom before this upstream; `more` settings come on top.
fn start(lambda: Lambda, upstream: SocketAddr, more: &[(&str, &str)]) -> Invoked {
    lambda.invoked(&wire::settings(&format!("http://{upstream}"), more))
}

/// A request that the upstream has.
fn asked(lambda: Lambda, more: &[(&str, &str)]) -> (Invoked, Upstream, RawConnection, RawConnection) {
    let upstream = Upstream::start();
    let function = start(lambda, upstream.address(), more);
    let mut client = RawConnection::connect(function.address());
    client.send(get("/v1/responses"));
    let mut serving = upstream.accept();
    serving.head();
    (function, upstream, client, serving)
}

fn get(target: &str) -> String {
    wire::request("GET", target, "")
}

/// The answer, whole.
fn answer(client: &mut RawConnection) -> (Head, Vec<u8>) {
    let head = client.head();
    let body = client.body(&head);
    (head, body)
}

/// The answer is this error, in the usual envelope.
#[track_caller]
fn is_error(client: &mut RawConnection, status: u16, code: &str) {
    let (head, body) = answer(client);
    assert_eq!((head.status(), wire::error_code(&body).as_str()), (status, code));
    assert_eq!(head.header("content-type"), Some("application/json"));
}
