//! Fields of a `multipart/form-data` body.

use http::{header, request};

/// The content of the part with a file name.
pub(super) fn file<'a>(head: &request::Parts, sent: &'a [u8]) -> Option<&'a [u8]> {
    content(head, sent, b"filename=")
}

/// The text of the part with this name.
pub(super) fn field<'a>(head: &request::Parts, sent: &'a [u8], name: &str) -> Option<&'a str> {
    std::str::from_utf8(content(head, sent, format!("name=\"{name}\"").as_bytes())?).ok()
}

/// The number of parts with a file name.
pub(super) fn files(sent: &[u8]) -> usize {
    const NAME: &[u8] = b"filename=";
    sent.windows(NAME.len()).filter(|bytes| *bytes == NAME).count()
}

/// The content of the first part whose head has this.
fn content<'a>(head: &request::Parts, sent: &'a [u8], in_head: &[u8]) -> Option<&'a [u8]> {
    let kind = head.headers.get(header::CONTENT_TYPE)?.to_str().ok()?.strip_prefix("multipart/form-data;")?;
    let boundary = kind.split("boundary=").nth(1)?.trim_matches('"');
    let delimiter = format!("\r\n--{boundary}");
    let find = |from: usize, what: &[u8]| sent[from..].windows(what.len()).position(|w| w == what).map(|at| from + at);
    let name = find(0, in_head)?;
    let start = find(name, b"\r\n\r\n")? + 4;
    Some(&sent[start..find(start, delimiter.as_bytes())?])
}
