//! A request's head, into bytes.

use http::{
    Uri,
    header::{CONTENT_LENGTH, HOST},
    request,
};

/// How a request's body is told from what follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Encoding {
    Length(u64),
    Chunked,
}

/// Writes a request's head; returns how its body is to follow. `size` is the body's, where it is known.
pub(crate) fn encode(head: &request::Parts, size: Option<u64>, out: &mut Vec<u8>) -> Encoding {
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
    // Who told a length is held to it, and needs no other.
    let told = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let encoding = told.or(size).map_or(Encoding::Chunked, Encoding::Length);
    match encoding {
        Encoding::Chunked => line(out, "transfer-encoding", b"chunked"),
        Encoding::Length(length) if told.is_none() && length > 0 => {
            line(out, "content-length", length.to_string().as_bytes());
        }
        Encoding::Length(_) => {}
    }
    out.extend_from_slice(b"\r\n");
    encoding
}

fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The authority without the port that goes without saying.
fn host(uri: &Uri) -> &str {
    let whole = uri.authority().map_or("", |authority| authority.as_str());
    let own = if uri.scheme() == Some(&http::uri::Scheme::HTTPS) { ":443" } else { ":80" };
    whole.strip_suffix(own).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_tells_its_host_and_its_length() {
        let encoded = |uri: &str, length: Option<&str>, size| {
            let mut request = http::Request::post(uri).header("a", "b");
            if let Some(length) = length {
                request = request.header("content-length", length);
            }
            let mut out = Vec::new();
            let encoding = encode(&request.body(()).unwrap().into_parts().0, size, &mut out);
            (String::from_utf8(out).unwrap(), encoding)
        };
        let (text, encoding) = encoded("https://api.openai.com:443/v1/x?y", Some("3"), Some(3));
        assert_eq!(text, "POST /v1/x?y HTTP/1.1\r\nhost: api.openai.com\r\na: b\r\ncontent-length: 3\r\n\r\n");
        assert_eq!(encoding, Encoding::Length(3));
        let (text, encoding) = encoded("http://[::1]:8080/", None, None);
        assert_eq!(text, "POST / HTTP/1.1\r\nhost: [::1]:8080\r\na: b\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!(encoding, Encoding::Chunked);
        assert!(encoded("http://a/", None, Some(7)).0.ends_with("content-length: 7\r\n\r\n"));
        assert!(encoded("http://a/", None, Some(0)).0.ends_with("a: b\r\n\r\n"));
    }
}
