//! The body of a response to a client.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    vec,
};

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body::{Body as _, Frame, SizeHint};
use sparekey_core::{Rejection, ReplyBody, UpstreamFailure};
use sparekey_upstream::ResponseBody;

use crate::{
    Permits,
    charge::ChargedBody,
    record::{RequestLog, ResponseEnd},
};

/// The body of a response. It finishes the request's record.
#[derive(Debug)]
pub struct Body {
    content: Content,
    log: RequestLog,
    permits: Permits,
}

#[derive(Debug)]
enum Content {
    /// The proxy's own: the parts that were not read.
    Own(vec::IntoIter<Bytes>),
    Upstream(ResponseBody),
    /// Of a response to a metered user.
    Charged(ChargedBody),
}

impl Body {
    pub(crate) fn charged(body: ChargedBody, log: RequestLog, permits: Permits) -> Self {
        Self { content: Content::Charged(body), log, permits }
    }

    pub(crate) fn upstream(body: ResponseBody, log: RequestLog, permits: Permits) -> Self {
        Self { content: Content::Upstream(body), log, permits }
    }

    pub(crate) fn own(response: Response<impl Into<ReplyBody>>, mut log: RequestLog) -> Response<Self> {
        log.response(response.status(), response.headers());
        response.map(|body| {
            let content = Content::Own(body.into().into_parts().into_iter());
            Self { content, log, permits: Permits::default() }
        })
    }

    pub(crate) fn rejection(rejection: &Rejection, mut log: RequestLog) -> Response<Self> {
        if let Some(key) = rejection.key() {
            log.key(key);
        }
        log.rejection(rejection.code());
        Self::own(rejection.to_response(), log)
    }

    /// Reads the whole body, for a platform that cannot stream. Then call [`delivered`](Self::delivered) or
    /// [`replace`](Self::replace).
    ///
    /// # Errors
    /// [`UpstreamFailure::TooLarge`] above `max` bytes, [`UpstreamFailure::Timeout`] if the body takes too long, and
    /// [`UpstreamFailure::Interrupted`] if it is cut.
    pub async fn collect(&mut self, max: usize) -> Result<Bytes, UpstreamFailure> {
        let mut collected = BytesMut::new();
        while let Some(frame) = poll_fn(|cx| self.poll_content(cx)).await {
            let failure = |error: io::Error| match error.kind() {
                io::ErrorKind::TimedOut => UpstreamFailure::Timeout,
                _ => UpstreamFailure::Interrupted,
            };
            let data = frame.map_err(failure)?.into_data().unwrap_or_default();
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
        self.log.finish(ResponseEnd::Complete);
    }

    /// Drops this body and sends another response instead.
    pub(crate) fn replace_by(mut self, response: Response<Bytes>) -> Response<Self> {
        Self::own(response, std::mem::take(&mut self.log))
    }

    /// Drops this body and sends an error response instead, for a platform that cannot deliver the response.
    #[must_use]
    pub fn replace(mut self, rejection: &Rejection) -> Response<Self> {
        Self::rejection(rejection, std::mem::take(&mut self.log))
    }

    /// Before the client gets the last bytes, so that its next request finds the place free.
    fn finish(&mut self, end: ResponseEnd) {
        self.permits.slot = None;
        self.log.finish(end);
    }

    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.content {
            Content::Own(parts) => Poll::Ready(parts.next().map(|part| Ok(Frame::data(part)))),
            Content::Upstream(body) => Pin::new(body).poll_frame(cx),
            Content::Charged(body) => body.poll_frame(cx),
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
            Some(Err(_)) => self.finish(ResponseEnd::Cut),
            None => self.finish(ResponseEnd::Complete),
        }
        if self.is_end_stream() {
            self.finish(ResponseEnd::Complete);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Own(parts) => parts.as_slice().is_empty(),
            Content::Upstream(body) => body.is_end_stream(),
            Content::Charged(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own(parts) => SizeHint::with_exact(parts.as_slice().iter().map(|part| part.len() as u64).sum()),
            Content::Upstream(body) => body.size_hint(),
            Content::Charged(body) => body.size_hint(),
        }
    }
}

/// hyper never polls an empty body, or the body of a response to HEAD.
impl Drop for Body {
    fn drop(&mut self) {
        if self.is_end_stream() || self.log.is_head() {
            self.log.finish(ResponseEnd::Complete);
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
    struct LastEnd(Mutex<Option<ResponseEnd>>);

    impl Sink for LastEnd {
        fn is_enabled(&self) -> bool {
            true
        }

        fn finished(&self, _: &RequestRecord, end: ResponseEnd) {
            *self.0.lock().unwrap() = Some(end);
        }
    }

    #[test]
    fn unread_response_is_cut_except_for_head() {
        let sink = Arc::new(LastEnd::default());
        let sinks = Sinks::new(vec![Arc::clone(&sink) as Arc<dyn Sink>]);
        for (method, end) in [(Method::GET, ResponseEnd::Cut), (Method::HEAD, ResponseEnd::Complete)] {
            let log = RequestLog::start(&sinks, || RequestRecord::new(&method, "/healthz", None));
            drop(Body::own(Response::new(Bytes::from_static(b"ok")), log));
            assert_eq!(*sink.0.lock().unwrap(), Some(end), "{method}");
        }
    }
}
