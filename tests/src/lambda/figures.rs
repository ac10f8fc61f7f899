//! Benchmarks of the function: start-up time, added latency, and the time that a budget takes.

use std::{
    net::SocketAddr,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::{EventSource, RuntimeApi, environment, invoker, table};
use crate::{
    adapter::Settings,
    chat,
    process::Process,
    raw_connection::RawConnection,
    upstream::{RespondingUpstream, Upstream},
    wire,
};

const MODEL: &str = "gpt-5-mini";

/// Times from process start to the first poll, sorted.
#[must_use]
pub fn starts(binary: &Path, runs: usize) -> Vec<Duration> {
    let run = |_| {
        let api = RuntimeApi::start(Duration::from_secs(900));
        let settings = settings(&api, "http://127.0.0.1:1");
        let start = Instant::now();
        let _function = Process::start(&mut Command::new(binary), &settings);
        api.first_poll() - start
    };
    sorted((0..runs).map(run).collect())
}

/// Times of a small streamed response, sorted: direct from the upstream, and through the function.
#[must_use]
pub fn responses(binary: &Path, runs: usize) -> (Vec<Duration>, Vec<Duration>) {
    let upstream = start_upstream();
    let api = RuntimeApi::start(Duration::from_secs(900));
    let settings = settings(&api, &format!("http://{upstream}"));
    let _function = Process::start(&mut Command::new(binary), &settings);
    let source = invoker::start(EventSource::FunctionUrl, api.queue());
    (measure(upstream, runs), measure(source, runs))
}

/// Times of a chat completion of a user without limits, and of one with a budget whose table responds at once, sorted. The next
/// request waits until the cost of the last one is stored.
#[must_use]
pub fn chats(binary: &Path, runs: usize) -> (Vec<Duration>, Vec<Duration>) {
    let upstream = RespondingUpstream::start(|_| chat::completion(MODEL, "Hi", 12, 30));
    let table = RespondingUpstream::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".into());
    let measure = |users: &str| {
        let api = RuntimeApi::start(Duration::from_secs(900));
        let mut settings = settings(&api, &format!("http://{}", upstream.address()));
        settings.insert("USERS".to_owned(), users.to_owned());
        let table = table::settings(table.address(), "sparekey");
        settings.extend(table.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let _function = Process::start(&mut Command::new(binary), &settings);
        let mut client = RawConnection::connect(invoker::start(EventSource::FunctionUrl, api.queue()));
        let request = chat::post("/v1/chat/completions", &chat::body(MODEL, 100, false));
        let run = |_| {
            let start = Instant::now();
            client.send(&request);
            let head = client.head();
            assert_eq!(head.status(), 200);
            client.body(&head);
            start.elapsed()
        };
        sorted((0..runs).map(run).collect())
    };
    (measure("[users.Tom]"), measure("[users.Tom]\nbudgets = [{ usd = 1000, per = \"month\" }]"))
}

fn settings(api: &RuntimeApi, upstream: &str) -> Settings {
    let mut settings = environment(&api.address().to_string());
    settings.extend(wire::settings(upstream, &[("LOG", "info")]));
    settings
}

fn measure(address: SocketAddr, runs: usize) -> Vec<Duration> {
    let mut client = RawConnection::connect(address);
    let run = |_| {
        let start = Instant::now();
        client.send(wire::request("GET", "/v1/responses", ""));
        let head = client.head();
        assert_eq!(client.body(&head), b"data: 1\n\ndata: 2\n\n");
        start.elapsed()
    };
    sorted((0..runs).map(run).collect())
}

/// An upstream that sends its head and two events in separate writes, as a model does.
fn start_upstream() -> SocketAddr {
    let upstream = Upstream::start();
    let address = upstream.address();
    thread::spawn(move || {
        for _ in 0..2 {
            let mut peer = upstream.accept();
            thread::spawn(move || {
                while peer.has_more() {
                    peer.head();
                    peer.send(
                        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
                    );
                    for piece in ["9\r\ndata: 1\n\n\r\n", "9\r\ndata: 2\n\n\r\n", "0\r\n\r\n"] {
                        thread::sleep(Duration::from_micros(500));
                        peer.send(piece);
                    }
                }
            });
        }
    });
    address
}

fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort();
    times
}
