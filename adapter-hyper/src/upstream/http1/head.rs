//! An answer's head, out of the bytes of a connection.

use bytes::BytesMut;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING},
    response,
};
use memchr::memchr_iter;

use super::framing::Decoder;
pub use super::known::Known;

/// Bytes of an answer's head, and its headers.
const HEAD_MAX: usize = u16::MAX as usize;
const LINES_MAX: usize = 128;
/// How every answer begins.
const BEGIN: &[u8] = b"HTTP/1.";

/// Why an answer's head is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HeadError {
    /// It does not begin with HTTP/1.0 or 1.1 and a status.
    #[error("the answer's first line is not HTTP/1.1's")]
    StatusLine,
    /// A line does not begin with a header's name and a colon.
    #[error("a line of the answer's head names no header")]
    Name,
    /// A header's value holds a control character.
    #[error("a header of the answer holds a control character")]
    Value,
    /// It is longer than any honest one.
    #[error("the answer's head is too long")]
    TooLong,
    /// `content-length` and `transfer-encoding` don't say where the body ends.
    #[error("where the answer's body ends can't be told")]
    Framing,
    /// It switches protocols unasked.
    #[error("the upstream switched protocols unasked")]
    Switched,
}

/// An answer's head, and what it says of the bytes behind it.
#[derive(Debug)]
pub struct Head {
    /// Status and headers.
    pub parts: response::Parts,
    /// The body.
    pub body: Decoder,
    /// Whether the connection can carry another request after the body.
    pub keeps_open: bool,
}

impl Head {
    /// Whether it is only the answer's forerunner.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.parts.status.is_informational() && self.parts.status != StatusCode::SWITCHING_PROTOCOLS
    }
}

/// Takes an answer's head off the front of `buffer`; `None` where its end has not come yet.
///
/// # Errors
/// [`HeadError`]; the connection is then of no use.
pub fn parse(
    buffer: &mut BytesMut,
    known: &mut Known,
    method: &Method,
    may_switch: bool,
) -> Result<Option<Head>, HeadError> {
    // What is no answer need not be waited for.
    if buffer.iter().zip(BEGIN).any(|(is, should)| is != should) {
        return Err(HeadError::StatusLine);
    }
    let mut lines = [Line::default(); 1 + LINES_MAX];
    let Some((count, length)) = find_lines(buffer, &mut lines)? else { return Ok(None) };
    let head = buffer.split_to(length).freeze();
    let (first, lines) = lines[..count].split_first().ok_or(HeadError::StatusLine)?;
    let (version, status) = status_line(first.of(&head)).ok_or(HeadError::StatusLine)?;
    let headers = known.read(&head, lines)?;
    let (body, keeps_open) = body(method, status, version, &headers, may_switch)?;
    let mut parts = response::Response::new(()).into_parts().0;
    (parts.status, parts.version, parts.headers) = (status, version, headers);
    Ok(Some(Head { parts, body, keeps_open }))
}

/// Where a line of a head stands, without what ends it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Line {
    start: u16,
    end: u16,
}

impl Line {
    /// Its text.
    pub(crate) fn of(self, head: &[u8]) -> &[u8] {
        &head[usize::from(self.start)..usize::from(self.end)]
    }
}

/// Finds a head's lines; returns how many there are, and the head's length. `None` where the empty line at its end has not
/// come yet.
fn find_lines(bytes: &[u8], lines: &mut [Line]) -> Result<Option<(usize, usize)>, HeadError> {
    let mut start = 0;
    for (count, end) in memchr_iter(b'\n', bytes).enumerate() {
        let line = &bytes[start..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Ok(Some((count, end + 1)));
        }
        *lines.get_mut(count).ok_or(HeadError::TooLong)? =
            Line { start: narrow(start)?, end: narrow(start + line.len())? };
        start = end + 1;
    }
    if bytes.len() > HEAD_MAX { Err(HeadError::TooLong) } else { Ok(None) }
}

fn narrow(place: usize) -> Result<u16, HeadError> {
    u16::try_from(place).map_err(|_| HeadError::TooLong)
}

/// Version and status of `HTTP/1.1 200 OK`; the reason may be missing, and is not told on.
fn status_line(line: &[u8]) -> Option<(Version, StatusCode)> {
    let (version, rest) = line.strip_prefix(BEGIN)?.split_at_checked(2)?;
    let version = match version {
        b"1 " => Version::HTTP_11,
        b"0 " => Version::HTTP_10,
        _ => return None,
    };
    let (status, reason) = rest.split_at_checked(3)?;
    let is_text = !reason.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
    let is_reason = is_text && (reason.is_empty() || reason[0] == b' ');
    StatusCode::from_bytes(status).ok().filter(|_| is_reason).map(|status| (version, status))
}

/// What follows the head ([RFC 9112 §6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)), and whether more may
/// come behind it.
fn body(
    method: &Method,
    status: StatusCode,
    version: Version,
    headers: &HeaderMap,
    may_switch: bool,
) -> Result<(Decoder, bool), HeadError> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return if may_switch { Ok((Decoder::UntilClose, false)) } else { Err(HeadError::Switched) };
    }
    let length = length(headers)?;
    let chunked = chunked(headers, version)?;
    let closes = headers.get_all(CONNECTION).iter().any(|value| tokens(value).any(|t| t.eq_ignore_ascii_case("close")));
    let keeps_open = version == Version::HTTP_11 && !closes;
    let bodiless = *method == Method::HEAD
        || status.is_informational()
        || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    match (length, chunked) {
        // Two answers to one question: one of them is somebody's smuggling.
        (Some(_), true) => Err(HeadError::Framing),
        _ if bodiless => Ok((Decoder::Length(0), keeps_open)),
        (Some(length), false) => Ok((Decoder::Length(length), keeps_open)),
        (None, true) => Ok((Decoder::chunked(), keeps_open)),
        (None, false) => Ok((Decoder::UntilClose, false)),
    }
}

