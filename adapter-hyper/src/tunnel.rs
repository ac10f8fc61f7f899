//! A WebSocket: bytes both ways, until either side is done.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sparekey::access_log::Entry;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};

const BUFFER: usize = 8 * 1024;

/// Joins the client's connection, once it has switched, and the upstream's; `held` lasts as long as the tunnel.
pub(crate) fn spawn(
    client: OnUpgrade,
    upstream: impl AsyncRead + AsyncWrite + Send + 'static,
    held: impl Send + 'static,
    mut entry: Entry,
) {
    tokio::spawn(async move {
        let _held = held;
        let Ok(client) = client.await else { return };
        let (mut from_client, mut to_client) = split(TokioIo::new(client));
        let (mut from_upstream, mut to_upstream) = split(upstream);
        let passed = AtomicU64::new(0);
        // The closing handshake passes before either side ends, so the first end is the end of both.
        let _ = tokio::select! {
            end = pass(&mut from_client, &mut to_upstream, &passed) => end,
            end = pass(&mut from_upstream, &mut to_client, &passed) => end,
        };
        entry.sent(passed.into_inner());
        entry.complete();
        let _ = tokio::join!(to_client.shutdown(), to_upstream.shutdown());
    });
}

/// Passes bytes on to their end. They are counted as they go: the other way's end gives this one up.
async fn pass(
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
