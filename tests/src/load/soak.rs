//! All kinds of requests at once, for some time.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use super::{raise_descriptor_limit, start};
use crate::{
    adapter::Running as _,
    http2, procfs,
    raw_connection::RawConnection,
    server::RunningServer,
    upstream::{ReceivedRequest, RespondingUpstream},
    wire::{self, assert_rejected},
};

/// Concurrent clients.
const CLIENTS: usize = 8;
/// Memory growth of the process, at most, in KiB, from the first fifth of the time to the last.
const GROWTH: u64 = 4 << 10;

type Action = fn(&RunningServer, &mut RawConnection, &str);

/// What clients do, and what they must receive.
const ACTIONS: &[(&str, Action)] = &[
    ("small requests", |_, client, word| {
        client.send(wire::request("POST", "/v1/echo", &format!("content-length: {}\r\n", word.len())) + word);
        assert_response(client, 200, word);
    }),
    ("streams", |_, client, word| {
        client.send(wire::request("GET", &format!("/v1/events/{word}"), ""));
        assert_response(client, 200, &format!("data: {word}\n\n").repeat(EVENTS));
    }),
    ("uploads in chunks", |proxy, _, word| {
        // The server closes the connection after a chunked request.
        let mut client = RawConnection::connect(proxy.address());
        let data = word.repeat((64 << 10) / word.len());
        client.send(wire::request("POST", "/v1/echo", "transfer-encoding: chunked\r\n"));
        for _ in 0..8 {
            client.send_chunk(&data);
        }
        client.send("0\r\n\r\n");
        assert_response(&mut client, 200, &data.repeat(8));
    }),
    ("requests over HTTP/2", |proxy, _, word| {
        let mut client = http2::Client::connect(proxy.address());
        let pending: Vec<_> = (0..8).map(|n| client.send(wire::get(&format!("/v1/target/{word}/{n}")))).collect();
        for (number, pending) in pending.into_iter().enumerate() {
            let (head, body) = pending.response();
            assert_eq!((head.status.as_u16(), body.all()), (200, format!("/v1/target/{word}/{number}").into_bytes()));
        }
    }),
    ("wrong keys", |_, client, _| {
        client.send("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-Tom-wrongwrong\r\n\r\n");
        assert_rejected(client, 401, "invalid_api_key");
    }),
    ("path traversal", |_, client, word| {
        client.send(wire::request("GET", &format!("/v1/{word}/../../admin"), ""));
        assert_rejected(client, 400, "invalid_path");
    }),
    ("no response", |_, client, _| {
        client.send(wire::request("GET", "/v1/nothing", ""));
        assert_rejected(client, 502, "upstream_failed");
    }),
    ("truncated responses", |proxy, _, _| {
        let mut client = RawConnection::connect(proxy.address());
        client.send(wire::request("GET", "/v1/broken", ""));
        client.until("half");
        assert!(!client.rest().0.ends_with(b"0\r\n\r\n"), "a truncated body must not look complete");
    }),
    ("client disconnects", |proxy, _, word| {
        let mut client = RawConnection::connect(proxy.address());
        client.send(wire::request("GET", &format!("/v1/events/{word}"), ""));
        client.until("data: ");
        client.reset();
    }),
];

/// Events per stream.
const EVENTS: usize = 50;

fn assert_response(client: &mut RawConnection, status: u16, body: &str) {
    let head = client.head();
    assert_eq!(head.status(), status);
    assert!(client.body(&head) == body.as_bytes(), "the response belongs to another request");
}

fn respond(request: &ReceivedRequest) -> Vec<u8> {
    let target = request.head.word(1).to_owned();
    let whole =
        |body: &[u8]| [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat();
    match target.split('/').nth(2) {
        Some("echo") => whole(&request.body),
        Some("target") => whole(target.as_bytes()),
        Some("events") => {
            let event = format!("data: {}\n\n", target.trim_start_matches("/v1/events/"));
            let chunk = format!("{:x}\r\n{event}\r\n", event.len());
            (wire::EVENTS.to_owned() + &chunk.repeat(EVENTS) + "0\r\n\r\n").into_bytes()
        }
        // An invalid chunk size follows.
        Some("broken") => (wire::EVENTS.to_owned() + "4\r\nhalf\r\nx").into_bytes(),
        _ => Vec::new(),
    }
}

/// Runs clients of every kind for this long: no response is wrong, and memory stays flat.
pub fn soak(binary: &Path, time: Duration) {
    raise_descriptor_limit(1000);
    let upstream = RespondingUpstream::start(respond);
    let proxy = start(binary, upstream.address(), &[("LOG", "warn,sparekey=info")]);
    let process = proxy.process.id();
    let counts = Mutex::new(BTreeMap::<&str, usize>::new());
    let start_time = Instant::now();
    let (mut warm, mut least) = (0, u64::MAX);
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (proxy, counts) = (&proxy, &counts);
            scope.spawn(move || {
                let mut client = RawConnection::connect(proxy.address());
                for round in 0.. {
                    if start_time.elapsed() > time {
                        break;
                    }
                    let (what, action) = ACTIONS[(number + round) % ACTIONS.len()];
                    action(proxy, &mut client, &format!("{number}-{round}"));
                    *counts.lock().expect("no client has failed").entry(what).or_default() += 1;
                }
            });
        }
        thread::sleep(time / 5);
        warm = procfs::resident(process);
        // The upstream stores requests until they are taken.
        while start_time.elapsed() < time {
            drop(upstream.take());
            thread::sleep(time / 100);
            // Memory use fluctuates; a leak shows in the minimum of the last fifth.
            if start_time.elapsed() > time * 4 / 5 {
                least = least.min(procfs::resident(process));
            }
        }
    });
    let grown = least.saturating_sub(warm);
    let counts = counts.into_inner().expect("no client has failed");
    println!("{time:?} of {CLIENTS} clients: {} responses, none wrong: {counts:?}", counts.values().sum::<usize>());
    println!("memory from {warm} KiB by {grown} KiB (RSS)");
    assert_eq!(counts.len(), ACTIONS.len(), "every kind ran");
    assert!(grown < GROWTH, "from {warm} KiB by {grown} KiB");
}
