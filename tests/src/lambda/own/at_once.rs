//! One binary, sequential and concurrent.

use std::{thread, time::Duration};

use super::{OK, STREAMED, Test, answer, get, start};
use crate::{adapter::Running as _, raw_connection::RawConnection, upstream::Upstream};

pub(super) const TESTS: &[Test] = &[
    ("one_event_at_a_time_unless_said_otherwise", one),
    ("as_many_events_at_once_as_said", four),
    ("a_stream_goes_on_while_others_begin_and_end", interleaved),
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
    let function = start(STREAMED, upstream.address(), &[]);
    let mut waiting = clients(function.address(), 2);
    let mut serving = upstream.accept();
    serving.head();
    // Nothing says that nothing will come, but it has had time to.
    thread::sleep(Duration::from_millis(200));
    assert!(upstream.is_untouched() && !serving.has_unread());
    for last in [false, true] {
        serving.send(OK);
        if !last {
            serving.head();
        }
    }
    for client in &mut waiting {
        assert_eq!(answer(client).1, b"ok");
    }
}

fn four() {
    let upstream = Upstream::start();
    let function = start(STREAMED, upstream.address(), &[("AWS_LAMBDA_MAX_CONCURRENCY", "4")]);
    let mut waiting = clients(function.address(), 4);
    let mut serving: Vec<_> = (0..4).map(|_| upstream.accept()).collect();
    // All four are upstream before one is answered.
    for peer in &mut serving {
        peer.head();
    }
    for peer in serving.iter_mut().rev() {
        peer.send(OK);
    }
    for client in &mut waiting {
        assert_eq!(answer(client).1, b"ok");
    }
}

fn interleaved() {
    let upstream = Upstream::start();
    let function = start(STREAMED, upstream.address(), &[("AWS_LAMBDA_MAX_CONCURRENCY", "2")]);
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
        // The connection of the first of them is used again.
        if number == 0 {
            let mut serving = upstream.accept();
            thread::spawn(move || {
                while serving.has_more() {
                    serving.head();
                    serving.send(OK);
                }
            });
        }
        assert_eq!(answer(&mut short).1, b"ok");
    }
    slow.send("0\r\n\r\n");
    long.until("0\r\n\r\n");
}
