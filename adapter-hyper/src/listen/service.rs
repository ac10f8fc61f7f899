//! Serves the requests of one thread.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response,
    header::{CONNECTION, TRANSFER_ENCODING},
};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use sparekey_proxy::{Decision, Outcome, Proxy, Tunnel};
use sparekey_upstream::Upstream;
use tokio::sync::mpsc;

use super::{
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

/// The body of a response and the guard of its request. `None`: empty.
#[derive(Debug)]
pub(crate) struct GuardedBody(Option<(sparekey_proxy::Body, RequestGuard)>);

impl Service {
    /// Responds to a request. An error is a response too.
    pub(crate) fn serve(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        connection: &Arc<ConnectionState>,
    ) -> impl Future<Output = Result<Response<GuardedBody>, Infallible>> + Send + use<> {
        let guard = connection.start_request(request.version());
        // hyper hides a `Content-Length` beside `Transfer-Encoding`. A client that uses the length would send its
        // next request inside this body, so the connection is closed after the response
        // (https://www.rfc-editor.org/rfc/rfc9112#section-6.1).
        let closes = request.headers().contains_key(TRANSFER_ENCODING);
        let client = hyper::upgrade::on(&mut request);
        let (head, body) = request.into_parts();
        let sinks = self.proxy.sinks().clone();
        let body = RequestBody::new(body, head.version, Arc::clone(connection), sinks);
        // Outside the future, which is stored for as long as the connection is open.
        let decision = self.proxy.admit(head);
        async move {
            let mut response = match decision {
                Decision::Respond(response) => response,
                Decision::Forward(admitted) => match admitted.send(&self.upstream, body, None).await {
                    Outcome::Response(response, _) => response,
                    Outcome::Tunnel(response, tunnel) => {
                        tokio::spawn(run(tunnel, client, (guard, Arc::clone(&self))));
                        return Ok(response.map(|()| GuardedBody(None)));
                    }
                },
            };
            if closes {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(|body| GuardedBody(Some((body, guard)))))
        }
    }
}

/// Runs a tunnel once the client's connection has switched protocols; `held` is dropped at its end.
async fn run(tunnel: Tunnel, client: OnUpgrade, held: impl Send) {
    if let Ok(client) = client.await {
        tunnel.run(TokioIo::new(client)).await;
    }
    drop(held);
}

impl Body for GuardedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.0 {
            Some((body, _)) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), |(body, _)| body.size_hint())
    }
}
