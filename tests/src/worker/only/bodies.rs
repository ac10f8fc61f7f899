//! Bodies do not pass through the wasm.

use std::thread;

use super::{read_response, start, stream};
use crate::{adapter::Running as _, raw_connection::RawConnection, upstream::Upstream, wire::request, worker::Worker};

/// Events of the stream without wasm calls.
const EVENTS: usize = 200;
/// Bytes of the body in each direction, far more than the wasm memory.
const SIZE: usize = 50 << 20;

pub(super) fn no_calls(worker: &Worker) {
    let upstream = Upstream::start();
    let proxy = start(worker, upstream.address());
    let (mut client, mut upstream_conn) = stream(&proxy, &upstream);
    upstream_conn.send_chunk("data: first\n\n");
    client.until("data: first\n\n");
    let before = proxy.tally();
    assert!(before.0 > 0, "calls are counted");
    for number in 0..EVENTS {
        let event = format!("data: {number}\n\n");
        upstream_conn.send_chunk(&event);
        client.until(&event);
    }
    assert_eq!(proxy.tally(), before, "calls and memory after {EVENTS} events");
}

pub(super) fn flat(worker: &Worker) {
    let upstream = Upstream::start();
    let proxy = start(worker, upstream.address());
    let exchange = || {
        let mut client = RawConnection::connect(proxy.address());
        client.send(request("POST", "/v1/files", &format!("content-length: {SIZE}\r\n")));
        let mut upstream_conn = upstream.accept();
        assert_eq!(upstream_conn.head().content_length(), Some(SIZE));
        let sender = thread::spawn(move || {
            client.send(vec![b'u'; SIZE]);
            client
        });
        assert!(upstream_conn.bytes(SIZE).iter().all(|byte| *byte == b'u'));
        let mut client = sender.join().expect("everything is sent");
        let sender = thread::spawn(move || {
            upstream_conn.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n"));
            upstream_conn.send(vec![b'd'; SIZE]);
        });
        let (head, body) = read_response(&mut client);
        assert_eq!(head.content_length(), Some(SIZE));
        assert!(body.iter().all(|byte| *byte == b'd'));
        sender.join().expect("everything is sent");
        proxy.tally()
    };
    let (first, memory) = exchange();
    let (second, after) = exchange();
    assert_eq!(after, memory, "bytes of wasm memory");
    assert!(memory < 4 << 20, "{memory} bytes of wasm memory");
    assert!(second - first < 200, "{} calls for a request", second - first);
}

pub(super) fn many_streams(worker: &Worker) {
    const STREAMS: usize = 300;
    let upstream = Upstream::start();
    let proxy = start(worker, upstream.address());
    let mut streams: Vec<_> = (0..STREAMS).map(|_| stream(&proxy, &upstream)).collect();
    for round in 0..10 {
        for (number, (_, upstream_conn)) in streams.iter_mut().enumerate() {
            upstream_conn.send_chunk(format!("data: {round} of {number}\n\n"));
        }
        for (number, (client, _)) in streams.iter_mut().enumerate() {
            client.until(format!("data: {round} of {number}\n\n"));
        }
    }
    for (client, upstream_conn) in &mut streams {
        upstream_conn.send("0\r\n\r\n");
        client.until("0\r\n\r\n");
    }
}
