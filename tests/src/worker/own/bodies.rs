//! Bodies stay outside the wasm.

use std::thread;

use super::{answer, start, stream};
use crate::{adapter::Running as _, peer::Peer, upstream::Upstream, wire::request, worker::Worker};

const EVENTS: usize = 200;
const SIZE: usize = 50 << 20;

pub(super) fn no_calls(worker: &Worker) {
    let upstream = Upstream::start();
    let serving = start(worker, upstream.address());
    let (mut client, mut sending) = stream(&serving, &upstream);
    sending.send_chunk("data: first\n\n");
    client.until("data: first\n\n");
    let before = serving.tally();
    assert!(before.0 > 0, "calls are counted");
    for number in 0..EVENTS {
        let event = format!("data: {number}\n\n");
        sending.send_chunk(&event);
        client.until(&event);
    }
    assert_eq!(serving.tally(), before, "calls and memory after {EVENTS} events");
}

pub(super) fn flat(worker: &Worker) {
    let upstream = Upstream::start();
    let serving = start(worker, upstream.address());
    let exchange = || {
        let mut client = Peer::connect(serving.address());
        client.send(request("POST", "/v1/files", &format!("content-length: {SIZE}\r\n")));
        let mut sending = upstream.accept();
        assert_eq!(sending.head().content_length(), Some(SIZE));
        let sender = thread::spawn(move || {
            client.send(vec![b'u'; SIZE]);
            client
        });
        assert!(sending.bytes(SIZE).iter().all(|byte| *byte == b'u'));
        let mut client = sender.join().expect("all is sent");
        let sender = thread::spawn(move || {
            sending.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n"));
            sending.send(vec![b'd'; SIZE]);
        });
        let (head, body) = answer(&mut client);
        assert_eq!(head.content_length(), Some(SIZE));
        assert!(body.iter().all(|byte| *byte == b'd'));
        sender.join().expect("all is sent");
        serving.tally()
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
    let serving = start(worker, upstream.address());
    let mut streams: Vec<_> = (0..STREAMS).map(|_| stream(&serving, &upstream)).collect();
    for round in 0..10 {
        for (number, (_, sending)) in streams.iter_mut().enumerate() {
            sending.send_chunk(format!("data: {round} of {number}\n\n"));
        }
        for (number, (client, _)) in streams.iter_mut().enumerate() {
            client.until(format!("data: {round} of {number}\n\n"));
        }
    }
    for (client, sending) in &mut streams {
        sending.send("0\r\n\r\n");
        client.until("0\r\n\r\n");
    }
}
