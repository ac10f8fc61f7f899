//! Opens connections: name lookup, TCP, TLS.

use std::{io, sync::Arc, time::Duration};

use http::{Uri, uri::Scheme};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, pki_types::ServerName};
use sparekey_net::{Stream, TlsSocket};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service as _;

use crate::outbound_proxy::OutboundProxy;

/// For name lookup, TCP and TLS together: three retransmissions of a lost SYN (1 + 2 + 4 s,
/// [RFC 6298 §5](https://www.rfc-editor.org/rfc/rfc6298#section-5)) fit.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// TCP keepalive ([RFC 9293 §3.8.4](https://www.rfc-editor.org/rfc/rfc9293#section-3.8.4)): the idle time before probes, the
/// time between them, and how many. An upstream that vanished is noticed after a minute, while it may generate and bill.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;
/// The same time for data that is not acknowledged ([RFC 5482](https://www.rfc-editor.org/rfc/rfc5482)).
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(60);

/// ALPN identifiers
/// ([IANA](https://www.iana.org/assignments/tls-extensiontype-values/tls-extensiontype-values.xhtml#alpn-protocol-ids)).
const H2: &[u8] = b"h2";
const HTTP1_1: &[u8] = b"http/1.1";

/// Opens connections.
#[derive(Debug)]
pub(crate) struct Connector {
    tcp: HttpConnector,
    proxy: Option<OutboundProxy>,
    tls: Option<Tls>,
}

/// TLS configurations, by the protocols that they offer.
#[derive(Debug)]
struct Tls {
    h2_http1: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

/// A connection and its protocol, negotiated by ALPN
/// ([RFC 7301](https://www.rfc-editor.org/rfc/rfc7301)).
#[derive(Debug)]
pub(crate) enum Negotiated {
    Http1(Stream),
    Http2(Stream),
}

impl Connector {
    /// Without `tls`, it opens connections to `http` URIs only.
    pub(crate) fn new(tls: Option<&ClientConfig>, proxy: Option<OutboundProxy>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
        tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(USER_TIMEOUT));
        Self { tcp, proxy, tls: tls.map(Tls::new) }
    }

    /// Connects to the host of this URI.
    pub(crate) async fn connect(&self, uri: &Uri, http1_only: bool) -> io::Result<Negotiated> {
        let connected = timeout(CONNECT_TIMEOUT, self.negotiate(uri, http1_only)).await;
        connected.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {CONNECT_TIMEOUT:?}")))
        })
    }

    async fn negotiate(&self, uri: &Uri, http1_only: bool) -> io::Result<Negotiated> {
        let tcp = match &self.proxy {
            None => self.tcp.clone().call(uri.clone()).await.map_err(io::Error::other)?,
            Some(proxy) => proxy.connect(self.tcp.clone(), uri).await?,
        };
        let tcp = tcp.into_inner();
        if uri.scheme() != Some(&Scheme::HTTPS) {
            return Ok(Negotiated::Http1(Stream::Plain(tcp)));
        }
        let tls = self.tls.as_ref().ok_or_else(|| io::Error::other("no trusted certificates for https"))?;
        // An IPv6 address is in brackets in a URI only
        // (https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2).
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let config = if http1_only { &tls.http1 } else { &tls.h2_http1 };
        let tls = TlsConnector::from(Arc::clone(config)).connect(name, TlsSocket::unbounded(tcp)).await;
        let tls = tls.map_err(|error| io::Error::new(error.kind(), format!("TLS handshake failed: {error}")))?;
        let is_h2 = tls.get_ref().1.alpn_protocol() == Some(H2);
        let stream = Stream::Tls(Box::new(tls.into()));
        Ok(if is_h2 { Negotiated::Http2(stream) } else { Negotiated::Http1(stream) })
    }
}

impl Tls {
    fn new(config: &ClientConfig) -> Self {
        let with_alpn = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Arc::new(config)
        };
        Self { h2_http1: with_alpn(&[H2, HTTP1_1]), http1: with_alpn(&[HTTP1_1]) }
    }
}
