//! What waits in the queue of a user.

use std::sync::Arc;

use sparekey_policy::{HoldId, Limits, Outcome};
#[cfg(feature = "dynamodb")]
use tokio::sync::oneshot;

use super::step::Batch;
use crate::{call::Call, error::LedgerError, pending::Reply, row::LedgerRow};

/// An entry of a user's queue.
pub(super) enum Request<K> {
    Call {
        call: Box<Call>,
        reply: Option<Reply<Outcome>>,
        is_fence: bool,
    },
    Void {
        key: K,
        id: HoldId,
        limits: Arc<Limits>,
        reply: Reply<Outcome>,
    },
    Response {
        response_id: Arc<str>,
        reply: Reply<Option<LedgerRow>>,
    },
    /// Dropped when the calls before it were tried.
    #[cfg(feature = "dynamodb")]
    Mark {
        _passed: oneshot::Sender<()>,
    },
}

impl<K> Request<K> {
    pub(super) fn settle(call: Call, is_fence: bool) -> Self {
        Self::Call { call: Box::new(call), reply: None, is_fence }
    }

    pub(super) fn is_call(&self) -> bool {
        matches!(self, Self::Call { .. })
    }

    pub(super) fn must_be_stored(&self) -> bool {
        matches!(self, Self::Call { call, .. } if call.must_be_stored())
    }

    pub(super) fn undo(&self) -> Option<Call> {
        if let Self::Call { call, .. } = self { call.undo() } else { None }
    }

    pub(super) fn refuse(self, error: &LedgerError) {
        match self {
            Self::Call { reply: Some(reply), .. } | Self::Void { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Call { reply: None, .. } => {}
            Self::Response { reply, .. } => drop(reply.send(Err(error.clone()))),
            #[cfg(feature = "dynamodb")]
            Self::Mark { .. } => {}
        }
    }
}

impl<'a, K> Batch<'a, K> {
    pub(super) fn of(requests: &'a [Request<K>]) -> Self {
        if let [Request::Void { key, id, limits, .. }] = requests {
            return Self::Void { key, id: *id, limits };
        }
        let calls = requests.iter().filter_map(|request| match request {
            Request::Call { call, .. } => Some(&**call),
            _ => None,
        });
        let is_fence = requests.iter().any(|request| matches!(request, Request::Call { is_fence: true, .. }));
        Self::Calls { calls: calls.collect(), is_fence }
    }
}

/// The only one, or all.
pub(super) fn one<K>(mut batch: Vec<Request<K>>) -> Result<Request<K>, Vec<Request<K>>> {
    match batch.pop() {
        Some(request) if batch.is_empty() => Ok(request),
        Some(request) => {
            batch.push(request);
            Err(batch)
        }
        None => Err(batch),
    }
}
