//! Response bodies: whole, streamed, delayed, cut.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body::Frame;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

/// A step of a body.
pub(super) enum Step {
    /// Sends bytes.
    Send(Bytes),
    /// Waits for this gate.
    Wait(watch::Sender<bool>),
    /// Breaks the connection.
    Break,
}

type GateFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A body that is sent in steps.
pub(super) struct Body {
    steps: VecDeque<Step>,
    pending: Option<GateFuture>,
}

impl Body {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), pending: None }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            if let Some(pending) = &mut self.pending {
                if pending.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.pending = None;
            }
            match self.steps.pop_front() {
                Some(Step::Send(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Step::Wait(gate)) => {
                    let mut open = gate.subscribe();
                    self.pending = Some(Box::pin(async move {
                        let _ = open.wait_for(|open| *open).await;
                    }));
                }
                Some(Step::Break) => return Poll::Ready(Some(Err(io::Error::other("broken by the test")))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }
}

pub(super) fn digest(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(bytes))
}

pub(super) fn whole(status: StatusCode, content_type: &str, bytes: impl Into<Bytes>) -> Response<Body> {
    let bytes = bytes.into();
    let builder = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CONTENT_LENGTH, bytes.len())
        .header("x-request-id", "req_stand_in")
        .header("openai-processing-ms", "1");
    builder.body(Body::new([Step::Send(bytes)])).expect("a valid response")
}

pub(super) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    whole(status, "application/json", value.to_string())
}

pub(super) fn events(steps: Vec<Step>) -> Response<Body> {
    let builder = Response::builder().header(header::CONTENT_TYPE, "text/event-stream; charset=utf-8");
    builder.header("x-request-id", "req_stand_in").body(Body::new(steps)).expect("a valid response")
}

pub(super) fn switch(builder: http::response::Builder) -> Response<Body> {
    builder.status(StatusCode::SWITCHING_PROTOCOLS).body(Body::new([])).expect("a valid response")
}

pub(super) fn teapot(reason: &str) -> Response<Body> {
    json(StatusCode::IM_A_TEAPOT, &serde_json::json!({"error": {"message": reason}}))
}
