//! When a connection ends because its client does nothing.

use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};

use super::{ConnectionState, Phase, State};

impl ConnectionState {
    /// Returns once the connection has been idle for too long, or has taken no data. Ends streams that take no data.
    pub(crate) async fn expired(&self) {
        let recheck_interval = self.timeouts.header_read.min(self.timeouts.idle).min(self.timeouts.send(true));
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
        self.wait(&self.evicted, |state| state.is_evicted).await;
    }

    /// Whether the connection has to make room.
    pub(crate) fn is_evicted(&self) -> bool {
        self.state().is_evicted
    }

    /// Returns once no forwarded request is open.
    pub(crate) async fn none_forwarded(&self) {
        self.wait(&self.none_forwarded, |state| state.forwarded == 0).await;
    }

    /// Returns once a request has started.
    pub(crate) async fn first_request(&self) {
        self.wait(&self.first_request, |state| state.has_started).await;
    }

    /// Returns once the condition holds, which `changed` reports.
    async fn wait(&self, changed: &Notify, condition: impl Fn(&State) -> bool) {
        loop {
            let changed = changed.notified();
            if condition(&self.state()) {
                return;
            }
            changed.await;
        }
    }

    /// Returns once the socket has taken no data for [`ClientTimeouts::send`](super::ClientTimeouts::send).
    pub(crate) async fn send_blocked(&self) {
        loop {
            let deadline = self.state().send_blocked_since.map(|since| since + self.timeouts.send(false));
            match deadline {
                Some(deadline) if deadline <= Instant::now() => return,
                Some(deadline) => sleep_until(deadline).await,
                None => sleep(self.timeouts.send(false)).await,
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        let is_own_response = state.forwarded == 0;
        let send = state.send_blocked_since.map(|since| since + self.timeouts.send(is_own_response));
        let timeout = match state.phase {
            _ if state.requests > 0 => return send,
            Phase::Head => self.timeouts.header_read,
            Phase::BodyOrIdle => self.timeouts.idle,
        };
        let idle = state.since + timeout;
        Some(send.map_or(idle, |send| send.min(idle)))
    }

    fn cut_blocked_streams(&self) {
        let now = Instant::now();
        self.open_streams().iter().for_each(|stream| stream.end_if_blocked(now));
    }
}
