//! What the stand-in reads, and the two forms in which it answers.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::vec;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::{Instant, Sleep, sleep};

use super::refusal::Refusal;

/// The most bytes of a request's body that are kept.
pub(super) const LIMIT: usize = 1024 * 1024;

/// Long enough that a word is seen to arrive, short enough that nobody waits.
const PAUSE: Duration = Duration::from_millis(40);

pub(super) type Body = Either<Full<Bytes>, Paced>;

/// Reads a body to its end, and keeps it unless it is larger than [`LIMIT`].
pub(super) async fn read(mut incoming: Incoming) -> Result<Vec<u8>, Refusal> {
    let mut kept = Vec::new();
    let mut fits = true;
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|_| Refusal::unparsable())?;
        if let Ok(data) = frame.into_data() {
            fits &= kept.len() + data.len() <= LIMIT;
            if fits {
                kept.extend_from_slice(&data);
            }
        }
    }
    if fits { Ok(kept) } else { Err(Refusal::too_large(LIMIT)) }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(bytes).ok().filter(Value::is_object).ok_or_else(Refusal::unparsable)
}

pub(super) fn json(value: &Value) -> Response<Body> {
    with_type("application/json", Either::Left(Full::from(value.to_string())))
}

/// Answers with server-sent events, a pause between one frame and the next.
pub(super) fn events(frames: Vec<String>) -> Response<Body> {
    let paced = Paced { frames: frames.into_iter(), pause: Box::pin(sleep(Duration::ZERO)) };
    with_type("text/event-stream; charset=utf-8", Either::Right(paced))
}

fn with_type(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A body whose frames leave one by one.
pub(super) struct Paced {
    frames: vec::IntoIter<String>,
    pause: Pin<Box<Sleep>>,
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        ready!(self.pause.as_mut().poll(cx));
        self.pause.as_mut().reset(Instant::now() + PAUSE);
        Poll::Ready(self.frames.next().map(|frame| Ok(Frame::data(Bytes::from(frame)))))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.as_slice().is_empty()
    }
}
