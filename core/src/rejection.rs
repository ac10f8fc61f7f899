//! Error responses: a status and [OpenAI's error envelope](https://platform.openai.com/docs/guides/error-codes).
//!
//! [`RejectionKind::spec`] is the table. Every message says what to do next.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use sparekey_policy::Rates;

use crate::{
    cors::Cors,
    error_code::UPSTREAM_AUTH_FAILED,
    error_spec::Spec,
    failure::{HeadFailure, UpstreamFailure},
    json,
    limit_rejection::LimitRejection,
    open_routes::RouteError,
    path::AmbiguousPath,
    rate_headers,
    response_facts::REQUEST_ID,
    routes::METHODS,
    user_key::UserKey,
};

/// OpenAI's SDKs repeat a request or not by this header, whatever the status
/// ([openai-python](https://github.com/openai/openai-python/blob/main/src/openai/_base_client.py)).
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// An error response, ready to be sent.
#[derive(Debug)]
pub struct Rejection {
    kind: RejectionKind,
    cors: Cors,
    /// Parts that few error responses have.
    details: Option<Box<Details>>,
}

#[derive(Debug, Default)]
struct Details {
    /// `x-request-id` of the upstream's response, so that the owner can ask OpenAI about it.
    request_id: Option<HeaderValue>,
    /// The user's remaining rates.
    rates: Option<Rates>,
    /// The access key, where it is valid and limits refuse the request.
    key: Option<UserKey>,
}

/// One row of the table of rejections.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum RejectionKind {
    /// Because of a user's limits.
    Limit(Box<LimitRejection>),
    MissingKey,
    InvalidKey,
    OpenAiKey,
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
    Interrupted,
    InvalidBody,
    ApiKeyRefused,
    Timeout,
    TooLarge,
    NoModelList,
    Misconfigured,
    UnknownUsers,
}

impl Rejection {
    pub(crate) fn new(kind: RejectionKind, cors: Cors) -> Self {
        Self { kind, cors, details: None }
    }

    pub(crate) fn with_key(mut self, key: UserKey) -> Self {
        self.details.get_or_insert_default().key = Some(key);
        self
    }

    /// Returns the error response with the user's remaining rates.
    #[must_use]
    pub fn with_rates(mut self, rates: Rates) -> Self {
        self.details.get_or_insert_default().rates = Some(rates);
        self
    }

    pub(crate) fn with_request_id(mut self, request_id: Option<HeaderValue>) -> Self {
        self.details.get_or_insert_default().request_id = request_id;
        self
    }

    /// Creates the error response of an adapter that serves requests although its settings are invalid. Its text names
    /// no setting; the adapter logs the problems for the owner.
    #[must_use]
    pub fn misconfigured() -> Self {
        Self::new(RejectionKind::Misconfigured, Cors::any_origin())
    }

