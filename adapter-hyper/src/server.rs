//! Threads, the listening socket, and the drain.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};

use sparekey::{
    metrics::Metrics,
    upstream::{Patience, Upstream},
};
use sparekey_core::Gate;
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::{sleep, timeout},
};

use crate::{
    activity::Activity,
    connection::{Client, Protocol},
    proxy::Proxy,
};

/// The wait after an accept that failed, for want of descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const KEEPALIVE: Duration = Duration::from_secs(60);
const BACKLOG: i32 = 4096;

/// A server that has its socket.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) gate: Arc<Gate>,
    pub(crate) protocol: Protocol,
    pub(crate) patience: Patience,
    pub(crate) trust: Option<Arc<rustls::ClientConfig>>,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) drain_timeout: Duration,
    pub(crate) metrics: Option<Arc<Metrics>>,
}

impl Server {
    /// Serves on one thread a core, of which this is one, until draining has ended or its time is over.
    pub(crate) async fn run(self, listener: TcpListener, draining: watch::Receiver<bool>) -> io::Result<()> {
        let others = thread::available_parallelism().map_or(1, usize::from) - 1;
        let mut running = Vec::with_capacity(others);
        for _ in 0..others {
            let (server, listener, draining) = (self.clone(), listener.try_clone()?, draining.clone());
            let (tell, told) = oneshot::channel();
            thread::spawn(move || tell.send(server.run_alone(listener, draining)));
            running.push(told);
        }
        let mut end = self.serve(listener, draining).await;
        for told in running {
            end = end.and(told.await.unwrap_or_else(|_| Err(io::Error::other("a thread panicked"))));
        }
        end
    }

    fn run_alone(self, listener: TcpListener, draining: watch::Receiver<bool>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let end = runtime.block_on(self.serve(listener, draining));
        runtime.shutdown_background();
        end
    }

    async fn serve(self, listener: TcpListener, mut draining: watch::Receiver<bool>) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (alive, mut all_gone) = mpsc::channel::<Infallible>(1);
        let upstream = Upstream::new(self.trust.as_deref(), self.patience);
        let proxy = Arc::new(Proxy { gate: self.gate, upstream, metrics: self.metrics, _alive: alive });
        loop {
            let place = tokio::select! {
                _ = draining.wait_for(|draining| *draining) => break,
                place = Arc::clone(&self.places).acquire_owned() => place.map_err(io::Error::other)?,
            };
            let accepted = tokio::select! {
                _ = draining.wait_for(|draining| *draining) => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    let activity = Activity::new(self.protocol.bounds, place);
                    let client = Client { proxy: Arc::clone(&proxy), activity, draining: draining.clone() };
                    tokio::spawn(self.protocol.clone().serve(stream, client));
                }
                Err(error) => {
                    tracing::warn!("can't accept a connection: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop((listener, proxy));
        if timeout(self.drain_timeout, all_gone.recv()).await.is_err() {
            tracing::warn!("drain timeout: open requests are cut");
        }
        Ok(())
    }
}

/// Binds a listening socket.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it: a client that vanished without a word is noticed.
    socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(KEEPALIVE))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
