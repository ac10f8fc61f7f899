//! The body of a response to a client.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body::{Body as _, Frame, SizeHint};
use sparekey_core::{Rejection, UpstreamFailure};
use sparekey_upstream::ResponseBody;

use crate::{
    record::{End, RequestLog},
    user_requests::OpenRequest,
};

/// The body of a response. It finishes the request's record.
#[derive(Debug)]
pub struct Body {
    content: Content,
    log: RequestLog,
    _open: Option<OpenRequest>,
}

#[derive(Debug)]
enum Content {
    /// The proxy's own; `None` once it was read.
    Own(Option<Bytes>),
    Upstream(ResponseBody),
}

impl Body {
    pub(crate) fn upstream(body: ResponseBody, log: RequestLog, open: OpenRequest) -> Self {
        Self { content: Content::Upstream(body), log, _open: Some(open) }
    }

    pub(crate) fn own(response: Response<Bytes>, mut log: RequestLog) -> Response<Self> {
        log.response(response.status());
        response.map(|body| {
            let content = Content::Own(Some(body).filter(|body| !body.is_empty()));
            Self { content, log, _open: None }
        })
    }

    pub(crate) fn rejection(rejection: &Rejection, mut log: RequestLog) -> Response<Self> {
        log.rejection(rejection.code());
        Self::own(rejection.to_response(), log)
    }

    /// Reads the whole body, for a platform that cannot stream. Then call [`delivered`](Self::delivered) or
    /// [`replace`](Self::replace).
    ///
    /// # Errors
    /// [`UpstreamFailure::TooLarge`] above `max` bytes, [`UpstreamFailure::Unreachable`] if the body is cut.
    pub async fn collect(&mut self, max: usize) -> Result<Bytes, UpstreamFailure> {
        let mut collected = BytesMut::new();
        while let Some(frame) = poll_fn(|cx| self.poll_content(cx)).await {
            let data = frame.map_err(|_| UpstreamFailure::Unreachable)?.into_data().unwrap_or_default();
            if data.len() > max - collected.len() {
                return Err(UpstreamFailure::TooLarge);
            }
            collected.extend_from_slice(&data);
        }
        Ok(collected.freeze())
    }

    /// Finishes the record of a response that was delivered whole.
    pub fn delivered(mut self, bytes: usize) {
        self.log.sent(bytes as u64);
        self.log.finish(End::Complete);
    }

    /// Drops this body and sends an error response instead, for a platform that cannot deliver the response.
    #[must_use]
    pub fn replace(mut self, rejection: &Rejection) -> Response<Self> {
        Self::rejection(rejection, std::mem::take(&mut self.log))
    }

    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.content {
            Content::Own(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            Content::Upstream(body) => Pin::new(body).poll_frame(cx),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = ready!(self.poll_content(cx));
        match &frame {
            Some(Ok(frame)) => self.log.sent(frame.data_ref().map_or(0, Bytes::len) as u64),
            Some(Err(_)) => self.log.finish(End::Cut),
            None => self.log.finish(End::Complete),
        }
        if self.is_end_stream() {
            self.log.finish(End::Complete);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Own(body) => body.is_none(),
            Content::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own(body) => SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            Content::Upstream(body) => body.size_hint(),
        }
    }
}

/// hyper never polls an empty body, or the body of a response to HEAD.
impl Drop for Body {
    fn drop(&mut self) {
        if self.is_end_stream() || self.log.is_head() {
            self.log.finish(End::Complete);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::Method;

    use super::*;
    use crate::record::{RequestRecord, Sink, Sinks};

    #[derive(Debug, Default)]
    struct LastEnd(Mutex<Option<End>>);

    impl Sink for LastEnd {
        fn is_enabled(&self) -> bool {
            true
        }

        fn finished(&self, _: &RequestRecord, end: End) {
            *self.0.lock().unwrap() = Some(end);
        }
    }

    #[test]
    fn unread_response_is_cut_except_for_head() {
        let sink = Arc::new(LastEnd::default());
        let sinks = Sinks::new(vec![Arc::clone(&sink) as Arc<dyn Sink>]);
        for (method, end) in [(Method::GET, End::Cut), (Method::HEAD, End::Complete)] {
            let log = RequestLog::start(&sinks, || RequestRecord::new(&method, "/healthz", None));
            drop(Body::own(Response::new(Bytes::from_static(b"ok")), log));
            assert_eq!(*sink.0.lock().unwrap(), Some(end), "{method}");
        }
    }
}
