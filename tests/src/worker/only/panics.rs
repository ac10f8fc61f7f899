//! A panic fails one request and no other.

use super::{read_response, start, stream};
use crate::{adapter::Running as _, raw_connection::RawConnection, upstream::Upstream, wire::request, worker::Worker};

pub(super) fn isolated(_: &Worker) {
    let worker = Worker::build("build-panicking", &["forced-panic"]);
    let upstream = Upstream::start();
    let proxy = start(&worker, upstream.address());
    let mut streams: Vec<_> = (0..3).map(|_| stream(&proxy, &upstream)).collect();
    for round in 0..3 {
        let mut client = RawConnection::connect(proxy.address());
        client.send(request("GET", "/panic", ""));
        assert_eq!(client.head().status(), 500);
        for (client, upstream_conn) in &mut streams {
            let event = format!("data: after panic {round}\n\n");
            upstream_conn.send_chunk(&event);
            client.until(&event);
        }
        let mut client = RawConnection::connect(proxy.address());
        client.send(request("GET", "/v1/models", ""));
        let mut upstream_conn = upstream.accept();
        upstream_conn.head();
        upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        let (head, body) = read_response(&mut client);
        assert_eq!((head.status(), &*body), (200, &b"ok"[..]));
    }
    // The log may arrive after the response.
    proxy.process.wait_for(|output| output.contains("forced").then_some(()));
}
