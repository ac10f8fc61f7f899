//! Runs the requests of an HTTP/2 connection.

use std::task::{Context, Waker};

use hyper::rt::Executor;

/// Polls a request at once, and spawns a task only if it has to wait. So a rejected request has ended before the next one
/// is read, and does not count as open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EagerExecutor;

impl<F> Executor<F> for EagerExecutor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, request: F) {
        let mut request = Box::pin(request);
        // The task polls again, with its own waker.
        if request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            tokio::spawn(request);
        }
    }
}
