//! An answer's body, which moves its connection on as it is read.

use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Body;
use tokio::task::JoinSet;

use super::{Connection, framing::Decoder, sending::Sending};
use crate::upstream::{BoxError, pool::Pool};

/// The rest of an exchange once the answer's head is there.
#[derive(Debug)]
pub(crate) struct ReceivedBody {
    /// `None` once the body has ended.
    connection: Option<Connection>,
    decoder: Decoder,
    /// Where the connection goes then, if it can carry another request.
    pool: Option<Arc<Pool>>,
    /// What still sends the request's body, in a task that ends with the answer.
    upload: Option<JoinSet<bool>>,
}

impl ReceivedBody {
    /// `pool` gets the connection back.
    pub(crate) fn new(connection: Connection, decoder: Decoder, pool: Option<Arc<Pool>>) -> Self {
        let mut body = Self { connection: Some(connection), decoder, pool, upload: None };
        body.note_end();
        body
    }

    /// Of an answer that began before the request was sent to its end. The rest goes up whether or not the answer is
    /// read: a client may read nothing before it has sent everything.
    pub(crate) fn beside<B>(mut connection: Connection, decoder: Decoder, mut sending: Sending<B>) -> Self
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let (stream, mut write) = connection.stream.split();
        connection.stream = stream;
        let mut body = Self::new(connection, decoder, None);
        if body.connection.is_some() {
            // Whatever stops an upload, the answer that has begun is read on.
            let upload = body.upload.get_or_insert_default();
            upload.spawn(async move { poll_fn(|cx| sending.poll(&mut write, cx)).await.is_ok() });
        }
        body
    }

    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let data = ready!(self.poll_decoded(cx));
        match &data {
            Ok(Some(_)) => self.note_end(),
            Ok(None) | Err(_) => drop(self.take_connection()),
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
            if ready!(connection.poll_fill_body(cx))? == 0 {
                let whole = self.decoder.ends_with_connection();
                return Poll::Ready(if whole { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) });
            }
        }
    }

    /// Lets go of the connection where nothing more of the body will come on it.
    fn note_end(&mut self) {
        if self.decoder.is_done()
            && let (Some(connection), Some(pool)) = (self.take_connection(), self.pool.take())
            && connection.read.is_empty()
        {
            pool.put(connection);
        }
    }

    fn take_connection(&mut self) -> Option<Connection> {
        self.upload = None;
        self.connection.take()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.connection.is_none()
    }

    /// How many bytes are still to come, where that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        self.decoder.left()
    }
}
