//! Accepts connections.

use std::{future::poll_fn, net::SocketAddr, task::Poll, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// The wait after a failed accept. It fails if no file descriptor is free, and would fail again at once: 20 tries per
/// second cost little.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Accepts the next connection of one of these sockets and sets `TCP_NODELAY`, because Nagle's algorithm
/// ([RFC 9293 §3.7.4](https://www.rfc-editor.org/rfc/rfc9293#section-3.7.4)) delays small writes by up to 40 ms, the
/// delayed ACK of Linux. An accept that fails is logged and repeated after a pause.
pub async fn accept(listeners: &[TcpListener]) -> (TcpStream, SocketAddr) {
    loop {
        let accepted = poll_fn(|cx| {
            let ready = listeners.iter().map(|listener| listener.poll_accept(cx)).find(Poll::is_ready);
            ready.unwrap_or(Poll::Pending)
        });
        match accepted.await {
            Ok((stream, address)) => {
                let _ = stream.set_nodelay(true);
                return (stream, address);
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                sleep(RETRY_PAUSE).await;
            }
        }
    }
}
