//! Connections that wait for their next request.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::time::sleep;

use super::http1::Connection;

/// What a crowd leaves behind: its next requests need not connect, nor shake hands.
const IDLE_MAX: usize = 1024;
/// How often those are looked for that closed or waited too long.
const SWEEP: Duration = Duration::from_secs(1);
/// After how many sweeps one is given up: sooner than the keep-alive ends of the fronts that upstreams stand behind.
const IDLE_SWEEPS: u64 = 50;

/// Idle HTTP/1.1 connections to one upstream; the last to come is the first to go.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// With the sweep after which each came. Sweeps are counted, for a clock would be asked twice a request.
    idle: Vec<(Connection, u64)>,
    sweep: u64,
    swept: bool,
}

impl Pool {
    /// Takes a connection that is still open.
    pub(crate) fn take(&self) -> Option<Connection> {
        let mut state = self.state();
        while let Some((connection, since)) = state.idle.pop() {
            if connection.is_reusable(since < state.sweep) {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(crate) fn put(self: &Arc<Self>, connection: Connection) {
        let mut state = self.state();
        if state.idle.len() < IDLE_MAX {
            let since = state.sweep;
            state.idle.push((connection, since));
        }
        if !std::mem::replace(&mut state.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody polls an idle connection: without this, one that the upstream closed would stay until it is looked at.
async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(SWEEP).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut state = pool.state();
        state.sweep += 1;
        let sweep = state.sweep;
        state.idle.retain_mut(|(connection, since)| {
            connection.give_up_buffer();
            sweep - *since < IDLE_SWEEPS && connection.is_reusable(false)
        });
        if state.idle.is_empty() {
            state.swept = false;
            return;
        }
    }
}
