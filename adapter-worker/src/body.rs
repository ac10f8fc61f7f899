//! Bodies that are read: those of requests whose models are limited, lists of models, and refused credentials for the log.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use sparekey_core::{ModelCheck, UpstreamFailure};
use sparekey_metering::{BODY_TIMEOUT, BodyMemory, BodyPermit, BodySizes, check_head};
use sparekey_policy::{BodyFailure, ModelSource};
use worker::{
    js_sys::{Array, Promise, Reflect, Uint8Array},
    wasm_bindgen::{JsCast as _, JsValue},
    wasm_bindgen_futures::JsFuture,
    web_sys::{ReadableStreamDefaultReader, Request, Response},
    worker_sys::Context,
};

use crate::{clock::now, timeout::within};

/// Bytes of one body, and of all bodies of an isolate: a quarter of its memory, because a body is there up to three times, as
/// it arrived, in the memory of wasm, and as it is sent.
const MAX: usize = 32 << 20;

/// Bytes of the body of an error that are read. OpenAI's have less than 1 KiB.
const ERROR_MAX: usize = 16 << 10;
/// How long a client waits for them.
const ERROR_TIMEOUT: Duration = Duration::from_secs(2);

static MEMORY: LazyLock<Arc<BodyMemory>> = LazyLock::new(|| BodyMemory::new(BodySizes { body: MAX, total: MAX }));

/// A body in memory, which counts for its user until this is dropped or expires: a reset while it is sent drops nothing.
pub(crate) struct ReadBody {
    pub(crate) bytes: Vec<u8>,
    _permit: BodyPermit,
}

/// Reads the body of a request; `None` if there is none. The client's HTTP version, and so whether a head without a length
/// has a body, is known to the runtime only.
pub(crate) async fn read(
    request: &Request,
    check: &ModelCheck,
    source: ModelSource,
    context: &Context,
) -> Result<Option<ReadBody>, BodyFailure> {
    let Some(stream) = request.body() else { return Ok(None) };
    check_head(source, check.content_length(), MAX, check.content_types(), check.content_encodings())?;
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    // Otherwise, the runtime would not resume this after a reset by the client, and the memory would not be free. A failure
    // here would be logged.
    let _ = context.wait_until(&Promise::all_settled(&Array::of1(&reader.closed())));
    let mut permit = MEMORY.begin_expiring(check.user(), now());
    let bytes = {
        let mut count = |bytes| permit.grow(bytes);
        let read = within(BODY_TIMEOUT, collect(reader, &mut count)).await;
        read.unwrap_or(Err(BodyFailure::TimedOut(BODY_TIMEOUT)))?
    };
    Ok(Some(ReadBody { bytes, _permit: permit }))
}

/// Reads the body of a response.
pub(crate) async fn read_response(response: &Response, max: usize) -> Result<Vec<u8>, UpstreamFailure> {
    let Some(stream) = response.body() else { return Ok(Vec::new()) };
    let mut left = max;
    let mut count = |bytes| {
        left = left.checked_sub(bytes).ok_or(BodyFailure::TooLarge(max))?;
        Ok(())
    };
    collect(stream.get_reader().unchecked_into(), &mut count).await.map_err(|failure| match failure {
        BodyFailure::TooLarge(_) => UpstreamFailure::TooLarge,
        _ => UpstreamFailure::Interrupted,
    })
}

/// Reads the body of an error, which stays whole; empty if it takes too long, or is too long.
pub(crate) async fn read_error(response: &Response) -> Vec<u8> {
    let Ok(copy) = response.clone() else { return Vec::new() };
    within(ERROR_TIMEOUT, read_response(&copy, ERROR_MAX)).await.and_then(Result::ok).unwrap_or_default()
}

/// Reads a stream until its end, or until `count` refuses the number of bytes that have arrived, which cancels it.
async fn collect(
    reader: ReadableStreamDefaultReader,
    count: &mut dyn FnMut(usize) -> Result<(), BodyFailure>,
) -> Result<Vec<u8>, BodyFailure> {
    // The runtime keeps the chunks until the length is known: the memory of wasm never shrinks.
    let (mut chunks, mut length) = (Vec::new(), 0);
    while let Some(chunk) = next(&reader).await.map_err(|_| BodyFailure::Incomplete)? {
        if let Err(failure) = count(chunk.length() as usize) {
            // Nothing waits for its end.
            let _ = reader.cancel();
            return Err(failure);
        }
        length += chunk.length() as usize;
        chunks.push(chunk);
    }
    let mut bytes = vec![0; length];
    let mut rest = &mut *bytes;
    for chunk in chunks {
        let (start, end) = rest.split_at_mut(chunk.length() as usize);
        chunk.copy_to(start);
        rest = end;
    }
    Ok(bytes)
}

pub(crate) async fn next(reader: &ReadableStreamDefaultReader) -> Result<Option<Uint8Array>, JsValue> {
    let result = JsFuture::from(reader.read()).await?;
    let is_done = Reflect::get(&result, &"done".into())?.is_truthy();
    Ok(if is_done { None } else { Some(Reflect::get(&result, &"value".into())?.unchecked_into()) })
}
