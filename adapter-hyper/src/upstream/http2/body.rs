//! An answer's body.

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

use super::{Counted, sending::Sending};

/// How long the end of a body that has all its bytes is awaited.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of what has come leaves in one piece.
const GATHER: usize = 16 * 1024;

/// The rest of an exchange once the answer's head is there.
#[derive(Debug)]
pub(crate) struct ReceivedBody {
    /// `None` once it has ended.
    open: Option<Open>,
    /// What `content-length` promised and is still to come.
    left: Option<u64>,
    /// How it ended, while what came before has not left.
    end: Option<io::Result<()>>,
}

#[derive(Debug)]
struct Open {
    stream: RecvStream,
    /// What still sends the request's body, in a task that ends with the answer.
    _upload: Option<JoinSet<bool>>,
    _counted: Counted,
}

impl ReceivedBody {
    /// `length` is what the head tells. The rest of the request's body goes up whether or not the answer is read: a
    /// client may read nothing before it has sent everything.
    pub(super) fn new<B>(stream: RecvStream, length: Option<u64>, sending: Option<Sending<B>>, counted: Counted) -> Self
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        if stream.is_end_stream() {
            return Self { open: None, left: length.or(Some(0)), end: None };
        }
        let upload = sending.map(|mut sending| {
            let mut upload = JoinSet::new();
            upload.spawn(async move { poll_fn(|cx| sending.poll(cx)).await.is_ok() });
            upload
        });
        Self { open: Some(Open { stream, _upload: upload, _counted: counted }), left: length, end: None }
    }

    /// What has come, together: frames may be small, and each would cost a write.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let first = match self.end.take() {
            Some(end) => return Poll::Ready(end.err().map(Err)),
            None => ready!(self.poll_piece(cx)),
        };
        let Some(Ok(first)) = first else { return Poll::Ready(first) };
        let mut more = BytesMut::new();
        while first.len() + more.len() < GATHER
            && let Poll::Ready(next) = self.poll_piece(cx)
        {
            match next {
                Some(Ok(data)) if more.is_empty() && first.is_empty() => return Poll::Ready(Some(Ok(data))),
                Some(Ok(data)) => {
                    if more.is_empty() {
                        more.reserve(GATHER);
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

    /// Trailers end a body, and are dropped.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let Some(Open { stream, .. }) = &mut self.open else { return Poll::Ready(None) };
        let data = match ready!(stream.poll_data(cx)) {
            Some(Ok(data)) => stream.flow_control().release_capacity(data.len()).map(|()| Some(data)),
            None => Ok(None),
            Some(Err(error)) => Err(error),
        };
        match &data {
            Ok(Some(data)) => self.left = self.left.map(|left| left.saturating_sub(data.len() as u64)),
            Ok(None) | Err(_) => self.open = None,
        }
        Poll::Ready(data.map_err(io::Error::other).transpose())
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.open.as_ref().is_none_or(|open| open.stream.is_end_stream()) && !matches!(self.end, Some(Err(_)))
    }

    /// How many bytes are still to come, where that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        self.left
    }
}

/// A body that has all its bytes but not its end is read to the end: dropping it there resets the stream, and enough
/// resets end the connection for everybody.
impl Drop for ReceivedBody {
    fn drop(&mut self) {
        let unended = self.open.take().filter(|open| self.left == Some(0) && !open.stream.is_end_stream());
        if let (Some(mut open), Ok(runtime)) = (unended, Handle::try_current()) {
            runtime.spawn(async move { timeout(END_TIMEOUT, open.stream.data()).await.is_ok() });
        }
    }
}
