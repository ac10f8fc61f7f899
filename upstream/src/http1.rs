//! An HTTP/1.1 client.
//!
//! **In scope:** one request at a time on a connection, and the bodies in both directions as they arrive. A connection
//! has no task of its own: the future that waits for the response head, or the reader of the body, drives it. Only a
//! request body that is still being sent when the response starts continues in a task.
//!
//! **Out of scope:** which connection is used, and whether a request is repeated.

mod body;
pub(crate) mod connection;
pub mod decode;
mod encode;
pub(crate) mod framing;
pub mod head;
mod head_error;
mod header_cache;
mod lines;
mod send;
mod upgraded_stream;

use std::{
    future::poll_fn,
    task::{Poll, ready},
};

use bytes::Bytes;
use http_body::Body;

pub use self::upgraded_stream::UpgradedStream;
pub(crate) use self::{
    body::Http1Body,
    header_cache::HeaderCache,
    send::{SendRequest, is_safe},
};
use self::{connection::Connection, head::Head, send::SendError};
use crate::error::BoxError;

/// Sends a request, as far as the upstream reads it, and waits for the response head.
pub(crate) async fn exchange<B>(connection: &mut Connection, request: &mut SendRequest<B>) -> Result<Head, SendError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    connection.start_exchange();
    // An upstream that rejects a body may stop reading, and still have sent its response
    // (https://www.rfc-editor.org/rfc/rfc9112#section-9.5).
    let mut write_error = None;
    poll_fn(|cx| {
        if write_error.is_none()
            && let Poll::Ready(Err(error)) = request.poll(&mut connection.stream, cx)
        {
            match error {
                SendError::Connection(_) if request.any_written() => write_error = Some(error),
                error => return Poll::Ready(Err(error)),
            }
        }
        let head = ready!(connection.poll_head(cx, &request.method, request.upgrade));
        Poll::Ready(head.map_err(|error| write_error.take().unwrap_or(error)))
    })
    .await
}
