//! The error in the body of an upstream's response.

use std::{io::Read as _, time::Duration};

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::{header::CONTENT_ENCODING, response};
use serde::Deserialize;
use serde_json::Value;
use sparekey_upstream::ResponseBody;

/// Bytes of the body that are read, compressed or not. OpenAI's errors have less than 1 KiB.
const BODY_MAX: usize = 16 * 1024;

/// The error of an upstream. It can contain parts of the API key.
#[derive(Debug)]
pub(crate) struct UpstreamError {
    /// `-` if the body has none.
    pub(crate) code: String,
    /// The whole body if that is no error of OpenAI's form.
    pub(crate) message: String,
}

/// [OpenAI's error envelope](https://platform.openai.com/docs/guides/error-codes).
#[derive(Deserialize)]
struct Envelope {
    error: ErrorObject,
}

#[derive(Deserialize)]
struct ErrorObject {
    /// OpenAI's is a text; some compatible services send a number.
    #[serde(default)]
    code: Value,
    message: String,
}

impl UpstreamError {
    /// Reads it from the start of a body, which stays whole.
    pub(crate) async fn read(head: &response::Parts, body: &mut ResponseBody, wait: Duration) -> Self {
        let text = text(head, body, wait).await;
        Self::parse(text.unwrap_or_else(|| format!("(a body with the content encoding {})", encoding(head))))
    }

    pub(crate) fn parse(text: String) -> Self {
        let (code, message) = match serde_json::from_str(&text) {
            Ok(Envelope { error: ErrorObject { code, message } }) => (code, message),
            Err(_) => (Value::Null, text),
        };
        let code = match code {
            Value::String(code) => code,
            Value::Number(code) => code.to_string(),
            _ => "-".to_owned(),
        };
        Self { code, message }
    }
}

/// The text at the start of a body, which stays whole; `None` if its encoding is not read.
pub(crate) async fn text(head: &response::Parts, body: &mut ResponseBody, wait: Duration) -> Option<String> {
    decode(encoding(head), &body.peek(BODY_MAX, wait).await)
}

/// The encoding of a body.
pub(crate) fn encoding(head: &response::Parts) -> &str {
    head.headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("identity")
}

/// The text of a body; `None` if its encoding is another one.
fn decode(encoding: &str, body: &[u8]) -> Option<String> {
    let mut text = Vec::new();
    let max = BODY_MAX as u64;
    // A body that was cut still has a readable start.
    let _ = match encoding.to_ascii_lowercase().as_str() {
        "identity" => body.take(max).read_to_end(&mut text),
        "gzip" | "x-gzip" => MultiGzDecoder::new(body).take(max).read_to_end(&mut text),
        "deflate" => ZlibDecoder::new(body).take(max).read_to_end(&mut text),
        _ => return None,
    };
    Some(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    #[test]
    fn codes() {
        for (code, expected) in [
            (r#""code":"invalid_api_key","#, "invalid_api_key"),
            (r#""code":401,"#, "401"),
            (r#""code":null,"#, "-"),
            ("", "-"),
        ] {
            let error = UpstreamError::parse(format!(r#"{{"error":{{{code}"message":"no"}}}}"#));
            assert_eq!((&*error.code, &*error.message), (expected, "no"));
        }
    }

    #[test]
    fn encodings() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(b"text").unwrap();
        let gzip = gzip.finish().unwrap();
        assert_eq!(decode("gzip", &gzip).unwrap(), "text");
        assert_eq!(decode("identity", b"text").unwrap(), "text");
        assert_eq!(decode("br", b"text"), None);
    }
}
