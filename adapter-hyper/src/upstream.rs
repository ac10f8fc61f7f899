//! The way out: pooled HTTP/1.1 and HTTP/2 to the upstream, over rustls or plain.

mod connect;
pub mod http1;
pub(crate) mod http2;
mod pool;

use std::{
    error::Error,
    fmt::Write as _,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, request};
use http_body::Body;
use rustls::ClientConfig;
use sparekey_core::{Exchange, UpstreamFailure};
use tokio::time::Instant;

use self::{
    connect::{Connector, Fresh},
    http1::{Connection, SendError, Sending},
    pool::Pool,
};
use crate::{
    download::{Content, Download},
    timer::Timer,
    upload::{Progress, Upload},
};

type BoxError = Box<dyn Error + Send + Sync>;

/// How long the upstream may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// To the answer's head, counted from the last byte of the request that went out.
    pub head: Duration,
    /// Between two pieces of the answer's body.
    pub silence: Duration,
}

/// The way to the upstream, with the connections that are open. Belongs to the runtime that first sends on it.
#[derive(Debug)]
pub struct Upstream {
    connector: Connector,
    idle: Arc<Pool>,
    known: Arc<Mutex<http1::Known>>,
    http2: http2::Connections,
    patience: Patience,
}

impl Upstream {
    /// Opens nothing yet. An upstream over TLS needs somebody to trust.
    #[must_use]
    pub fn new(trust: Option<&ClientConfig>, patience: Patience) -> Self {
        let connector = Connector::new(trust);
        Self { connector, idle: Arc::default(), known: Arc::default(), http2: http2::Connections::default(), patience }
    }

    /// Sends an admitted request and waits for the answer's head. A request of which nothing was sent, because
    /// the pooled connection had closed, is sent again on a fresh one; one that was sent never is.
    ///
    /// # Errors
    /// [`UpstreamFailure`], with the reason in the log. Dropping the future cancels the request.
    pub fn send<B>(
        &self,
        head: request::Parts,
        exchange: &Exchange,
        body: B,
    ) -> impl Future<Output = Result<Response<Download>, UpstreamFailure>> + Send + use<'_, B>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let progress = Arc::new(Progress::now());
        let upload = Upload::new(body, Arc::clone(&progress));
        // Boxed, for each future that it goes through would keep a place for it.
        let request = Box::new(Request::from_parts(head, upload));
        let websocket = exchange.asks_for_websocket();
        async move {
            let mut exchange = pin!(self.exchange(request, websocket));
            let mut timer = Timer::default();
            let answer = poll_fn(|cx| match exchange.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending => timer.poll(Instant::now(), progress.last() + self.patience.head, cx).map(|()| None),
            });
            match answer.await {
                Some(Ok(answer)) => Ok(answer.map(|content| Download::new(content, self.patience.silence, timer))),
                Some(Err(error)) => {
                    tracing::warn!("no answer from the upstream: {}", causes(&*error));
                    Err(UpstreamFailure::Unreachable)
                }
                None => {
                    tracing::warn!("no answer from the upstream in {:?}", self.patience.head);
                    Err(UpstreamFailure::Timeout)
                }
            }
        }
    }

    async fn exchange<B>(
        &self,
        request: Box<Request<Upload<B>>>,
        websocket: bool,
    ) -> Result<Response<Content>, BoxError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        // A WebSocket opens over HTTP/1.1 only.
        if !websocket && let Some(room) = self.http2.room() {
            return Ok(Box::pin(room.exchange(*request)).await?.map(Content::Http2));
        }
        if let Some(connection) = self.idle.take() {
            return self.over_http1(connection, true, request, websocket).await;
        }
        match self.connect(request.uri(), websocket).await? {
            Fresh::Http1(stream) => {
                self.over_http1(Connection::new(stream, &self.known), false, request, websocket).await
            }
            Fresh::Http2(stream) => {
                let answer = Box::pin(async { self.http2.open(stream).await?.exchange(*request).await }).await?;
                Ok(answer.map(Content::Http2))
            }
        }
    }

    /// Apart, so that the many requests that find an open connection don't carry what only this needs.
    fn connect(&self, uri: &Uri, http1_only: bool) -> Pin<Box<impl Future<Output = io::Result<Fresh>>>> {
        Box::pin(self.connector.connect(uri, http1_only))
    }

    async fn over_http1<B>(
        &self,
        mut connection: Connection,
        mut reused: bool,
        request: Box<Request<Upload<B>>>,
        websocket: bool,
    ) -> Result<Response<Content>, BoxError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let (uri, mut sending) = {
            let (head, upload) = request.into_parts();
            let sending = Sending::new(&head, upload, websocket);
            (head.uri, sending)
        };
        let answer = loop {
            match http1::exchange(&mut connection, &mut sending).await {
                Ok(answer) => break answer,
                Err(SendError::Connection(_)) if reused && !sending.has_begun() => {}
                Err(error) => return Err(error.into()),
            }
            (connection, reused) = match self.idle.take() {
                Some(idle) => (idle, true),
                None => match self.connect(&uri, true).await? {
                    Fresh::Http1(stream) => (Connection::new(stream, &self.known), false),
                    Fresh::Http2(_) => return Err("it speaks HTTP/2 unasked".into()),
                },
            };
        };
        let content = if answer.parts.status == StatusCode::SWITCHING_PROTOCOLS {
            Content::Switched(connection)
        } else if sending.is_done() {
            let pool = answer.keeps_open.then(|| Arc::clone(&self.idle));
            Content::Http1(http1::ReceivedBody::new(connection, answer.body, pool))
        } else {
            Content::Http1(http1::ReceivedBody::beside(connection, answer.body, sending))
        };
        Ok(Response::from_parts(answer.parts, content))
    }
}

/// The roots that the upstream's certificate is checked against: those of `SSL_CERT_FILE` and `SSL_CERT_DIR`
/// where set, else Mozilla's as built in, so that it works in an empty container too.
///
/// # Errors
/// Where the variables name nothing that can be read.
pub fn trust() -> io::Result<Arc<ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    if ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty())) {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let reason = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
            return Err(io::Error::other(format!("SSL_CERT_FILE or SSL_CERT_DIR holds no usable certificate{reason}")));
        }
    } else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}

/// An error with its causes in a line. None holds anything of the request.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}
