//! The client of Sparekey: HTTP/1.1 and HTTP/2 to one upstream, over TLS or plain.
//!
//! **In scope:** connections, TLS, pools, timeouts, bodies in both directions as they arrive.
//!
//! **Out of scope:** which request is sent, with which headers, and what an error means to the client. This crate uses
//! no type of `sparekey-core`.
//!
//! A request is sent once. It is sent again only if a connection that was used before closed before a byte was written, or,
//! for GET and HEAD without a body, before a byte of the response arrived.

mod client_tls;
mod connect;
mod connect_turn;
mod deadlines;
mod error;
pub mod http1;
mod http2;
mod outbound_proxy;
mod pool;
mod request_body;
mod response_body;
mod timeouts;
mod upgrade;

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::Poll,
};

use bytes::Bytes;
use http::{HeaderName, Response, StatusCode, Uri, request, uri::PathAndQuery};
use http_body::Body;
use rustls::ClientConfig;
use tokio::time::Instant;

pub use self::{
    client_tls::client_tls,
    error::{Error, ErrorKind},
    http1::UpgradedStream,
    outbound_proxy::OutboundProxy,
    response_body::ResponseBody,
    timeouts::{SECONDS, Timeouts, parse_seconds},
    upgrade::Upgrade,
};
use self::{
    connect::{Connector, Negotiated},
    connect_turn::{ConnectTurn, Turn},
    deadlines::Deadlines,
    error::BoxError,
    http1::{HeaderCache, Http1Body, SendRequest, connection::Connection},
    http2::{Http2Body, StreamPermit},
    pool::Pool,
    request_body::{LastWrite, RequestBody},
    response_body::Incoming,
};

/// What the upstream sent. Exhaustive: a caller has to handle both.
#[derive(Debug)]
pub enum Reply {
    /// A response.
    Response(Response<ResponseBody>),
    /// Status 101, and the connection that has switched protocols.
    Upgraded(Response<UpgradedStream>),
}

/// A client of one upstream, with its open connections. It belongs to the runtime that first sends with it.
#[derive(Debug)]
pub struct Upstream {
    connector: Connector,
    connect_turn: ConnectTurn,
    idle: Arc<Pool>,
    header_cache: Arc<Mutex<HeaderCache>>,
    http2: http2::Connections,
    timeouts: Timeouts,
    deadlines: Arc<Deadlines>,
}

/// A [`Reply`] whose body has no timeout yet.
enum Exchanged {
    Response(Response<()>, Incoming),
    Upgraded(Response<()>, UpgradedStream),
}

impl Upstream {
    /// Creates a client without opening a connection. An upstream with `https` needs `tls`; see [`client_tls`].
    #[must_use]
    pub fn new(tls: Option<&ClientConfig>, proxy: Option<OutboundProxy>, timeouts: Timeouts) -> Self {
        Self {
            connector: Connector::new(tls, proxy),
            connect_turn: ConnectTurn::new(tls.is_none()),
            idle: Arc::default(),
            header_cache: Arc::default(),
            http2: http2::Connections::default(),
            timeouts,
            deadlines: Arc::default(),
        }
    }

    /// Makes responses over HTTP/1.1 lack the headers for which `is_dropped` returns true, as
    /// [`HeaderCache::without`](http1::head::HeaderCache::without) says: it costs less than removing them from each. Responses
    /// over HTTP/2 and with status 101 have them, so the caller still has to remove what it must not pass on.
    #[must_use]
    pub fn without_headers(mut self, is_dropped: fn(&HeaderName) -> bool) -> Self {
        self.header_cache = Arc::new(Mutex::new(HeaderCache::without(is_dropped)));
        self
    }

