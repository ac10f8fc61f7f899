//! Runs the requests of an HTTP/2 connection.

use std::{
    sync::Arc,
    task::{Context, Waker},
};

use hyper::rt::Executor;

use super::connection_state::ConnectionState;

/// Polls a request of its connection at once, and spawns a task only if it has to wait. hyper runs a request right after the
/// service was called for it.
#[derive(Clone, Debug)]
pub(crate) struct EagerExecutor(pub(crate) Arc<ConnectionState>);

impl<F> Executor<F> for EagerExecutor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, request: F) {
        let mut request = Box::pin(request);
        // The task polls again, with its own waker.
        if request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            self.0.set_last_task(tokio::spawn(request).abort_handle());
        }
    }
}
