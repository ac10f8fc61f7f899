//! Many open streams.

use std::path::Path;

use super::{each, raise_descriptor_limit, start};
use crate::{
    adapter::Running as _,
    http2, procfs,
    raw_connection::RawConnection,
    upstream::Upstream,
    wire::{self, EVENTS},
};

/// Streams of one HTTP/2 connection.
const STREAMS_PER_CONNECTION: usize = 100;
/// Memory per stream, at most, in KiB.
const EACH: f64 = 60.0;

/// `count` open event streams, half over HTTP/1.1 and half over HTTP/2: each event reaches its own client while all
/// others are open.
pub fn open_streams(binary: &Path, count: usize) {
    raise_descriptor_limit(count as u64 * 4 + 1000);
    let upstream = Upstream::start();
    let proxy = start(binary, upstream.address(), &[]);
    let process = proxy.process.id();
    let before = procfs::proportional(process);
    let target = |number| format!("/v1/responses/{number}");
    let accept = |number| {
        let mut upstream_conn = upstream.accept();
        assert_eq!(upstream_conn.head().word(1), target(number));
        upstream_conn.send(EVENTS);
        upstream_conn
    };
    let (mut upstream_conns, mut http1, mut http2) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..count / 2 {
        let mut client = RawConnection::connect(proxy.address());
        client.send(wire::request("GET", &target(number), ""));
        upstream_conns.push(accept(number));
        client.head();
        http1.push(client);
    }
    let mut shared = None;
    for number in count / 2..count {
        if number % STREAMS_PER_CONNECTION == 0 {
            shared = None;
        }
        let client = shared.get_or_insert_with(|| http2::Client::connect(proxy.address()));
        let pending = client.send(wire::get(&target(number)));
        upstream_conns.push(accept(number));
        http2.push((pending.response().1, client.clone()));
    }
    for round in 0..3 {
        let event = |number| format!("data: {round} {number}\n\n");
        for (number, upstream) in upstream_conns.iter_mut().enumerate() {
            upstream.send_chunk(event(number));
        }
        for (number, client) in http1.iter_mut().enumerate() {
            assert_eq!(client.chunk(), event(number).as_bytes());
        }
        for (number, (stream, _)) in http2.iter_mut().enumerate() {
            let piece = stream.next_data().expect("the stream continues").expect("the stream is not cut");
            assert_eq!(piece, event(count / 2 + number).as_bytes());
        }
    }
    let each = each(before, procfs::proportional(process), count);
    println!("{count} open streams: {each:.1} KiB each (PSS)");
    assert!(each < EACH, "{each:.1} KiB for each stream");
}
