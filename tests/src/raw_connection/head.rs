//! The head of a message, byte for byte.

/// The head of a request or a response.
#[derive(Clone, Debug)]
pub struct Head {
    /// All bytes, including the empty line.
    pub raw: Vec<u8>,
    /// The start line, without its line end.
    pub line: String,
    /// In the order received; names as received.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    pub(super) fn parse(raw: Vec<u8>) -> Self {
        let mut lines = raw.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let line = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let headers = lines.take_while(|line| !line.is_empty()).map(|line| {
            let colon = line.iter().position(|byte| *byte == b':').expect("a header has a colon");
            (String::from_utf8_lossy(&line[..colon]).into_owned(), line[colon + 1..].trim_ascii().to_vec())
        });
        let headers = headers.collect();
        Self { raw, line, headers }
    }

    /// A word of the start line: a request's method and target are 0 and 1, a response's status is 1.
    #[must_use]
    pub fn word(&self, at: usize) -> &str {
        self.line.split(' ').nth(at).unwrap_or_default()
    }

    /// A response's status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.word(1).parse().expect("a response has a status")
    }

    /// All values of a header, in order.
    pub fn all<'a, 'b>(&'a self, name: &'b str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'b> {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }

    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next().and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Whether the body is chunked.
    #[must_use]
    pub fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    /// The value of `Content-Length`.
    #[must_use]
    pub fn content_length(&self) -> Option<usize> {
        self.header("content-length").map(|value| value.parse().expect("a length is a number"))
    }
}
