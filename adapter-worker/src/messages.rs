//! Requests and responses between the runtime and the core. Heads are converted; bodies stay in the runtime.

use http::{HeaderMap, request, response};
use worker::{
    js_sys::{self, Uint8Array},
    wasm_bindgen::{JsCast as _, JsValue},
    wasm_bindgen_futures::JsFuture,
    web_sys::{
        AbortSignal, Headers, ReadableStream, Request, RequestInit, RequestRedirect, Response, ResponseInit,
        WorkerGlobalScope,
    },
};

use crate::fields::Fields;

/// A request's head, and its fields as received. `Err` if the target is not a URI.
pub(crate) fn request_head(request: &Request) -> Result<(request::Parts, Fields), HeaderMap> {
    let fields = Fields::read(&request.headers());
    let head = http::Request::builder().method(&*request.method()).uri(request.url()).body(());
    let Ok((mut head, ())) = head.map(http::Request::into_parts) else { return Err(fields.map) };
    head.headers = fields.map.clone();
    Ok((head, fields))
}

/// Sends an admitted head with the body of the request, whose fields are `received`; or with `body`, if that was read.
/// `cut` ends it, and its response.
pub(crate) async fn send(
    head: &request::Parts,
    request: &Request,
    received: &Fields,
    body: Option<&Uint8Array>,
    cut: Option<&AbortSignal>,
) -> Result<Response, JsValue> {
    let (outgoing, init) = outgoing(head, request, received, body, cut)?;
    let global: WorkerGlobalScope = js_sys::global().unchecked_into();
    Ok(JsFuture::from(global.fetch_with_request_and_init(&outgoing, &init)).await?.unchecked_into())
}

/// The arguments of `fetch`.
pub(crate) fn outgoing(
    head: &request::Parts,
    request: &Request,
    received: &Fields,
    body: Option<&Uint8Array>,
    cut: Option<&AbortSignal>,
) -> Result<(Request, RequestInit), JsValue> {
    let headers = Headers::new_with_headers(&request.headers())?;
    received.write(&headers, &head.headers)?;
    let own = RequestInit::new();
    own.set_method(head.method.as_str());
    // Created from the client's request, it keeps the method, and a body with any method.
    let source = if body.is_some() { &own } else { request.unchecked_ref() };
    // A GET with a body is refused here.
    own.set_body_opt_u8_array(body.filter(|body| body.length() > 0));
    let outgoing = Request::new_with_str_and_init(&head.uri.to_string(), source)?;
    let init = RequestInit::new();
    init.set_headers(&headers);
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(cut);
    // A response belongs to one user, whatever the upstream's `cache-control` says. `web_sys` has no type for the mode.
    js_sys::Reflect::set(&init, &"cache".into(), &"no-store".into())?;
    Ok((outgoing, init))
}

/// The head of the upstream's response, and its fields as received.
pub(crate) fn response_head(upstream: &Response) -> Result<(response::Parts, Fields), JsValue> {
    let head = http::Response::builder().status(upstream.status()).body(());
    let (mut head, ()) = head.map_err(|error| error.to_string())?.into_parts();
    let fields = Fields::read(&upstream.headers());
    head.headers = fields.map.clone();
    Ok((head, fields))
}

/// The upstream's response, whose fields are `received`, with the head from the core and this body. Its WebSocket, if any, is
/// kept.
pub(crate) fn streamed(
    head: &response::Parts,
    upstream: &Response,
    body: Option<&ReadableStream>,
    received: &Fields,
) -> Result<Response, JsValue> {
    let response = Response::new_with_opt_readable_stream_and_init(body, upstream.unchecked_ref())?;
    received.write(&response.headers(), &head.headers)?;
    Ok(response)
}

/// A response of the core; one without a body may have a [null body status](https://fetch.spec.whatwg.org/#null-body-status).
pub(crate) fn whole(reply: http::Response<impl AsRef<[u8]>>) -> Result<Response, JsValue> {
    let (head, body) = reply.into_parts();
    let init = ResponseInit::new();
    init.set_status(head.status.as_u16());
    let body = Some(body.as_ref()).filter(|body| !body.is_empty()).map(Uint8Array::from);
    let response = Response::new_with_opt_js_u8_array_and_init(body.as_ref(), &init)?;
    Fields::default().write(&response.headers(), &head.headers)?;
    Ok(response)
}
