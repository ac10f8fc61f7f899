//! Connections to the upstream across freezes: Lambda stops an environment between two events, for minutes or hours.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::ClientConfig;
use sparekey::upstream::{Patience, Upstream};

/// As long as the pool keeps an idle connection; its own clock may stand still in a freeze, and this one does not.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// The way out, fresh after a freeze.
pub(crate) struct Pool {
    trust: Arc<ClientConfig>,
    patience: Patience,
    current: RefCell<(Rc<Upstream>, SystemTime)>,
}

impl Pool {
    pub(crate) fn new(trust: Arc<ClientConfig>, patience: Patience) -> Self {
        let current = RefCell::new((Rc::new(Upstream::new(Some(&trust), patience)), SystemTime::now()));
        Self { trust, patience, current }
    }

    /// What to send the next request on.
    pub(crate) fn upstream(&self) -> Rc<Upstream> {
        self.upstream_at(SystemTime::now())
    }

    fn upstream_at(&self, now: SystemTime) -> Rc<Upstream> {
        let mut current = self.current.borrow_mut();
        // A clock that was set back says nothing.
        if now.duration_since(current.1).is_ok_and(|idle| idle > IDLE_TIMEOUT) {
            current.0 = Rc::new(Upstream::new(Some(&self.trust), self.patience));
        }
        current.1 = now;
        Rc::clone(&current.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_outlive_a_pause_and_no_freeze() {
        let patience = Patience { head: IDLE_TIMEOUT, silence: IDLE_TIMEOUT };
        let pool = Pool::new(sparekey::upstream::trust().unwrap(), patience);
        let now = SystemTime::now();
        let first = pool.upstream_at(now);
        assert!(Rc::ptr_eq(&first, &pool.upstream_at(now + IDLE_TIMEOUT / 2)));
        assert!(Rc::ptr_eq(&first, &pool.upstream_at(now + IDLE_TIMEOUT)));
        assert!(!Rc::ptr_eq(&first, &pool.upstream_at(now + IDLE_TIMEOUT * 3)));
        let fresh = pool.upstream_at(now + IDLE_TIMEOUT * 3);
        assert!(Rc::ptr_eq(&fresh, &pool.upstream_at(now)), "a clock that was set back says nothing");
    }
}
