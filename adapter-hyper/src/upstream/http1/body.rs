//! An answer's body, which moves its connection on as it is read.

use std::{
    fmt, io,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Body;

use super::{
    Connection,
    framing::Decoder,
    sending::{SendError, Sending},
};
use crate::upstream::{BoxError, pool::Pool, stream::Stream};

/// The rest of an exchange once the answer's head is there.
pub(crate) struct ReceivedBody {
    /// `None` once the body has ended.
    connection: Option<Connection>,
    decoder: Decoder,
    /// Where the connection goes then, if it can carry another request.
    pool: Option<Arc<Pool>>,
    /// A request's body that was not at its end when the answer began.
    upload: Option<Box<dyn Uploading>>,
}

/// A [`Sending`] of whatever body.
trait Uploading: Send {
    fn poll(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<(), SendError>>;
}

impl<B> Uploading for Sending<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin,
{
    fn poll(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Sending::poll(self, stream, cx)
    }
}

impl ReceivedBody {
    pub(crate) fn new<B>(
        connection: Connection,
        decoder: Decoder,
        pool: Option<Arc<Pool>>,
        upload: Option<Sending<B>>,
    ) -> Self
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let upload = upload.map(|upload| Box::new(upload) as Box<dyn Uploading>);
        let mut body = Self { connection: Some(connection), decoder, pool, upload };
        body.note_end();
        body
    }

    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        self.poll_upload(cx);
        let data = ready!(self.poll_decoded(cx));
        match &data {
            Ok(Some(_)) => self.note_end(),
            Ok(None) | Err(_) => self.connection = None,
        }
        Poll::Ready(data.transpose())
    }

    fn poll_decoded(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(None)) };
        loop {
            if !connection.read.is_empty() {
                let data = self.decoder.decode(&mut connection.read).map_err(io::Error::other)?;
                if !data.is_empty() {
                    return Poll::Ready(Ok(Some(data)));
                }
                if self.decoder.is_done() {
                    self.note_end();
                    return Poll::Ready(Ok(None));
                }
            }
            if ready!(connection.poll_fill(cx))? == 0 {
                let whole = self.decoder.ends_with_connection();
                return Poll::Ready(if whole { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) });
            }
        }
    }

    /// Whatever stops an upload, the answer that has begun is read on.
    fn poll_upload(&mut self, cx: &mut Context<'_>) {
        if let (Some(connection), Some(upload)) = (&mut self.connection, &mut self.upload)
            && let Poll::Ready(end) = upload.poll(&mut connection.stream, cx)
        {
            self.upload = None;
            self.pool = self.pool.take().filter(|_| end.is_ok());
        }
    }

    /// Lets go of the connection where nothing more of the body will come on it.
    fn note_end(&mut self) {
        if self.decoder.is_done()
            && let Some(connection) = self.connection.take()
            && let (Some(pool), None) = (self.pool.take(), self.upload.take())
            && connection.read.is_empty()
        {
            pool.put(connection);
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.connection.is_none()
    }

    /// How many bytes are still to come, where that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        self.decoder.left()
    }
}

impl fmt::Debug for ReceivedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedBody").field("decoder", &self.decoder).finish_non_exhaustive()
    }
}
