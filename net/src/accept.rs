//! Accepts connections.

use std::time::Duration;

use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// The wait after a failed accept. It fails if no file descriptor is free, and would fail again at once.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts the next connection and sets `TCP_NODELAY`, because Nagle's algorithm delays small writes by up to 40 ms. An
/// accept that fails is logged and repeated after a pause.
pub async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}
