//! The listening socket, one thread per core, and the drain.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};

use listenfd::ListenFd;
use socket2::{SockRef, TcpKeepalive};
use sparekey_core::is_stripped_from_responses;
use sparekey_proxy::Proxy;
use sparekey_upstream::{OutboundProxy, Timeouts, Upstream};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::sleep,
};

use crate::shutdown::Stop;

use super::{
    connection::{ConnectionContext, HttpServer},
    connection_state::ConnectionState,
    places::Places,
    service::Service,
    trusted_proxies::TrustedProxies,
};

/// TCP keepalive ([RFC 9293 §3.8.4](https://www.rfc-editor.org/rfc/rfc9293#section-3.8.4)): the idle time before probes, the
/// time between them, and how many. A client that vanished is noticed after two minutes.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4);
/// The same time for data that is not acknowledged
/// ([RFC 5482](https://www.rfc-editor.org/rfc/rfc5482)); the kernel would repeat it for a quarter of an hour.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes of a response that the kernel takes before it has sent them. A socket is writable again when half of them are sent,
/// so a client that reads 16 KiB per `SEND_TIMEOUT` stays; without it, a third of the whole buffer, which may be 1 MiB.
#[cfg(target_os = "linux")]
const UNSENT_MAX: u32 = 32 * 1024;
/// Connections that wait to be accepted: enough for a burst, and the kernel's usual maximum (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// A server with a bound socket.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) proxy: Proxy,
    pub(crate) http: HttpServer,
    pub(crate) upstream_timeouts: Timeouts,
    pub(crate) client_tls: Option<Arc<rustls::ClientConfig>>,
    pub(crate) outbound_proxy: Option<OutboundProxy>,
    pub(crate) places: Arc<Places>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) drain_timeout: Duration,
    /// Ends the server at once.
    pub(crate) stop: Stop,
}

impl Server {
    /// Serves on one thread per core, including the current one, until the drain is over.
    pub(crate) async fn run(self, listeners: Vec<TcpListener>, draining: watch::Receiver<bool>) -> io::Result<()> {
        let others = thread::available_parallelism().map_or(1, usize::from) - 1;
        let mut threads = JoinSet::new();
        for number in 1..=others {
            let shared = listeners.iter().map(TcpListener::try_clone).collect::<io::Result<_>>()?;
            let (server, draining) = (self.clone(), draining.clone());
            let (tx, rx) = oneshot::channel();
            let thread = thread::Builder::new().name(format!("server-{number}"));
            thread.spawn(move || tx.send(server.run_thread(shared, draining)))?;
            threads.spawn(rx);
        }
        // If a thread fails, all end, and settle what is open: the server would go on with fewer threads.
        let stop = self.stop.clone();
        let failed = |error: &io::Error| {
            tracing::error!("a thread of the server has failed, so the server ends: {error}");
            stop.now();
        };
        let others = async {
            let mut result = Ok(());
            while let Some(thread) = threads.join_next().await {
                let ended = thread.map_err(io::Error::other).and_then(|ended| {
                    ended.unwrap_or_else(|_| Err(io::Error::other("a thread of the server panicked; start it again")))
                });
                result = result.and(ended.inspect_err(failed));
            }
            result
        };
        let own = async { self.serve(listeners, draining).await.inspect_err(failed) };
        let (own, others) = tokio::join!(own, others);
        own.and(others)
    }

    fn run_thread(self, listeners: Vec<TcpListener>, draining: watch::Receiver<bool>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let result = runtime.block_on(self.serve(listeners, draining));
        runtime.shutdown_background();
        result
    }

    async fn serve(self, listeners: Vec<TcpListener>, mut draining: watch::Receiver<bool>) -> io::Result<()> {
        let listeners = listeners.into_iter().map(tokio::net::TcpListener::from_std).collect::<io::Result<Vec<_>>>()?;
        let places = Arc::clone(&self.places);
        let (alive, mut all_dropped) = mpsc::channel::<Infallible>(1);
        let proxy = self.proxy.clone();
        let upstream = Upstream::new(self.client_tls.as_deref(), self.outbound_proxy, self.upstream_timeouts)
            .without_headers(is_stripped_from_responses);
        let service = Arc::new(Service {
            proxy: self.proxy,
            upstream,
            trusted_proxies: self.trusted_proxies,
            is_https: self.http.is_https(),
            max_head: self.http.max_head,
            _alive: alive,
        });
        loop {
            let accepted = async {
                let (stream, peer) = sparekey_net::accept(&listeners).await;
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
        drop((listeners, service));
        let reason = tokio::select! {
            biased;
            _ = all_dropped.recv() => return Ok(()),
            () = sleep(self.drain_timeout) => "DRAIN_TIMEOUT has passed",
            () = self.stop.requested() => "the server ends at once",
        };
        tracing::warn!("{reason}: {} open requests are cut", places.open_requests());
        proxy.close();
        Ok(())
    }
}

/// Binds a listening socket to each address. An address that this machine does not have is skipped if there is another one,
/// because a name such as `localhost` may also have an address of IPv6.
pub(crate) fn bind_all(addresses: &[SocketAddr], reuse_port: bool) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::with_capacity(addresses.len());
    let mut missing = None;
    for address in addresses {
        match bind(*address, reuse_port) {
            Ok(listener) => listeners.push(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => missing = Some(error),
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

/// Binds a listening socket.
pub(crate) fn bind(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        // All addresses of IPv4 too, whatever the system's default is.
        socket.set_only_v6(false)?;
    }
    #[cfg(target_os = "linux")]
    socket.set_reuse_port(reuse_port)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    configure(&SockRef::from(&socket))?;
    Ok(socket.into())
}

/// The sockets that a service manager has bound, which outlive this process: no connection is lost at a restart
/// ([sd_listen_fds(3)](https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html)).
pub(crate) fn inherited() -> io::Result<Vec<TcpListener>> {
    let mut sockets = ListenFd::from_env();
    let mut listeners = Vec::with_capacity(sockets.len());
    for index in 0..sockets.len() {
        let listener = sockets.take_tcp_listener(index)?;
        listeners.extend(listener);
    }
    listeners.iter().try_for_each(|listener| configure(&SockRef::from(listener)))?;
    Ok(listeners)
}

/// Sets what accepted sockets inherit.
fn configure(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_keepalive(&KEEPALIVE)?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        socket.set_tcp_notsent_lowat(UNSENT_MAX)?;
    }
    socket.set_nonblocking(true)
}
