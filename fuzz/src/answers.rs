//! What an upstream may answer over HTTP/1.1.

use bytes::BytesMut;
use http::{
    HeaderMap, Method, StatusCode,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use sparekey::upstream::http1::head::{self, Known};

/// What was understood of the bytes of a connection.
#[derive(Debug, Eq, PartialEq)]
struct Understood {
    /// Interim ones first.
    heads: Vec<(StatusCode, HeaderMap)>,
    data: Vec<u8>,
    /// Whether the body is whole, and what stands behind it; or why it can't be read on.
    end: Result<(bool, Vec<u8>), String>,
}

/// The first byte tells where the rest comes in two pieces. However it comes, the same is understood.
pub(crate) fn upstream_answer(input: &[u8]) {
    let Some((cut, bytes)) = input.split_first() else { return };
    let (first, second) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    for (method, may_switch) in [(Method::GET, false), (Method::HEAD, false), (Method::GET, true)] {
        // What an earlier answer said must not change what a later one says.
        let mut known = Known::default();
        understood(&[&with_other_digits(bytes)], &mut known, &method, may_switch);
        let mut understood = |pieces: &[&[u8]]| understood(pieces, &mut known, &method, may_switch);
        let whole = understood(&[bytes]);
        assert_eq!(whole, understood(&[first, second]));
        // Once more, for the first reading may have come to know what it then found again.
        assert_eq!(whole, understood(&[bytes]));
        assert_eq!(whole, understood(&bytes.chunks(1).collect::<Vec<_>>()));
        if let Some((status, headers)) = whole.heads.first() {
            let headers = pairs(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
            assert_eq!(read_otherwise(bytes), Some((status.as_u16(), headers)));
        }
        let rest = whole.end.as_ref().map_or(0, |(_, rest)| rest.len());
        assert!(whole.data.len() + rest <= bytes.len(), "nothing is made up");
        if let Some(length) = told(&whole, &method) {
            assert!(whole.data.len() as u64 <= length, "{whole:?}");
            let ends = whole.data.len() as u64 == length;
            assert!(
                whole.end.as_ref().is_ok_and(|(done, rest)| *done == ends && (ends || rest.is_empty())),
                "{whole:?}"
            );
        }
    }
}

/// The same answer to the end of its first line, with other values from there on.
fn with_other_digits(bytes: &[u8]) -> Vec<u8> {
    let first_line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at(first_line);
    let other = |byte: &u8| if byte.is_ascii_digit() { b'0' + b'9' - byte } else { *byte };
    line.iter().copied().chain(rest.iter().map(other)).collect()
}

/// Names in lower case, in their order, with their values.
type Pairs = Vec<(String, Vec<u8>)>;

/// The first head as another parser reads it.
fn read_otherwise(bytes: &[u8]) -> Option<(u16, Pairs)> {
    let mut lines = [httparse::EMPTY_HEADER; 256];
    let mut head = httparse::Response::new(&mut lines);
    head.parse(bytes).ok()?.is_complete().then_some(())?;
    Some((head.code?, pairs(head.headers.iter().map(|header| (header.name, header.value)))))
}

fn pairs<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Pairs {
    let mut pairs: Pairs = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect();
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    pairs
}

/// How long the body is, where the last head tells it: by its status, to HEAD, or by a length alone.
fn told(understood: &Understood, method: &Method) -> Option<u64> {
    let (status, headers) = understood.heads.last().filter(|(status, _)| !status.is_informational())?;
    if *method == Method::HEAD || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(status) {
        return Some(0);
    }
    let length = headers.get(CONTENT_LENGTH).filter(|_| !headers.contains_key(TRANSFER_ENCODING))?;
    length.to_str().ok()?.trim().parse().ok()
}

fn understood(pieces: &[&[u8]], known: &mut Known, method: &Method, may_switch: bool) -> Understood {
    let mut found = Understood { heads: Vec::new(), data: Vec::new(), end: Ok((false, Vec::new())) };
    let (mut buffer, mut body) = (BytesMut::new(), None);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while body.is_none() {
            match head::parse(&mut buffer, known, method, may_switch) {
                Ok(None) => break,
                Ok(Some(head)) => {
                    body = (!head.is_interim()).then_some(head.body);
                    found.heads.push((head.parts.status, head.parts.headers));
                }
                Err(error) => return Understood { end: Err(error.to_string()), ..found },
            }
        }
        let Some(body) = &mut body else { continue };
        while !buffer.is_empty() && !body.is_done() {
            match body.decode(&mut buffer) {
                Ok(data) => found.data.extend(data),
                Err(error) => return Understood { end: Err(error.to_string()), ..found },
            }
        }
    }
    found.end = Ok((body.is_some_and(|body| body.is_done()), buffer.to_vec()));
    found
}
