//! Serves the requests of one thread.

use std::{convert::Infallible, sync::Arc};

use h2::Reason;
use http::{
    HeaderValue, Request, Response, Version,
    header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING},
    request::Parts,
};
use http_body::Body as _;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use sparekey_core::{ClientInfo, HeadFailure};
use sparekey_proxy::{Body, ClientResponse, Decision, Proxy, Tunnel};
use sparekey_upstream::Upstream;
use tokio::sync::mpsc;

use super::{
    connection_state::ConnectionState, guarded_body::GuardedBody, request_body::RequestBody,
    request_guard::RequestGuard, trusted_proxies::TrustedProxies,
};

/// Serves the requests of one thread.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) proxy: Proxy,
    pub(crate) upstream: Upstream,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) is_https: bool,
    pub(crate) max_head: usize,
    /// A drain waits until all clones are dropped.
    pub(crate) _alive: mpsc::Sender<Infallible>,
}

impl AsRef<Upstream> for Service {
    fn as_ref(&self) -> &Upstream {
        &self.upstream
    }
}

impl Service {
    /// Responds to a request. An error response is a response too; an error resets the stream.
    pub(crate) fn serve(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        connection: &Arc<ConnectionState>,
    ) -> impl Future<Output = Result<Response<GuardedBody>, h2::Error>> + Send + use<> {
        let is_chunked = request.version() != Version::HTTP_2 && request.headers().contains_key(TRANSFER_ENCODING);
        let client = hyper::upgrade::on(&mut request);
        let (mut head, body) = request.into_parts();
        let is_trusted_proxy = self.trusted_proxies.contains(connection.peer());
        ClientInfo { is_https: self.is_https, is_trusted_proxy }.attach(&mut head);
        let address = |headers: &_| self.trusted_proxies.client(connection.peer(), headers);
        let failure = self.head_failure(&head, is_chunked, connection);
        let expects_continue = !body.is_end_stream() && head.headers.contains_key(EXPECT);
        // Outside the future, which is stored for as long as the connection is open.
        let mut decision = match failure {
            Some(failure) => Decision::Respond(Box::new(self.proxy.refuse(&head, failure, address))),
            None => self.proxy.admit(head, address),
        };
        let (key, open) = match &mut decision {
            Decision::Forward(admitted) => (Some(admitted.key().clone()), admitted.take_open()),
            Decision::Place(unplaced) => (Some(unplaced.key().clone()), unplaced.take_open()),
            Decision::Read(unread) => (Some(unread.key().clone()), unread.take_open()),
            Decision::Usage(lookup) => (Some(lookup.key().clone()), None),
            Decision::Respond(_) => (None, None),
        };
        // A client that uses a `Content-Length` beside `Transfer-Encoding` would send its next request inside this body, so the
        // connection is closed after the response (https://www.rfc-editor.org/rfc/rfc9112#section-6.1).
        let closes = failure == Some(HeadFailure::ConflictingFraming)
            || is_chunked && connection.has_content_length().is_none()
            || key.is_none() && connection.is_head_large();
        let guard = connection.start_request(key, open);
        // After the start of the request, which its end follows.
        let body =
            guard.as_ref().map(|guard| RequestBody::new(body, expects_continue, guard, self.proxy.sinks().clone()));
        async move {
            let (Some(guard), Some(body)) = (guard, body) else { return Err(Reason::REFUSED_STREAM.into()) };
            let outcome = match decision {
                Decision::Respond(response) => {
                    body.discard().await;
                    own(response, guard.connection())
                }
                Decision::Forward(admitted) => admitted.send(&self.upstream, body, None).await,
                // Boxed, so that other requests don't reserve room for it.
                decision => Box::pin(Self::serve_limited(&self, decision, body, guard.connection())).await,
            };
            let mut response = match outcome {
                ClientResponse::Response(response, _) => response,
                ClientResponse::Tunnel(response, tunnel) => {
                    guard.connection().start_tunnel();
                    tokio::spawn(run(tunnel, client, guard, Arc::clone(&self)));
                    return Ok(response.map(|()| GuardedBody::Empty));
                }
            };
            if closes {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(|body| GuardedBody::new(body, guard)))
        }
    }

    /// Serves a request of a user with limits: a place is asked for, its body is read, or the ledger.
    async fn serve_limited(
        service: &Arc<Self>,
        mut decision: Decision,
        body: RequestBody,
        connection: &ConnectionState,
    ) -> ClientResponse {
        loop {
            decision = match decision {
                Decision::Place(unplaced) => service.proxy.place(unplaced).await,
                Decision::Respond(response) => {
                    body.discard().await;
                    return own(response, connection);
                }
                Decision::Forward(admitted) => return admitted.send(&service.upstream, body, None).await,
                Decision::Read(unread) => {
                    return match service.proxy.read(unread, body).await {
                        Ok((admitted, body)) => admitted.send_with_owner(Arc::clone(service), body, None).await,
                        Err(response) => own(response, connection),
                    };
                }
                Decision::Usage(lookup) => {
                    body.discard().await;
                    return own(Box::new(service.proxy.usage(lookup).await), connection);
                }
            }
        }
    }

    /// Why a head is refused that hyper accepts.
    fn head_failure(&self, head: &Parts, is_chunked: bool, connection: &ConnectionState) -> Option<HeadFailure> {
        if head.version == Version::HTTP_2 {
            // Over HTTP/1.1, hyper joins equal values and refuses others.
            let has_two_lengths = head.headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some();
            return if list_size(head) > self.max_head {
                Some(HeadFailure::HeadersTooLarge)
            } else {
                has_two_lengths.then_some(HeadFailure::Malformed)
            };
        }
        let is_conflicting = || connection.has_content_length() == Some(true);
        (is_chunked && is_conflicting()).then_some(HeadFailure::ConflictingFraming)
    }
}

/// A response of the proxy's own. If the body was not read to its end, the connection closes, and the response announces it
/// ([RFC 9112 §9.6](https://www.rfc-editor.org/rfc/rfc9112#section-9.6)).
fn own(mut response: Box<Response<Body>>, connection: &ConnectionState) -> ClientResponse {
    if connection.has_unread_body() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    ClientResponse::Response(*response, None)
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

/// Runs a tunnel once the client's connection has switched protocols, until it ends, the client takes no data, or its
/// access key is removed.
async fn run(tunnel: Tunnel, client: OnUpgrade, guard: RequestGuard, service: Arc<Service>) {
    if let Ok(client) = client.await {
        tokio::select! {
            () = tunnel.run(TokioIo::new(client), &service.proxy) => {}
            () = guard.connection().send_blocked() => {}
            () = guard.connection().evicted() => {}
        }
    }
}
