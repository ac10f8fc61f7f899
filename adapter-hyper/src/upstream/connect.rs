//! A fresh connection: the name looked up, TCP, TLS.

use std::{io, sync::Arc, time::Duration};

use http::{Uri, uri::Scheme};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service as _;

use crate::stream::Stream;

/// For TCP and TLS together.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A peer that vanished without a word is noticed.
const KEEPALIVE: Duration = Duration::from_secs(30);

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Makes connections.
#[derive(Debug)]
pub(crate) struct Connector {
    tcp: HttpConnector,
    tls: Option<Tls>,
}

/// What is offered over TLS.
#[derive(Debug)]
struct Tls {
    either: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

/// A connection that speaks what was agreed on.
#[derive(Debug)]
pub(crate) enum Fresh {
    Http1(Stream),
    Http2(Stream),
}

impl Connector {
    /// Connects to plain hosts only where nobody is trusted.
    pub(crate) fn new(trust: Option<&ClientConfig>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(TIMEOUT));
        tcp.set_keepalive(Some(KEEPALIVE));
        Self { tcp, tls: trust.map(Tls::new) }
    }

    /// Connects to the host of this URI.
    pub(crate) async fn connect(&self, uri: &Uri, http1_only: bool) -> io::Result<Fresh> {
        let connected = timeout(TIMEOUT, self.dial(uri, http1_only)).await;
        connected
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "it does not take connections in time")))
    }

    async fn dial(&self, uri: &Uri, http1_only: bool) -> io::Result<Fresh> {
        let tcp = self.tcp.clone().call(uri.clone()).await.map_err(io::Error::other)?.into_inner();
        if uri.scheme() != Some(&Scheme::HTTPS) {
            return Ok(Fresh::Http1(Stream::Plain(tcp)));
        }
        let tls = self.tls.as_ref().ok_or_else(|| io::Error::other("nobody is trusted to vouch for it"))?;
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let config = if http1_only { &tls.http1 } else { &tls.either };
        let tls = TlsConnector::from(Arc::clone(config)).connect(name, tcp).await?;
        let speaks_http2 = tls.get_ref().1.alpn_protocol() == Some(HTTP2);
        let stream = Stream::Tls(Box::new(tls.into()));
        Ok(if speaks_http2 { Fresh::Http2(stream) } else { Fresh::Http1(stream) })
    }
}

impl Tls {
    fn new(trust: &ClientConfig) -> Self {
        let speaking = |protocols: &[&[u8]]| {
            let mut config = trust.clone();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Arc::new(config)
        };
        Self { either: speaking(&[HTTP2, HTTP1]), http1: speaking(&[HTTP1]) }
    }
}
