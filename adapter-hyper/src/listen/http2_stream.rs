//! A request over HTTP/2: what of its response the client has not taken.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use sparekey_core::{Gate, UserKey};
use tokio::{task::AbortHandle, time::Instant};

use super::request_guard::RequestGuard;

/// A request over HTTP/2. A client can stop one stream by its flow-control window
/// ([RFC 9113 §5.2](https://www.rfc-editor.org/rfc/rfc9113#section-5.2)) while the socket takes data, so the socket does
/// not show it.
pub(crate) struct Http2Stream {
    /// `None` if the request was not sent to the upstream.
    key: Option<UserKey>,
    /// For the client to take data.
    timeout: Duration,
    unsent: Mutex<Unsent>,
    /// Without a task, the request has ended.
    task: OnceLock<AbortHandle>,
}

/// Frames that h2 has not written yet.
#[derive(Default)]
struct Unsent {
    frames: usize,
    /// Since when none was written; `None` without frames.
    since: Option<Instant>,
    /// The task that waits until all are written.
    waker: Option<Waker>,
}

/// The data of a frame. h2 drops it once it is written, or the stream is reset; the request is open until then.
struct FrameData {
    data: Bytes,
    stream: Arc<Http2Stream>,
    _guard: Arc<RequestGuard>,
}

impl Http2Stream {
    pub(crate) fn new(key: Option<UserKey>, timeout: Duration) -> Arc<Self> {
        Arc::new(Self { key, timeout, unsent: Mutex::default(), task: OnceLock::new() })
    }

    /// Names the task of the request.
    pub(crate) fn set_task(&self, task: AbortHandle) {
        let _ = self.task.set(task);
    }

    /// The data of a frame that counts until it is written.
    pub(crate) fn frame(self: &Arc<Self>, data: Bytes, guard: &Arc<RequestGuard>) -> Bytes {
        let mut unsent = self.unsent();
        unsent.frames += 1;
        unsent.since.get_or_insert_with(Instant::now);
        drop(unsent);
        Bytes::from_owner(FrameData { data, stream: Arc::clone(self), _guard: Arc::clone(guard) })
    }

    pub(crate) fn has_unsent(&self) -> bool {
        self.unsent().frames > 0
    }

    /// Returns ready once all frames are written.
    pub(crate) fn poll_sent(&self, cx: &Context<'_>) -> Poll<()> {
        let mut unsent = self.unsent();
        if unsent.frames == 0 {
            return Poll::Ready(());
        }
        unsent.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Resets the stream if the client has taken no data for too long.
    pub(crate) fn end_if_blocked(&self, now: Instant) {
        let is_blocked = self.unsent().since.is_some_and(|since| since + self.timeout <= now);
        if is_blocked {
            self.end();
        }
    }

    /// Resets the stream if its access key is not accepted any more.
    pub(crate) fn end_if_revoked(&self, gate: &Gate) {
        if self.key.as_ref().is_some_and(|key| !gate.accepts(key)) {
            self.end();
        }
    }

    fn end(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    fn unsent(&self) -> MutexGuard<'_, Unsent> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for FrameData {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for FrameData {
    fn drop(&mut self) {
        let mut unsent = self.stream.unsent();
        unsent.frames -= 1;
        let is_last = unsent.frames == 0;
        unsent.since = (!is_last).then(Instant::now);
        let waker = unsent.waker.take_if(|_| is_last);
        drop(unsent);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl fmt::Debug for Http2Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2Stream").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
