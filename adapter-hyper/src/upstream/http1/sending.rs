//! A request on its way out.

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
use tokio::io::AsyncWrite;

use super::request::{self, Encoding};
use crate::{
    gather,
    upload::{Progress, Upload},
    upstream::BoxError,
};

/// As long as most heads are, and no longer than what allocators have at hand.
const HEAD: usize = 1024;

/// A request, and how much of it was written.
#[derive(Debug)]
pub(crate) struct Sending<B> {
    pub(crate) method: Method,
    pub(crate) may_switch: bool,
    /// Written before `data`: the head, the lines between chunks.
    lead: Vec<u8>,
    /// How much of `lead` was written.
    led: usize,
    data: Bytes,
    /// `None` once it has ended.
    body: Option<Upload<B>>,
    encoding: Encoding,
    /// Whether a chunk is to be closed before the next.
    within: bool,
    begun: bool,
    progress: Arc<Progress>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The client broke off, or did not keep to the length that it told.
    #[error("the request's body broke off")]
    Upload(#[source] BoxError),
    #[error("the connection is of no use")]
    Connection(#[source] io::Error),
}

impl<B> Sending<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    pub(crate) fn new(head: &Parts, body: Upload<B>, may_switch: bool) -> Self {
        let mut lead = Vec::with_capacity(HEAD);
        let encoding = request::encode(head, body.size_hint().exact(), &mut lead);
        let progress = Arc::clone(body.progress());
        Self {
            method: head.method.clone(),
            may_switch,
            lead,
            led: 0,
            data: Bytes::new(),
            body: Some(body),
            encoding,
            within: false,
            begun: false,
            progress,
        }
    }

    /// Whether any of it was handed to the kernel. If so, it must never be sent again.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether all of it was written.
    pub(crate) fn is_done(&self) -> bool {
        self.body.is_none() && self.led == self.lead.len() && self.data.is_empty()
    }

    /// Writes what there is; ready once all is written.
    pub(crate) fn poll(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        loop {
            self.fetch(cx)?;
            if self.led == self.lead.len() && self.data.is_empty() {
                ready!(Pin::new(stream).poll_flush(cx)).map_err(SendError::Connection)?;
                return if self.body.is_none() { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            let parts = [IoSlice::new(&self.lead[self.led..]), IoSlice::new(&self.data)];
            let count =
                ready!(gather::poll_write(Pin::new(&mut *stream), cx, &parts)).map_err(SendError::Connection)?;
            if count == 0 {
                return Poll::Ready(Err(SendError::Connection(io::ErrorKind::WriteZero.into())));
            }
            self.begun = true;
            self.progress.touch();
            let of_lead = count.min(self.lead.len() - self.led);
            self.led += of_lead;
            self.data.advance(count - of_lead);
        }
    }

    /// Takes the body's next piece, so that it leaves together with what stands before it.
    fn fetch(&mut self, cx: &mut Context<'_>) -> Result<(), SendError> {
        while self.data.is_empty() {
            let Some(body) = &mut self.body else { return self.finish() };
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else { return Ok(()) };
            let frame = frame.transpose().map_err(|error| SendError::Upload(error.into()))?;
            if frame.is_none() || body.is_end_stream() {
                self.body = None;
            }
            self.queue(frame.and_then(|frame| frame.into_data().ok()).unwrap_or_default())?;
        }
        Ok(())
    }

    fn queue(&mut self, data: Bytes) -> Result<(), SendError> {
        match &mut self.encoding {
            Encoding::Length(left) => {
                *left =
                    left.checked_sub(data.len() as u64).ok_or_else(|| SendError::Upload("it is too long".into()))?;
            }
            // One without data would be the last.
            Encoding::Chunked if data.is_empty() => {}
            Encoding::Chunked => {
                let before = if self.within { "\r\n" } else { "" };
                self.lead(format_args!("{before}{:x}\r\n", data.len()));
                self.within = true;
            }
        }
        self.data = data;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SendError> {
        match self.encoding {
            Encoding::Length(0) => return Ok(()),
            Encoding::Length(_) => return Err(SendError::Upload("it is too short".into())),
            Encoding::Chunked => self.lead(format_args!("{}0\r\n\r\n", if self.within { "\r\n" } else { "" })),
        }
        self.encoding = Encoding::Length(0);
        Ok(())
    }

    fn lead(&mut self, text: fmt::Arguments<'_>) {
        if self.led == self.lead.len() {
            self.lead.clear();
            self.led = 0;
        }
        // A vector takes whatever is written to it.
        let _ = self.lead.write_fmt(text);
    }
}
