//! Error responses: a status and [OpenAI's error envelope](https://platform.openai.com/docs/guides/error-codes).
//!
//! [`RejectionKind::spec`] is the table. Every message says what to do next.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use crate::{cors::Cors, json, open_routes::RouteError, path::AmbiguousPath, routes::METHODS};

/// OpenAI's SDKs repeat a request or not by this header, whatever the status
/// ([openai-python](https://github.com/openai/openai-python/blob/main/src/openai/_base_client.py)).
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// An error response, ready to be sent.
#[derive(Debug)]
pub struct Rejection {
    kind: RejectionKind,
    cors: Cors,
}

/// One row of the table of rejections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RejectionKind {
    MissingKey,
    InvalidKey,
    AmbiguousKey,
    InvalidPath,
    MalformedHead,
    ConflictingFraming,
    UriTooLong,
    KeyInTarget,
    Host,
    RouteClosed,
    UnknownRoute,
    Administration,
    Method,
    Headers,
    TooManyRequests,
    Unreachable,
    ApiKeyRefused,
    Timeout,
    TooLarge,
    Misconfigured,
}

/// Why a request has no head that the gate could admit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum HeadFailure {
    /// The target is not a URI.
    Target,
    /// Not valid HTTP.
    Malformed,
    /// Both `content-length` and `transfer-encoding`
    /// ([RFC 9112 §6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)).
    ConflictingFraming,
    /// The target is longer than the adapter allows.
    UriTooLong,
    /// More headers, or longer ones, than the adapter allows.
    HeadersTooLarge,
}

/// Why an admitted request has no response head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum UpstreamFailure {
    /// No connection, or it broke before the response head.
    Unreachable,
    /// No response head in time.
    Timeout,
    /// The response is larger than the adapter's platform allows.
    TooLarge,
}

/// A row of the table.
struct Spec {
    status: StatusCode,
    /// `error.type`.
    error_type: &'static str,
    /// `error.code`, and the code in logs and metrics.
    code: &'static str,
    message: &'static str,
    /// A header of this kind only.
    header: Option<(HeaderName, HeaderValue)>,
    /// Whether the same request may succeed later.
    retry: bool,
}

impl Rejection {
    pub(crate) fn new(kind: RejectionKind, cors: Cors) -> Self {
        Self { kind, cors }
    }

    /// Creates the error response of an adapter that serves requests although its settings are invalid. Its text is for
    /// anybody; the adapter logs the problems for the owner.
    #[must_use]
    pub fn misconfigured() -> Self {
        Self { kind: RejectionKind::Misconfigured, cors: Cors::any_origin() }
    }

