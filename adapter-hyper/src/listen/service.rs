//! Serves the requests of one thread.

use std::{convert::Infallible, sync::Arc};

use h2::Reason;
use http::{
    HeaderValue, Request, Response, Version,
    header::{CONNECTION, TRANSFER_ENCODING},
    request::Parts,
};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use sparekey_core::HeadFailure;
use sparekey_proxy::{Decision, Outcome, Proxy, Tunnel};
use sparekey_upstream::Upstream;
use tokio::sync::mpsc;

use super::{
    connection_state::{ConnectionState, RequestGuard},
    guarded_body::GuardedBody,
    request_body::RequestBody,
    trusted_proxies::TrustedProxies,
};

/// Serves the requests of one thread.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) proxy: Proxy,
    pub(crate) upstream: Upstream,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) max_head: usize,
    /// A drain waits until all clones are dropped.
    pub(crate) _alive: mpsc::Sender<Infallible>,
}

impl Service {
    /// Responds to a request. An error response is a response too; an error resets the stream.
    pub(crate) fn serve(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        connection: &Arc<ConnectionState>,
    ) -> impl Future<Output = Result<Response<GuardedBody>, h2::Error>> + Send + use<> {
        // A client that uses a `Content-Length` beside `Transfer-Encoding` would send its next request inside this body, so
        // the connection is closed after the response (https://www.rfc-editor.org/rfc/rfc9112#section-6.1).
        let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
        let client = hyper::upgrade::on(&mut request);
        let (head, body) = request.into_parts();
        let address = |headers: &_| Some(self.trusted_proxies.client(connection.peer(), headers));
        // Outside the future, which is stored for as long as the connection is open.
        let decision = match self.head_failure(&head, is_chunked, connection) {
            Some(failure) => Decision::Respond(self.proxy.refuse(&head, failure, address)),
            None => self.proxy.admit(head, address),
        };
        let guard = connection.start_request(matches!(decision, Decision::Forward(_)));
        // After the start of the request, which its end follows.
        let body = guard.as_ref().map(|guard| RequestBody::new(body, guard, self.proxy.sinks().clone()));
        async move {
            let (Some(guard), Some(body)) = (guard, body) else { return Err(Reason::REFUSED_STREAM.into()) };
            let mut response = match decision {
                Decision::Respond(response) => response,
                Decision::Forward(admitted) => match admitted.send(&self.upstream, body, None).await {
                    Outcome::Response(response, _) => response,
                    Outcome::Tunnel(response, tunnel) => {
                        tokio::spawn(run(tunnel, client, guard, Arc::clone(&self)));
                        return Ok(response.map(|()| GuardedBody::Empty));
                    }
                },
            };
            if is_chunked {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(|body| GuardedBody::new(body, guard)))
        }
    }

    /// Why a head is refused that hyper accepts.
    fn head_failure(&self, head: &Parts, is_chunked: bool, connection: &ConnectionState) -> Option<HeadFailure> {
        match head.version {
            Version::HTTP_2 => (list_size(head) > self.max_head).then_some(HeadFailure::HeadersTooLarge),
            _ => (is_chunked && connection.has_content_length()).then_some(HeadFailure::ConflictingFraming),
        }
    }
}

/// The size of a head over HTTP/2, as `SETTINGS_MAX_HEADER_LIST_SIZE` counts it
/// ([RFC 9113 §6.5.2](https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2)).
fn list_size(head: &Parts) -> usize {
    const PER_FIELD: usize = 32;
    const PSEUDO_FIELDS: usize = 4;
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let authority = head.uri.authority().map_or(0, |authority| authority.as_str().len());
    let fields = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + PER_FIELD);
    fields.sum::<usize>() + target + authority + PSEUDO_FIELDS * PER_FIELD
}

/// Runs a tunnel once the client's connection has switched protocols, until it ends or the client takes no data.
async fn run(tunnel: Tunnel, client: OnUpgrade, guard: RequestGuard, _service: Arc<Service>) {
    if let Ok(client) = client.await {
        tokio::select! {
            () = tunnel.run(TokioIo::new(client)) => {}
            () = guard.connection().send_blocked() => {}
        }
    }
}
