//! One request, from its head to the answer's last byte.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response,
    header::{CONNECTION, TRANSFER_ENCODING},
};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use sparekey::{Download, access_log::Entry, metrics::Metrics, upstream::Upstream};
use sparekey_core::{Admission, Answer, Exchange, Gate, Rejection, UpstreamFailure};
use tokio::sync::mpsc;

use crate::{
    activity::{Activity, InFlight},
    socket::RequestBody,
    tunnel,
};

/// What serves every request of a thread.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) gate: Arc<Gate>,
    pub(crate) upstream: Upstream,
    pub(crate) metrics: Option<Arc<Metrics>>,
    /// A drain waits until nobody holds this any more.
    pub(crate) _alive: mpsc::Sender<Infallible>,
}

impl Proxy {
    /// Answers a request; whatever goes wrong is an answer too.
    pub(crate) fn serve(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        activity: &Arc<Activity>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> + Send + use<> {
        let in_flight = activity.request(request.version());
        let path = || self.gate.loggable_path(request.uri());
        let mut entry = Entry::begin(request.method(), path, self.metrics.as_ref());
        // A length beside chunks is not told here; whoever believed it would take the body's rest for a request
        // (RFC 9112 §6.1).
        let closes = request.headers().contains_key(TRANSFER_ENCODING);
        let client = hyper::upgrade::on(&mut request);
        let (head, body) = request.into_parts();
        let body = RequestBody::new(body, head.version, Arc::clone(activity), self.metrics.clone());
        // What is not awaited is done here: the future below is kept for as long as the connection.
        let admission = self.gate.admit(head);
        async move {
            let (mut answer, content) = match admission {
                Ok(Admission::Forward(forward)) => {
                    entry.user(forward.user());
                    let (head, exchange) = forward.into_parts();
                    // Apart, so that a connection doesn't carry it while it streams or idles.
                    let sent = Box::pin(self.upstream.send(head, &exchange, body)).await;
                    match self.answer(&exchange, sent) {
                        Ok((Answer::Respond(head), body)) => (Response::from_parts(head, ()), Content::Stream(body)),
                        Ok((Answer::Tunnel(head), body)) => {
                            entry.answered(head.status);
                            if let Some(upstream) = body.switched() {
                                tunnel::spawn(client, upstream, (in_flight, Arc::clone(&self)), entry);
                            }
                            return Ok(Response::from_parts(head, ResponseBody::none()));
                        }
                        Err(rejection) => refuse(&rejection, &mut entry),
                    }
                }
                Ok(Admission::Reply(reply)) => whole(reply),
                Err(rejection) => refuse(&rejection, &mut entry),
            };
            if closes {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            entry.answered(answer.status());
            Ok(answer.map(|()| ResponseBody { content, watched: Some((entry, in_flight)) }))
        }
    }

    fn answer(
        &self,
        exchange: &Exchange,
        sent: Result<Response<Download>, UpstreamFailure>,
    ) -> Result<(Answer, Download), Rejection> {
        let (head, body) = sent.map_err(|failure| exchange.failed(failure))?.into_parts();
        Ok((self.gate.answer(exchange, head)?, body))
    }
}

fn refuse(rejection: &Rejection, entry: &mut Entry) -> (Response<()>, Content) {
    entry.rejected(rejection.code());
    whole(rejection.to_response())
}

fn whole(reply: Response<Bytes>) -> (Response<()>, Content) {
    let (head, body) = reply.into_parts();
    (Response::from_parts(head, ()), Content::Whole(Some(body).filter(|body| !body.is_empty())))
}

/// The body of an answer, with what lasts as long as it does.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    content: Content,
    watched: Option<(Entry, InFlight)>,
}

#[derive(Debug)]
enum Content {
    Whole(Option<Bytes>),
    Stream(Download),
}

impl ResponseBody {
    fn none() -> Self {
        Self { content: Content::Whole(None), watched: None }
    }

    fn complete(&mut self) {
        if let Some((entry, _)) = &mut self.watched {
            entry.complete();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = match &mut self.content {
            Content::Whole(body) => body.take().map(|body| Ok(Frame::data(body))),
            Content::Stream(body) => ready!(Pin::new(body).poll_frame(cx)),
        };
        let cut = matches!(frame, Some(Err(_)));
        if let Some((entry, _)) = &mut self.watched {
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
            entry.sent(data.map_or(0, Bytes::len) as u64);
        }
        if cut {
            // A body that broke says from then on that it is at its end.
            self.watched = None;
        } else if frame.is_none() || self.is_end_stream() {
            self.complete();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(body) => body.is_none(),
            Content::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            Content::Stream(body) => body.size_hint(),
        }
    }
}

/// An answer without a body, or one to HEAD, is never polled.
impl Drop for ResponseBody {
    fn drop(&mut self) {
        if self.is_end_stream() {
            self.complete();
        }
    }
}