    /// Returns the code for logs and metrics: `error.code`, or `missing_api_key` where that is null.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.spec().code
    }

    /// Returns the access key of the request, if it is valid, and limits of its user refuse the request.
    #[must_use]
    pub fn key(&self) -> Option<&UserKey> {
        self.details.as_ref()?.key.as_ref()
    }

    /// Returns the response to the client.
    #[must_use]
    pub fn to_response(&self) -> Response<Bytes> {
        let Spec { status, error_type, code, message, param, header, retry } = self.kind.spec();
        // OpenAI sends a null code to a request without a key.
        let code = if self.kind == RejectionKind::MissingKey {
            Cow::Borrowed("null")
        } else {
            Cow::Owned(json::string_literal(code))
        };
        let message = json::string_literal(&message);
        let param = param.map_or(Cow::Borrowed("null"), |param| Cow::Owned(json::string_literal(&param)));
        let parts = [
            r#"{"error":{"message":"#,
            &message,
            r#","type":""#,
            error_type,
            r#"","param":"#,
            &param,
            r#","code":"#,
            &code,
        ];
        let body = parts.concat() + "}}\n";

        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        if !retry {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        headers.extend(header);
        if let Some(details) = &self.details {
            headers.extend(details.request_id.clone().map(|id| (REQUEST_ID, id)));
            if let Some(rates) = &details.rates {
                rate_headers::set(&mut headers, rates);
            }
        }
        self.cors.apply(&mut headers);

        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

impl RejectionKind {
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn spec(&self) -> Spec {
        let spec = |status, code, message: &'static str| Spec::new(status, code, message);
        // RFC 6750 §3: https://www.rfc-editor.org/rfc/rfc6750#section-3
        let challenge = |value| Some((header::WWW_AUTHENTICATE, HeaderValue::from_static(value)));
        match self {
            Self::Limit(limit) => limit.spec(),
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
                    "Incorrect API key provided. This access key is not valid here. Send the key itself in the header \
                     'Authorization: Bearer YOUR_KEY', look for a missing or added character, or ask the owner of this \
                     proxy for a new key.",
                )
            },
            Self::OpenAiKey => Spec {
                message:
                    "Incorrect API key provided. This is an API key of OpenAI, which this proxy does not accept. Use \
                          the access key that the owner of this proxy gave you."
                        .into(),
                ..Self::InvalidKey.spec()
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
                "This route administers the owner's account and is always closed. Use another route.",
            ),
            Self::RouteClosed => spec(
                StatusCode::FORBIDDEN,
                "route_not_allowed",
                "This route is closed. The owner of this proxy can open it with the setting ROUTES.",
            ),
            Self::UnknownRoute => spec(
                StatusCode::NOT_FOUND,
                "unknown_url",
                "Unknown route. Check method and path, such as POST /v1/responses. The owner of this proxy can open other \
                 routes with the setting ROUTES.",
            ),
            Self::KeyInTarget => spec(
                StatusCode::BAD_REQUEST,
                "key_in_url",
                "The URL of this request contains a key. URLs are written to logs: send the key only in the header \
                 'Authorization: Bearer YOUR_KEY', and ask the owner of this proxy for a new one.",
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
                    "The upstream API processed nothing of this request: it could not be reached, or refused it. Try again. If the \
                     error persists, contact the owner of this proxy.",
                )
            },
            Self::Interrupted => spec(
                StatusCode::BAD_GATEWAY,
                "upstream_failed",
                "The upstream API broke off after the request was sent, and may have processed it. Send it again only if it \
                 may run twice.",
            ),
            Self::InvalidBody => spec(
                StatusCode::BAD_REQUEST,
                "invalid_body",
                "The body of this request ended early, is longer or shorter than its 'Content-Length', or has a malformed \
                 chunk. Send the whole body.",
            ),
            Self::ApiKeyRefused => spec(
                StatusCode::BAD_GATEWAY,
                UPSTREAM_AUTH_FAILED,
                "The upstream API refused the owner's credentials for this request: the API key, its scopes, the \
                 organization, the project or the address. Your access key is valid. Ask the owner of this proxy, whose log \
                 has the reason.",
            ),
            Self::Timeout => spec(
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_timeout",
                "The upstream API sent no response in time, and may have processed the request. Send a smaller request, or \
                 stream the response.",
            ),
            Self::TooLarge => spec(
                StatusCode::BAD_GATEWAY,
                "answer_too_large",
                "The upstream API's response is larger than this proxy can forward. Request less at once, or ask the \
                 owner of this proxy to enable streaming.",
            ),
            Self::NoModelList => spec(
                StatusCode::BAD_GATEWAY,
                "upstream_failed",
                "The upstream API sent no list of models that this proxy can read, so it cannot show those of your access \
                 key. Name a model without the list, or contact the owner of this proxy.",
            ),
            Self::Misconfigured => spec(
                StatusCode::INTERNAL_SERVER_ERROR,
                "misconfigured",
                "The settings of this proxy are invalid. Its owner finds the reason in its log.",
            ),
            Self::UnknownUsers => spec(
                StatusCode::SERVICE_UNAVAILABLE,
                "misconfigured",
                "The list of users of this proxy is invalid or cannot be read. Its owner finds the reason in its log.",
            ),
        }
    }
}

impl From<LimitRejection> for RejectionKind {
    fn from(limit: LimitRejection) -> Self {
        Self::Limit(Box::new(limit))
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
            UpstreamFailure::Interrupted => Self::Interrupted,
            UpstreamFailure::InvalidBody => Self::InvalidBody,
            UpstreamFailure::Timeout => Self::Timeout,
            UpstreamFailure::TooLarge => Self::TooLarge,
            UpstreamFailure::NoModelList => Self::NoModelList,
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
