//! Requests to other services than the upstream, and their whole responses.

use std::{future::poll_fn, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body as _;
use http_body_util::Full;
use sparekey_upstream::{ErrorKind, OutboundProxy, Reply, Timeouts, Upgrade, Upstream};
use tokio::time::timeout;

use crate::config::sources::environment;

/// For a whole exchange.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a response that are read.
const BODY_MAX: usize = 8 << 20;

/// A service, with the connections to it.
pub(crate) struct Service(Upstream);

/// Why there is no whole response. It has no part of the request.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing was sent.
    NotSent(String),
    /// The request may have arrived.
    Interrupted(String),
}

/// Sends a request to a service, through the outbound proxy of the environment.
///
/// # Errors
/// A sentence: nothing, or something else than a whole response arrived. It has no part of the request.
pub(crate) async fn exchange(request: Request<Bytes>) -> Result<Response<Bytes>, String> {
    let service = Service::new(request.uri())?;
    let response = timeout(TIMEOUT, service.send(request)).await;
    let response = response.map_err(|_| format!("no response within {} s", TIMEOUT.as_secs()))?;
    response.map_err(|failure| {
        let (Failure::NotSent(reason) | Failure::Interrupted(reason)) = failure;
        reason
    })
}

impl Service {
    /// Uses the outbound proxy of the environment. Nothing is sent before the first request.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) fn new(address: &Uri) -> Result<Self, String> {
        let is_https = address.scheme_str() == Some("https");
        let tls = is_https.then(sparekey_upstream::client_tls).transpose().map_err(|error| error.to_string())?;
        let proxy = OutboundProxy::from_env(environment, address)?;
        let timeouts = Timeouts { response_head: TIMEOUT, body_idle: TIMEOUT };
        Ok(Self(Upstream::new(tls.as_ref().map(Arc::as_ref), proxy, timeouts)))
    }

    /// Sends a request, and reads the response.
    ///
    /// # Errors
    /// [`Failure`]
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        let (head, body) = request.into_parts();
        let reply = self.0.send(Box::new(head), Full::new(body), Upgrade::Forbidden).await.map_err(|error| {
            let failure = match error.kind() {
                ErrorKind::NotSent | ErrorKind::Refused => Failure::NotSent,
                _ => Failure::Interrupted,
            };
            failure(error.to_string())
        })?;
        let Reply::Response(response) = reply else {
            return Err(Failure::Interrupted("an invalid response: it switched protocols".to_owned()));
        };
        let (head, mut body) = response.into_parts();
        let mut read = Vec::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let frame = frame.map_err(|error| Failure::Interrupted(error.to_string()))?;
            let data = frame.into_data().unwrap_or_default();
            if read.len() + data.len() > BODY_MAX {
                return Err(Failure::Interrupted(format!("a response of more than {BODY_MAX} bytes")));
            }
            read.extend_from_slice(&data);
        }
        Ok(Response::from_parts(head, read.into()))
    }
}
