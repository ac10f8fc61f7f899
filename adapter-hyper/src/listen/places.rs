//! The places of client connections: how many, how many for one address, and which connection makes room for a new one.

use std::{
    cmp::Reverse,
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use sparekey_core::{Gate, is_private_address};
use sparekey_proxy::Throttle;
use tokio::{sync::Notify, time::timeout};

use super::{connection_state::ConnectionState, trusted_proxies::TrustedProxies};
use crate::metrics::{Bound, ConnectionMetrics};

/// The wait before another look for a connection that became idle: a new client is served within a second.
const RECHECK: Duration = Duration::from_millis(250);
/// The share of all places that makes room at once. A search looks at every connection, 0.3 ms for 10,000, so a flood of
/// new connections must not cause a search for each.
const EVICTED_SHARE: usize = 100;

/// The bounds.
#[derive(Debug)]
pub(crate) struct PlaceLimits {
    /// Connections in all.
    pub(crate) connections: usize,
    /// Connections of one address; 0 is no limit.
    pub(crate) per_address: usize,
    /// Bytes of request heads that have not arrived completely.
    pub(crate) unfinished_heads: usize,
    /// Have no limit per address, like private addresses.
    pub(crate) trusted_proxies: TrustedProxies,
}

/// All places.
#[derive(Debug)]
pub(crate) struct Places {
    limits: PlaceLimits,
    connections: Mutex<Entries>,
    last_id: AtomicU64,
    freed: Notify,
    unfinished_heads: Arc<AtomicUsize>,
    metrics: ConnectionMetrics,
    /// The log lines about each bound.
    warned: Throttle<&'static str>,
}

#[derive(Debug, Default)]
struct Entries {
    by_id: HashMap<u64, Entry>,
    /// How many each counted address has.
    by_address: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Entry {
    state: Weak<ConnectionState>,
    /// `None` if its address is not counted.
    address: Option<IpAddr>,
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    id: u64,
}

/// Bytes of one connection that count as an unfinished request head.
#[derive(Debug)]
pub(crate) struct HeadBytes {
    bytes: usize,
    total: Arc<AtomicUsize>,
}

impl Places {
    pub(crate) fn new(limits: PlaceLimits, metrics: ConnectionMetrics) -> Arc<Self> {
        Arc::new(Self {
            limits,
            connections: Mutex::default(),
            last_id: AtomicU64::new(0),
            freed: Notify::new(),
            unfinished_heads: Arc::default(),
            metrics,
            warned: Throttle::default(),
        })
    }

    /// Takes a place. If all are taken, the connection that was idle longest is closed; while none is idle, this waits.
    /// `None` if the address has too many connections, and none of them is idle.
    pub(crate) async fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let address = self.counted_address(peer);
        loop {
            let freed = self.freed.notified();
            if address.is_some_and(|address| !self.make_room_for(address)) {
                return None;
            }
            if let Some(place) = self.try_take(address) {
                return Some(place);
            }
            let _ = timeout(RECHECK, freed).await;
        }
    }

    fn try_take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Place> {
        let is_full = |connections: &Entries| connections.by_id.len() >= self.limits.connections;
        if is_full(&self.connections()) {
            let count = self.limits.connections.div_ceil(EVICTED_SHARE);
            let evicted = self.evict_idle(None, count, Bound::Connections);
            let effect = if evicted { "idle connections make room" } else { "new connections wait" };
            self.warn("MAX_CONNECTIONS", format_args!("all {} places are taken; {effect}", self.limits.connections));
        }
        let mut connections = self.connections();
        if is_full(&connections) {
            return None;
        }
        let id = self.last_id.fetch_add(1, Ordering::Relaxed);
        connections.by_id.insert(id, Entry { state: Weak::new(), address });
        if let Some(address) = address {
            *connections.by_address.entry(address).or_default() += 1;
        }
        self.metrics.open.inc();
        drop(connections);
        Some(Place { places: Arc::clone(self), id })
    }

    /// Whether the address may have another connection, after idle ones of it were closed if necessary.
    fn make_room_for(&self, address: IpAddr) -> bool {
        let count = self.connections().by_address.get(&address).copied().unwrap_or_default();
        if count < self.limits.per_address {
            return true;
        }
        let evicted = self.evict_idle(Some(address), 1, Bound::PerAddress);
        if !evicted {
            self.metrics.closed(Bound::PerAddress).inc();
        }
        self.warn("MAX_CONNECTIONS_PER_ADDRESS", format_args!("{address} has {count} connections"));
        evicted
    }

    /// The address that a connection counts for: a /64 of IPv6, which one customer has. `None` if there is no limit:
    /// behind a private address may be a reverse proxy.
    fn counted_address(&self, peer: IpAddr) -> Option<IpAddr> {
        if self.limits.per_address == 0 || is_private_address(peer) || self.limits.trusted_proxies.contains(peer) {
            return None;
        }
        Some(match peer {
            IpAddr::V4(_) => peer,
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        })
    }

    /// Closes up to `count` connections without a forwarded request: first those that have shown no valid key, then those
    /// that were idle longest. Returns whether there was one.
    fn evict_idle(&self, address: Option<IpAddr>, count: usize, bound: Bound) -> bool {
        let all = self.snapshot(address).into_iter();
        let mut idle: Vec<_> = all.filter_map(|(id, state)| Some((state.idle_since()?, id, state))).collect();
        let count = count.min(idle.len());
        if count == 0 {
            return false;
        }
        idle.select_nth_unstable_by_key(count - 1, |(since, ..)| *since);
        for (_, id, state) in idle.drain(..count) {
            self.evict(id, &state, bound);
        }
        true
    }

    /// The number of requests that were forwarded and are open.
    pub(crate) fn open_requests(&self) -> usize {
        self.snapshot(None).iter().map(|(_, state)| state.open_requests()).sum()
    }

    /// Ends all requests whose access key is not accepted any more.
    pub(crate) fn cut_revoked(&self, gate: &Gate) {
        self.snapshot(None).iter().for_each(|(_, state)| state.cut_revoked(gate));
    }

    /// Closes the connections with the largest unfinished heads, of equal ones the oldest, until an eighth of the bound is
    /// free.
    fn evict_unfinished_heads(&self) {
        let all = self.snapshot(None).into_iter();
        let mut unfinished: Vec<_> =
            all.filter_map(|(id, state)| Some((state.unfinished_head()?, id, state))).collect();
        unfinished.sort_unstable_by_key(|((bytes, since), ..)| (Reverse(*bytes), *since));
        let max = self.limits.unfinished_heads;
        for (_, id, state) in &unfinished {
            if self.unfinished_heads.load(Ordering::Relaxed) <= max - max / 8 {
                break;
            }
            self.evict(*id, state, Bound::UnfinishedHeads);
        }
        self.warn("MAX_UNFINISHED_HEADS", format_args!("request heads of {max} bytes have not arrived completely"));
    }

    fn evict(&self, id: u64, state: &ConnectionState, bound: Bound) {
        self.connections().remove(id);
        state.evict();
        self.metrics.closed(bound).inc();
    }

    /// The connections, of one address or all. They must be dropped without the lock, which a dropped place takes.
    fn snapshot(&self, address: Option<IpAddr>) -> Vec<(u64, Arc<ConnectionState>)> {
        let connections = self.connections();
        let all = connections.by_id.iter();
        let matching = all.filter(|(_, connection)| address.is_none() || connection.address == address);
        matching.filter_map(|(id, connection)| Some((*id, connection.state.upgrade()?))).collect()
    }

    fn warn(&self, setting: &'static str, text: std::fmt::Arguments<'_>) {
        if self.warned.is_due(setting) {
            tracing::warn!("{setting} is reached: {text}");
        }
    }

    fn connections(&self) -> MutexGuard<'_, Entries> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn remove(&mut self, id: u64) {
        let Some(address) = self.by_id.remove(&id).and_then(|connection| connection.address) else { return };
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

impl Place {
    /// Names the connection that has this place, so that it can make room.
    pub(crate) fn assign(&self, state: &Weak<ConnectionState>) {
        if let Some(connection) = self.places.connections().by_id.get_mut(&self.id) {
            connection.state = Weak::clone(state);
        }
    }

    /// Counts no bytes yet.
    pub(crate) fn head_bytes(&self) -> HeadBytes {
        HeadBytes { bytes: 0, total: Arc::clone(&self.places.unfinished_heads) }
    }

    /// Closes connections with unfinished heads if these take too much memory.
    pub(crate) fn check_unfinished_heads(&self) {
        if self.places.unfinished_heads.load(Ordering::Relaxed) > self.places.limits.unfinished_heads {
            self.places.evict_unfinished_heads();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.connections().remove(self.id);
        self.places.metrics.open.dec();
        self.places.freed.notify_waiters();
    }
}

impl HeadBytes {
    pub(crate) fn set(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.total.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else if bytes < self.bytes {
            self.total.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }

    pub(crate) fn get(&self) -> usize {
        self.bytes
    }
}

impl Drop for HeadBytes {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use sparekey_core::{AccessKey, Keyring, UserKey};

    use super::*;
    use crate::listen::ClientTimeouts;

    fn places(connections: usize, per_address: usize) -> Arc<Places> {
        let trusted_proxies = TrustedProxies::parse("198.51.100.0/24").unwrap();
        let limits = PlaceLimits { connections, per_address, unfinished_heads: 0, trusted_proxies };
        Places::new(limits, ConnectionMetrics::default())
    }

    fn key() -> UserKey {
        const KEY: &str = "sk-Tom-abcdefgh";
        Keyring::parse(KEY, &[]).unwrap().user_of(&AccessKey::parse(KEY).unwrap()).unwrap()
    }

    async fn connect(places: &Arc<Places>, peer: &str) -> Option<Arc<ConnectionState>> {
        const HOUR: Duration = Duration::from_secs(3600);
        let peer = peer.parse().unwrap();
        let timeouts = ClientTimeouts { header_read: HOUR, idle: HOUR, send: HOUR };
        Some(ConnectionState::new(timeouts, peer, places.take(peer).await?))
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connection_of_the_same_address_makes_room() {
        let places = places(100, 2);
        let other = connect(&places, "203.0.113.1").await.unwrap();
        let mut of_one = Vec::new();
        for last in ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3"] {
            tokio::time::advance(Duration::from_secs(1)).await;
            of_one.push(connect(&places, last).await.unwrap());
        }
        assert_eq!(of_one.iter().map(|one| one.is_evicted()).collect::<Vec<_>>(), [true, false, false]);
        assert!(!other.is_evicted());
        assert!(connect(&places, "2001:db8:0:1::1").await.is_some_and(|next| !next.is_evicted()));
    }

    #[tokio::test(start_paused = true)]
    async fn connection_idle_longest_makes_room() {
        let places = places(3, 0);
        let request = |connection: &Arc<ConnectionState>, key| {
            drop(connection.start_request(key, None));
            connection.on_flushed();
        };
        let with_key = connect(&places, "203.0.113.1").await.unwrap();
        request(&with_key, Some(key()));
        let mut without_key = Vec::new();
        for _ in 0..2 {
            tokio::time::advance(Duration::from_secs(1)).await;
            without_key.push(connect(&places, "203.0.113.1").await.unwrap());
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        // Its place in the order is that of its last request.
        request(&without_key[0], None);
        let evicted = || [&with_key, &without_key[0], &without_key[1]].map(|one| one.is_evicted());
        let mut open = Vec::new();
        for expected in [[false, false, true], [false, true, true], [true, true, true]] {
            open.push(connect(&places, "203.0.113.1").await.unwrap().start_request(Some(key()), None));
            assert_eq!(evicted(), expected);
        }
    }

    #[tokio::test]
    async fn busy_address_is_refused() {
        let places = places(100, 1);
        let first = connect(&places, "203.0.113.1").await.unwrap();
        let request = first.start_request(Some(key()), None);
        assert!(connect(&places, "203.0.113.1").await.is_none());
        drop(request);
        assert!(connect(&places, "203.0.113.1").await.is_none(), "the response is not written yet");
        first.on_flushed();
        assert!(connect(&places, "203.0.113.1").await.is_some());
    }

    #[tokio::test]
    async fn private_and_trusted_addresses_have_no_limit() {
        let places = places(100, 1);
        for peer in ["127.0.0.1", "::1", "10.0.0.1", "192.168.0.1", "fd00::1", "198.51.100.7"] {
            let both = [connect(&places, peer).await.unwrap(), connect(&places, peer).await.unwrap()];
            assert!(both.iter().all(|one| !one.is_evicted()), "{peer}");
        }
    }

    #[tokio::test]
    async fn a_place_is_free_again_after_its_connection() {
        let places = places(1, 0);
        drop(connect(&places, "203.0.113.1").await);
        assert!(places.connections().by_id.is_empty() && places.connections().by_address.is_empty());
        assert!(connect(&places, "203.0.113.1").await.is_some());
    }
}
