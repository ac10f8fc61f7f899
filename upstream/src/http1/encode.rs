//! Writes a request head ([RFC 9112 §2, §3](https://www.rfc-editor.org/rfc/rfc9112#section-2)).

use http::{
    Method, Uri,
    header::{CONTENT_LENGTH, HOST},
    request,
};

/// How the end of a request body is marked ([RFC 9112 §6](https://www.rfc-editor.org/rfc/rfc9112#section-6)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BodyEncoding {
    Length(u64),
    Chunked,
}

/// Writes a request head and returns the encoding of its body. `size` is the length of the body, if known.
pub(crate) fn write_head(head: &request::Parts, size: Option<u64>, out: &mut Vec<u8>) -> BodyEncoding {
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.uri.path_and_query().map_or("/", |target| target.as_str()).as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    if !head.headers.contains_key(HOST) {
        line(out, "host", host(&head.uri).as_bytes());
    }
    for (name, value) in &head.headers {
        line(out, name.as_str(), value.as_bytes());
    }
    // Use the client's `Content-Length` if there is one; sending a different number of bytes is an error
    // (https://www.rfc-editor.org/rfc/rfc9112#section-6.2).
    let announced = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let encoding = announced.or(size).map_or(BodyEncoding::Chunked, BodyEncoding::Length);
    match encoding {
        BodyEncoding::Chunked => line(out, "transfer-encoding", b"chunked"),
        // Some servers answer 411 to a request that usually has a body if it has no length
        // (https://www.rfc-editor.org/rfc/rfc9110#section-8.6).
        BodyEncoding::Length(length) if announced.is_none() && (length > 0 || has_usually_body(&head.method)) => {
            line(out, "content-length", length.to_string().as_bytes());
        }
        BodyEncoding::Length(_) => {}
    }
    out.extend_from_slice(b"\r\n");
    encoding
}

fn has_usually_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The value of `Host`: the authority without the scheme's default port
/// ([RFC 9110 §7.2](https://www.rfc-editor.org/rfc/rfc9110#section-7.2)).
fn host(uri: &Uri) -> &str {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let default_port = if uri.scheme() == Some(&http::uri::Scheme::HTTPS) { ":443" } else { ":80" };
    authority.strip_suffix(default_port).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_length() {
        let encoded = |uri: &str, length: Option<&str>, size| {
            let mut request = http::Request::post(uri).header("a", "b");
            if let Some(length) = length {
                request = request.header("content-length", length);
            }
            let mut out = Vec::new();
            let encoding = write_head(&request.body(()).unwrap().into_parts().0, size, &mut out);
            (String::from_utf8(out).unwrap(), encoding)
        };
        let (text, encoding) = encoded("https://api.openai.com:443/v1/x?y", Some("3"), Some(3));
        assert_eq!(text, "POST /v1/x?y HTTP/1.1\r\nhost: api.openai.com\r\na: b\r\ncontent-length: 3\r\n\r\n");
        assert_eq!(encoding, BodyEncoding::Length(3));
        let (text, encoding) = encoded("http://[::1]:8080/", None, None);
        assert_eq!(text, "POST / HTTP/1.1\r\nhost: [::1]:8080\r\na: b\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!(encoding, BodyEncoding::Chunked);
        assert!(encoded("http://a/", None, Some(7)).0.ends_with("content-length: 7\r\n\r\n"));
        assert!(encoded("http://a/", None, Some(0)).0.ends_with("a: b\r\ncontent-length: 0\r\n\r\n"));
    }
}
