//! Sends a request over HTTP/1.1.

use std::{
    fmt,
    io::{self, IoSlice, Write as _},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use http::{Method, request::Parts};
use http_body::Body;
use sparekey_net::poll_write_coalesced;
use tokio::io::AsyncWrite;

use super::{
    encode::{self, BodyEncoding},
    head_error::HeadError,
};
use crate::{
    error::{BoxError, Error, ErrorKind},
    request_body::{LastWrite, RequestBody},
    upgrade::Upgrade,
};

/// Bytes reserved for a request head: most heads fit.
const HEAD_CAPACITY: usize = 1024;

/// A request, and how much of it was written.
#[derive(Debug)]
pub(crate) struct SendRequest<B> {
    pub(crate) method: Method,
    pub(crate) upgrade: Upgrade,
    /// Written before `data`: the head, or the line before a chunk.
    prefix: Vec<u8>,
    /// Bytes of `prefix` that were written.
    prefix_written: usize,
    data: Bytes,
    /// `None` once it has ended.
    body: Option<RequestBody<B>>,
    encoding: BodyEncoding,
    /// Whether a chunk needs its final line break.
    chunk_open: bool,
    any_written: bool,
    /// Whether the connection may carry another request; see [`allows_reuse`].
    allows_reuse: bool,
    last_write: Arc<LastWrite>,
}

/// Why an exchange on a connection has no response head.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The request body failed, or has another length than announced.
    #[error("request body failed")]
    RequestBody(#[source] BoxError),
    #[error(transparent)]
    Connection(io::Error),
    #[error(transparent)]
    InvalidHead(#[from] HeadError),
    #[error("too many interim responses")]
    TooManyInterim,
}

impl SendError {
    pub(crate) fn is_request_body(&self) -> bool {
        matches!(self, Self::RequestBody(_))
    }

    pub(crate) fn is_connection(&self) -> bool {
        matches!(self, Self::Connection(_))
    }

    pub(crate) fn into_error(self, any_written: bool) -> Error {
        match self {
            Self::RequestBody(error) => Error::new(ErrorKind::RequestBody, error),
            Self::Connection(error) if any_written => Error::new(ErrorKind::Interrupted, error),
            Self::Connection(error) => Error::not_sent(error),
            Self::InvalidHead(_) | Self::TooManyInterim => Error::new(ErrorKind::InvalidResponse, self),
        }
    }
}

impl<B> SendRequest<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    pub(crate) fn new(head: &Parts, body: RequestBody<B>, upgrade: Upgrade) -> Self {
        let mut prefix = Vec::with_capacity(HEAD_CAPACITY);
        let encoding = encode::write_head(head, body.size_hint().exact(), &mut prefix);
        let last_write = Arc::clone(body.last_write());
        Self {
            method: head.method.clone(),
            upgrade,
            prefix,
            prefix_written: 0,
            data: Bytes::new(),
            body: Some(body),
            encoding,
            chunk_open: false,
            any_written: false,
            allows_reuse: allows_reuse(&head.method, encoding),
            last_write,
        }
    }

    /// Whether the kernel has accepted a byte of the request. Then it must never be sent again.
    pub(crate) fn any_written(&self) -> bool {
        self.any_written
    }

    /// Whether the request may be sent again after a part of it was written: the method is safe, and there is no body
    /// ([RFC 9110 §9.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2)).
    pub(crate) fn may_repeat(&self) -> bool {
        is_safe(&self.method) && self.body.is_none() && self.encoding == BodyEncoding::Length(0) && self.data.is_empty()
    }

    /// Prepares a request that [may be repeated](Self::may_repeat) for a new connection.
    pub(crate) fn restart(&mut self) {
        self.prefix_written = 0;
        self.any_written = false;
    }

    /// Whether the connection may carry another request after this one.
    pub(crate) fn allows_reuse(&self) -> bool {
        self.allows_reuse
    }

    /// Whether the whole request was written.
    pub(crate) fn is_complete(&self) -> bool {
        self.body.is_none() && self.is_flushed()
    }

    fn is_flushed(&self) -> bool {
        self.prefix_written == self.prefix.len() && self.data.is_empty()
    }

    /// Writes what is available; ready once the request is complete.
    pub(crate) fn poll(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        loop {
            self.poll_next_data(cx)?;
            if self.is_flushed() {
                ready!(Pin::new(stream).poll_flush(cx)).map_err(SendError::Connection)?;
                return if self.body.is_none() { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            let buffers = [IoSlice::new(&self.prefix[self.prefix_written..]), IoSlice::new(&self.data)];
            let written = ready!(poll_write_coalesced(Pin::new(&mut *stream), cx, &buffers));
            let written = written.map_err(SendError::Connection)?;
            if written == 0 {
                return Poll::Ready(Err(SendError::Connection(io::ErrorKind::WriteZero.into())));
            }
            self.any_written = true;
            self.last_write.set_now();
            let of_prefix = written.min(self.prefix.len() - self.prefix_written);
            self.prefix_written += of_prefix;
            self.data.advance(written - of_prefix);
        }
    }

    /// Takes the next frame of the body if it is there, so that it is written together with its prefix.
    fn poll_next_data(&mut self, cx: &mut Context<'_>) -> Result<(), SendError> {
        while self.data.is_empty() {
            let Some(body) = &mut self.body else { return self.finish() };
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else { return Ok(()) };
            let frame = frame.transpose().map_err(|error| SendError::RequestBody(error.into()))?;
            if frame.is_none() || body.is_end_stream() {
                self.body = None;
            }
            self.queue(frame.and_then(|frame| frame.into_data().ok()).unwrap_or_default())?;
        }
        Ok(())
    }

    fn queue(&mut self, data: Bytes) -> Result<(), SendError> {
        match &mut self.encoding {
            BodyEncoding::Length(remaining) => {
                let too_long = || SendError::RequestBody("longer than its Content-Length".into());
                *remaining = remaining.checked_sub(data.len() as u64).ok_or_else(too_long)?;
            }
            // An empty chunk would end the body (https://www.rfc-editor.org/rfc/rfc9112#section-7.1).
            BodyEncoding::Chunked if data.is_empty() => {}
            BodyEncoding::Chunked => {
                let line_break = if self.chunk_open { "\r\n" } else { "" };
                self.queue_prefix(format_args!("{line_break}{:x}\r\n", data.len()));
                self.chunk_open = true;
            }
        }
        self.data = data;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SendError> {
        match self.encoding {
            BodyEncoding::Length(0) => return Ok(()),
            BodyEncoding::Length(_) => {
                return Err(SendError::RequestBody("shorter than its Content-Length".into()));
            }
            BodyEncoding::Chunked => {
                self.queue_prefix(format_args!("{}0\r\n\r\n", if self.chunk_open { "\r\n" } else { "" }));
            }
        }
        self.encoding = BodyEncoding::Length(0);
        Ok(())
    }

    fn queue_prefix(&mut self, text: fmt::Arguments<'_>) {
        if self.prefix_written == self.prefix.len() {
            self.prefix.clear();
            self.prefix_written = 0;
        }
        // Writing to a `Vec` cannot fail.
        let _ = self.prefix.write_fmt(text);
    }
}

/// The safe methods of the API ([RFC 9110 §9.2.1](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1)).
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Whether an upstream will find the end of a request and of its response, even if it is careless. Some ignore the body of
/// a GET, or send a body to HEAD: the rest would be read as the next request or response, which may be another user's
/// ([RFC 9110 §9.3.1](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.1) warns of request smuggling).
fn allows_reuse(method: &Method, encoding: BodyEncoding) -> bool {
    match *method {
        Method::HEAD => false,
        Method::GET | Method::DELETE | Method::OPTIONS => encoding == BodyEncoding::Length(0),
        _ => true,
    }
}
