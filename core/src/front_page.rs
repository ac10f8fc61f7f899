//! The short page at `/` and the health answer: neither needs a key, nor tells anything of the settings.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header, request};

use crate::rejection::json_string;

const HTML: &str = include_str!("front_page.html");

/// Answers `GET` and `HEAD` of `/` and `/healthz`.
pub(crate) fn reply(head: &request::Parts) -> Option<Response<Bytes>> {
    if head.method != Method::GET && head.method != Method::HEAD {
        return None;
    }
    match head.uri.path() {
        "/healthz" => Some(page("text/plain; charset=utf-8", "ok\n".to_owned())),
        "/" if wants_html(head) => Some(page("text/html; charset=utf-8", HTML.replace("{base_url}", &base_url(head)))),
        "/" => {
            let base_url = base_url(head);
            let body = format!(
                "{{\"message\":\"It works. Use the access key that you were given in any OpenAI client, with this \
                 base URL.\",\"base_url\":{},\"python\":{},\"javascript\":{},\"curl\":{}}}\n",
                json_string(&base_url),
                json_string(&format!("OpenAI(base_url=\"{base_url}\", api_key=\"YOUR_KEY\")")),
                json_string(&format!("new OpenAI({{ baseURL: \"{base_url}\", apiKey: \"YOUR_KEY\" }})")),
                json_string(&format!("curl {base_url}/models -H \"Authorization: Bearer YOUR_KEY\"")),
            );
            Some(page("application/json", body))
        }
        _ => None,
    }
}

fn wants_html(head: &request::Parts) -> bool {
    let accept = head.headers.get_all(header::ACCEPT).iter();
    accept.filter_map(|value| value.to_str().ok()).any(|list| list.contains("text/html"))
}

/// The client's view of this proxy, as far as a request tells: what it asked for, behind which fronts.
fn base_url(head: &request::Parts) -> String {
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let host = head.uri.authority().map(http::uri::Authority::as_str).or_else(|| text("host"));
    // The host is a client's word and goes into a page.
    let host = host.filter(|host| host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-_[]".contains(&b)));
    let host = host.filter(|host| !host.is_empty()).unwrap_or("localhost");
    let scheme = text("x-forwarded-proto").or(head.uri.scheme_str()).filter(|s| ["http", "https"].contains(s));
    format!("{}://{host}/v1", scheme.unwrap_or("http"))
}

fn page(content_type: &'static str, body: String) -> Response<Bytes> {
    let length = body.len();
    let mut response = Response::new(Bytes::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
    );
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
