//! Parses a response head ([RFC 9112 §4, §5](https://www.rfc-editor.org/rfc/rfc9112#section-4)).

use bytes::BytesMut;
use http::{Method, StatusCode, Version, response};

use super::{
    decode::Decoder,
    framing::{Framing, content_length},
    lines::{self, HEADERS_MAX, Line, is_text},
};
pub use super::{head_error::HeadError, header_cache::HeaderCache};
use crate::upgrade::Upgrade;

/// The start of every response ([RFC 9112 §2.3](https://www.rfc-editor.org/rfc/rfc9112#section-2.3)).
const HTTP_1: &[u8] = b"HTTP/1.";

/// A response head, and how to read the bytes after it.
#[derive(Debug)]
pub struct Head {
    /// Status and headers.
    pub parts: response::Parts,
    /// The decoder of the body.
    pub body: Decoder,
    /// Whether the connection can carry another request after the body.
    pub keep_alive: bool,
}

impl Head {
    /// Returns whether it is an interim response
    /// ([RFC 9110 §15.2](https://www.rfc-editor.org/rfc/rfc9110#section-15.2)).
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.parts.status.is_informational() && self.parts.status != StatusCode::SWITCHING_PROTOCOLS
    }
}

/// Removes a response head from the front of `buffer`; `None` if its end has not arrived.
///
/// # Errors
/// [`HeadError`]; the connection cannot be used further.
pub fn parse(
    buffer: &mut BytesMut,
    cache: &mut HeaderCache,
    method: &Method,
    upgrade: Upgrade,
) -> Result<Option<Head>, HeadError> {
    if buffer.is_empty() {
        return Ok(None);
    }
    // Rejected at the first wrong byte, without waiting for the end of the head.
    if buffer.iter().zip(HTTP_1).any(|(byte, expected)| byte != expected) {
        return Err(HeadError::StatusLine);
    }
    let mut lines = [Line::default(); 1 + HEADERS_MAX];
    let Some((count, end)) = lines::find(buffer, cache.expected(), &mut lines)? else { return Ok(None) };
    let head = buffer.split_to(end).freeze();
    let (first, lines) = lines[..count].split_first().ok_or(HeadError::StatusLine)?;
    let (version, status) = status_line(first.of(&head)).ok_or(HeadError::StatusLine)?;
    let (headers, (body, keep_alive)) = if status != StatusCode::SWITCHING_PROTOCOLS {
        let (headers, framing) = cache.read(&head, lines)?;
        let body = body(method, status, version, content_length(&headers)?, framing)?;
        (headers, body)
    } else if upgrade == Upgrade::WebSocket {
        // `Upgrade` is needed, so nothing is dropped.
        let (headers, _) = HeaderCache::default().read(&head, lines)?;
        (headers, (Decoder::UntilClose, false))
    } else {
        return Err(HeadError::UnexpectedUpgrade);
    };
    let mut parts = response::Response::new(()).into_parts().0;
    (parts.status, parts.version, parts.headers) = (status, version, headers);
    Ok(Some(Head { parts, body, keep_alive }))
}

/// Version and status of `HTTP/1.1 200 OK` ([RFC 9112 §4](https://www.rfc-editor.org/rfc/rfc9112#section-4)). The
/// reason phrase may be missing and is dropped.
fn status_line(line: &[u8]) -> Option<(Version, StatusCode)> {
    let (version, rest) = line.strip_prefix(HTTP_1)?.split_at_checked(2)?;
    let version = match version {
        b"1 " => Version::HTTP_11,
        b"0 " => Version::HTTP_10,
        _ => return None,
    };
    let (status, reason) = rest.split_at_checked(3)?;
    let is_reason = is_text(reason) && (reason.is_empty() || reason[0] == b' ');
    StatusCode::from_bytes(status).ok().filter(|_| is_reason).map(|status| (version, status))
}

