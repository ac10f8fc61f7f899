//! One connection of a client: TLS, the protocol, the shutdown.

use std::{fmt::Display, future::Future, io, pin::Pin, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use sparekey_net::{PollOnWake, Stream, TlsSocket};
use sparekey_proxy::Throttle;
use tokio::{
    io::Interest,
    net::TcpStream,
    sync::watch,
    task::yield_now,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    client_socket::ClientSocket,
    connection_state::{ClientTimeouts, ConnectionState},
    eager_executor::EagerExecutor,
    service::Service,
};
use crate::config::server_tls::ServerTls;

/// How long a new connection may send its first request, and a graceful shutdown of an idle one take: a round trip each. A
/// drain without forwarded requests ends within a second.
const FIRST_REQUEST_GRACE: Duration = Duration::from_millis(400);
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

/// The start of an HTTP/2 connection without TLS
/// ([RFC 9113 §3.4](https://www.rfc-editor.org/rfc/rfc9113#section-3.4)).
const PREFACE: &[u8; 4] = b"PRI ";

/// The start of a TLS handshake ([RFC 8446 §5.1](https://www.rfc-editor.org/rfc/rfc8446#section-5.1)).
const TLS_HANDSHAKE: &[u8] = &[0x16, 0x03];

/// Headers of a request over HTTP/1.1, at most. hyper's default is 100; some clients behind several reverse proxies send
/// more.
const HTTP1_HEADERS_MAX: usize = 256;

/// Between pings to a client over HTTP/2 ([RFC 9113 §6.7](https://www.rfc-editor.org/rfc/rfc9113#section-6.7)), and the wait
/// for the response. It is long, because a client that does not read answers no ping either.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(90);

/// Bytes of responses that may wait in memory for the client of one HTTP/2 connection or stream.
const SEND_BUFFER_MAX: usize = 32 * 1024;

/// Serves connections over HTTP/1.1 and HTTP/2.
#[derive(Clone)]
pub(crate) struct HttpServer {
    /// Replaced when the certificate is.
    tls: Option<Arc<ArcSwap<ServerTls>>>,
    pub(crate) timeouts: ClientTimeouts,
    pub(crate) max_head: usize,
    http1: http1::Builder,
    /// The log lines about clients that speak another protocol.
    mismatches: Arc<Throttle<&'static str>>,
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
    pub(crate) fn new(tls: Option<Arc<ArcSwap<ServerTls>>>, timeouts: ClientTimeouts, max_head: usize) -> Self {
        let mut http1 = http1::Builder::new();
        http1.max_buf_size(max_head).max_header_size(max_head).max_headers(HTTP1_HEADERS_MAX);
        Self { tls, timeouts, max_head, http1, mismatches: Arc::default() }
    }

    pub(crate) fn is_https(&self) -> bool {
        self.tls.is_some()
    }

    /// Serves a connection to its end.
    pub(crate) async fn serve(self, stream: TcpStream, mut context: ConnectionContext) {
        let mut negotiating = Box::pin(self.negotiate(stream));
        let negotiated = tokio::select! {
            negotiated = &mut negotiating => negotiated,
            () = context.ends() => {
                if !*context.draining.borrow() {
                    return;
                }
                // The client may just be sending its first request.
                match timeout(FIRST_REQUEST_GRACE, &mut negotiating).await {
                    Ok(negotiated) => negotiated,
                    Err(_) => return,
                }
            }
        };
        drop(negotiating);
        match negotiated {
            Ok((stream, protocol)) => self.spawn(stream, protocol, context),
            Err(error) => tracing::debug!("client connection ended: {error}"),
        }
    }

    async fn negotiate(&self, stream: TcpStream) -> io::Result<(Stream, Protocol)> {
        match &self.tls {
            None => {
                let protocol = peek_protocol(&stream, || self.warn_of_mismatch("TLS", "plain HTTP")).await?;
                Ok((Stream::Plain(stream), protocol))
            }
            // Boxed, so that plain connections don't reserve room for a TLS handshake.
            Some(tls) => {
                let accepted = Box::pin(accept_tls(tls.load().acceptor.clone(), stream)).await;
                accepted.inspect_err(|error| {
                    if is_other_protocol(error) {
                        self.warn_of_mismatch("HTTP, or another protocol without TLS,", "TLS");
                    }
                })
            }
        }
    }

    fn warn_of_mismatch(&self, spoken: &'static str, expected: &str) {
        if self.mismatches.is_due(spoken) {
            tracing::warn!("a client speaks {spoken} to this address, which serves {expected}: check its URL");
        }
    }

    /// Continues in a new task, without the state of the handshake.
    fn spawn(&self, stream: Stream, protocol: Protocol, context: ConnectionContext) {
        if protocol == Protocol::Http2 {
            context.state.set_http2(self.max_head);
        }
        let proxy = context.service.proxy.clone();
        let socket = TokioIo::new(ClientSocket::new(stream, Arc::clone(&context.state), proxy));
        let (service, state) = (Arc::clone(&context.service), Arc::clone(&context.state));
        let serve = move |request| Arc::clone(&service).serve(request, &state);
        match protocol {
            Protocol::Http1 => {
                // Boxed, because hyper reserves room for it for as long as the connection is open: 2 KiB less for each stream
                // and each idle connection, for 0.5k more instructions per request.
                let service = service_fn(move |request| Box::pin(serve(request)));
                let connection = Box::pin(self.http1.serve_connection(socket, service).with_upgrades());
                tokio::spawn(context.drive(connection, http1::UpgradeableConnection::graceful_shutdown));
            }
            Protocol::Http2 => {
                let mut http2 = http2::Builder::new(EagerExecutor(Arc::clone(&context.state)));
                // h2 answers a longer head itself, without an error envelope. The service refuses those between the two
                // limits.
                http2.max_header_list_size(u32::try_from(2 * self.max_head).unwrap_or(u32::MAX));
                http2.max_send_buf_size(SEND_BUFFER_MAX);
                http2.timer(TokioTimer::new()).keep_alive_interval(PING_INTERVAL).keep_alive_timeout(PING_TIMEOUT);
                let connection = Box::pin(http2.serve_connection(socket, service_fn(serve)));
                tokio::spawn(context.drive(connection, http2::Connection::graceful_shutdown));
            }
        }
    }
}

/// Whether a TLS handshake failed because its first bytes are no TLS.
fn is_other_protocol(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(rustls::Error::InvalidMessage(_)))
}

