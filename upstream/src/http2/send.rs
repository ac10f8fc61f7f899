//! Sends a request body over HTTP/2.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;

use crate::request_body::RequestBody;

/// The part of a request body that is not sent yet.
#[derive(Debug)]
pub(super) struct SendBody<B> {
    stream: SendStream<Bytes>,
    body: RequestBody<B>,
    /// Data that waits for flow-control capacity.
    data: Option<Bytes>,
}

impl<B: Body<Data = Bytes> + Unpin> SendBody<B> {
    pub(super) fn new(stream: SendStream<Bytes>, body: RequestBody<B>) -> Self {
        Self { stream, body, data: None }
    }

    /// Sends what is available, as far as the upstream reads it. Returns ready once the body is complete, or once the
    /// upstream has reset the stream: its response, if any, has the reason.
    ///
    /// # Errors
    /// Those of the client's body.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), B::Error>> {
        loop {
            if self.data.is_some() && !ready!(self.poll_capacity(cx)) {
                return Poll::Ready(Ok(()));
            }
            if let Some(data) = self.data.take() {
                self.body.last_write().set_now();
                if self.stream.send_data(data, false).is_err() {
                    return Poll::Ready(Ok(()));
                }
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose() {
                Ok(frame) => frame,
                Err(error) => {
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(error));
                }
            };
            let is_last = frame.is_none() || self.body.is_end_stream();
            let data = frame.and_then(|frame| frame.into_data().ok()).unwrap_or_default();
            if is_last {
                // Without waiting for capacity: `h2` queues it.
                let _ = self.stream.send_data(data, true);
                return Poll::Ready(Ok(()));
            }
            if !data.is_empty() {
                // The minimum, because reserved capacity is not available to other requests.
                self.stream.reserve_capacity(1);
                self.data = Some(data);
            }
        }
    }

    /// Waits for flow-control capacity; false once the stream is closed.
    fn poll_capacity(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        while self.stream.capacity() == 0 {
            if !matches!(ready!(self.stream.poll_capacity(cx)), Some(Ok(_))) {
                return Poll::Ready(false);
            }
        }
        Poll::Ready(true)
    }
}
