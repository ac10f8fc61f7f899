//! Connections to the upstream across freezes: Lambda stops an environment between two events, for minutes or hours
//! ([execution environment lifecycle](https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html)).

use std::{
    cell::RefCell,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::ClientConfig;
use sparekey_upstream::{Timeouts, Upstream};

/// After how long without an event the connections are dropped: as long as the pool keeps an idle connection. The pool's
/// monotonic clock may stop during a freeze, the system time does not.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// A client of the upstream that starts without connections after a freeze.
pub(crate) struct FreezeAwareUpstream {
    tls: Arc<ClientConfig>,
    timeouts: Timeouts,
    current: RefCell<(Arc<Upstream>, SystemTime)>,
}

impl FreezeAwareUpstream {
    pub(crate) fn new(tls: Arc<ClientConfig>, timeouts: Timeouts) -> Self {
        let current = RefCell::new((Arc::new(Upstream::new(Some(&tls), None, timeouts)), SystemTime::now()));
        Self { tls, timeouts, current }
    }

    /// The client for the next request.
    pub(crate) fn get(&self) -> Arc<Upstream> {
        self.get_at(SystemTime::now())
    }

    /// Makes the next request start without connections, if `failed` is the client that it would get. Requests that it sends
    /// at the moment go on.
    pub(crate) fn replace(&self, failed: &Arc<Upstream>) {
        let current = &mut self.current.borrow_mut().0;
        if Arc::ptr_eq(current, failed) {
            *current = self.start();
        }
    }

    fn start(&self) -> Arc<Upstream> {
        Arc::new(Upstream::new(Some(&self.tls), None, self.timeouts))
    }

    #[cfg(test)]
    pub(crate) fn last_used(&self) -> SystemTime {
        self.current.borrow().1
    }

    fn get_at(&self, now: SystemTime) -> Arc<Upstream> {
        let mut current = self.current.borrow_mut();
        // An error means that the clock was set back, which is no sign of a freeze.
        if now.duration_since(current.1).is_ok_and(|idle| idle > IDLE_TIMEOUT) {
            current.0 = self.start();
        }
        current.1 = now;
        Arc::clone(&current.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_survive_a_pause_but_no_freeze() {
        let timeouts = Timeouts { response_head: IDLE_TIMEOUT, body_idle: IDLE_TIMEOUT };
        let upstream = FreezeAwareUpstream::new(sparekey_upstream::client_tls().unwrap(), timeouts);
        let now = SystemTime::now();
        let first = upstream.get_at(now);
        assert!(Arc::ptr_eq(&first, &upstream.get_at(now + IDLE_TIMEOUT / 2)));
        assert!(Arc::ptr_eq(&first, &upstream.get_at(now + IDLE_TIMEOUT)));
        assert!(!Arc::ptr_eq(&first, &upstream.get_at(now + IDLE_TIMEOUT * 3)));
        let second = upstream.get_at(now + IDLE_TIMEOUT * 3);
        assert!(Arc::ptr_eq(&second, &upstream.get_at(now)), "the clock was set back");
    }

    #[test]
    fn failed_client_is_replaced_once() {
        let timeouts = Timeouts { response_head: IDLE_TIMEOUT, body_idle: IDLE_TIMEOUT };
        let upstream = FreezeAwareUpstream::new(sparekey_upstream::client_tls().unwrap(), timeouts);
        let first = upstream.get();
        upstream.replace(&first);
        let second = upstream.get();
        assert!(!Arc::ptr_eq(&first, &second));
        upstream.replace(&first);
        assert!(Arc::ptr_eq(&second, &upstream.get()), "another request has replaced it");
    }
}
