//! A request head over HTTP/1.1 as it arrived, because hyper removes `content-length` beside `transfer-encoding`.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// The end of a head, without the `\r` of its last line: `\n\r` occurs nowhere else, while a search that begins with `\r\n`
/// would stop at each line (350 instructions more).
const END: &[u8] = b"\n\r\n";
/// Made once: it takes 510 instructions.
static FIND_END: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(END));

/// The length of a head to the last `\r` before its end. Bytes after it do not count.
pub(crate) fn length(head: &[u8]) -> usize {
    FIND_END.find(head).unwrap_or(head.len())
}

/// How many bytes follow a head.
pub(crate) fn bytes_after(head: &[u8]) -> usize {
    head.len().saturating_sub(length(head) + END.len())
}

/// Whether a head has the header `content-length`. Bytes after the head are ignored.
pub(crate) fn has_content_length(head: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length:";
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    // Empty lines before the request line are ignored (https://www.rfc-editor.org/rfc/rfc9112#section-2.2).
    let _request_line = lines.find(|line| !line.is_empty());
    let mut fields = lines.take_while(|line| !line.is_empty());
    fields.any(|line| line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_length_is_found_in_the_head_only() {
        for (head, expected) in [
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-LENGTH: 3\r\n\r\n", true),
            ("\r\n\nPOST / HTTP/1.1\ncontent-length:3\n\n", true),
            ("POST / HTTP/1.1\r\nx-content-length: 3\r\n\r\n", false),
            ("POST / HTTP/1.1\r\nhost: x\r\n\r\ncontent-length: 3\r\n", false),
            ("content-length: / HTTP/1.1\r\n\r\n", false),
            ("", false),
        ] {
            assert_eq!(has_content_length(head.as_bytes()), expected, "{head:?}");
        }
    }
}
