//! Idle HTTP/1.1 connections.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use sparekey_net::SuspendMark;
use tokio::time::sleep;

use crate::http1::connection::Connection;

/// Idle connections of one thread: as many as a burst of requests opens, so that the next burst needs no handshakes.
/// With 256, a chunk of one of 1,000 new streams took 3 % more CPU.
const IDLE_MAX: usize = 1024;
/// How often closed and old connections are removed. A sweep makes no system call for a silent connection.
const SWEEP: Duration = Duration::from_secs(1);
/// After how many sweeps an idle connection is closed: earlier than the keep-alive timeout of common reverse proxies
/// (60 s or more).
const IDLE_SWEEPS: u64 = 50;

/// Idle HTTP/1.1 connections to one upstream. The last one returned is the first one used.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<PoolState>);

#[derive(Debug, Default)]
struct PoolState {
    /// Each with the sweep after which it was returned: counting sweeps saves two clock reads per request. Boxed, because each
    /// is moved with its response.
    idle: Vec<(Box<Connection>, u64)>,
    sweep: u64,
    is_sweeping: bool,
}

impl Pool {
    /// Takes a connection that the upstream has not closed, and that is not older than a suspend of the machine.
    pub(crate) fn take(&self) -> Option<Box<Connection>> {
        self.take_at(SuspendMark::now())
    }

    fn take_at(&self, now: SuspendMark) -> Option<Box<Connection>> {
        let mut state = self.state();
        while let Some((connection, since)) = state.idle.pop() {
            if !connection.has_outlived_suspend(now) && connection.is_reusable(since < state.sweep) {
                return Some(connection);
            }
        }
        None
    }

    /// Returns a connection for the next request.
    pub(crate) fn put(self: &Arc<Self>, connection: Box<Connection>) {
        let mut state = self.state();
        if state.idle.len() < IDLE_MAX {
            let since = state.sweep;
            state.idle.push((connection, since));
        }
        if !std::mem::replace(&mut state.is_sweeping, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An idle connection is not polled: without the sweep, one that the upstream closed would stay open here.
async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(SWEEP).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut state = pool.state();
        state.sweep += 1;
        let (sweep, now) = (state.sweep, SuspendMark::now());
        state.idle.retain_mut(|(connection, since)| {
            connection.release_read_buffer();
            sweep - *since < IDLE_SWEEPS && !connection.has_outlived_suspend(now) && connection.is_reusable(false)
        });
        if state.idle.is_empty() {
            state.is_sweeping = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use sparekey_net::Stream;
    use tokio::{
        io::AsyncReadExt as _,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[tokio::test]
    async fn connection_from_before_a_suspend_is_closed() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut upstream, _) = listener.accept().await.unwrap();
        let pool = Arc::new(Pool::default());
        pool.put(Box::new(Connection::new(Stream::Plain(stream), &Arc::default())));
        let connection = pool.take().expect("no suspend");
        pool.put(connection);
        assert!(pool.take_at(SuspendMark::now().after(3600)).is_none());
        assert_eq!(upstream.read(&mut [0]).await.unwrap(), 0);
    }
}
