//! No descriptor left.

use std::{path::Path, thread, time::Duration};

use super::{healthy, start};
use crate::{
    adapter::Running as _,
    procfs,
    raw_connection::RawConnection,
    upstream::Upstream,
    wire::{self, refused},
};

/// Descriptors beyond those that the server has open.
const LEFT: usize = 20;
/// Clients that come then.
const TOO_MANY: usize = 200;
/// How long the server is watched.
const WATCHED: Duration = Duration::from_secs(2);
/// The share of a core that it may use meanwhile.
const SHARE: f64 = 0.05;

/// A server without a free descriptor serves whom it has, gives an error where it needs another, does not spin, and
/// takes the others once it can.
pub fn exhausted(binary: &Path) {
    let upstream = Upstream::start();
    let proxy = start(binary, upstream.address(), &[("HEADER_TIMEOUT", "3000")]);
    let process = proxy.process.id();
    let mut first = RawConnection::connect(proxy.address());
    first.send(wire::request("GET", "/v1/models", ""));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    let mut second = RawConnection::connect(proxy.address());
    healthy(&mut second);

    let limit = (procfs::descriptors(process) + LEFT) as u64;
    let id = i32::try_from(process).expect("a process id");
    rlimit::prlimit(id, rlimit::Resource::NOFILE, Some((limit, limit)), None).expect("a child's limits may be lowered");
    let mut crowd: Vec<_> = (0..TOO_MANY).map(|_| RawConnection::connect(proxy.address())).collect();
    proxy.process.wait_for(|line| line.contains("can't accept a connection").then_some(()));

    let before = procfs::cpu(process);
    thread::sleep(WATCHED);
    let used = procfs::cpu(process).saturating_sub(before);
    let share = used.as_secs_f64() / WATCHED.as_secs_f64();
    println!("without descriptors: {:.1} % of a core", share * 100.0);
    assert!(share < SHARE, "it used {used:?} in {WATCHED:?}");

    healthy(&mut second);
    second.send(wire::request("GET", "/v1/models", ""));
    refused(&mut second, 502, "upstream_unreachable");
    upstream_conn.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
    let head = first.head();
    assert_eq!((head.status(), first.body(&head)), (200, b"ok".to_vec()));
    assert!(upstream.is_untouched());

    let mut last = crowd.pop().expect("a crowd");
    drop(crowd);
    healthy(&mut last);
    last.send(wire::request("GET", "/v1/models", ""));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(last.head().status(), 200);
}