/// The decoder of the body ([RFC 9112 §6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)), and whether the
/// connection stays open after it ([RFC 9112 §9.3](https://www.rfc-editor.org/rfc/rfc9112#section-9.3)).
fn body(
    method: &Method,
    status: StatusCode,
    version: Version,
    length: Option<u64>,
    framing: Framing,
) -> Result<(Decoder, bool), HeadError> {
    let chunked = framing.is_chunked(version)?;
    let keep_alive = version == Version::HTTP_11 && !framing.closes;
    let bodiless = *method == Method::HEAD
        || status.is_informational()
        || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    match (length, chunked) {
        // Both `Content-Length` and `Transfer-Encoding`: rejected, because of response smuggling
        // (https://www.rfc-editor.org/rfc/rfc9112#section-6.3).
        (Some(_), true) => Err(HeadError::Framing),
        _ if bodiless => Ok((Decoder::Length(0), keep_alive)),
        (Some(length), false) => Ok((Decoder::Length(length), keep_alive)),
        (None, true) => Ok((Decoder::chunked(), keep_alive)),
        (None, false) => Ok((Decoder::UntilClose, false)),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use proptest::prelude::*;

    use super::*;

    fn parse_as(bytes: &str, method: &Method, upgrade: Upgrade) -> Result<Option<Head>, HeadError> {
        parse(&mut BytesMut::from(bytes), &mut HeaderCache::default(), method, upgrade)
    }

    fn parse_all(bytes: &str) -> Result<Option<Head>, HeadError> {
        parse_as(bytes, &Method::GET, Upgrade::Forbidden)
    }

    #[track_caller]
    fn has_body(head: &str, body: Decoder, keep_alive: bool) {
        let head = parse_all(&format!("{head}\r\n\r\n")).unwrap().unwrap();
        assert_eq!((head.body, head.keep_alive), (body, keep_alive));
    }

    #[test]
    fn body_length() {
        has_body("HTTP/1.1 200 OK\r\ncontent-length: 5", Decoder::Length(5), true);
        has_body("HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\nContent-Length: 5", Decoder::Length(5), true);
        has_body("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: x, Close", Decoder::Length(5), false);
        has_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked", Decoder::chunked(), true);
        has_body("HTTP/1.1 200 OK", Decoder::UntilClose, false);
        has_body("HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive", Decoder::Length(5), false);
        has_body("HTTP/1.1 204 No Content\r\ncontent-length: 5", Decoder::Length(0), true);
        has_body("HTTP/1.1 304 Not Modified\r\ncontent-length: 5", Decoder::Length(0), true);
        let head = parse_as("HTTP/1.1 200\r\ncontent-length: 5\r\n\r\n", &Method::HEAD, Upgrade::Forbidden);
        assert!(head.unwrap().unwrap().body.is_end_stream());
    }

    #[test]
    fn ambiguous_length_is_rejected() {
        for lines in [
            "content-length: 5\r\ncontent-length: 6",
            "content-length: 5, 6",
            "content-length: -5",
            "content-length: +5",
            "content-length: 0x5",
            "content-length: 5 5",
            "content-length: ",
            "content-length: 5,",
            "content-length: 18446744073709551616",
            "content-length: \u{e9}",
            "content-length: 5\r\ntransfer-encoding: chunked",
            "transfer-encoding: gzip, chunked",
            "transfer-encoding: chunked, chunked",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
            "transfer-encoding: xchunked",
            "transfer-encoding: \u{b}chunked",
            "transfer-encoding:",
        ] {
            let head = format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n");
            assert!(matches!(parse_all(&head), Err(HeadError::Framing | HeadError::Value)), "{lines}");
        }
        let old = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(parse_all(old).unwrap_err(), HeadError::Framing);
    }

    #[test]
    fn unexpected_upgrade() {
        let upgrade = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
        assert_eq!(parse_all(upgrade).unwrap_err(), HeadError::UnexpectedUpgrade);
        assert!(!parse_as(upgrade, &Method::GET, Upgrade::WebSocket).unwrap().unwrap().is_interim());
        assert!(parse_all("HTTP/1.1 103 Early Hints\r\n\r\n").unwrap().unwrap().is_interim());
    }

    #[test]
    fn head_size_is_limited() {
        assert!(parse_all("HTTP/1.1 200 OK\r\na: b\r\n").unwrap().is_none());
        let endless = format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(lines::HEAD_MAX));
        assert_eq!(parse_all(&endless).unwrap_err(), HeadError::TooLong);
        assert_eq!(parse_all(&(endless + "\r\n\r\n")).unwrap_err(), HeadError::TooLong);
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX + 1));
        assert_eq!(parse_all(&many).unwrap_err(), HeadError::TooLong);
    }

    #[test]
    fn garbage_is_rejected() {
        for bytes in [
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 099 x\r\n\r\n",
            "HTTP/1.1 200 OK\r\n folded\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\na : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: \0\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n",
            "\x16\x03\x01\x02",
            "SSH-2.0-OpenSSH\r\n",
        ] {
            assert!(parse_all(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn cached_headers_equal_parsed_headers() {
        let mut cache = HeaderCache::default();
        for lines in [
            "a: 1\r\nB: 2\r\nc: 3\r\n",
            "A: 1\r\nb: 2\r\nC: 3\r\n",
            "b: 1\r\na: 2\r\n",
            "b: 1\r\nc: 2\r\n",
            "b: 1\r\ncc: 2\r\n",
            "b: 1\r\ncc: 2\r\nd: 3\r\n",
            "b: 1\r\n",
            "a: 1\r\nd: 2\r\nd: 3\r\ne: 4\r\n",
            "a: 1\r\nd: 2\r\nd: 4\r\ne: 4\r\n",
            "a: 2\r\nd: 2\r\nd: 3\r\ne: 4\r\n",
            "a: 1\r\nd:2\r\nd: 3 \r\ne: 45\r\n",
            "a: 1\r\nd:\r\nd\t: 3\r\n",
            "a: 1\r\nd: 2\r\nd3\r\n",
            "a: 1\r\nd: 2\r\nd: \u{7}\r\n",
            "d: 1\r\na: 1\r\nD: 2\r\nb: 1\r\nd: 3\r\n",
            "d: 1\r\na: 2\r\nD: 4\r\nb: 1\r\nd: 3\r\n",
            "d: 5\r\na: 3\r\nD: 4\r\nb: 2\r\nd: 6\r\n",
            "d: 5\r\na: 3\r\nD: 4\r\nb: 2\r\nd: \u{7}\r\n",
            "d: 7\r\na: 4\r\nD: 4\r\nb: 3\r\nd: 6\r\n",
            "D: 7\r\na: 4\r\nd: 4\r\nb: 3\r\nd: 6\r\n",
            "a: 1\r\n",
            "",
        ] {
            let text = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
            let headers = |head: Result<Option<Head>, HeadError>| head.map(|head| head.unwrap().parts.headers);
            let cached = parse(&mut BytesMut::from(&*text), &mut cache, &Method::GET, Upgrade::Forbidden);
            assert_eq!(headers(cached), headers(parse_all(&text)), "{lines}");
        }
    }

    /// The headers of these lines without `x-site`, and without those of one connection.
    #[track_caller]
    fn is_read_without(cache: &mut HeaderCache, lines: &str, rest: &[&str], body: Decoder, keep_alive: bool) {
        let mut head = BytesMut::from(&*format!("HTTP/1.1 200 OK\r\n{lines}\r\n"));
        let head = parse(&mut head, cache, &Method::GET, Upgrade::Forbidden).unwrap().unwrap();
        let headers = head.parts.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        assert_eq!(headers.collect::<Vec<_>>(), rest, "{lines}");
        assert_eq!((head.body, head.keep_alive), (body, keep_alive), "{lines}");
    }

    #[test]
    fn headers_are_left_out() {
        let is_dropped = |name: &HeaderName| ["x-site", "connection", "transfer-encoding"].contains(&name.as_str());
        let mut cache = HeaderCache::without(is_dropped);
        for _ in 0..2 {
            let cache = &mut cache;
            is_read_without(cache, "x-site: 1\r\na: 1\r\nX-Site: 2\r\n", &["a: 1"], Decoder::UntilClose, false);
            is_read_without(cache, "x-site: 3\r\na: 2\r\nX-Site: 4\r\n", &["a: 2"], Decoder::UntilClose, false);
            is_read_without(
                cache,
                "x-site: 3\r\na: 2\r\nX-Sites: 4\r\n",
                &["a: 2", "x-sites: 4"],
                Decoder::UntilClose,
                false,
            );
            let chunked = "a: 1\r\ntransfer-encoding: chunked\r\nconnection: ";
            is_read_without(cache, &format!("{chunked}keep-alive\r\n"), &["a: 1"], Decoder::chunked(), true);
            is_read_without(cache, &format!("{chunked}close\r\n"), &["a: 1"], Decoder::chunked(), false);
            is_read_without(cache, &format!("{chunked}keep-alive, A\r\n"), &[], Decoder::chunked(), true);
            is_read_without(cache, &format!("{chunked}a, close\r\n"), &[], Decoder::chunked(), false);
            // Not ASCII.
            is_read_without(cache, &format!("{chunked}a, \u{e9}, close\r\n"), &[], Decoder::chunked(), false);
            let length = "connection: content-length\r\ncontent-length: ";
            is_read_without(cache, &format!("{length}5\r\n"), &["content-length: 5"], Decoder::Length(5), true);
            is_read_without(cache, &format!("{length}6\r\n"), &["content-length: 6"], Decoder::Length(6), true);
        }
        for (lines, error) in [
            ("x-site: 1\r\na: 1\r\nX-Site: \u{7}\r\n", HeadError::Value),
            ("x-site: 1\r\na: 1\r\nX-Site\r\n", HeadError::Name),
            ("a: 1\r\ntransfer-encoding: gzip\r\nconnection: close\r\n", HeadError::Framing),
        ] {
            is_read_without(&mut cache, "x-site: 1\r\na: 1\r\nX-Site: 2\r\n", &["a: 1"], Decoder::UntilClose, false);
            let mut head = BytesMut::from(&*format!("HTTP/1.1 200 OK\r\n{lines}\r\n"));
            assert_eq!(parse(&mut head, &mut cache, &Method::GET, Upgrade::Forbidden).unwrap_err(), error, "{lines}");
        }
        let chunked = "transfer-encoding: chunked\r\n";
        is_read_without(&mut cache, chunked, &[], Decoder::chunked(), true);
        let mut head = BytesMut::from(&*format!("HTTP/1.0 200 OK\r\n{chunked}\r\n"));
        let of_1_0 = parse(&mut head, &mut cache, &Method::GET, Upgrade::Forbidden);
        assert_eq!(of_1_0.unwrap_err(), HeadError::Framing);
    }

    #[test]
    fn upgrades_keep_all_headers() {
        let mut cache = HeaderCache::without(|_| true);
        let mut head = BytesMut::from("HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
        let head = parse(&mut head, &mut cache, &Method::GET, Upgrade::WebSocket).unwrap().unwrap();
        assert_eq!(head.parts.headers.len(), 2);
    }

    proptest! {
        #[test]
        fn split_invariance(cut in 0..80usize) {
            let bytes = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 3\r\n\r\nabc";
            let cut = cut.min(bytes.len());
            let mut buffer = BytesMut::from(&bytes[..cut]);
            let mut cache = HeaderCache::default();
            let mut head = parse(&mut buffer, &mut cache, &Method::GET, Upgrade::Forbidden).unwrap();
            buffer.extend_from_slice(&bytes[cut..]);
            if head.is_none() {
                head = parse(&mut buffer, &mut cache, &Method::GET, Upgrade::Forbidden).unwrap();
            }
            prop_assert_eq!(head.unwrap().parts.headers.len(), 2);
            prop_assert_eq!(&buffer[..], b"abc");
        }

        #[test]
        fn no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut buffer = BytesMut::from("HTTP/1.1 200 OK\r\n");
            buffer.extend_from_slice(&bytes);
            let _ = parse(&mut buffer, &mut HeaderCache::default(), &Method::GET, Upgrade::WebSocket);
        }
    }
}
