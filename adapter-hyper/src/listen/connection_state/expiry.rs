//! When a connection ends because its client does nothing.

use std::sync::{PoisonError, Weak};

use tokio::time::{Instant, sleep, sleep_until};

use super::{ClientTimeouts, ConnectionState, OWN_RESPONSE_SEND, Phase};

impl ConnectionState {
    /// Returns once the connection has been idle for too long, or has taken no data. Ends streams that take no data.
    pub(crate) async fn expired(&self) {
        let ClientTimeouts { header_read, idle, send } = self.timeouts;
        let recheck_interval = header_read.min(idle).min(send).min(OWN_RESPONSE_SEND);
        loop {
            // The phase may change while this sleeps, and with it the deadline.
            let recheck = Instant::now() + recheck_interval;
            self.cut_blocked_streams();
            match self.deadline() {
                Some(deadline) if deadline <= Instant::now() => return,
                deadline => sleep_until(deadline.map_or(recheck, |deadline| deadline.min(recheck))).await,
            }
        }
    }

    /// Returns once the connection has to make room.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// Whether the connection has to make room.
    pub(crate) fn is_evicted(&self) -> bool {
        self.state().is_evicted
    }

    /// Returns once no forwarded request is open.
    pub(crate) async fn none_forwarded(&self) {
        loop {
            let notified = self.none_forwarded.notified();
            if self.state().forwarded == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Returns once the socket has taken no data for [`ClientTimeouts::send`].
    pub(crate) async fn send_blocked(&self) {
        loop {
            let deadline = self.state().send_blocked_since.map(|since| since + self.timeouts.send);
            match deadline {
                Some(deadline) if deadline <= Instant::now() => return,
                Some(deadline) => sleep_until(deadline).await,
                None => sleep(self.timeouts.send).await,
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        let send = state.send_blocked_since.map(|since| since + self.timeouts.send);
        let timeout = match state.phase {
            _ if state.requests > 0 => return send,
            Phase::Head => self.timeouts.header_read,
            Phase::BodyOrIdle => self.timeouts.idle,
        };
        let idle = state.since + timeout;
        Some(send.map_or(idle, |send| send.min(idle)))
    }

    fn cut_blocked_streams(&self) {
        let streams: Vec<_> = {
            let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            streams.iter().filter_map(Weak::upgrade).collect()
        };
        let now = Instant::now();
        for blocked_since in streams.iter().filter_map(|stream| stream.cut_if_blocked(now)) {
            let mut state = self.state();
            if state.requests == 0 {
                // The client has been idle since then.
                state.since = blocked_since;
            }
        }
    }
}
