//! The open requests of a connection.

use std::{
    mem,
    sync::{Arc, MutexGuard, PoisonError, Weak, atomic::Ordering},
};

use sparekey_core::{Gate, UserKey};
use sparekey_proxy::OpenRequest;
use tokio::{task::AbortHandle, time::Instant};

use super::{ConnectionState, Phase};
use crate::listen::{
    http2_stream::Http2Stream,
    raw_head,
    request_guard::{Request, RequestGuard},
};

/// Open requests on a connection that has shown no valid key. Each takes memory; browsers open six.
const KEYLESS_REQUESTS_MAX: usize = 16;

impl ConnectionState {
    /// Records a request head, and the key of a request that is sent to the upstream. It lasts until the response is written.
    /// `None` if a connection without a valid key has too many requests open.
    pub(crate) fn start_request(
        self: &Arc<Self>,
        key: Option<UserKey>,
        open: Option<OpenRequest>,
    ) -> Option<RequestGuard> {
        let is_forwarded = key.is_some();
        let mut state = self.state();
        state.has_key |= is_forwarded;
        if !mem::replace(&mut state.has_started, true) {
            self.first_request.notify_waiters();
        }
        state.unfinished_head.set(0);
        if !state.has_key && state.requests >= KEYLESS_REQUESTS_MAX {
            return None;
        }
        state.requests += 1;
        state.forwarded += usize::from(is_forwarded);
        state.body_open = true;
        state.phase = Phase::BodyOrIdle;
        let (is_http2, head) = (state.header_blocks.is_some(), mem::take(&mut state.head));
        // Over HTTP/1.1, the body before this request has ended.
        state.body_unread &= is_http2;
        state.after_head = raw_head::bytes_after(&head);
        state.head_has_gap = state.after_head > 0;
        let stream = if is_http2 {
            drop(state);
            Some(self.watch(Http2Stream::new(key, self.timeouts.send(!is_forwarded))))
        } else {
            state.key = key.or(state.key.take());
            drop(state);
            None
        };
        drop(head);
        Some(RequestGuard::new(self, stream, Request { is_forwarded, _open: open }))
    }

    fn watch(&self, stream: Arc<Http2Stream>) -> Arc<Http2Stream> {
        let mut streams = self.streams();
        streams.retain(|stream| stream.strong_count() > 0);
        streams.push(Arc::downgrade(&stream));
        stream
    }

    /// Names the task of the request over HTTP/2 that was started last.
    pub(crate) fn set_last_task(&self, task: AbortHandle) {
        if let Some(stream) = self.streams().last().and_then(Weak::upgrade) {
            stream.set_task(task);
        }
    }

    /// Records the end of a request.
    pub(crate) fn end_request(&self, request: &Request) {
        let mut state = self.state();
        if request.is_forwarded {
            state.forwarded -= 1;
            if state.forwarded == 0 {
                self.none_forwarded.notify_waiters();
            }
        }
        state.requests -= 1;
        if state.requests == 0 {
            state.since = Instant::now();
        }
    }

    /// Records the end of a request once the socket has taken the whole response.
    pub(crate) fn end_request_when_flushed(&self, request: Request) {
        self.ended().push(request);
        self.has_ended.store(true, Ordering::Release);
    }

    /// Records that the socket has taken all that was written.
    pub(crate) fn on_flushed(&self) {
        // Checked without a lock, because this is called for each chunk of a response.
        if self.has_ended.load(Ordering::Acquire) {
            let mut ended = self.ended();
            self.has_ended.store(false, Ordering::Release);
            // It keeps its capacity: most connections have many requests.
            ended.drain(..).for_each(|request| self.end_request(&request));
        }
    }

    /// The number of requests that were forwarded and are open.
    pub(crate) fn open_requests(&self) -> usize {
        self.state().forwarded
    }

    /// Ends the requests whose access key is not accepted any more.
    pub(crate) fn cut_revoked(&self, gate: &Gate) {
        let state = self.state();
        let is_revoked = state.forwarded > 0 && state.key.as_ref().is_some_and(|key| !gate.accepts(key));
        drop(state);
        if is_revoked {
            self.evict();
        }
        self.open_streams().iter().for_each(|stream| stream.end_if_revoked(gate));
    }

    pub(super) fn open_streams(&self) -> Vec<Arc<Http2Stream>> {
        self.streams().iter().filter_map(Weak::upgrade).collect()
    }

    fn streams(&self) -> MutexGuard<'_, Vec<Weak<Http2Stream>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> MutexGuard<'_, Vec<Request>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
