//! Sequential and concurrent invocations with one binary.

use std::{thread, time::Duration};

use super::{OK, STREAMING, Test, get, read_response, start};
use crate::{adapter::Running as _, raw_connection::RawConnection, upstream::Upstream};

pub(super) const TESTS: &[Test] = &[
    ("sequential_by_default", one),
    ("max_concurrency_events_in_parallel", four),
    ("stream_continues_beside_other_requests", interleaved),
];

fn clients(address: std::net::SocketAddr, number: usize) -> Vec<RawConnection> {
    let mut clients: Vec<_> = (0..number).map(|_| RawConnection::connect(address)).collect();
    for client in &mut clients {
        client.send(get("/v1/models"));
    }
    clients
}

fn one() {
    let upstream = Upstream::start();
    let function = start(STREAMING, upstream.address(), &[]);
    let mut waiting = clients(function.address(), 2);
    let mut serving = upstream.accept();
    serving.head();
    // Time for a second request to arrive by mistake.
    thread::sleep(Duration::from_millis(200));
    assert!(upstream.is_untouched() && !serving.has_unread());
    for last in [false, true] {
        serving.send(OK);
        if !last {
            serving.head();
        }
    }
    for client in &mut waiting {
        assert_eq!(read_response(client).1, b"ok");
    }
}

fn four() {
    let upstream = Upstream::start();
    let function = start(STREAMING, upstream.address(), &[("AWS_LAMBDA_MAX_CONCURRENCY", "4")]);
    let mut waiting = clients(function.address(), 4);
    let mut serving: Vec<_> = (0..4).map(|_| upstream.accept()).collect();
    // All four reach the upstream before the first response.
    for peer in &mut serving {
        peer.head();
    }
    for peer in serving.iter_mut().rev() {
        peer.send(OK);
    }
    for client in &mut waiting {
        assert_eq!(read_response(client).1, b"ok");
    }
}

fn interleaved() {
    let upstream = Upstream::start();
    let function = start(STREAMING, upstream.address(), &[("AWS_LAMBDA_MAX_CONCURRENCY", "2")]);
    let mut long = RawConnection::connect(function.address());
    long.send(get("/v1/responses"));
    let mut slow = upstream.accept();
    slow.head();
    slow.send(super::CHUNKED);
    for number in 0..3 {
        let event = format!("data: {number}\n\n");
        slow.send_chunk(&event);
        long.until(&event);
        let mut short = RawConnection::connect(function.address());
        short.send(get("/v1/models"));
        // The later ones reuse the connection of the first.
        if number == 0 {
            let mut serving = upstream.accept();
            thread::spawn(move || {
                while serving.has_more() {
                    serving.head();
                    serving.send(OK);
                }
            });
        }
        assert_eq!(read_response(&mut short).1, b"ok");
    }
    slow.send("0\r\n\r\n");
    long.until("0\r\n\r\n");
}
