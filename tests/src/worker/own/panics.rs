//! A panic ends one request, and nothing else.

use super::{answer, start, stream};
use crate::{adapter::Running as _, peer::Peer, upstream::Upstream, wire::request, worker::Worker};

pub(super) fn isolated(_: &Worker) {
    let worker = Worker::build("build-panicking", &["forced-panic"]);
    let upstream = Upstream::start();
    let serving = start(&worker, upstream.address());
    let mut streams: Vec<_> = (0..3).map(|_| stream(&serving, &upstream)).collect();
    for round in 0..3 {
        let mut client = Peer::connect(serving.address());
        client.send(request("GET", "/panic", ""));
        assert_eq!(client.head().status(), 500);
        for (client, sending) in &mut streams {
            let event = format!("data: after panic {round}\n\n");
            sending.send_chunk(&event);
            client.until(&event);
        }
        let mut client = Peer::connect(serving.address());
        client.send(request("GET", "/v1/models", ""));
        let mut sending = upstream.accept();
        sending.head();
        sending.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        let (head, body) = answer(&mut client);
        assert_eq!((head.status(), &*body), (200, &b"ok"[..]));
    }
    assert!(serving.process.said().contains("forced"), "it was a panic");
}
