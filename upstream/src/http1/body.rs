//! A response body over HTTP/1.1, whose reader drives the connection.

use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Body;
use tokio::task::JoinSet;

use super::{connection::Connection, decode::Decoder, send::SendRequest};
use crate::{error::BoxError, pool::Pool};

/// The rest of an exchange after the response head.
#[derive(Debug)]
pub(crate) struct Http1Body {
    /// `None` once the body has ended.
    connection: Option<Box<Connection>>,
    decoder: Decoder,
    /// Gets the connection at the end, if it can carry another request.
    pool: Option<Arc<Pool>>,
    /// The task that still sends the request body. It ends with the response.
    request_body: Option<JoinSet<bool>>,
}

impl Http1Body {
    /// `pool` gets the connection at the end of the body.
    pub(crate) fn new(connection: Box<Connection>, decoder: Decoder, pool: Option<Arc<Pool>>) -> Self {
        let mut body = Self { connection: Some(connection), decoder, pool, request_body: None };
        body.release_at_end();
        body
    }

    /// The body of a response that started before the request was complete. The rest of the request is sent whether or
    /// not the response is read: a client may send everything before it reads anything.
    pub(crate) fn while_sending<B>(
        mut connection: Box<Connection>,
        decoder: Decoder,
        mut request: SendRequest<B>,
    ) -> Self
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let (stream, mut writer) = connection.stream.split();
        connection.stream = stream;
        let mut body = Self::new(connection, decoder, None);
        if body.connection.is_some() {
            // An error here does not end the response, which has started.
            let task = body.request_body.get_or_insert_default();
            task.spawn(async move { poll_fn(|cx| request.poll(&mut writer, cx)).await.is_ok() });
        }
        body
    }

    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let data = ready!(self.poll_decoded(cx));
        match &data {
            Ok(Some(_)) => self.release_at_end(),
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
                if self.decoder.is_end_stream() {
                    self.release_at_end();
                    return Poll::Ready(Ok(None));
                }
            }
            if ready!(connection.poll_read_body(cx))? == 0 {
                let is_complete = self.decoder.ends_at_close();
                return Poll::Ready(if is_complete { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) });
            }
        }
    }

    /// At the end of the body, returns the connection to the pool or closes it.
    fn release_at_end(&mut self) {
        if self.decoder.is_end_stream()
            && let (Some(connection), Some(pool)) = (self.take_connection(), self.pool.take())
            && connection.read.is_empty()
        {
            pool.put(connection);
        }
    }

    fn take_connection(&mut self) -> Option<Box<Connection>> {
        self.request_body = None;
        self.connection.take()
    }

    /// Whether the body has ended.
    pub(crate) fn is_end_stream(&self) -> bool {
        self.connection.is_none()
    }

    /// Bytes of the body that have not arrived, if known.
    pub(crate) fn remaining(&self) -> Option<u64> {
        self.decoder.remaining()
    }
}
