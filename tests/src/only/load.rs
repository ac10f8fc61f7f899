//! The load tests, at a size that takes seconds.

use std::time::Duration;

use super::Test;
use crate::{load, server::binary};

pub(super) const TESTS: &[Test] = &[
    ("silent_connections_use_little_memory", || load::silent(&binary(), 10_000)),
    ("idle_connections_use_little_memory", || {
        load::idle_http1(&binary(), 10_000);
    }),
    ("idle_http2_connections_use_little_memory", || {
        load::idle_http2(&binary(), 2000);
    }),
    ("idle_tls_connections_use_little_memory", || {
        load::idle_tls_http1(&binary(), 2000);
    }),
    ("idle_tls_http2_connections_use_little_memory", || {
        load::idle_tls_http2(&binary(), 2000);
    }),
    ("slow_senders_delay_no_other_client", || load::slow_senders(&binary(), 2000)),
    ("open_streams_are_isolated", || load::open_streams(&binary(), 1000)),
    ("no_busy_loop_without_descriptors", || load::exhausted(&binary())),
    ("slow_peers_use_little_memory", || load::slow_peers(&binary(), 64 << 20)),
    ("soak_has_no_wrong_response", || load::soak(&binary(), Duration::from_secs(5))),
];
