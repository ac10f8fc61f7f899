//! What a client gets where the answer is not the upstream's: a status and OpenAI's error envelope.
//!
//! The table is [`Cause::row`]; every message tells its reader what to do next.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::{config::ConfigError, cors::Cors};

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Why a request got no answer from the upstream, ready to be sent.
#[derive(Debug)]
pub struct Rejection {
    cause: Cause,
    cors: Cors,
    detail: Option<String>,
}

/// One row of the table of rejections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cause {
    MissingKey,
    InvalidKey,
    AmbiguousKey,
    InvalidPath,
    Administration,
    Method,
    Headers,
    Unreachable,
    OwnersKeyRefused,
    Timeout,
    TooLarge,
    Misconfigured,
}

/// How the sending of an admitted request failed before there was an answer's head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UpstreamFailure {
    /// No connection, or it broke before the answer's head.
    Unreachable,
    /// No head in time.
    Timeout,
    /// The answer is more than the adapter's surroundings can carry.
    TooLarge,
}

struct Row {
    status: StatusCode,
    /// `error.code`, and the name in logs.
    code: &'static str,
    message: &'static str,
    /// Headers that this cause alone bears.
    header: Option<(HeaderName, HeaderValue)>,
    /// Whether asking again unchanged can help.
    retry: bool,
}

impl Cause {
    fn row(self) -> Row {
        let row = |status, code, message| Row { status, code, message, header: None, retry: false };
        let challenge = |value| Some((header::WWW_AUTHENTICATE, HeaderValue::from_static(value)));
        match self {
            Self::MissingKey => Row {
                header: challenge("Bearer"),
                ..row(
                    StatusCode::UNAUTHORIZED,
                    "missing_api_key",
                    "You didn't provide an access key. Send the one that you were given in the header \
                     'Authorization: Bearer YOUR_KEY', or as api_key in an OpenAI client.",
                )
            },
            Self::InvalidKey => Row {
                header: challenge("Bearer error=\"invalid_token\""),
                ..row(
                    StatusCode::UNAUTHORIZED,
                    "invalid_api_key",
                    "This access key is not valid here. Look for a missing or added character, or ask \
                     the person who runs this proxy for a new key.",
                )
            },
            Self::AmbiguousKey => row(
                StatusCode::BAD_REQUEST,
                "ambiguous_api_key",
                "This request presents more than one access key. Send one key, in one header.",
            ),
            Self::InvalidPath => row(
                StatusCode::BAD_REQUEST,
                "invalid_path",
                "This path can't be forwarded: it holds a '.' or '..' component, a backslash or a control \
                 character. Use a path of OpenAI's API, such as /v1/responses.",
            ),
            Self::Administration => row(
                StatusCode::FORBIDDEN,
                "route_not_allowed",
                "Paths below /v1/organization and /v1/projects administer the owner's account and are closed \
                 here. Ask the person who runs this proxy.",
            ),
            Self::Method => Row {
                header: Some((header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))),
                ..row(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "method_not_allowed",
                    "CONNECT and TRACE are not served here. Use one of the methods in the header 'Allow'.",
                )
            },
            Self::Headers => row(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "too_many_headers",
                "This request has too many headers. Send fewer.",
            ),
            Self::Unreachable => Row {
                retry: true,
                ..row(
                    StatusCode::BAD_GATEWAY,
                    "upstream_unreachable",
                    "The proxy got no answer from the upstream API. Try again; if it goes on, tell the person \
                     who runs this proxy.",
                )
            },
            Self::OwnersKeyRefused => row(
                StatusCode::BAD_GATEWAY,
                "upstream_auth_failed",
                "The upstream API refused the key of this proxy's owner. Your access key is fine. Tell the \
                 person who runs this proxy to look at OPENAI_API_KEY.",
            ),
            Self::Timeout => Row {
                retry: true,
                ..row(
                    StatusCode::GATEWAY_TIMEOUT,
                    "upstream_timeout",
                    "The upstream API gave no answer in time. Try again, or ask for less at once.",
                )
            },
            Self::TooLarge => row(
                StatusCode::BAD_GATEWAY,
                "answer_too_large",
                "The upstream API's answer is larger than this proxy can pass on. Ask for less at once, or ask the \
                 person who runs this proxy to let answers stream.",
            ),
            Self::Misconfigured => row(
                StatusCode::INTERNAL_SERVER_ERROR,
                "misconfigured",
                "This proxy's settings are wrong. Tell the person who runs it:",
            ),
        }
    }
}

impl Rejection {
    pub(crate) fn new(cause: Cause, cors: Cors) -> Self {
        Self { cause, cors, detail: None }
    }

    /// For adapters that must answer though their settings are wrong: names the settings, and no secret.
    #[must_use]
    pub fn misconfigured(error: &ConfigError) -> Self {
        let detail = error.to_string().replace('\n', "; ");
        Self { cause: Cause::Misconfigured, cors: Cors::any_origin(), detail: Some(detail) }
    }

    /// A name for logs: `error.code`, and `missing_api_key` where that is null.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.cause.row().code
    }

    /// The whole answer to the client.
    #[must_use]
    pub fn to_response(&self) -> Response<Bytes> {
        let Row { status, code, message, header, retry } = self.cause.row();
        let message = match &self.detail {
            Some(detail) => Cow::Owned(format!("{message} {detail}")),
            None => Cow::Borrowed(message),
        };
        let kind = if status.is_client_error() { "invalid_request_error" } else { "server_error" };
        // OpenAI answers a request without a key with a null code.
        let code = if self.cause == Cause::MissingKey { Cow::Borrowed("null") } else { Cow::Owned(json_string(code)) };
        let message = json_string(&message);
        let body =
            [r#"{"error":{"message":"#, &message, r#","type":""#, kind, r#"","param":null,"code":"#, &code, "}}"]
                .concat();

        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        if !retry {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        headers.extend(header);
        self.cors.mark(&mut headers);

        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// A JSON string literal ([RFC 8259 §7](https://www.rfc-editor.org/rfc/rfc8259#section-7)).
pub(crate) fn json_string(text: &str) -> String {
    // Nearly every text passes whole, and is copied at once.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'!' | b'#'..=b'[' | b']'..=b'~')) {
        return ["\"", text, "\""].concat();
    }
    let mut literal = String::with_capacity(text.len().saturating_add(2));
    literal.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            c if c.is_control() => literal.extend(format!("\\u{:04x}", u32::from(c)).chars()),
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_does_not_take_is_escaped() {
        for (text, literal) in [
            ("", r#""""#),
            (" plain~!#[] é", r#"" plain~!#[] é""#),
            (r#"a"b"#, r#""a\"b""#),
            (r"a\", r#""a\\""#),
            ("a\nb", r#""a\u000ab""#),
            ("\u{7f}", r#""\u007f""#),
            ("\u{9f}", r#""\u009f""#),
        ] {
            assert_eq!(json_string(text), literal);
        }
    }
}
