//! Tests that only the Lambda function has, one file per topic.

mod binary;
mod buffering;
mod concurrency;
mod deadline;
mod events;
mod freeze;
mod limits;
mod secrets;
mod streaming;
mod users;

use std::net::SocketAddr;

use libtest_mimic::Trial;

use super::{EventSource, Lambda, RunningFunction};
use crate::{
    adapter::Running as _,
    raw_connection::{Head, RawConnection},
    upstream::Upstream,
    wire,
};

type Test = (&'static str, fn());

const TOPICS: [(&str, &[Test]); 15] = [
    ("binary", binary::TESTS),
    ("buffering", buffering::TESTS),
    ("concurrency", concurrency::TESTS),
    ("deadline", deadline::TESTS),
    ("events", events::TESTS),
    ("freeze", freeze::TESTS),
    ("budgets", limits::BUDGETS),
    ("budgets_commands", limits::COMMANDS),
    ("budgets_failures", limits::FAILURES),
    ("budgets_freezes", limits::FREEZES),
    ("budgets_kills", limits::KILLS),
    ("rates", limits::RATES),
    ("secrets", secrets::TESTS),
    ("streaming", streaming::TESTS),
    ("users", users::TESTS),
];

/// One trial per test.
#[must_use]
pub(super) fn trials() -> Vec<Trial> {
    let tests = TOPICS.into_iter().flat_map(|(topic, tests)| tests.iter().map(move |test| (topic, test)));
    let trial = |(topic, (name, run)): (&str, &'static Test)| {
        Trial::test(format!("lambda::{topic}::{name}"), move || {
            run();
            Ok(())
        })
    };
    tests.map(trial).chain(limits::trials()).collect()
}

const STREAMING: Lambda = Lambda::new("lambda", EventSource::FunctionUrl, "stream");
const BUFFERING: Lambda = Lambda::new("lambda", EventSource::HttpApi, "buffer");

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// Starts a function with Tom's key and this upstream; `more` overrides settings.
fn start(lambda: Lambda, upstream: SocketAddr, more: &[(&str, &str)]) -> RunningFunction {
    lambda.start_function(&wire::settings(&format!("http://{upstream}"), more))
}

/// Starts a function and sends a request that the upstream has received.
fn start_request(lambda: Lambda, more: &[(&str, &str)]) -> (RunningFunction, Upstream, RawConnection, RawConnection) {
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

/// Reads a whole response.
fn read_response(client: &mut RawConnection) -> (Head, Vec<u8>) {
    let head = client.head();
    let body = client.body(&head);
    (head, body)
}

/// Checks that the response is this error in OpenAI's format.
#[track_caller]
fn assert_error(client: &mut RawConnection, status: u16, code: &str) {
    let (head, body) = read_response(client);
    assert_eq!((head.status(), wire::error_code(&body).as_str()), (status, code));
    assert_eq!(head.header("content-type"), Some("application/json"));
}