async fn accept_tls(tls: TlsAcceptor, stream: TcpStream) -> io::Result<(Stream, Protocol)> {
    let mut stream = tls.accept(TlsSocket::bounded(stream)).await?;
    stream.get_mut().0.end_handshake();
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
    Ok((Stream::Tls(Box::new(stream.into())), protocol))
}

/// Detects HTTP/2 with prior knowledge ([RFC 9113 §3.3](https://www.rfc-editor.org/rfc/rfc9113#section-3.3)), or HTTP/1.1,
/// by the first bytes, which stay unread.
async fn peek_protocol(stream: &TcpStream, on_tls: impl Fn()) -> io::Result<Protocol> {
    loop {
        let ready = stream.ready(Interest::READABLE).await?;
        let mut start = [0; PREFACE.len()];
        let count = stream.peek(&mut start).await?;
        if start == *PREFACE {
            return Ok(Protocol::Http2);
        }
        if start.starts_with(TLS_HANDSHAKE) {
            on_tls();
        }
        let may_become_preface = count > 0 && start[..count] == PREFACE[..count];
        if !may_become_preface || ready.is_read_closed() {
            return Ok(Protocol::Http1);
        }
        // The bytes stay unread, so the runtime would report them again at once: this makes it wait for the next ones.
        let _ = stream.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    }
}

impl ConnectionContext {
    /// Returns once the connection was idle for too long or has to make room, or no further request is accepted.
    async fn ends(&mut self) {
        tokio::select! {
            () = self.state.expired() => {}
            () = self.state.evicted() => {}
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
            let timer = Box::pin(self.ends());
            tokio::select! {
                biased;
                result = &mut connection => Some(result),
                () = PollOnWake::new(timer) => None,
            }
        };
        if result.is_none() && !self.state.is_evicted() {
            // A client may just be sending its first request, and could not know of the shutdown.
            let first_request = Box::pin(timeout(FIRST_REQUEST_GRACE, self.state.first_request()));
            result = tokio::select! {
                biased;
                result = &mut connection => Some(result),
                _ = first_request => None,
            };
        }
        if result.is_none() {
            graceful_shutdown(connection.as_mut());
            let overdue = Box::pin(async {
                tokio::select! {
                    // Polled once, which sends the GOAWAY frame of HTTP/2.
                    () = async { self.state.evicted().await; yield_now().await } => {}
                    () = async {
                        sleep(SHUTDOWN_GRACE).await;
                        tokio::select! {
                            () = self.state.expired() => {}
                            // A client without a forwarded request must not keep the connection with others.
                            () = self.state.none_forwarded() => {}
                        }
                    } => {}
                }
            });
            result = tokio::select! {
                biased;
                result = &mut connection => Some(result),
                () = overdue => None,
            };
        }
        if let Some(Err(error)) = result {
            tracing::debug!("client connection ended: {error}");
        }
    }
}
