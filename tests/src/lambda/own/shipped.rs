//! What is shipped: how large it is, how fast it starts, what it adds.

use std::{fs, time::Duration};

use super::Test;
use crate::lambda::{binary, figures};

pub(super) const TESTS: &[Test] =
    &[("the_binary_is_small", small), ("it_starts_at_once", starts), ("it_adds_little_to_a_small_answer", adds)];

fn small() {
    let size = fs::metadata(binary()).expect("it is there").len();
    println!("lambda: the stripped binary has {size} bytes");
    assert!(size < 4_500_000, "{size}");
}

/// The fastest is looked at: whatever else the machine does, it makes nothing faster.
fn starts() {
    let fastest = figures::starts(&binary(), 20)[0];
    println!("lambda: from the start to the first poll {fastest:?}");
    assert!(fastest < Duration::from_millis(10), "{fastest:?}");
}

/// Of the faster half the slowest: with Nagle's algorithm on, hardly any is below 40 ms.
fn adds() {
    let (straight, through) = figures::answers(&binary(), 100);
    let added = through[through.len() / 4].saturating_sub(straight[straight.len() / 4]);
    println!("lambda: added to a small streamed answer {added:?}");
    assert!(added < Duration::from_millis(2), "{added:?}");
}
