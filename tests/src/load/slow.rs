//! Slow clients and upstreams.

use std::{net::SocketAddr, path::Path, thread, time::Duration};

use super::{raise_descriptor_limit, start};
use crate::{
    adapter::Running as _,
    procfs,
    raw_connection::RawConnection,
    upstream::{RespondingUpstream, Upstream},
    wire,
};

/// Bytes that a slow sender sends one by one.
const DELAYED: usize = 20;

/// Half of `count` clients send their heads in single bytes, half their bodies, all at once; other clients are served
/// meanwhile, and in the end each client receives its own response.
pub fn slow_senders(binary: &Path, count: usize) {
    raise_descriptor_limit(count as u64 * 4 + 1000);
    let upstream = RespondingUpstream::start(|request| echo(&request.body));
    let proxy = start(binary, upstream.address(), &[("HEADER_TIMEOUT", "3000")]);
    let head = wire::request("POST", "/v1/responses", &format!("content-length: {DELAYED}\r\n"));
    let body = |number| format!("{number:0DELAYED$}");
    let connect = |number| {
        let mut client = RawConnection::connect(proxy.address());
        let message = (head.clone() + &body(number)).into_bytes();
        let later = message.len() - if number % 2 == 0 { DELAYED } else { 2 * DELAYED };
        client.send(&message[..later]);
        (client, message[later..].to_vec())
    };
    let mut clients: Vec<_> = (0..count).map(connect).collect();
    for at in 0..2 * DELAYED {
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
    println!("{count} slow senders, other clients served meanwhile");
}

fn echo(body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// Checks that a new client is served.
fn served(address: SocketAddr) {
    let mut client = RawConnection::connect(address);
    client.send(wire::request("POST", "/v1/responses", "content-length: 2\r\n") + "ok");
    let head = client.head();
    assert_eq!((head.status(), client.body(&head)), (200, b"ok".to_vec()));
}

/// Bytes that a slow receiver reads at a time, and its pause before each read.
const PIECE: usize = 64 << 10;
const PAUSE: Duration = Duration::from_millis(1);
/// Memory growth of the process, at most, in KiB.
const GROWTH: u64 = 4 << 10;

/// Transfers a body of `size` bytes in each direction at once, from fast senders to slow receivers.
pub fn slow_peers(binary: &Path, size: usize) {
    let upstream = Upstream::start();
    let proxy = start(binary, upstream.address(), &[]);
    let process = proxy.process.id();
    let start_exchange = |request: String| {
        let mut client = RawConnection::connect(proxy.address());
        client.send(request);
        let mut upstream_conn = upstream.accept();
        upstream_conn.head();
        (client, upstream_conn)
    };
    let (uploading, receiving) =
        start_exchange(wire::request("POST", "/v1/files", &format!("content-length: {size}\r\n")));
    let (mut downloading, mut sending) = start_exchange(wire::request("GET", "/v1/files/1/content", ""));
    sending.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n"));
    assert_eq!(downloading.head().content_length(), Some(size));
    let before = procfs::resident(process);
    thread::scope(|scope| {
        // A sender stays open until the receivers have everything.
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
            receiver.join().expect("everything is received");
        }
        for sender in senders {
            drop(sender.join().expect("everything is sent"));
        }
    });
    let grown = procfs::resident_peak(process).saturating_sub(before);
    println!("{} MiB each way through slow peers: {grown} KiB more at most (RSS)", size >> 20);
    assert!(grown < GROWTH, "from {before} KiB by {grown} KiB");
}

/// Distinct pieces, so that a lost, repeated or swapped piece is detected.
fn piece(number: usize) -> Vec<u8> {
    let mut piece = vec![u8::try_from(number % 251).expect("a byte"); PIECE];
    piece[..8].copy_from_slice(&(number as u64).to_le_bytes());
    piece
}