    /// Returns the code for logs and metrics: `error.code`, or `missing_api_key` where that is null.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.spec().code
    }

    /// Returns the response to the client.
    #[must_use]
    pub fn to_response(&self) -> Response<Bytes> {
        let Spec { status, error_type, code, message, header, retry } = self.kind.spec();
        // OpenAI sends a null code to a request without a key.
        let code = if self.kind == RejectionKind::MissingKey {
            Cow::Borrowed("null")
        } else {
            Cow::Owned(json::string_literal(code))
        };
        let message = json::string_literal(message);
        let body =
            [r#"{"error":{"message":"#, &message, r#","type":""#, error_type, r#"","param":null,"code":"#, &code, "}}"]
                .concat();

        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        if !retry {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        headers.extend(header);
        self.cors.apply(&mut headers);

        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

impl RejectionKind {
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn spec(self) -> Spec {
        let spec = |status: StatusCode, code, message| {
            let error_type = if status.is_client_error() { "invalid_request_error" } else { "server_error" };
            Spec { status, error_type, code, message, header: None, retry: false }
        };
        // RFC 6750 §3: https://www.rfc-editor.org/rfc/rfc6750#section-3
        let challenge = |value| Some((header::WWW_AUTHENTICATE, HeaderValue::from_static(value)));
        match self {
            Self::MissingKey => Spec {
                header: challenge("Bearer"),
                ..spec(
                    StatusCode::UNAUTHORIZED,
                    "missing_api_key",
                    "You didn't provide an access key. Send your key in the header 'Authorization: Bearer YOUR_KEY', \
                     or as api_key in an OpenAI client.",
                )
            },
            Self::InvalidKey => Spec {
                header: challenge("Bearer error=\"invalid_token\""),
                ..spec(
                    StatusCode::UNAUTHORIZED,
                    "invalid_api_key",
                    "This access key is not valid here. Look for a missing or added character, or ask the owner of \
                     this proxy for a new key.",
                )
            },
            Self::AmbiguousKey => spec(
                StatusCode::BAD_REQUEST,
                "ambiguous_api_key",
                "This request contains more than one access key. Send one key, in one header.",
            ),
            Self::InvalidPath => spec(
                StatusCode::BAD_REQUEST,
                "invalid_path",
                "This path or query can't be forwarded: it contains a '.' or '..' segment, a backslash, a control \
                 character or a character that is not ASCII. Use a path of OpenAI's API, such as /v1/responses.",
            ),
            Self::MalformedHead => spec(
                StatusCode::BAD_REQUEST,
                "malformed_request",
                "This request is not valid HTTP. Check the client, and its base URL: 'https://' needs a proxy that serves \
                 HTTPS.",
            ),
            Self::ConflictingFraming => spec(
                StatusCode::BAD_REQUEST,
                "conflicting_framing",
                "This request has both 'Content-Length' and 'Transfer-Encoding'. Send one of them (RFC 9112, section \
                 6.3).",
            ),
            Self::UriTooLong => spec(
                StatusCode::URI_TOO_LONG,
                "uri_too_long",
                "The URL of this request is too long. Send the data in the body.",
            ),
            Self::Administration => spec(
                StatusCode::FORBIDDEN,
                "route_not_allowed",
                "This route administers the owner's account and is always closed. Ask the person who runs this proxy.",
            ),
            Self::RouteClosed => spec(
                StatusCode::FORBIDDEN,
                "route_not_allowed",
                "This route is closed. The person who runs this proxy can open it with the setting ROUTES.",
            ),
            Self::UnknownRoute => spec(
                StatusCode::NOT_FOUND,
                "unknown_url",
                "Unknown route. Check method and path, such as POST /v1/responses. The person who runs this proxy can \
                 open other routes with the setting ROUTES.",
            ),
            Self::KeyInTarget => spec(
                StatusCode::BAD_REQUEST,
                "key_in_url",
                "The URL of this request contains a key. URLs are written to logs: send the key only in the header \
                 'Authorization: Bearer YOUR_KEY', and ask the person who runs this proxy for a new one.",
            ),
            Self::Host => spec(
                StatusCode::BAD_REQUEST,
                "invalid_host",
                "A request over HTTP/1.1 needs exactly one 'Host' header (RFC 9112, section 3.2).",
            ),
            Self::Method => Spec {
                header: HeaderValue::try_from(METHODS.each_ref().map(Method::as_str).join(", "))
                    .ok()
                    .map(|value| (header::ALLOW, value)),
                ..spec(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "method_not_allowed",
                    "This method is not supported. Use one of the methods in the header 'Allow'.",
                )
            },
            // https://www.rfc-editor.org/rfc/rfc6585#section-5
            Self::Headers => spec(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "headers_too_large",
                "This request has too many headers, or too large ones. Send fewer.",
            ),
            Self::TooManyRequests => Spec {
                error_type: "requests",
                header: Some((header::RETRY_AFTER, HeaderValue::from_static("1"))),
                retry: true,
                ..spec(
                    StatusCode::TOO_MANY_REQUESTS,
                    "rate_limit_exceeded",
                    "You have too many open requests. Wait until some have ended, or ask the owner of this proxy to raise \
                     MAX_REQUESTS_PER_USER.",
                )
            },
            Self::Unreachable => Spec {
                retry: true,
                ..spec(
                    StatusCode::BAD_GATEWAY,
                    "upstream_unreachable",
                    "The proxy received no response from the upstream API. Try again. If the error persists, contact \
                     the owner of this proxy.",
                )
            },
            Self::ApiKeyRefused => spec(
                StatusCode::BAD_GATEWAY,
                "upstream_auth_failed",
                "The upstream API rejected the owner's API key. Your access key is valid. Ask the owner of this proxy to \
                 check OPENAI_API_KEY.",
            ),
            Self::Timeout => Spec {
                retry: true,
                ..spec(
                    StatusCode::GATEWAY_TIMEOUT,
                    "upstream_timeout",
                    "The upstream API sent no response in time. Try again, or send a smaller request.",
                )
            },
            Self::TooLarge => spec(
                StatusCode::BAD_GATEWAY,
                "answer_too_large",
                "The upstream API's response is larger than this proxy can forward. Request less at once, or ask the \
                 owner of this proxy to enable streaming.",
            ),
            Self::Misconfigured => spec(
                StatusCode::INTERNAL_SERVER_ERROR,
                "misconfigured",
                "The settings of this proxy are invalid. Its owner finds the reason in its log.",
            ),
        }
    }
}

impl HeadFailure {
    /// Returns the failure for which an HTTP library responds with this status.
    #[must_use]
    pub fn from_status(status: StatusCode) -> Self {
        match status {
            StatusCode::URI_TOO_LONG => Self::UriTooLong,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Self::HeadersTooLarge,
            _ => Self::Malformed,
        }
    }
}

impl From<HeadFailure> for RejectionKind {
    fn from(failure: HeadFailure) -> Self {
        match failure {
            HeadFailure::Target => Self::InvalidPath,
            HeadFailure::Malformed => Self::MalformedHead,
            HeadFailure::ConflictingFraming => Self::ConflictingFraming,
            HeadFailure::UriTooLong => Self::UriTooLong,
            HeadFailure::HeadersTooLarge => Self::Headers,
        }
    }
}

impl From<UpstreamFailure> for RejectionKind {
    fn from(failure: UpstreamFailure) -> Self {
        match failure {
            UpstreamFailure::Unreachable => Self::Unreachable,
            UpstreamFailure::Timeout => Self::Timeout,
            UpstreamFailure::TooLarge => Self::TooLarge,
        }
    }
}

impl From<AmbiguousPath> for RejectionKind {
    fn from(_: AmbiguousPath) -> Self {
        Self::InvalidPath
    }
}

impl From<RouteError> for RejectionKind {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::Closed => Self::RouteClosed,
            RouteError::Unknown => Self::UnknownRoute,
            RouteError::Administration => Self::Administration,
        }
    }
}
