//! An open request of a client's connection.

use std::sync::Arc;

use sparekey_proxy::OpenRequest;

use super::{connection_state::ConnectionState, http2_stream::Http2Stream};

/// An open request, until its response is written.
#[derive(Debug)]
pub(crate) struct RequestGuard {
    connection: Arc<ConnectionState>,
    /// `None` over HTTP/1.1.
    stream: Option<Arc<Http2Stream>>,
    /// Taken at the end.
    request: Option<Request>,
}

/// A request that counts as open.
#[derive(Debug)]
pub(crate) struct Request {
    /// Whether it was sent to the upstream.
    pub(crate) is_forwarded: bool,
    /// Counts for its user.
    pub(crate) _open: Option<OpenRequest>,
}

impl RequestGuard {
    pub(crate) fn new(connection: &Arc<ConnectionState>, stream: Option<Arc<Http2Stream>>, request: Request) -> Self {
        Self { connection: Arc::clone(connection), stream, request: Some(request) }
    }

    /// `None` over HTTP/1.1.
    pub(crate) fn stream(&self) -> Option<&Arc<Http2Stream>> {
        self.stream.as_ref()
    }

    pub(crate) fn connection(&self) -> &Arc<ConnectionState> {
        &self.connection
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let Some(request) = self.request.take() else { return };
        if self.stream.is_some() {
            self.connection.end_request(&request);
        } else {
            // hyper may not have written the end of the response yet.
            self.connection.end_request_when_flushed(request);
        }
    }
}
