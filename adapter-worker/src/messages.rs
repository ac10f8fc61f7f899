//! Requests and responses between the runtime and the core: heads are turned, bodies handed over.

use http::{HeaderMap, request, response};
use worker::{
    Result,
    js_sys::{self, Uint8Array},
    wasm_bindgen::JsCast as _,
    wasm_bindgen_futures::JsFuture,
    web_sys::{Headers, Request, RequestInit, RequestRedirect, Response, ResponseInit, WorkerGlobalScope},
};

use crate::fields;

/// A request's head; only its headers where the rest can't be read.
pub(crate) fn request_head(request: &Request) -> std::result::Result<request::Parts, HeaderMap> {
    let headers = fields::read(&request.headers());
    let read = http::Request::builder().method(&*request.method()).uri(request.url()).body(());
    let Ok((mut head, ())) = read.map(http::Request::into_parts) else { return Err(headers) };
    head.headers = headers;
    Ok(head)
}

/// Sends an admitted head with the body of the request.
pub(crate) async fn send(head: &request::Parts, request: &Request) -> Result<Response> {
    let headers = Headers::new_with_headers(&request.headers())?;
    fields::write(&headers, &fields::read(&headers), &head.headers)?;
    // Made of the client's, it has the same method, and takes a body along even where a method has no use for one.
    let outgoing = Request::new_with_str_and_init(&head.uri.to_string(), request.unchecked_ref())?;
    let init = RequestInit::new();
    init.set_headers(&headers);
    init.set_redirect(RequestRedirect::Manual);
    let global: WorkerGlobalScope = js_sys::global().unchecked_into();
    Ok(JsFuture::from(global.fetch_with_request_and_init(&outgoing, &init)).await?.unchecked_into())
}

/// The head of an upstream's answer.
pub(crate) fn response_head(upstream: &Response) -> Result<response::Parts> {
    let read = http::Response::builder().status(upstream.status()).body(());
    let (mut head, ()) = read.map_err(|error| error.to_string())?.into_parts();
    head.headers = fields::read(&upstream.headers());
    Ok(head)
}

/// An upstream's answer under the head that the core gave it; a WebSocket comes along.
pub(crate) fn streamed(head: &response::Parts, upstream: &Response) -> Result<Response> {
    let body = upstream.body();
    let response = Response::new_with_opt_readable_stream_and_init(body.as_ref(), upstream.unchecked_ref())?;
    fields::write(&response.headers(), &fields::read(&upstream.headers()), &head.headers)?;
    Ok(response)
}

/// An answer of the core's own.
pub(crate) fn whole(reply: http::Response<impl AsRef<[u8]>>) -> Result<Response> {
    let (head, body) = reply.into_parts();
    let init = ResponseInit::new();
    init.set_status(head.status.as_u16());
    // Some statuses allow no body, not even an empty one.
    let body = Some(body.as_ref()).filter(|body| !body.is_empty()).map(Uint8Array::from);
    let response = Response::new_with_opt_js_u8_array_and_init(body.as_ref(), &init)?;
    fields::write(&response.headers(), &HeaderMap::new(), &head.headers)?;
    Ok(response)
}
