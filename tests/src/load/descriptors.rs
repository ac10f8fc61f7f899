//! The server without free descriptors.

use std::{path::Path, thread, time::Duration};

use super::{healthy, start};
use crate::{
    adapter::Running as _,
    procfs,
    raw_connection::RawConnection,
    upstream::Upstream,
    wire::{self, assert_rejected},
};

/// Free descriptors at the start.
const FREE: usize = 20;
/// Clients that connect, more than the free descriptors.
const TOO_MANY: usize = 200;
/// The time over which the server's CPU use is measured.
const WINDOW: Duration = Duration::from_secs(2);
/// The share of a core that the server may use in that time.
const SHARE: f64 = 0.05;

/// A server without a free descriptor serves its open connections, responds with an error where it needs another
/// descriptor, does not spin, and accepts the waiting connections once descriptors are free.
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

    let limit = (procfs::descriptors(process) + FREE) as u64;
    let id = i32::try_from(process).expect("a process id");
    rlimit::prlimit(id, rlimit::Resource::NOFILE, Some((limit, limit)), None).expect("lower the child's limit");
    let mut queued: Vec<_> = (0..TOO_MANY).map(|_| RawConnection::connect(proxy.address())).collect();
    proxy.process.wait_for(|line| line.contains("cannot accept a connection").then_some(()));

    let before = procfs::cpu(process);
    thread::sleep(WINDOW);
    let used = procfs::cpu(process).saturating_sub(before);
    let share = used.as_secs_f64() / WINDOW.as_secs_f64();
    println!("without descriptors: {:.1} % of a core", share * 100.0);
    assert!(share < SHARE, "it used {used:?} in {WINDOW:?}");

    healthy(&mut second);
    second.send(wire::request("GET", "/v1/models", ""));
    assert_rejected(&mut second, 502, "upstream_unreachable");
    upstream_conn.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
    let head = first.head();
    assert_eq!((head.status(), first.body(&head)), (200, b"ok".to_vec()));
    assert!(upstream.is_untouched());

    let mut last = queued.pop().expect("a queued");
    drop(queued);
    healthy(&mut last);
    last.send(wire::request("GET", "/v1/models", ""));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(last.head().status(), 200);
}
