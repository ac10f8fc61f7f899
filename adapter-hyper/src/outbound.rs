//! One request to another service than the upstream, and its whole response.

use std::{future::poll_fn, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::Full;
use sparekey_upstream::{OutboundProxy, Reply, Timeouts, Upgrade, Upstream};
use tokio::time::timeout;

use crate::config::sources::environment;

/// For a whole exchange.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a response that are read.
const BODY_MAX: usize = 8 << 20;

/// Sends a request to a service, through the outbound proxy of the environment.
///
/// # Errors
/// A sentence: nothing, or something else than a whole response arrived. It has no part of the request.
pub(crate) async fn exchange(request: Request<Bytes>) -> Result<(StatusCode, Bytes), String> {
    let upstream = connect(request.uri())?;
    timeout(TIMEOUT, send(&upstream, request))
        .await
        .map_err(|_| format!("no response within {} s", TIMEOUT.as_secs()))?
}

fn connect(service: &Uri) -> Result<Upstream, String> {
    let is_https = service.scheme_str() == Some("https");
    let tls = is_https.then(sparekey_upstream::client_tls).transpose().map_err(|error| error.to_string())?;
    let proxy = OutboundProxy::from_env(environment, service)?;
    let timeouts = Timeouts { response_head: TIMEOUT, body_idle: TIMEOUT };
    Ok(Upstream::new(tls.as_ref().map(Arc::as_ref), proxy, timeouts))
}

async fn send(upstream: &Upstream, request: Request<Bytes>) -> Result<(StatusCode, Bytes), String> {
    let (head, body) = request.into_parts();
    let reply = upstream.send(head, Full::new(body), Upgrade::Forbidden).await.map_err(|error| error.to_string())?;
    let Reply::Response(response) = reply else { return Err("an invalid response: it switched protocols".to_owned()) };
    let (head, mut body) = response.into_parts();
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let data = frame.map_err(|error| error.to_string())?.into_data().unwrap_or_default();
        if read.len() + data.len() > BODY_MAX {
            return Err(format!("a response of more than {BODY_MAX} bytes"));
        }
        read.extend_from_slice(&data);
    }
    Ok((head.status, read.into()))
}
