//! Passes the body of a response, and reads its usage at the end.

use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use http::response;
use sparekey_core::response_facts;
use sparekey_ledger::{End, Reported};
use sparekey_metering::{ResponseForm, ResponseUsage, UsageEventFilter, UsageScanner};
use worker::{
    Delay,
    js_sys::{Array, Function, Promise, Uint8Array},
    wasm_bindgen::{JsCast as _, JsValue, closure::Closure},
    wasm_bindgen_futures::{JsFuture, future_to_promise},
    web_sys::{ReadableStream, ReadableStreamDefaultReader, Response},
};

use super::{
    reserved::{Kind, Reserved},
    streams,
};
use crate::{body, timeout::within};

/// How long a response is read on after its client left, so that it is charged exactly. The runtime ends the request after
/// 30 s.
const READ_ON: Duration = Duration::from_secs(25);

/// Bytes of a body that are read at once: the memory of wasm never shrinks.
const PIECE: u32 = 64 << 10;

type Filter = Closure<dyn FnMut(JsValue) -> Uint8Array>;

/// Returns the stream for the client.
pub(super) fn pass(mut reserved: Box<Reserved>, head: &response::Parts, body: &ReadableStream) -> ReadableStream {
    let form = response_facts::readable_type(&head.headers).and_then(ResponseForm::from_content_type);
    let is_stream = form == Some(ResponseForm::EventStream);
    let form = match &mut reserved.kind {
        Kind::Charge(charge) => {
            charge.is_streamed = is_stream;
            form
        }
        Kind::Place(_) => None,
    };
    let filter = (reserved.hides_usage && is_stream).then(filter);
    let function = filter.as_ref().map(|filter| filter.as_ref().unchecked_ref::<Function>());
    let length = response_facts::content_length(&head.headers).map(f64::from).filter(|_| filter.is_none());
    let tapped: Array = streams::tap(body, length, form.is_some(), function);
    let [stream, end, kept] = [0, 1, 2].map(|index| tapped.get(index));
    let incoming = reserved.ledger.incoming();
    let task = future_to_promise(async move {
        watch(reserved, end.unchecked_into(), form.map(|form| (kept.unchecked_into(), form))).await;
        drop(filter);
        Ok(JsValue::UNDEFINED)
    });
    let _ = incoming.context.wait_until(&task);
    stream.unchecked_into()
}

/// Removes the usage that the client did not ask for.
fn filter() -> Filter {
    let mut filter = Some(UsageEventFilter::default());
    Closure::new(move |chunk: JsValue| {
        let mut out = Vec::new();
        match &mut filter {
            Some(filter) if !chunk.is_undefined() => {
                filter.push(&Uint8Array::unchecked_from_js(chunk).to_vec(), &mut out);
            }
            _ => {
                if let Some(filter) = filter.take() {
                    filter.finish(&mut out);
                }
            }
        }
        Uint8Array::from(&*out)
    })
}

enum Ended {
    Complete,
    /// The client left, or the upstream broke off.
    Cut,
    ClientLeft,
    Timeout,
}

/// Waits for the end of a response, and settles its request.
async fn watch(reserved: Box<Reserved>, end: Promise, kept: Option<(ReadableStream, ResponseForm)>) {
    let ended = {
        let (mut end, mut left) =
            (pin!(JsFuture::from(end)), pin!(JsFuture::from(streams::left(&reserved.ledger.incoming().request))));
        let mut timer = pin!(Delay::from(reserved.left()));
        poll_fn(|cx| {
            if let Poll::Ready(end) = end.as_mut().poll(cx) {
                return Poll::Ready(if end.is_ok() { Ended::Complete } else { Ended::Cut });
            }
            if left.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ended::ClientLeft);
            }
            timer.as_mut().poll(cx).map(|()| Ended::Timeout)
        })
        .await
    };
    let (end, usage) = match (ended, kept) {
        (Ended::Complete, None) => (End::Complete, None),
        (Ended::Complete, Some((kept, form))) => match whole(&kept, form).await {
            Ok(usage) => (End::Complete, usage),
            Err(_) => (End::UpstreamCut, None),
        },
        (Ended::Cut | Ended::ClientLeft, Some((kept, form))) => rest(&kept, form).await,
        (Ended::Cut, None) => (End::UpstreamCut, None),
        (Ended::ClientLeft, None) => (End::ClientLeft, None),
        (Ended::Timeout, _) => (End::Timeout, None),
    };
    // It closes the upstream's connection, and the client's, unless the response has ended.
    reserved.cut();
    reserved.settle(end, usage.map_or(Reported::Nothing, |usage| Reported::Response(Box::new(usage))));
}

/// Reads a body that has ended.
async fn whole(kept: &ReadableStream, form: ResponseForm) -> Result<Option<ResponseUsage>, JsValue> {
    let bytes = Response::new_with_opt_readable_stream(Some(kept))?.array_buffer()?;
    let bytes = Uint8Array::new(&JsFuture::from(bytes).await?);
    let mut scanner = UsageScanner::new(form);
    let mut start = 0;
    while start < bytes.length() {
        let end = bytes.length().min(start + PIECE);
        scanner.push(&bytes.subarray(start, end).to_vec());
        start = end;
    }
    Ok(scanner.finish())
}

/// Reads a body to its end or to its last event, for a while.
async fn rest(kept: &ReadableStream, form: ResponseForm) -> (End, Option<ResponseUsage>) {
    let reader: ReadableStreamDefaultReader = kept.get_reader().unchecked_into();
    let mut scanner = UsageScanner::new(form);
    let read = async {
        loop {
            match body::next(&reader).await {
                Ok(Some(chunk)) => scanner.push(&chunk.to_vec()),
                Ok(None) => return (End::Complete, true),
                Err(_) => return (End::UpstreamCut, false),
            }
            if scanner.end().is_some() {
                return (End::Complete, false);
            }
        }
    };
    let (end, is_whole) = within(READ_ON, read).await.unwrap_or((End::ClientLeft, false));
    let _ = reader.cancel();
    (end, if is_whole { scanner.finish() } else { scanner.finish_early() })
}
