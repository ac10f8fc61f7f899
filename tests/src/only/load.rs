//! Many at once, and for long, at a size that takes seconds.

use std::time::Duration;

use super::Test;
use crate::{load, server::binary};

pub(super) const TESTS: &[Test] = &[
    ("connections_that_say_nothing_cost_little", || load::silent(&binary(), 10_000)),
    ("idle_connections_cost_little", || load::idle_http1(&binary(), 10_000)),
    ("idle_http2_connections_cost_little", || load::idle_http2(&binary(), 2000)),
    ("slow_senders_hold_nobody_up", || load::slow_senders(&binary(), 2000)),
    ("open_streams_are_kept_apart", || load::open_streams(&binary(), 1000)),
    ("without_descriptors_it_does_not_spin", || load::exhausted(&binary())),
    ("slow_peers_fill_no_memory", || load::slow_peers(&binary(), 64 << 20)),
    ("a_soak_gives_no_wrong_answer", || load::soak(&binary(), Duration::from_secs(5))),
];
