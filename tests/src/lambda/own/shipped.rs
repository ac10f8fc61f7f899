//! What is shipped: how large it is, and that no small piece of an answer waits for an acknowledgement.

use std::{fs, time::Duration};

use super::Test;
use crate::lambda::{binary, figures};

pub(super) const TESTS: &[Test] = &[("the_binary_is_small", small), ("no_piece_waits_for_an_acknowledgement", nodelay)];

fn small() {
    let size = fs::metadata(binary()).expect("it is there").len();
    println!("lambda: the stripped binary has {size} bytes");
    assert!(size < 4_500_000, "{size}");
}

/// How long Linux holds an acknowledgement back, at the least; with Nagle's algorithm on, each answer waits for one.
const HELD_BACK: Duration = Duration::from_millis(40);

/// Of a hundred the fastest is looked at: whatever else the machine does, it makes none faster.
fn nodelay() {
    let (_, through) = figures::answers(&binary(), 100);
    assert!(through[0] < HELD_BACK, "{:?}", through[0]);
}
