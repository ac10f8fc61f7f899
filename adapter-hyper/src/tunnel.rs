//! A WebSocket: bytes both ways, until either side is done.

use http::Response;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt as _, copy, split};

use crate::access_log::Entry;

/// Joins the client's connection and the upstream's once both have switched; `held` lasts as long as the tunnel.
pub(crate) fn spawn<B: Send + 'static>(
    client: OnUpgrade,
    upstream: Response<B>,
    held: impl Send + 'static,
    mut entry: Entry,
) {
    tokio::spawn(async move {
        let _held = held;
        let upstream = hyper::upgrade::on(upstream);
        let (Ok(client), Ok(upstream)) = tokio::join!(client, upstream) else { return };
        let (mut from_client, mut to_client) = split(TokioIo::new(client));
        let (mut from_upstream, mut to_upstream) = split(TokioIo::new(upstream));
        let (mut up, mut down) = (0, 0);
        // The closing handshake passes before either side ends, so the first end is the end of both.
        tokio::select! {
            copied = copy(&mut from_client, &mut to_upstream) => up = copied.unwrap_or(0),
            copied = copy(&mut from_upstream, &mut to_client) => down = copied.unwrap_or(0),
        }
        entry.sent(up + down);
        entry.complete();
        let _ = tokio::join!(to_client.shutdown(), to_upstream.shutdown());
    });
}
