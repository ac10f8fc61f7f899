//! A WebSocket: bytes both ways, until one side ends.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use arc_swap::ArcSwap;
use http::Response;
use sparekey_core::{Exchange, Gate, UpstreamFailure, UserKey};
use sparekey_upstream::UpgradedStream;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    time::sleep,
};

use crate::{
    Permits, Proxy,
    body::Body,
    now,
    record::{RequestLog, ResponseEnd},
};

/// Bytes read at a time in each direction: a WebSocket holds two such buffers, 16 KiB.
/// Larger messages pass in several pieces.
const BUFFER: usize = 8 * 1024;

/// The most time for which a WebSocket stays open after its user's expiry was changed to an earlier one.
const EXPIRY_RECHECK: Duration = Duration::from_secs(10);

/// A connection to the upstream that has switched protocols.
#[derive(Debug)]
pub struct Tunnel {
    upstream: UpgradedStream,
    exchange: Box<Exchange>,
    log: RequestLog,
    permits: Permits,
}

impl Tunnel {
    pub(crate) fn new(upstream: UpgradedStream, exchange: Box<Exchange>, log: RequestLog, permits: Permits) -> Self {
        Self { upstream, exchange, log, permits }
    }

    /// Closes the connection to the upstream, for a platform without WebSockets.
    #[must_use]
    pub fn refuse(self) -> Response<Body> {
        Body::rejection(&self.exchange.reject(UpstreamFailure::Interrupted), self.log)
    }

    /// Passes bytes between the client and the upstream until one of them ends, or the access key does.
    pub async fn run(self, client: impl AsyncRead + AsyncWrite, proxy: &Proxy) {
        let Self { upstream, exchange, mut log, permits: _permits } = self;
        let expiry = expiry(&proxy.gate, exchange.key().clone());
        // A WebSocket may stay open for long after its gate was replaced.
        drop(exchange);
        let (mut from_client, mut to_client) = split(client);
        let (mut from_upstream, mut to_upstream) = split(upstream);
        let passed = AtomicU64::new(0);
        // The closing handshake passes before either side ends, so the first end is the end of both
        // (https://www.rfc-editor.org/rfc/rfc6455#section-7).
        let _ = tokio::select! {
            end = copy(&mut from_client, &mut to_upstream, &passed) => end,
            end = copy(&mut from_upstream, &mut to_client, &passed) => end,
            () = expiry => Ok(()),
        };
        log.sent(passed.into_inner());
        log.finish(ResponseEnd::Complete);
        let _ = tokio::join!(to_client.shutdown(), to_upstream.shutdown());
    }
}

/// Returns when the access key ends. The clock may be set, and the users file may have changed, so this looks again.
async fn expiry(gate: &ArcSwap<Gate>, key: UserKey) {
    loop {
        let left = gate.load().expires(&key).map(|at| now().until(at));
        if left == Some(Duration::ZERO) {
            return;
        }
        sleep(left.map_or(EXPIRY_RECHECK, |left| left.min(EXPIRY_RECHECK))).await;
    }
}

/// Copies bytes to their end. They are counted at once, because the end of the other direction drops this future.
async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    passed: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..count]).await?;
        to.flush().await?;
        passed.fetch_add(count as u64, Ordering::Relaxed);
    }
}
