//! One connection of a client: TLS, the protocol, the shutdown.

use std::{fmt::Display, future::Future, io, pin::Pin, sync::Arc, time::Duration};

use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sparekey_net::{PollOnWake, Stream};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    idle::{ClientTimeouts, ConnectionState},
    lingering_close::Socket,
    service::Service,
};

/// How long a graceful shutdown may take for an idle connection: one round trip on a slow line.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// The start of an HTTP/2 connection without TLS
/// ([RFC 9113 §3.4](https://www.rfc-editor.org/rfc/rfc9113#section-3.4)).
const PREFACE: &[u8; 4] = b"PRI ";
/// The wait before another look if only the first bytes of the preface have arrived, which is rare: the rest follows at
/// once.
const PREFACE_PAUSE: Duration = Duration::from_millis(10);

/// Serves connections over HTTP/1.1 and HTTP/2.
#[derive(Clone)]
pub(crate) struct HttpServer {
    tls: Option<TlsAcceptor>,
    pub(crate) timeouts: ClientTimeouts,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

/// The state that a connection shares with the server.
pub(crate) struct ConnectionContext {
    pub(crate) service: Arc<Service>,
    pub(crate) state: Arc<ConnectionState>,
    /// True once no further request is accepted.
    pub(crate) draining: watch::Receiver<bool>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Protocol {
    Http1,
    Http2,
}

impl HttpServer {
    pub(crate) fn new(tls: Option<TlsAcceptor>, timeouts: ClientTimeouts, max_head: usize) -> Self {
        let (mut http1, mut http2) = (http1::Builder::new(), http2::Builder::new(TokioExecutor::new()));
        http1.max_buf_size(max_head);
        http2.max_header_list_size(u32::try_from(max_head).unwrap_or(u32::MAX));
        Self { tls, timeouts, http1, http2 }
    }

    /// Serves a connection to its end.
    pub(crate) async fn serve(self, stream: TcpStream, mut context: ConnectionContext) {
        let negotiated = match &self.tls {
            None => detect_protocol(stream, &mut context).await,
            // Boxed, so that plain connections don't reserve room for a TLS handshake.
            Some(tls) => Box::pin(self.accept_tls(tls, stream)).await,
        };
        match negotiated {
            Ok(Some((stream, protocol))) => self.spawn(stream, protocol, context),
            Ok(None) => {}
            Err(error) => tracing::debug!("client connection ended: {error}"),
        }
    }

    async fn accept_tls(&self, tls: &TlsAcceptor, stream: TcpStream) -> io::Result<Option<(Stream, Protocol)>> {
        let stream = timeout(self.timeouts.header_read, tls.accept(stream)).await.map_err(io::Error::from)??;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
        Ok(Some((Stream::Tls(Box::new(stream.into())), protocol)))
    }

    /// Continues in a new task, without the state of the handshake.
    fn spawn(&self, stream: Stream, protocol: Protocol, context: ConnectionContext) {
        let socket = TokioIo::new(Socket::new(stream, Arc::clone(&context.state)));
        let (service, state) = (Arc::clone(&context.service), Arc::clone(&context.state));
        let service = service_fn(move |request| Arc::clone(&service).serve(request, &state));
        match protocol {
            Protocol::Http1 => {
                let connection = Box::pin(self.http1.serve_connection(socket, service).with_upgrades());
                tokio::spawn(context.drive(connection, http1::UpgradeableConnection::graceful_shutdown));
            }
            Protocol::Http2 => {
                let connection = Box::pin(self.http2.serve_connection(socket, service));
                tokio::spawn(context.drive(connection, http2::Connection::graceful_shutdown));
            }
        }
    }
}

/// Detects the protocol by the first bytes; `None` if the client sent nothing in time.
async fn detect_protocol(stream: TcpStream, context: &mut ConnectionContext) -> io::Result<Option<(Stream, Protocol)>> {
    let protocol = tokio::select! {
        protocol = peek_protocol(&stream) => protocol?,
        () = context.expired_or_draining() => return Ok(None),
    };
    Ok(Some((Stream::Plain(stream), protocol)))
}

/// HTTP/2 with prior knowledge ([RFC 9113 §3.3](https://www.rfc-editor.org/rfc/rfc9113#section-3.3)), or HTTP/1.1.
async fn peek_protocol(stream: &TcpStream) -> io::Result<Protocol> {
    let mut start = [0; PREFACE.len()];
    loop {
        let count = stream.peek(&mut start).await?;
        if count == PREFACE.len() || count == 0 || start[..count] != PREFACE[..count] {
            return Ok(if start == *PREFACE { Protocol::Http2 } else { Protocol::Http1 });
        }
        sleep(PREFACE_PAUSE).await;
    }
}

impl ConnectionContext {
    /// Returns once the connection was idle for too long, or no further request is accepted.
    async fn expired_or_draining(&mut self) {
        tokio::select! {
            () = self.state.expired() => {}
            _ = self.draining.wait_for(|draining| *draining) => {}
        }
    }

    /// Drives a connection to its end.
    ///
    /// With many streams, each task's state has left the CPU cache by the time it is polled: the timers are boxed and
    /// polled only when they fire, so that a chunk touches fewer cache lines (28 instead of 34 at 1,000 streams).
    async fn drive<C, E>(mut self, mut connection: Pin<Box<C>>, graceful_shutdown: impl FnOnce(Pin<&mut C>))
    where
        C: Future<Output = Result<(), E>> + ?Sized,
        E: Display,
    {
        let mut result = {
            let timer = Box::pin(self.expired_or_draining());
            tokio::select! {
                biased;
                result = &mut connection => Some(result),
                () = PollOnWake::new(timer) => None,
            }
        };
        if result.is_none() {
            graceful_shutdown(connection.as_mut());
            let is_draining = *self.draining.borrow();
            let overdue = Box::pin(async {
                sleep(SHUTDOWN_GRACE).await;
                tokio::select! {
                    () = self.state.expired() => {}
                    () = self.state.none_forwarded(), if is_draining => {}
                }
            });
            result = tokio::select! {
                result = &mut connection => Some(result),
                () = overdue => None,
            };
        }
        if let Some(Err(error)) = result {
            tracing::debug!("client connection ended: {error}");
        }
    }
}
