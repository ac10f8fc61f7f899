//! The body of a response to a metered user: its usage is read as it passes.

use std::{
    any::Any,
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::response;
use http_body::{Body as _, Frame, SizeHint};
use sparekey_core::response_facts;
use sparekey_ledger::End;
use sparekey_metering::{ResponseForm, UsageEventFilter, UsageScanner};
use sparekey_net::Timer;
use sparekey_upstream::ResponseBody;
use tokio::{runtime::Handle, time::Instant};

use super::open::Charge;

/// What keeps the server running while a response is read on.
pub(crate) type Owner = Arc<dyn Any + Send + Sync>;

/// The body. If it is dropped before its end, a task reads on, so that the request is charged exactly.
pub(crate) struct ChargedBody(Option<Box<Reading>>);

struct Reading {
    body: ResponseBody,
    /// `None` for a form that reports no usage.
    scanner: Option<UsageScanner>,
    /// Removes the usage that the client did not ask for.
    filter: Option<UsageEventFilter>,
    charge: Charge,
    /// The end of the time of the response.
    until: Timer,
    _owner: Option<Owner>,
}

impl ChargedBody {
    /// `hides_usage`: the client of a stream did not ask for its usage.
    pub(crate) fn new(
        head: &response::Parts,
        body: ResponseBody,
        mut charge: Charge,
        hides_usage: bool,
        owner: Option<Owner>,
    ) -> Self {
        let form = form(head);
        let is_stream = form == Some(ResponseForm::EventStream);
        charge.set_streamed(is_stream);
        let until = charge.until().unwrap_or_else(Instant::now);
        let reading = Reading {
            body,
            scanner: form.map(UsageScanner::new),
            filter: (hides_usage && is_stream).then(UsageEventFilter::default),
            charge,
            until: Timer::new(until),
            _owner: owner,
        };
        let mut charged = Self(Some(Box::new(reading)));
        // hyper does not poll a body that is empty.
        charged.settle_if_ended();
        charged
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(reading) = &mut self.0 else { return Poll::Ready(None) };
        let frame = ready!(reading.poll_frame(cx));
        self.settle_if_ended();
        if !matches!(frame, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(frame)
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|reading| reading.filter.is_none() && reading.body.is_end_stream())
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Some(reading) if reading.filter.is_none() => reading.body.size_hint(),
            Some(_) => SizeHint::default(),
            None => SizeHint::with_exact(0),
        }
    }

    /// Before the client gets the last bytes, so that its next request finds the place free, and the amount left.
    fn settle_if_ended(&mut self) {
        if let Some(reading) = self.0.as_mut().filter(|reading| reading.body.is_end_stream()) {
            reading.complete();
        }
    }
}

impl Drop for ChargedBody {
    fn drop(&mut self) {
        let Some(mut reading) = self.0.take() else { return };
        reading.settle_if_known();
        let Some(open) = reading.charge.open() else { return };
        if open.charges.is_closing() || !open.charges.accepts(&open.key) || std::thread::panicking() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(reading.read_on());
        }
    }
}

impl Reading {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    ready!(self.until.poll(cx));
                    self.charge.settle_estimate(End::Timeout);
                    return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
                }
            };
            let data = match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(error)) => {
                    self.cut(&error);
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.complete();
                    let mut rest = Vec::new();
                    if let Some(filter) = self.filter.take() {
                        filter.finish(&mut rest);
                    }
                    return Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest.into()))));
                }
            };
            let mut passed = Vec::with_capacity(if self.filter.is_some() { data.len() } else { 0 });
            match (&mut self.scanner, &mut self.filter) {
                (Some(scanner), Some(filter)) => filter.push_scanned(scanner, &data, &mut passed),
                (None, Some(filter)) => filter.push(&data, &mut passed),
                (Some(scanner), None) => scanner.push(&data),
                (None, None) => {}
            }
            // Some services keep the connection open behind the last event.
            self.settle_if_known();
            if self.filter.is_none() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            if !passed.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(passed.into()))));
            }
        }
    }

    fn complete(&mut self) {
        let usage = self.scanner.take().and_then(UsageScanner::finish);
        self.charge.settle_response(End::Complete, usage);
    }

    fn cut(&mut self, error: &io::Error) {
        let usage = self.scanner.take().and_then(UsageScanner::finish_early);
        let end = if error.kind() == io::ErrorKind::TimedOut { End::Timeout } else { End::UpstreamCut };
        self.charge.settle_response(end, usage);
    }

    /// Settles a stream whose last event was read, although its body has not ended.
    fn settle_if_known(&mut self) {
        if self.scanner.as_ref().is_some_and(|scanner| scanner.end().is_some()) {
            let usage = self.scanner.take().and_then(UsageScanner::finish_early);
            self.charge.settle_response(End::Complete, usage);
        }
    }

    /// Reads a response whose client left.
    async fn read_on(mut self: Box<Self>) {
        let Some((charges, key, is_streamed)) =
            self.charge.open().map(|open| (open.charges.clone(), open.key.clone(), open.charge.is_streamed))
        else {
            return;
        };
        self.filter = None;
        tokio::select! {
            () = self.read_to_end() => {}
            () = charges.left(&key, is_streamed) => self.settle_if_known(),
        }
        // What is not settled is estimated when it is dropped.
    }

    async fn read_to_end(&mut self) {
        while let Some(Ok(_)) = poll_fn(|cx| self.poll_frame(cx)).await {
            self.settle_if_known();
            if self.charge.open().is_none() {
                return;
            }
        }
    }
}

/// `None` for a form without usage, and for an encoding that is not decoded.
fn form(head: &response::Parts) -> Option<ResponseForm> {
    ResponseForm::from_content_type(response_facts::readable_type(&head.headers)?)
}

impl fmt::Debug for ChargedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChargedBody")
    }
}
