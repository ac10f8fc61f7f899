//! The release binary: its size, and that small writes are not delayed.

use std::{fs, time::Duration};

use super::Test;
use crate::lambda::{binary, figures};

pub(super) const TESTS: &[Test] = &[("size", small), ("tcp_nodelay", nodelay)];

/// Bytes of the stripped binary, at most; 0.6 MB are the reader of the users file and the time zones.
const SIZE: u64 = 5_200_000;

fn small() {
    let size = fs::metadata(binary()).expect("the binary exists").len();
    println!("lambda: the stripped binary has {size} bytes");
    assert!(size < SIZE, "{size}");
}

/// Linux's shortest delayed acknowledgement (`TCP_DELACK_MIN`). With Nagle's algorithm each response waits for one.
const DELAYED_ACK: Duration = Duration::from_millis(40);

/// Takes the fastest of a hundred, because load on the machine makes none faster.
fn nodelay() {
    let (_, proxied) = figures::responses(&binary(), 100);
    assert!(proxied[0] < DELAYED_ACK, "{:?}", proxied[0]);
}
