//! HTTP/1.1 responses from the upstream.

use bytes::BytesMut;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING},
};
use sparekey_upstream::{
    Upgrade,
    http1::head::{self, HeaderCache},
};

/// The result of parsing a connection's bytes.
#[derive(Debug, Eq, PartialEq)]
struct Parsed {
    /// Interim heads first.
    heads: Vec<(StatusCode, HeaderMap)>,
    /// Whether the connection can carry another request after the final head's response.
    keep_alive: bool,
    data: Vec<u8>,
    /// Whether the body is complete, and the bytes after it; or the error.
    end: Result<(bool, Vec<u8>), String>,
}

/// Checks that a response parses alike in any split, as httparse parses it, and to the length in its head.
/// The first byte of the input is the position of a split.
pub(crate) fn upstream_response(input: &[u8]) {
    let Some((split, bytes)) = input.split_first() else { return };
    let (first, second) = bytes.split_at(usize::from(*split).min(bytes.len()));
    for (method, upgrade) in
        [(Method::GET, Upgrade::Forbidden), (Method::HEAD, Upgrade::Forbidden), (Method::GET, Upgrade::WebSocket)]
    {
        // The cached headers of an earlier response must not change a later one.
        let mut cache = HeaderCache::default();
        parse(&[&with_other_digits(bytes)], &mut cache, &method, upgrade);
        let mut parse = |pieces: &[&[u8]]| parse(pieces, &mut cache, &method, upgrade);
        let whole = parse(&[bytes]);
        assert_eq!(whole, parse(&[first, second]));
        // The first pass may have filled the cache.
        assert_eq!(whole, parse(&[bytes]));
        assert_eq!(whole, parse(&bytes.chunks(1).collect::<Vec<_>>()));
        if let Some((status, headers)) = whole.heads.first() {
            let headers = sorted_pairs(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
            assert_eq!(parse_with_httparse(bytes), Some((status.as_u16(), headers)));
        }
        check_dropped_headers(bytes, &whole, &method, upgrade);
        let rest = whole.end.as_ref().map_or(0, |(_, rest)| rest.len());
        assert!(whole.data.len() + rest <= bytes.len(), "more output than input");
        if let Some(length) = expected_length(&whole, &method) {
            assert!(whole.data.len() as u64 <= length, "{whole:?}");
            let is_complete = whole.data.len() as u64 == length;
            assert!(
                whole.end.as_ref().is_ok_and(|(done, rest)| *done == is_complete && (is_complete || rest.is_empty())),
                "{whole:?}"
            );
        }
    }
}

/// Headers that a caller never passes on.
fn is_dropped(name: &HeaderName) -> bool {
    ["connection", "set-cookie", "transfer-encoding"].contains(&name.as_str())
}

/// Checks that a response without some headers is the same otherwise.
fn check_dropped_headers(bytes: &[u8], whole: &Parsed, method: &Method, upgrade: Upgrade) {
    let mut cache = HeaderCache::without(is_dropped);
    parse(&[&with_other_digits(bytes)], &mut cache, method, upgrade);
    let without = parse(&[bytes], &mut cache, method, upgrade);
    assert_eq!(without, parse(&bytes.chunks(1).collect::<Vec<_>>(), &mut cache, method, upgrade));
    // Of several errors, another one may be found first.
    assert_eq!(without.end.as_ref().ok(), whole.end.as_ref().ok());
    assert_eq!(
        (without.heads.len(), without.keep_alive, &without.data),
        (whole.heads.len(), whole.keep_alive, &whole.data)
    );
    for ((status, actual), (_, headers)) in without.heads.iter().zip(&whole.heads) {
        let mut expected = headers.clone();
        if *status != StatusCode::SWITCHING_PROTOCOLS {
            let values = headers.get_all(CONNECTION).iter().map(HeaderValue::as_bytes);
            let listed = values.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
            let listed = listed.filter_map(|name| HeaderName::from_bytes(name).ok());
            let dropped = listed.chain(headers.keys().filter(|name| is_dropped(name)).cloned());
            for name in dropped.filter(|name| *name != CONTENT_LENGTH) {
                expected.remove(name);
            }
        }
        assert_eq!(*actual, expected);
    }
}

/// Returns the response with other digits after its status line.
fn with_other_digits(bytes: &[u8]) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (status_line, rest) = bytes.split_at(end);
    let other = |byte: &u8| if byte.is_ascii_digit() { b'0' + b'9' - byte } else { *byte };
    status_line.iter().copied().chain(rest.iter().map(other)).collect()
}

/// Lower-case names with their values, sorted by name.
type Pairs = Vec<(String, Vec<u8>)>;

fn parse_with_httparse(bytes: &[u8]) -> Option<(u16, Pairs)> {
    let mut headers = [httparse::EMPTY_HEADER; 256];
    let mut head = httparse::Response::new(&mut headers);
    head.parse(bytes).ok()?.is_complete().then_some(())?;
    Some((head.code?, sorted_pairs(head.headers.iter().map(|header| (header.name, header.value)))))
}

fn sorted_pairs<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Pairs {
    let mut pairs: Pairs = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect();
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    pairs
}

/// Returns the body's length where the final head determines it
/// ([RFC 9112 §6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3), rules 1 and 6).
fn expected_length(parsed: &Parsed, method: &Method) -> Option<u64> {
    let (status, headers) = parsed.heads.last().filter(|(status, _)| !status.is_informational())?;
    if *method == Method::HEAD || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(status) {
        return Some(0);
    }
    let length = headers.get(CONTENT_LENGTH).filter(|_| !headers.contains_key(TRANSFER_ENCODING))?;
    length.to_str().ok()?.trim().parse().ok()
}

fn parse(pieces: &[&[u8]], cache: &mut HeaderCache, method: &Method, upgrade: Upgrade) -> Parsed {
    let mut parsed = Parsed { heads: Vec::new(), keep_alive: false, data: Vec::new(), end: Ok((false, Vec::new())) };
    let (mut buffer, mut body) = (BytesMut::new(), None);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while body.is_none() {
            match head::parse(&mut buffer, cache, method, upgrade) {
                Ok(None) => break,
                Ok(Some(head)) => {
                    parsed.keep_alive = head.keep_alive;
                    body = (!head.is_interim()).then_some(head.body);
                    parsed.heads.push((head.parts.status, head.parts.headers));
                }
                Err(error) => return Parsed { end: Err(error.to_string()), ..parsed },
            }
        }
        let Some(body) = &mut body else { continue };
        while !buffer.is_empty() && !body.is_end_stream() {
            match body.decode(&mut buffer) {
                Ok(data) => parsed.data.extend(data),
                Err(error) => return Parsed { end: Err(error.to_string()), ..parsed },
            }
        }
    }
    parsed.end = Ok((body.is_some_and(|body| body.is_end_stream()), buffer.to_vec()));
    parsed
}
