//! Peers that take their time.

use std::{net::SocketAddr, path::Path, thread, time::Duration};

use super::{raise_descriptor_limit, start};
use crate::{
    adapter::Running as _,
    procfs,
    raw_connection::RawConnection,
    upstream::{RespondingUpstream, Upstream},
    wire,
};

/// Bytes that a slow sender keeps for later.
const KEPT: usize = 20;

/// Half of `count` clients send their heads in single bytes, half their bodies, all at once; others are served
/// meanwhile, and in the end each gets its own answer.
pub fn slow_senders(binary: &Path, count: usize) {
    raise_descriptor_limit(count as u64 * 4 + 1000);
    let upstream = RespondingUpstream::start(|request| echo(&request.body));
    let proxy = start(binary, upstream.address(), &[("HEADER_TIMEOUT", "3000")]);
    let head = wire::request("POST", "/v1/responses", &format!("content-length: {KEPT}\r\n"));
    let body = |number| format!("{number:0KEPT$}");
    let begun = |number| {
        let mut client = RawConnection::connect(proxy.address());
        let message = (head.clone() + &body(number)).into_bytes();
        let later = message.len() - if number % 2 == 0 { KEPT } else { 2 * KEPT };
        client.send(&message[..later]);
        (client, message[later..].to_vec())
    };
    let mut clients: Vec<_> = (0..count).map(begun).collect();
    for at in 0..2 * KEPT {
        for (client, later) in &mut clients {
            if let Some(byte) = later.get(at) {
                client.send([*byte]);
            }
        }
        served(proxy.address());
    }
    for (number, (client, _)) in clients.iter_mut().enumerate() {
        let head = client.head();
        assert_eq!((head.status(), client.body(&head)), (200, body(number).into_bytes()));
    }
    println!("{count} slow senders, others served meanwhile");
}

fn echo(body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// A stranger is served as ever.
fn served(address: SocketAddr) {
    let mut client = RawConnection::connect(address);
    client.send(wire::request("POST", "/v1/responses", "content-length: 2\r\n") + "ok");
    let head = client.head();
    assert_eq!((head.status(), client.body(&head)), (200, b"ok".to_vec()));
}

/// What a slow connection takes at a time, and the time it takes.
const PIECE: usize = 64 << 10;
const PAUSE: Duration = Duration::from_millis(1);
/// What the whole may add to the process, in KiB.
const GROWTH: u64 = 4 << 10;

/// A body of `size` bytes each way, at once, from senders that never wait to receivers that always do.
pub fn slow_peers(binary: &Path, size: usize) {
    let upstream = Upstream::start();
    let proxy = start(binary, upstream.address(), &[]);
    let process = proxy.process.id();
    let begin = |request: String| {
        let mut client = RawConnection::connect(proxy.address());
        client.send(request);
        let mut upstream_conn = upstream.accept();
        upstream_conn.head();
        (client, upstream_conn)
    };
    let (uploading, receiving) = begin(wire::request("POST", "/v1/files", &format!("content-length: {size}\r\n")));
    let (mut downloading, mut sending) = begin(wire::request("GET", "/v1/files/1/content", ""));
    sending.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n"));
    assert_eq!(downloading.head().content_length(), Some(size));
    let before = procfs::resident(process);
    thread::scope(|scope| {
        // Who has sent all stays until all has come.
        let senders = [uploading, sending].map(|mut sender| {
            scope.spawn(move || {
                (0..size / PIECE).for_each(|number| sender.send(piece(number)));
                sender
            })
        });
        let receivers = [receiving, downloading].map(|mut receiver| {
            scope.spawn(move || {
                for number in 0..size / PIECE {
                    thread::sleep(PAUSE);
                    assert!(receiver.bytes(PIECE) == piece(number), "piece {number} passes unchanged");
                }
            })
        });
        for receiver in receivers {
            receiver.join().expect("all has come");
        }
        for sender in senders {
            drop(sender.join().expect("all was taken"));
        }
    });
    let grown = procfs::resident_peak(process).saturating_sub(before);
    println!("{} MiB each way through slow peers: {grown} KiB more at most (RSS)", size >> 20);
    assert!(grown < GROWTH, "from {before} KiB by {grown} KiB");
}

/// StreamedBody that differ, so that a lost, repeated or swapped one shows.
fn piece(number: usize) -> Vec<u8> {
    let mut piece = vec![u8::try_from(number % 251).expect("a byte"); PIECE];
    piece[..8].copy_from_slice(&(number as u64).to_le_bytes());
    piece
}
