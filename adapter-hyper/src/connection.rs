//! One client's connection: TLS, the protocol, and its end.

use std::{io, pin::pin, sync::Arc, time::Duration};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    activity::{Activity, Bounds},
    proxy::Proxy,
    socket::Socket,
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long a connection that is being closed may take to say so.
const FAREWELL: Duration = Duration::from_secs(1);

/// How connections are served.
#[derive(Clone)]
pub(crate) struct Protocol {
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) bounds: Bounds,
    pub(crate) builder: Arc<Builder<TokioExecutor>>,
}

impl Protocol {
    pub(crate) fn new(tls: Option<TlsAcceptor>, bounds: Bounds, max_head: usize) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().max_buf_size(max_head);
        builder.http2().max_header_list_size(u32::try_from(max_head).unwrap_or(u32::MAX));
        Self { tls, bounds, builder: Arc::new(builder) }
    }

    /// Serves a connection to its end. `draining` turns true when no further request is taken.
    pub(crate) async fn serve(
        self,
        stream: TcpStream,
        proxy: Proxy,
        activity: Arc<Activity>,
        draining: watch::Receiver<bool>,
    ) {
        let ended = match &self.tls {
            None => self.speak(stream, proxy, activity, draining).await,
            // Apart, so that plain connections don't carry what TLS needs.
            Some(tls) => Box::pin(self.speak_tls(tls, stream, proxy, activity, draining)).await,
        };
        if let Err(error) = ended {
            tracing::debug!("connection ended: {error}");
        }
    }

    async fn speak_tls(
        &self,
        tls: &TlsAcceptor,
        stream: TcpStream,
        proxy: Proxy,
        activity: Arc<Activity>,
        draining: watch::Receiver<bool>,
    ) -> Result<(), BoxError> {
        let stream = timeout(self.bounds.head, tls.accept(stream)).await.map_err(io::Error::from)??;
        self.speak(stream, proxy, activity, draining).await
    }

    async fn speak<S>(
        &self,
        stream: S,
        proxy: Proxy,
        activity: Arc<Activity>,
        mut draining: watch::Receiver<bool>,
    ) -> Result<(), BoxError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let socket = TokioIo::new(Socket::new(stream, Arc::clone(&activity)));
        let watched = Arc::clone(&activity);
        let service = service_fn(move |request| proxy.clone().serve(request, Arc::clone(&activity)));
        let mut connection = pin!(self.builder.serve_connection_with_upgrades(socket, service));
        tokio::select! {
            ended = &mut connection => return ended,
            () = watched.expired() => {}
            _ = draining.wait_for(|draining| *draining) => {}
        }
        connection.as_mut().graceful_shutdown();
        let overdue = async {
            sleep(FAREWELL).await;
            watched.expired().await;
        };
        tokio::select! {
            ended = &mut connection => ended,
            () = overdue => Ok(()),
        }
    }
}
