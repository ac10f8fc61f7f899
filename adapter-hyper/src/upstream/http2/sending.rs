//! A request's body on its way out.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;

use crate::upload::Upload;

/// What of a request's body is still to be sent.
#[derive(Debug)]
pub(super) struct Sending<B> {
    stream: SendStream<Bytes>,
    upload: Upload<B>,
    /// A piece that waits until the upstream takes more.
    piece: Option<Bytes>,
}

impl<B: Body<Data = Bytes> + Unpin> Sending<B> {
    pub(super) fn new(stream: SendStream<Bytes>, upload: Upload<B>) -> Self {
        Self { stream, upload, piece: None }
    }

    /// Hands over what there is, as far as the upstream takes it. Ready once there is no more to do, be it that the
    /// upstream wants no more: its answer tells why.
    ///
    /// # Errors
    /// Where the client broke off.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), B::Error>> {
        loop {
            if self.piece.is_some() && !ready!(self.poll_room(cx)) {
                return Poll::Ready(Ok(()));
            }
            if let Some(piece) = self.piece.take() {
                self.upload.progress().touch();
                if self.stream.send_data(piece, false).is_err() {
                    return Poll::Ready(Ok(()));
                }
            }
            let frame = match ready!(Pin::new(&mut self.upload).poll_frame(cx)).transpose() {
                Ok(frame) => frame,
                Err(error) => {
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(error));
                }
            };
            let is_last = frame.is_none() || self.upload.is_end_stream();
            let piece = frame.and_then(|frame| frame.into_data().ok()).unwrap_or_default();
            if is_last {
                // It needs no room: what the upstream does not take yet waits there as it would here.
                let _ = self.stream.send_data(piece, true);
                return Poll::Ready(Ok(()));
            }
            if !piece.is_empty() {
                // The least: what one request reserves is kept from the others.
                self.stream.reserve_capacity(1);
                self.piece = Some(piece);
            }
        }
    }

    /// Waits until the upstream takes more; false where it never will.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        while self.stream.capacity() == 0 {
            if !matches!(ready!(self.stream.poll_capacity(cx)), Some(Ok(_))) {
                return Poll::Ready(false);
            }
        }
        Poll::Ready(true)
    }
}
