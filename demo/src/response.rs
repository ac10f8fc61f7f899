//! Writes responses: JSON, and server-sent events.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
    vec,
};

use bytes::Bytes;
use http::{HeaderValue, Response, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::{Either, Full};
use serde_json::Value;
use tokio::time::{Instant, Sleep, sleep};

/// Between two events of a stream: 25 words per second, so that a reader sees each word arrive.
const EVENT_INTERVAL: Duration = Duration::from_millis(40);

pub(crate) type Body = Either<Full<Bytes>, PacedEvents>;

/// A body that sends one frame per interval.
pub(crate) struct PacedEvents {
    events: vec::IntoIter<String>,
    timer: Pin<Box<Sleep>>,
}

pub(crate) fn json(value: &Value) -> Response<Body> {
    with_type("application/json", Either::Left(Full::from(value.to_string())))
}

/// [Server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html), one per [`EVENT_INTERVAL`].
pub(crate) fn events(events: Vec<String>) -> Response<Body> {
    let body = PacedEvents { events: events.into_iter(), timer: Box::pin(sleep(Duration::ZERO)) };
    with_type("text/event-stream; charset=utf-8", Either::Right(body))
}

fn with_type(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

impl http_body::Body for PacedEvents {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        ready!(self.timer.as_mut().poll(cx));
        self.timer.as_mut().reset(Instant::now() + EVENT_INTERVAL);
        Poll::Ready(self.events.next().map(|event| Ok(Frame::data(Bytes::from(event)))))
    }

    fn is_end_stream(&self) -> bool {
        self.events.as_slice().is_empty()
    }
}