    /// Sends a request with an absolute URI and waits for the response head. Dropping the future cancels the request.
    ///
    /// # Errors
    /// [`Error`]; its [`kind`](Error::kind) says whether anything of the request was sent.
    pub fn send<B>(
        &self,
        head: Box<request::Parts>,
        body: B,
        upgrade: Upgrade,
    ) -> impl Future<Output = Result<Reply, Error>> + Send + use<'_, B>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let last_write = Arc::new(LastWrite::now());
        let body = RequestBody::new(body, Arc::clone(&last_write));
        async move {
            let mut exchange = pin!(self.exchange(head, body, upgrade));
            let mut deadline = self.deadlines.take();
            let reply = poll_fn(|cx| match exchange.as_mut().poll(cx) {
                Poll::Ready(reply) => Poll::Ready(Some(reply)),
                Poll::Pending => {
                    let at = last_write.get() + self.timeouts.response_head;
                    deadline.poll(Instant::now(), at, cx).map(|()| None)
                }
            });
            match reply.await {
                Some(Ok(Exchanged::Response(head, incoming))) => {
                    let body = ResponseBody::new(incoming, self.timeouts.body_idle, deadline);
                    Ok(Reply::Response(head.map(|()| body)))
                }
                Some(Ok(Exchanged::Upgraded(head, connection))) => Ok(Reply::Upgraded(head.map(|()| connection))),
                Some(Err(error)) => Err(error),
                None => Err(Error::timeout(self.timeouts.response_head)),
            }
        }
    }

    async fn exchange<B>(
        &self,
        mut head: Box<request::Parts>,
        mut body: RequestBody<B>,
        upgrade: Upgrade,
    ) -> Result<Exchanged, Error>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let http1_only = upgrade == Upgrade::WebSocket;
        let mut waited = None;
        let turn = loop {
            if !http1_only && let Some(permit) = self.http2.permit() {
                drop(waited);
                match Box::pin(exchange_http2(permit, head, body)).await? {
                    Http2Try::Response(response) => return Ok(response.into()),
                    Http2Try::Again(copy) => (head, body) = copy,
                }
                break None;
            }
            if let Some(connection) = self.idle.take() {
                drop(waited);
                return self.exchange_http1(connection, true, head, body, upgrade).await;
            }
            if http1_only || waited.is_some() {
                break waited;
            }
            match self.connect_turn.take().await {
                Turn::Connect(turn) => break turn,
                Turn::Waited(turn) => waited = Some(turn),
            }
        };
        let negotiated = self.connect(&head.uri, http1_only).await;
        if !http1_only {
            self.connect_turn.ended(negotiated.is_err());
        }
        match negotiated? {
            Negotiated::Http1(stream) => {
                if !http1_only {
                    self.connect_turn.set_parallel();
                }
                drop(turn);
                let connection = Box::new(Connection::new(stream, &self.header_cache));
                self.exchange_http1(connection, false, head, body, upgrade).await
            }
            Negotiated::Http2(stream) => {
                let exchange = async {
                    let permit = self.http2.open(stream, turn).await?;
                    permit.exchange(head, body).await
                };
                Ok(Box::pin(exchange).await?.into())
            }
        }
    }

    /// Boxed, so that requests on an open connection don't reserve room for the state of a TLS handshake.
    fn connect(&self, uri: &Uri, http1_only: bool) -> Pin<Box<impl Future<Output = Result<Negotiated, Error>>>> {
        Box::pin(async move { self.connector.connect(uri, http1_only).await.map_err(Error::not_sent) })
    }

    async fn exchange_http1<B>(
        &self,
        mut connection: Box<Connection>,
        mut reused: bool,
        head: Box<request::Parts>,
        body: RequestBody<B>,
        upgrade: Upgrade,
    ) -> Result<Exchanged, Error>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let mut request = SendRequest::new(&head, body, upgrade);
        let origin = origin(*head);
        let response = loop {
            let error = match http1::exchange(&mut connection, &mut request).await {
                Ok(response) => break response,
                Err(error) => error,
            };
            let may_repeat = if request.any_written() {
                request.may_repeat() && error.is_connection() && !connection.has_unread()
            } else {
                !error.is_request_body()
            };
            // The upstream has closed the pooled connection.
            if !(reused && may_repeat) {
                return Err(error.into_error(request.any_written()));
            }
            // Another pooled connection may be closed too, so a request that was written gets a new one.
            let idle = if request.any_written() { None } else { self.idle.take() };
            request.restart();
            (connection, reused) = match idle {
                Some(idle) => (idle, true),
                None => match self.connect(&origin, true).await? {
                    Negotiated::Http1(stream) => (Box::new(Connection::new(stream, &self.header_cache)), false),
                    Negotiated::Http2(_) => return Err(Error::not_sent("it chose HTTP/2, which was not offered")),
                },
            };
        };
        let (head, decoder) = (Response::from_parts(response.parts, ()), response.body);
        Ok(if head.status() == StatusCode::SWITCHING_PROTOCOLS {
            Exchanged::Upgraded(head, connection.into_upgraded())
        } else if request.is_complete() {
            let pool = (response.keep_alive && request.allows_reuse()).then(|| Arc::clone(&self.idle));
            Exchanged::Response(head, Incoming::Http1(Http1Body::new(connection, decoder, pool)))
        } else {
            Exchanged::Response(head, Incoming::Http1(Http1Body::while_sending(connection, decoder, request)))
        })
    }
}

/// The scheme and the host of a request that is written. So waiting for its response takes no memory for its headers, nor
/// for the client's head, of which its path may be a part.
fn origin(head: request::Parts) -> Uri {
    let mut parts = head.uri.into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static("/"));
    Uri::from_parts(parts).unwrap_or_default()
}

/// The result on a connection that may have closed before the request.
enum Http2Try<B> {
    Response(Response<Http2Body>),
    /// A copy to send again.
    Again((Box<request::Parts>, RequestBody<B>)),
}

/// Sends a request on an open connection.
async fn exchange_http2<B>(
    permit: StreamPermit,
    head: Box<request::Parts>,
    body: RequestBody<B>,
) -> Result<Http2Try<B>, Error>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let copy = copy(&head, &body);
    match (permit.exchange(head, body).await, copy) {
        (Err(error), Some(copy))
            if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::NotSent | ErrorKind::Refused) =>
        {
            Ok(Http2Try::Again(copy))
        }
        (result, _) => result.map(Http2Try::Response),
    }
}

/// A copy of a request that may be sent again.
fn copy<B>(head: &request::Parts, body: &RequestBody<B>) -> Option<(Box<request::Parts>, RequestBody<B>)>
where
    B: Body<Data = Bytes> + Unpin,
{
    let may_repeat = http1::is_safe(&head.method) && body.is_end_stream();
    may_repeat.then(|| (Box::new(head.clone()), RequestBody::empty(Arc::clone(body.last_write()))))
}

impl From<Response<Http2Body>> for Exchanged {
    fn from(response: Response<Http2Body>) -> Self {
        let (head, body) = response.into_parts();
        Self::Response(Response::from_parts(head, ()), Incoming::Http2(body))
    }
}
