//! What the function costs: from its start to the first poll, and on top of an upstream's answer.

use std::{
    net::SocketAddr,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::{Kind, RuntimeApi, environment, front};
use crate::{adapter::Settings, process::Process, raw_connection::RawConnection, upstream::Upstream, wire};

/// From the start of the program to its first poll, `runs` times, in order of length.
#[must_use]
pub fn starts(binary: &Path, runs: usize) -> Vec<Duration> {
    let once = |_| {
        let api = RuntimeApi::start(Duration::from_secs(900));
        let settings = settings(&api, "http://127.0.0.1:1");
        let begun = Instant::now();
        let _function = Process::start(&mut Command::new(binary), &settings);
        api.first_poll() - begun
    };
    sorted((0..runs).map(once).collect())
}

/// A small streamed answer, `runs` times, in order of length: straight from the upstream, and through the function.
#[must_use]
pub fn answers(binary: &Path, runs: usize) -> (Vec<Duration>, Vec<Duration>) {
    let upstream = streaming();
    let api = RuntimeApi::start(Duration::from_secs(900));
    let settings = settings(&api, &format!("http://{upstream}"));
    let _function = Process::start(&mut Command::new(binary), &settings);
    let front = front::start(Kind::FunctionUrl, api.queue());
    (ask(upstream, runs), ask(front, runs))
}

fn settings(api: &RuntimeApi, upstream: &str) -> Settings {
    let mut settings = environment(&api.address().to_string());
    settings.extend(wire::settings(upstream, &[("LOG", "info")]));
    settings
}

fn ask(address: SocketAddr, runs: usize) -> Vec<Duration> {
    let mut client = RawConnection::connect(address);
    let once = |_| {
        let begun = Instant::now();
        client.send(wire::request("GET", "/v1/responses", ""));
        let head = client.head();
        assert_eq!(client.body(&head), b"data: 1\n\ndata: 2\n\n");
        begun.elapsed()
    };
    sorted((0..runs).map(once).collect())
}

/// An upstream whose head and two events leave each by itself, as a model's do.
fn streaming() -> SocketAddr {
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
