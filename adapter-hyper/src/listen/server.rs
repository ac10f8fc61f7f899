//! The listening socket, one thread per core, and the drain.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};

use sparekey_proxy::Proxy;
use sparekey_upstream::{Timeouts, Upstream};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use super::{
    connection::{ConnectionContext, HttpServer},
    connection_state::ConnectionState,
    places::Places,
    service::Service,
    trusted_proxies::TrustedProxies,
};

/// The idle time before TCP keepalive probes
/// ([RFC 9293 §3.8.4](https://www.rfc-editor.org/rfc/rfc9293#section-3.8.4)), which detect clients that vanished.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Connections that wait to be accepted: enough for a burst, and the kernel's usual maximum (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// A server with a bound socket.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) proxy: Proxy,
    pub(crate) http: HttpServer,
    pub(crate) upstream_timeouts: Timeouts,
    pub(crate) client_tls: Option<Arc<rustls::ClientConfig>>,
    pub(crate) places: Arc<Places>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) drain_timeout: Duration,
}

impl Server {
    /// Serves on one thread per core, including the current one, until the drain is over.
    pub(crate) async fn run(self, listener: TcpListener, draining: watch::Receiver<bool>) -> io::Result<()> {
        let others = thread::available_parallelism().map_or(1, usize::from) - 1;
        let mut threads = Vec::with_capacity(others);
        for _ in 0..others {
            let (server, listener, draining) = (self.clone(), listener.try_clone()?, draining.clone());
            let (tx, rx) = oneshot::channel();
            thread::spawn(move || tx.send(server.run_thread(listener, draining)));
            threads.push(rx);
        }
        let mut result = self.serve(listener, draining).await;
        for thread in threads {
            result = result.and(thread.await.unwrap_or_else(|_| Err(io::Error::other("a thread panicked"))));
        }
        result
    }

    fn run_thread(self, listener: TcpListener, draining: watch::Receiver<bool>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let result = runtime.block_on(self.serve(listener, draining));
        runtime.shutdown_background();
        result
    }

    async fn serve(self, listener: TcpListener, mut draining: watch::Receiver<bool>) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (alive, mut all_dropped) = mpsc::channel::<Infallible>(1);
        let upstream = Upstream::new(self.client_tls.as_deref(), self.upstream_timeouts);
        let service = Arc::new(Service {
            proxy: self.proxy,
            upstream,
            trusted_proxies: self.trusted_proxies,
            max_head: self.http.max_head,
            _alive: alive,
        });
        loop {
            let accepted = async {
                let (stream, peer) = sparekey_net::accept(&listener).await;
                let peer = peer.ip().to_canonical();
                (stream, peer, self.places.take(peer).await)
            };
            let (stream, peer, place) = tokio::select! {
                _ = draining.wait_for(|draining| *draining) => break,
                accepted = accepted => accepted,
            };
            // Without a place, the connection is closed.
            let Some(place) = place else { continue };
            let state = ConnectionState::new(self.http.timeouts, peer, place);
            let context = ConnectionContext { service: Arc::clone(&service), state, draining: draining.clone() };
            tokio::spawn(self.http.clone().serve(stream, context));
        }
        drop((listener, service));
        if timeout(self.drain_timeout, all_dropped.recv()).await.is_err() {
            tracing::warn!("DRAIN_TIMEOUT has passed: open requests are cut");
        }
        Ok(())
    }
}

/// Binds a listening socket.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it.
    socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(KEEPALIVE))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
