//! The way out: pooled HTTP/1.1 and HTTP/2 to the upstream, over rustls or plain.

use std::{error::Error as _, fmt::Write as _, io, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, request};
use http_body::Body;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;
use sparekey_core::{Exchange, UpstreamFailure};
use tokio::time::{Instant, sleep_until};

use crate::{
    download::Download,
    upload::{Progress, Upload},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Shorter than the keep-alive of the fronts that upstreams stand behind.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(50);
const POOL_MAX_IDLE: usize = 256;
/// A dead HTTP/2 connection would swallow every request until each timed out.
const PING_INTERVAL: Duration = Duration::from_secs(30);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long the upstream may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// To the answer's head, counted from the last byte of the request that went out.
    pub head: Duration,
    /// Between two pieces of the answer's body.
    pub silence: Duration,
}

/// A pool of connections to the upstream. Belongs to the runtime that first sends on it.
#[derive(Debug)]
pub struct Upstream<B> {
    client: Client<HttpsConnector<HttpConnector>, Upload<B>>,
    /// A WebSocket opens over HTTP/1.1 only.
    websockets: Client<HttpsConnector<HttpConnector>, Upload<B>>,
    patience: Patience,
}

impl<B> Upstream<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    /// Makes an empty pool.
    #[must_use]
    pub fn new(tls: &Arc<ClientConfig>, patience: Patience) -> Self {
        let builder =
            || HttpsConnectorBuilder::new().with_tls_config(ClientConfig::clone(tls)).https_or_http().enable_http1();
        Self {
            client: pool(builder().enable_http2().wrap_connector(tcp())),
            websockets: pool(builder().wrap_connector(tcp())),
            patience,
        }
    }

    /// Sends an admitted request and waits for the answer's head. A request of which nothing was sent, because
    /// the pooled connection had closed, is sent again on a fresh one; one that was sent never is.
    ///
    /// # Errors
    /// [`UpstreamFailure`], with the reason in the log. Dropping the future cancels the request.
    pub async fn send(
        &self,
        head: request::Parts,
        exchange: &Exchange,
        body: B,
    ) -> Result<Response<Download>, UpstreamFailure> {
        let progress = Arc::new(Progress::now());
        let request = Request::from_parts(head, Upload::new(body, Arc::clone(&progress)));
        let client = if exchange.asks_for_websocket() { &self.websockets } else { &self.client };
        let mut sending = pin!(client.request(request));
        loop {
            let deadline = progress.last() + self.patience.head;
            tokio::select! {
                biased;
                answer = &mut sending => return match answer {
                    Ok(answer) => Ok(answer.map(|body: Incoming| Download::new(body, self.patience.silence))),
                    Err(error) => {
                        tracing::warn!("no answer from the upstream: {}", causes(&error));
                        Err(UpstreamFailure::Unreachable)
                    }
                },
                () = sleep_until(deadline) => if progress.last() + self.patience.head <= Instant::now() {
                    tracing::warn!("no answer from the upstream in {:?}", self.patience.head);
                    return Err(UpstreamFailure::Timeout);
                }
            }
        }
    }
}

fn tcp() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_keepalive(Some(PING_INTERVAL));
    connector
}

fn pool<B>(connector: HttpsConnector<HttpConnector>) -> Client<HttpsConnector<HttpConnector>, Upload<B>>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(POOL_MAX_IDLE)
        .http2_keep_alive_interval(PING_INTERVAL)
        .build(connector)
}

/// An error with its causes in a line. None holds anything of the request.
fn causes(error: &legacy::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
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