/// Lengths that are told more than once must agree.
pub(crate) fn length(headers: &HeaderMap) -> Result<Option<u64>, HeadError> {
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        for text in tokens(value) {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let this = text.parse().ok().filter(|_| digits).ok_or(HeadError::Framing)?;
            if *length.get_or_insert(this) != this {
                return Err(HeadError::Framing);
            }
        }
    }
    Ok(length)
}

/// No other coding was asked for.
fn chunked(headers: &HeaderMap, version: Version) -> Result<bool, HeadError> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter().flat_map(tokens);
    match (codings.next(), codings.next()) {
        (None, _) => Ok(false),
        (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") && version == Version::HTTP_11 => Ok(true),
        _ => Err(HeadError::Framing),
    }
}

/// The items of a list. What is no text has one item, which is none that anybody looks for.
fn tokens(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().unwrap_or("?").split(',').map(|token| token.trim_matches([' ', '\t']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse_as(bytes: &str, method: &Method, may_switch: bool) -> Result<Option<Head>, HeadError> {
        parse(&mut BytesMut::from(bytes), &mut Known::default(), method, may_switch)
    }

    fn parse_all(bytes: &str) -> Result<Option<Head>, HeadError> {
        parse_as(bytes, &Method::GET, false)
    }

    #[track_caller]
    fn framed(head: &str, body: Decoder, keeps_open: bool) {
        let head = parse_all(&format!("{head}\r\n\r\n")).unwrap().unwrap();
        assert_eq!((head.body, head.keeps_open), (body, keeps_open));
    }

    #[test]
    fn where_a_body_ends() {
        framed("HTTP/1.1 200 OK\r\ncontent-length: 5", Decoder::Length(5), true);
        framed("HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\nContent-Length: 5", Decoder::Length(5), true);
        framed("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: x, Close", Decoder::Length(5), false);
        framed("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked", Decoder::chunked(), true);
        framed("HTTP/1.1 200 OK", Decoder::UntilClose, false);
        framed("HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive", Decoder::Length(5), false);
        framed("HTTP/1.1 204 No Content\r\ncontent-length: 5", Decoder::Length(0), true);
        framed("HTTP/1.1 304 Not Modified\r\ncontent-length: 5", Decoder::Length(0), true);
        let head = parse_as("HTTP/1.1 200\r\ncontent-length: 5\r\n\r\n", &Method::HEAD, false);
        assert!(head.unwrap().unwrap().body.is_done());
    }

    #[test]
    fn what_is_unclear_is_refused() {
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
    fn a_switch_must_be_asked_for() {
        let switch = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
        assert_eq!(parse_all(switch).unwrap_err(), HeadError::Switched);
        assert!(!parse_as(switch, &Method::GET, true).unwrap().unwrap().is_interim());
        assert!(parse_all("HTTP/1.1 103 Early Hints\r\n\r\n").unwrap().unwrap().is_interim());
    }

    #[test]
    fn heads_have_an_end() {
        assert!(parse_all("HTTP/1.1 200 OK\r\na: b\r\n").unwrap().is_none());
        let endless = format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(HEAD_MAX));
        assert_eq!(parse_all(&endless).unwrap_err(), HeadError::TooLong);
        assert_eq!(parse_all(&(endless + "\r\n\r\n")).unwrap_err(), HeadError::TooLong);
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(LINES_MAX + 1));
        assert_eq!(parse_all(&many).unwrap_err(), HeadError::TooLong);
    }

    #[test]
    fn garbage_is_no_head() {
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
    fn what_changes_is_read_all_the_same() {
        let mut known = Known::default();
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
            let with_others = parse(&mut BytesMut::from(&*text), &mut known, &Method::GET, false);
            assert_eq!(headers(with_others), headers(parse_all(&text)), "{lines}");
        }
    }

    proptest! {
        #[test]
        fn a_head_is_the_same_in_any_split(cut in 0..80usize) {
            let bytes = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 3\r\n\r\nabc";
            let cut = cut.min(bytes.len());
            let mut buffer = BytesMut::from(&bytes[..cut]);
            let mut known = Known::default();
            let mut head = parse(&mut buffer, &mut known, &Method::GET, false).unwrap();
            buffer.extend_from_slice(&bytes[cut..]);
            if head.is_none() {
                head = parse(&mut buffer, &mut known, &Method::GET, false).unwrap();
            }
            prop_assert_eq!(head.unwrap().parts.headers.len(), 2);
            prop_assert_eq!(&buffer[..], b"abc");
        }

        #[test]
        fn whatever_comes_is_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut buffer = BytesMut::from("HTTP/1.1 200 OK\r\n");
            buffer.extend_from_slice(&bytes);
            let _ = parse(&mut buffer, &mut Known::default(), &Method::GET, true);
        }
    }
}
