//! A request that has a place or a hold in the ledger, from its reservation to its end.

use http::{HeaderMap, response};
use sparekey_core::{UpstreamFailure, response_facts, retry_count};
use sparekey_ledger::{Call, Charge, End, Reported, ResponseHead};
use sparekey_policy::Timestamp;
use worker::{
    wasm_bindgen::JsValue,
    web_sys::{AbortController, AbortSignal, ReadableStream, Response},
};

use super::{
    ledger::Ledger,
    reserved::{Kind, Reserved},
    tap,
};
use crate::{clock::now, timeout::within};

/// If it is dropped, the request failed here.
pub(crate) struct Open(Option<Box<Reserved>>);

impl Open {
    /// The hold ends at `until`.
    pub(super) fn charge(ledger: Ledger, charge: Charge, until: Timestamp, hides_usage: bool) -> Self {
        Self::new(ledger, Kind::Charge(Box::new(charge)), until, hides_usage)
    }

    pub(super) fn place(ledger: Ledger, end: Call, until: Timestamp) -> Self {
        Self::new(ledger, Kind::Place(end), until, false)
    }

    fn new(ledger: Ledger, kind: Kind, until: Timestamp, hides_usage: bool) -> Self {
        Self(Some(Box::new(Reserved {
            ledger,
            kind,
            hides_usage,
            until,
            sent: None,
            cut: AbortController::new().ok(),
        })))
    }

    /// What cuts the request at the upstream.
    pub(crate) fn signal(&self) -> Option<AbortSignal> {
        Some(self.0.as_ref()?.cut.as_ref()?.signal())
    }

    /// The request is sent now, with these headers.
    pub(crate) fn sending(&mut self, headers: &HeaderMap) {
        if let Some(reserved) = &mut self.0 {
            reserved.sent = Some(now());
            if let Kind::Charge(charge) = &mut reserved.kind {
                charge.retry = retry_count(headers);
            }
        }
    }

    /// Records the head of the response. A status at which the upstream did nothing settles the request.
    pub(crate) fn responded(&mut self, head: &response::Parts) {
        let Some(Reserved { kind: Kind::Charge(charge), .. }) = self.0.as_deref_mut() else { return };
        let time = charge.started.until(now());
        charge.head = Some(ResponseHead::new(head.status.as_u16(), time, response_facts::upstream_id(&head.headers)));
        if response_facts::is_free(head.status) {
            self.settle(End::Complete, Reported::Free);
        }
    }

    /// Returns the body for the client. The request is settled at its end, but for an encoded body, which the runtime would
    /// decode: it passes as it is, although a response without an encoding was asked for.
    pub(crate) fn body(mut self, head: &response::Parts, upstream: &Response) -> Option<ReadableStream> {
        let body = upstream.body();
        let Some(body) = body.as_ref().filter(|_| !response_facts::is_encoded(&head.headers)) else {
            if let Some(Reserved { kind: Kind::Charge(charge), .. }) = self.0.as_deref_mut() {
                charge.is_streamed = false;
            }
            self.settle(End::Complete, Reported::Nothing);
            return body;
        };
        match self.0.take() {
            Some(reserved) => Some(tap::pass(reserved, head, body)),
            None => Some(body.clone()),
        }
    }

    /// Leaves the place taken until its end: the runtime does not show when a WebSocket closes.
    pub(crate) fn keep(mut self) -> Option<ReadableStream> {
        self.0 = None;
        None
    }

    fn settle(&mut self, end: End, reported: Reported) {
        if let Some(reserved) = self.0.take() {
            reserved.settle(end, reported);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.settle(End::Failed, Reported::Nothing);
    }
}

/// Waits for the response. A request with a hold is cut at its end.
///
/// # Errors
/// The failure that the client gets.
pub(crate) async fn send(
    open: &mut Option<Open>,
    sending: impl Future<Output = Result<Response, JsValue>>,
) -> Result<Response, UpstreamFailure> {
    let Some(Open(Some(reserved))) = open else { return sending.await.map_err(|_| UpstreamFailure::Interrupted) };
    let (failure, end) = match within(reserved.left(), sending).await {
        Some(Ok(response)) => return Ok(response),
        Some(Err(_)) => (UpstreamFailure::Interrupted, End::UpstreamCut),
        None => {
            reserved.cut();
            (UpstreamFailure::Timeout, End::Timeout)
        }
    };
    if let Some(open) = open {
        open.settle(end, Reported::Nothing);
    }
    Err(failure)
}
