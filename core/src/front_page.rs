//! The front page at `/` and the health check. They need no key and show no setting.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header, request};

use crate::json;

const HTML: &str = include_str!("front_page.html");

/// The longest host, in bytes: a name of 253 ([RFC 1035 §2.3.4](https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4)), two
/// brackets and a port of six. Each byte is written into the page several times.
const HOST_MAX: usize = 261;

/// The response to `GET` and `HEAD` of `/` and `/healthz`.
pub(crate) fn reply(head: &request::Parts) -> Option<Response<Bytes>> {
    if head.method != Method::GET && head.method != Method::HEAD {
        return None;
    }
    match head.uri.path() {
        "/healthz" => Some(page("text/plain; charset=utf-8", "ok\n".to_owned())),
        "/" if accepts_html(head) => {
            Some(page("text/html; charset=utf-8", HTML.replace("{base_url}", &base_url(head))))
        }
        "/" => {
            let base_url = base_url(head);
            let body = format!(
                "{{\"message\":\"It works. Use your access key in any OpenAI client, with this \
                 base URL.\",\"base_url\":{},\"python\":{},\"javascript\":{},\"curl\":{}}}\n",
                json::string_literal(&base_url),
                json::string_literal(&format!("OpenAI(base_url=\"{base_url}\", api_key=\"YOUR_KEY\")")),
                json::string_literal(&format!("new OpenAI({{ baseURL: \"{base_url}\", apiKey: \"YOUR_KEY\" }})")),
                json::string_literal(&format!("curl {base_url}/models -H \"Authorization: Bearer YOUR_KEY\"")),
            );
            Some(page("application/json", body))
        }
        _ => None,
    }
}

fn accepts_html(head: &request::Parts) -> bool {
    let accept = head.headers.get_all(header::ACCEPT).iter();
    accept.filter_map(|value| value.to_str().ok()).any(|list| list.contains("text/html"))
}

/// The base URL for clients, from the request and `X-Forwarded-Proto` of a reverse proxy
/// ([MDN](https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/X-Forwarded-Proto)).
fn base_url(head: &request::Parts) -> String {
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let host = head.uri.authority().map(http::uri::Authority::as_str).or_else(|| text("host"));
    // The client chose the host, and it is written into a page.
    let host = host.filter(|host| host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-_[]".contains(&b)));
    let host = host.filter(|host| (1..=HOST_MAX).contains(&host.len())).unwrap_or("localhost");
    let scheme = text("x-forwarded-proto").or(head.uri.scheme_str()).filter(|s| ["http", "https"].contains(s));
    format!("{}://{host}/v1", scheme.unwrap_or("http"))
}

fn page(content_type: &'static str, body: String) -> Response<Bytes> {
    let length = body.len();
    let mut response = Response::new(Bytes::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    // The page contains the `host` of one request.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
    );
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
