//! The front page at `/` and the health check. They need no key and show no setting.

use bytes::Bytes;
use http::{Method, Response, request};

use crate::{
    client_info::{self, ClientInfo, SHOWING_BASE_URL},
    json,
    page::{HTML_TYPE, accepts_html, page},
    reply_body::{BASE_URL, ReplyBody},
};

const HTML: &str = include_str!("front_page.html");

/// How often the page has the base URL. A test counts; to count at run time costs the Worker 0.2 KB.
const BASE_URLS: usize = 4;
/// The bytes of the page without its base URLs.
const HTML_LENGTH: usize = HTML.len() - BASE_URLS * BASE_URL.len();

/// The page has one style sheet, one script and one image. A test compares the digests with the page's
/// ([CSP](https://www.w3.org/TR/CSP3/#match-element-to-source-list)).
const POLICY: &str = concat!(
    "default-src 'none'; style-src 'sha256-HtJ2h9jt3frNIXoTaEz7Xi2R5JXaPG7M9g9Af4NrbFA='; ",
    "script-src 'sha256-qUkeVac45Snx67g+N0ViyEM38atfn2ijeC+t/8iOpA4='; ",
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
);

/// The longest host, in bytes: a name of 253 ([RFC 1035 §2.3.4](https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4)), two
/// brackets and a port of six. Each byte is written into the JSON several times.
const HOST_MAX: usize = 261;

/// The response to `GET` and `HEAD` of `/` and `/healthz`, and to a browser's of `/v1`.
pub(crate) fn reply(head: &request::Parts) -> Option<Response<ReplyBody>> {
    if head.method != Method::GET && head.method != Method::HEAD {
        return None;
    }
    match head.uri.path() {
        "/healthz" => Some(page("text/plain; charset=utf-8", POLICY, Bytes::from_static(b"ok\n").into(), 3)),
        path if SHOWING_BASE_URL.contains(&path) && accepts_html(head) => {
            let base_url = base_url(head);
            let length = base_url.len().saturating_mul(BASE_URLS).saturating_add(HTML_LENGTH);
            Some(page(HTML_TYPE, POLICY, ReplyBody::with_base_url(HTML, base_url), length))
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
            let length = body.len();
            Some(page("application/json", POLICY, Bytes::from(body).into(), length))
        }
        _ => None,
    }
}

/// The base URL for clients, from the request, its connection, and `X-Forwarded-Proto`
/// ([MDN](https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/X-Forwarded-Proto)) and `X-Forwarded-Prefix`
/// of a reverse proxy.
fn base_url(head: &request::Parts) -> String {
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let host = head.uri.authority().map(http::uri::Authority::as_str).or_else(|| text("host"));
    // The client chose the host, and it is written into a page.
    let host = host.filter(|host| host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-_[]".contains(&b)));
    let host = host.filter(|host| (1..=HOST_MAX).contains(&host.len())).unwrap_or("localhost");
    let own_scheme = ClientInfo::of(head).is_https.then_some("https").or(head.uri.scheme_str());
    let scheme = text("x-forwarded-proto").or(own_scheme).filter(|s| ["http", "https"].contains(s));
    format!("{}://{host}{}/v1", scheme.unwrap_or("http"), client_info::prefix(head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::checks;

    #[test]
    fn policy_matches_the_page() {
        checks::assert_policy(HTML, POLICY);
        for name in ["style", "script"] {
            assert!(!checks::content(HTML, name).contains(BASE_URL), "the base URL would change the digest of {name}");
        }
    }

    #[test]
    fn length_is_that_of_the_body() {
        for (path, accept) in [("/", "text/html"), ("/v1", "text/html"), ("/", "*/*"), ("/healthz", "*/*")] {
            for host in ["x", "sparekey.example:8080"] {
                let request = http::Request::get(path).header("accept", accept).header("host", host);
                let page = reply(&request.body(()).unwrap().into_parts().0).unwrap();
                let length = page.headers()["content-length"].to_str().unwrap().parse();
                assert_eq!(length, Ok(page.into_body().into_bytes().len()), "{path}, {accept}, {host}");
            }
        }
    }
}
