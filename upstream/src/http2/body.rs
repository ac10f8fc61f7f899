//! A response body over HTTP/2.

use std::{
    future::poll_fn,
    io,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http_body::Body;
use tokio::{runtime::Handle, task::JoinSet, time::timeout};

use super::{send::SendBody, stream_counts::CountedStream};

/// The wait for `END_STREAM` ([RFC 9113 §6.1](https://www.rfc-editor.org/rfc/rfc9113#section-6.1)) after all bytes of a
/// body. A longer one would keep a broken stream open.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes that are joined into one piece, so that small frames need one write: the default maximum of one frame
/// ([RFC 9113 §6.5.2](https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2)).
const COALESCE_MAX: usize = 16 * 1024;

/// The rest of an exchange after the response head.
#[derive(Debug)]
pub(crate) struct Http2Body {
    /// `None` once it has ended.
    open: Option<Open>,
    /// The bytes of `Content-Length` that have not arrived.
    remaining: Option<u64>,
    /// How the body ended, if the data before the end was returned just now.
    end: Option<io::Result<()>>,
}

#[derive(Debug)]
struct Open {
    stream: RecvStream,
    /// The task that still sends the request body. It ends with the response.
    _request_body: Option<JoinSet<bool>>,
    counted: CountedStream,
}

impl Http2Body {
    /// `length` is the `Content-Length`. The rest of the request body is sent whether or not the response is read: a
    /// client may send everything before it reads anything.
    pub(super) fn new<B>(
        stream: RecvStream,
        length: Option<u64>,
        send_body: Option<SendBody<B>>,
        mut counted: CountedStream,
    ) -> Self
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        if stream.is_end_stream() {
            counted.ended();
            return Self { open: None, remaining: length.or(Some(0)), end: None };
        }
        let request_body = send_body.map(|mut send_body| {
            let mut task = JoinSet::new();
            task.spawn(async move { poll_fn(|cx| send_body.poll(cx)).await.is_ok() });
            task
        });
        Self { open: Some(Open { stream, _request_body: request_body, counted }), remaining: length, end: None }
    }

    /// Returns the data that has arrived, joined: frames may be small, and each would cost a write.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let first = match self.end.take() {
            Some(end) => return Poll::Ready(end.err().map(Err)),
            None => ready!(self.poll_frame_data(cx)),
        };
        let Some(Ok(first)) = first else { return Poll::Ready(first) };
        let mut more = BytesMut::new();
        while first.len() + more.len() < COALESCE_MAX
            && let Poll::Ready(next) = self.poll_frame_data(cx)
        {
            match next {
                Some(Ok(data)) if more.is_empty() && first.is_empty() => return Poll::Ready(Some(Ok(data))),
                Some(Ok(data)) => {
                    if more.is_empty() {
                        more.reserve(COALESCE_MAX);
                        more.extend_from_slice(&first);
                    }
                    more.extend_from_slice(&data);
                }
                end => {
                    self.end = Some(end.map_or(Ok(()), |error| error.map(drop)));
                    break;
                }
            }
        }
        Poll::Ready(Some(Ok(if more.is_empty() { first } else { more.freeze() })))
    }

    /// The data of the next frame. Trailers end a body and are dropped.
    fn poll_frame_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let Some(open) = &mut self.open else { return Poll::Ready(None) };
        let stream = &mut open.stream;
        let data = match ready!(stream.poll_data(cx)) {
            Some(Ok(data)) => stream.flow_control().release_capacity(data.len()).map(|()| Some(data)),
            None => Ok(None),
            Some(Err(error)) => Err(error),
        };
        if let Ok(Some(data)) = &data {
            open.counted.received(data.len());
            self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(data.len() as u64));
        } else {
            open.counted.ended();
            self.open = None;
        }
        Poll::Ready(data.map_err(io::Error::other).transpose())
    }

    /// Whether the body has ended.
    pub(crate) fn is_end_stream(&self) -> bool {
        self.open.as_ref().is_none_or(|open| open.stream.is_end_stream()) && !matches!(self.end, Some(Err(_)))
    }

    /// Bytes of the body that have not arrived, if known.
    pub(crate) fn remaining(&self) -> Option<u64> {
        self.remaining
    }
}

/// A body that lacks only `END_STREAM` is read to its end: dropping it would reset the stream, and after about 1,000
/// resets `h2` closes the connection for all its requests.
impl Drop for Http2Body {
    fn drop(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        let all_arrived = self.remaining == Some(0);
        if all_arrived || open.stream.is_end_stream() {
            open.counted.ended();
        }
        if all_arrived
            && !open.stream.is_end_stream()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move { timeout(END_TIMEOUT, open.stream.data()).await.is_ok() });
        }
    }
}
