//! A WebSocket: bytes both ways, until one side ends.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use http::Response;
use sparekey_core::{Exchange, UpstreamFailure};
use sparekey_upstream::UpgradedStream;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};

use crate::{
    body::Body,
    record::{End, RequestLog},
    user_requests::OpenRequest,
};

/// Bytes read at a time in each direction: a WebSocket holds two such buffers, 16 KiB.
/// Larger messages pass in several pieces.
const BUFFER: usize = 8 * 1024;

/// A connection to the upstream that has switched protocols.
#[derive(Debug)]
pub struct Tunnel {
    upstream: UpgradedStream,
    exchange: Exchange,
    log: RequestLog,
    open: OpenRequest,
}

impl Tunnel {
    pub(crate) fn new(upstream: UpgradedStream, exchange: Exchange, log: RequestLog, open: OpenRequest) -> Self {
        Self { upstream, exchange, log, open }
    }

    /// Closes the connection to the upstream, for a platform without WebSockets.
    #[must_use]
    pub fn refuse(self) -> Response<Body> {
        Body::rejection(&self.exchange.reject(UpstreamFailure::Unreachable), self.log)
    }

    /// Passes bytes between the client and the upstream until one of them ends.
    pub async fn run(self, client: impl AsyncRead + AsyncWrite) {
        let Self { upstream, exchange, mut log, open: _open } = self;
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
        };
        log.sent(passed.into_inner());
        log.finish(End::Complete);
        let _ = tokio::join!(to_client.shutdown(), to_upstream.shutdown());
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
