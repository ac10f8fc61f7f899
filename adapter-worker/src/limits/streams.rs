//! The functions of `streams.js`, and the ledger's object.
#![allow(missing_docs, reason = "streams.js and ledger.js have them")]

use worker::{
    js_sys::{Array, BigInt64Array, Function, Promise},
    wasm_bindgen::{JsValue, prelude::wasm_bindgen},
    web_sys::{ReadableStream, Request},
};

#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, js_sys = worker::js_sys, module = "/src/streams.js")]
extern "C" {
    #[wasm_bindgen(js_name = randomId)]
    pub(super) fn random_id() -> BigInt64Array;

    #[wasm_bindgen(catch)]
    pub(super) fn ledger(namespace: &JsValue, hint: &str) -> Result<Object, JsValue>;

    pub(super) fn left(request: &Request) -> Promise;

    pub(super) fn tap(body: &ReadableStream, length: Option<f64>, is_kept: bool, filter: Option<&Function>) -> Array;

    pub(super) type Object;

    /// The result is a promise of another kind.
    #[wasm_bindgen(method, catch)]
    pub(super) fn run(this: &Object, user: &str, call: &BigInt64Array, row: Option<&str>) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn usage(this: &Object, user: &str, since: i32) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn response(this: &Object, user: &str, id: &str) -> Result<JsValue, JsValue>;
}
