//! The memory that request bodies may take while they are read.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use sparekey_policy::{BodyFailure, Timestamp};

/// How long a body may take to arrive: it holds memory.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a permit that expires counts: until its body has arrived, and 30 s to send it.
const EXPIRY: Duration = Duration::from_secs(150);

/// Bounds in bytes, inclusive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BodySizes {
    /// One body.
    pub body: usize,
    /// All bodies. One user gets a quarter of it, but always one body.
    pub total: usize,
}

/// Counts the memory of bodies. A lock is held for a few instructions only.
#[derive(Debug)]
pub struct BodyMemory {
    sizes: BodySizes,
    counts: Mutex<Counts>,
}

/// The memory of one body. It is free again when this is dropped.
#[derive(Debug)]
pub struct BodyPermit {
    memory: Arc<BodyMemory>,
    body: Arc<Mutex<Body>>,
}

#[derive(Debug, Default)]
struct Counts {
    held: usize,
    /// Only users with bodies.
    users: HashMap<Arc<str>, UserCounts>,
    /// The bodies that expire, and when they began.
    expiring: Vec<(Timestamp, Weak<Mutex<Body>>)>,
}

#[derive(Debug, Default)]
struct UserCounts {
    held: usize,
    bodies: usize,
    /// Whether one of the bodies is the first.
    has_first: bool,
}

/// A body that counts. It is locked only while the counts are locked.
#[derive(Debug)]
struct Body {
    user: Arc<str>,
    held: usize,
    /// Whether this is the user's body that may take more than a quarter.
    is_first: bool,
    /// Whether it counts no longer.
    has_ended: bool,
}

impl BodyMemory {
    /// Creates an empty count.
    #[must_use]
    pub fn new(sizes: BodySizes) -> Arc<Self> {
        Arc::new(Self { sizes, counts: Mutex::default() })
    }

    /// Starts to count a body, which takes no memory yet.
    #[must_use]
    pub fn begin(self: &Arc<Self>, user: &Arc<str>) -> BodyPermit {
        let body = self.lock().begin(user);
        BodyPermit { memory: self.clone(), body }
    }

    /// Like [`Self::begin`], on a platform that may abandon a request without dropping its future: the body counts until its
    /// permit is dropped, but at most 150 s, which later calls of this method check.
    #[must_use]
    pub fn begin_expiring(self: &Arc<Self>, user: &Arc<str>, now: Timestamp) -> BodyPermit {
        let mut counts = self.lock();
        for (began, body) in mem::take(&mut counts.expiring) {
            match body.upgrade() {
                Some(body) if began.until(now) >= EXPIRY => counts.end(&mut lock(&body)),
                Some(_) => counts.expiring.push((began, body)),
                None => {}
            }
        }
        let body = counts.begin(user);
        counts.expiring.push((now, Arc::downgrade(&body)));
        drop(counts);
        BodyPermit { memory: self.clone(), body }
    }

    /// Returns the bytes that one body may have.
    #[must_use]
    pub fn max_body(&self) -> usize {
        self.sizes.body
    }

    /// Returns the bytes that all bodies take.
    #[must_use]
    pub fn held(&self) -> usize {
        self.lock().held
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        lock(&self.counts)
    }
}

// Each change is complete before the lock is released, and nothing in between can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Counts {
    fn begin(&mut self, user: &Arc<str>) -> Arc<Mutex<Body>> {
        let entry = self.users.entry(user.clone()).or_default();
        entry.bodies = entry.bodies.saturating_add(1);
        let is_first = !mem::replace(&mut entry.has_first, true);
        Arc::new(Mutex::new(Body { user: user.clone(), held: 0, is_first, has_ended: false }))
    }

    fn end(&mut self, body: &mut Body) {
        if mem::replace(&mut body.has_ended, true) {
            return;
        }
        let held = mem::take(&mut body.held);
        self.held = self.held.saturating_sub(held);
        let Some(user) = self.users.get_mut(&body.user) else { return };
        user.held = user.held.saturating_sub(held);
        user.bodies = user.bodies.saturating_sub(1);
        user.has_first &= !body.is_first;
        if user.bodies == 0 {
            self.users.remove(&body.user);
        }
    }
}

impl BodyPermit {
    /// Counts bytes that have arrived.
    ///
    /// # Errors
    ///
    /// [`BodyFailure::TooLarge`], [`BodyFailure::OwnMemory`] or [`BodyFailure::Memory`]: there is no room for them, or the permit
    /// has expired. They are not counted then; the caller drops them and the permit.
    pub fn grow(&mut self, bytes: usize) -> Result<(), BodyFailure> {
        let sizes = self.memory.sizes;
        let mut counts = self.memory.lock();
        let mut body = lock(&self.body);
        let held = body.held.saturating_add(bytes);
        if held > sizes.body {
            return Err(BodyFailure::TooLarge(sizes.body));
        }
        let total = counts.held.saturating_add(bytes);
        if total > sizes.total || body.has_ended {
            return Err(BodyFailure::Memory);
        }
        if let Some(user) = counts.users.get_mut(&body.user) {
            // The first body may have ended.
            body.is_first |= !mem::replace(&mut user.has_first, true);
            let of_user = user.held.saturating_add(bytes);
            let is_alone = user.held == body.held;
            if of_user > sizes.total / 4 && !(body.is_first && is_alone) {
                return Err(BodyFailure::OwnMemory);
            }
            user.held = of_user;
        }
        counts.held = total;
        body.held = held;
        Ok(())
    }
}

impl Drop for BodyPermit {
    fn drop(&mut self) {
        self.memory.lock().end(&mut lock(&self.body));
    }
}

#[cfg(test)]
mod tests;
