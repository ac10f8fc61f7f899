//! Finds the end of a request head over HTTP/1.1 and its `content-length`, because hyper removes that header beside
//! `transfer-encoding`.

/// The name to find, with the colon that must follow it
/// ([RFC 9112 §5.1](https://www.rfc-editor.org/rfc/rfc9112#section-5.1)).
const CONTENT_LENGTH: &[u8] = b"content-length:";

/// The state of a scan.
#[derive(Debug, Default)]
pub(crate) struct HeadScan {
    /// The start of a line that has not arrived completely.
    partial: Vec<u8>,
    /// Whether the request line was seen: empty lines before it are ignored
    /// ([RFC 9112 §2.2](https://www.rfc-editor.org/rfc/rfc9112#section-2.2)).
    has_request_line: bool,
    has_content_length: bool,
    is_complete: bool,
}

impl HeadScan {
    /// Reads the next bytes and returns whether the head is complete. Bytes after the head are ignored.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> bool {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            if self.is_complete {
                break;
            }
            self.read_line(&bytes[start..end]);
            start = end + 1;
        }
        if !self.is_complete {
            let missing = CONTENT_LENGTH.len() - self.partial.len();
            self.partial.extend_from_slice(&bytes[start..][..missing.min(bytes.len() - start)]);
        }
        self.is_complete
    }

    pub(crate) fn has_content_length(&self) -> bool {
        self.has_content_length
    }

    /// Reads the rest of a line, without its line feed.
    fn read_line(&mut self, rest: &[u8]) {
        if self.partial.is_empty() {
            return self.read_whole_line(rest);
        }
        let mut line = std::mem::take(&mut self.partial);
        line.extend_from_slice(&rest[..rest.len().min(CONTENT_LENGTH.len())]);
        self.read_whole_line(&line);
    }

    fn read_whole_line(&mut self, line: &[u8]) {
        if line.is_empty() || line == b"\r" {
            self.is_complete = self.has_request_line;
            return;
        }
        self.has_request_line = true;
        let name = line.get(..CONTENT_LENGTH.len());
        self.has_content_length |= name.is_some_and(|name| name.eq_ignore_ascii_case(CONTENT_LENGTH));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n";
    const NO_LENGTH: &[u8] = b"GET / HTTP/1.1\nX-Content-Length: 3\nHost: x\n\n";

    fn scan(parts: &[&[u8]]) -> (bool, bool) {
        let mut scan = HeadScan::default();
        let complete: Vec<bool> = parts.iter().map(|part| scan.read(part)).collect();
        (complete.last() == Some(&true), scan.has_content_length())
    }

    #[test]
    fn split_invariance() {
        for at in 0..=HEAD.len() {
            for and in at..=HEAD.len() {
                assert_eq!(scan(&[&HEAD[..at], &HEAD[at..and], &HEAD[and..]]), (true, true), "{at} {and}");
            }
        }
        for at in 0..=NO_LENGTH.len() {
            assert_eq!(scan(&[&NO_LENGTH[..at], &NO_LENGTH[at..]]), (true, false), "{at}");
        }
    }

    #[test]
    fn incomplete_heads() {
        for end in 0..HEAD.len() {
            assert!(!scan(&[&HEAD[..end]]).0, "{end}");
        }
        assert_eq!(scan(&[b"\r\n\r\n\n"]), (false, false));
    }

    #[test]
    fn body_is_ignored() {
        assert_eq!(scan(&[b"GET / HTTP/1.1\r\n\r\ncontent-length: 3\r\n"]), (true, false));
        assert_eq!(scan(&[b"GET / HTTP/1.1\r\n\r\n", b"content-length: 3\r\n\r\n"]), (true, false));
    }
}
