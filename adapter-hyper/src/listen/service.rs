//! Serves the requests of one thread.

use std::{convert::Infallible, sync::Arc};

use http::{
    HeaderValue, Request, Response,
    header::{CONNECTION, TRANSFER_ENCODING},
};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use sparekey_proxy::{Decision, Outcome, Proxy, Tunnel};
use sparekey_upstream::Upstream;
use tokio::sync::mpsc;

use super::{
    guarded_body::GuardedBody,
    idle::{ConnectionState, RequestGuard},
    request_body::RequestBody,
};

/// Serves the requests of one thread.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) proxy: Proxy,
    pub(crate) upstream: Upstream,
    /// A drain waits until all clones are dropped.
    pub(crate) _alive: mpsc::Sender<Infallible>,
}

impl Service {
    /// Responds to a request. An error is a response too.
    pub(crate) fn serve(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        connection: &Arc<ConnectionState>,
    ) -> impl Future<Output = Result<Response<GuardedBody>, Infallible>> + Send + use<> {
        // hyper hides a `Content-Length` beside `Transfer-Encoding`. A client that uses the length would send its
        // next request inside this body, so the connection is closed after the response
        // (https://www.rfc-editor.org/rfc/rfc9112#section-6.1).
        let closes = request.headers().contains_key(TRANSFER_ENCODING);
        let client = hyper::upgrade::on(&mut request);
        let (head, body) = request.into_parts();
        let version = head.version;
        // Outside the future, which is stored for as long as the connection is open.
        let decision = self.proxy.admit(head, Some(connection.client()));
        let guard = connection.start_request(version, matches!(decision, Decision::Forward(_)));
        // After the start of the request, which its end follows.
        let body = RequestBody::new(body, version, Arc::clone(connection), self.proxy.sinks().clone());
        async move {
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
            if closes {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(|body| GuardedBody::new(body, guard)))
        }
    }
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
