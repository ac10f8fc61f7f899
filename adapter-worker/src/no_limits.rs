//! In place of `limits`, in a Worker without a ledger.

use http::{HeaderMap, response};
use sparekey_core::{Config, ConfigError, UpstreamFailure};
use worker::{
    wasm_bindgen::JsValue,
    web_sys::{AbortSignal, ReadableStream, Response},
};

/// What gives a Worker a ledger.
pub(crate) const LEDGER_REMEDY: &str =
    "build with --features limits and bind the Durable Object as LEDGER (wrangler.toml.sample)";

/// A request that has a place or a hold: there is none.
pub(crate) enum Open {}

impl Open {
    pub(crate) fn signal(&self) -> Option<AbortSignal> {
        match *self {}
    }

    pub(crate) fn sending(&mut self, _: &HeaderMap) {
        match *self {}
    }

    pub(crate) fn responded(&mut self, _: &response::Parts) {
        match *self {}
    }

    pub(crate) fn body(self, _: &response::Parts, _: &Response) -> Option<ReadableStream> {
        match self {}
    }

    pub(crate) fn keep(self) -> Option<ReadableStream> {
        match self {}
    }
}

pub(crate) async fn send(
    _: &mut Option<Open>,
    sending: impl Future<Output = Result<Response, JsValue>>,
) -> Result<Response, UpstreamFailure> {
    sending.await.map_err(|_| UpstreamFailure::Interrupted)
}

/// Adds the prices, which a Worker without a ledger does not need.
#[allow(clippy::unnecessary_wraps, reason = "prices can be invalid")]
pub(crate) fn with_prices(config: Config, _: Option<String>) -> Result<Config, ConfigError> {
    Ok(config)
}
