//! Error responses because of a user's limits. Their texts contain values, unlike those of other rejections.

use std::{fmt, net::IpAddr, num::NonZeroU32, time::Duration};

use http::{HeaderValue, StatusCode, header};
use sparekey_policy::{BodyFailure, Denial, DeniedBy, Limits, Timestamp};

use crate::error_spec::{Spec, seconds};

/// Why a user's limits refuse a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum LimitRejection {
    /// The key, or the user, ended at this instant.
    Expired(Timestamp),
    /// The client's address is in none of the user's networks.
    Address(Option<IpAddr>),
    Route,
    /// The user may use some models only, and the route does not show its model.
    HiddenModel,
    Model {
        /// `None`: the request names no model.
        model: Option<Box<str>>,
        param: Box<str>,
        allowed: String,
    },
    /// A WebSocket of the Responses API carries many requests, which are not read.
    WebSocket,
    /// This rejection of a WebSocket of the Responses API, with a status at which its clients use HTTP.
    Upgrade(Box<LimitRejection>),
    Requests {
        per_minute: u32,
        retry_after: Duration,
    },
    Concurrency {
        limit: u32,
        retry_after: Duration,
    },
    /// Because of limits on money and tokens.
    Spending(Box<Spec>),
    /// The proxy cannot decide whether the user's limits admit the request.
    Undecided,
    Body(BodyFailure),
}

impl From<Spec> for LimitRejection {
    fn from(spec: Spec) -> Self {
        Self::Spending(Box::new(spec))
    }
}

impl LimitRejection {
    /// There is no place for the request.
    pub(crate) fn place(denial: &Denial, limits: &Limits) -> Self {
        let retry_after = denial.retry_after.unwrap_or_default();
        match denial.which {
            DeniedBy::Requests => {
                Self::Requests { per_minute: limits.requests_per_minute.map_or(0, NonZeroU32::get), retry_after }
            }
            DeniedBy::Concurrency => Self::Concurrency { limit: limits.concurrency().unwrap_or(0), retry_after },
            // Only the ledger has these limits.
            DeniedBy::Tokens | DeniedBy::Budget(_) | DeniedBy::Held(_) => Self::Undecided,
        }
    }

    pub(crate) fn spec(&self) -> Spec {
        match self {
            Self::Expired(at) => Spec {
                header: Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""))),
                ..Spec::new(
                    StatusCode::UNAUTHORIZED,
                    "expired_api_key",
                    format!("This access key ended on {at}. Ask the owner of this proxy for a new one."),
                )
            },
            Self::Address(address) => Spec::new(
                StatusCode::FORBIDDEN,
                "ip_not_authorized",
                format!(
                    "Your access key does not work from this address, {}. Ask the owner of this proxy to add it to your \
                     networks.",
                    Address(*address)
                ),
            ),
            Self::Route => Spec::new(
                StatusCode::FORBIDDEN,
                "route_not_allowed",
                "Your access key does not open this route. Ask the owner of this proxy to add it to your routes.",
            ),
            Self::HiddenModel => Spec::new(
                StatusCode::FORBIDDEN,
                "route_not_allowed",
                "Your access key is for some models only, and a request to this route does not show its model. Use another \
                 route, such as POST /v1/responses.",
            ),
            Self::Model { model, param, allowed } => Spec {
                param: Some(param.to_string()),
                ..Spec::new(
                    StatusCode::FORBIDDEN,
                    "model_not_found",
                    match model {
                        Some(model) => {
                            format!("Your access key is not for the model '{model}'. Use one of: {allowed}.")
                        }
                        None => format!("This request names no model. Set 'model' to one of: {allowed}."),
                    },
                )
            },
            Self::WebSocket => Spec::new(
                StatusCode::UPGRADE_REQUIRED,
                "websocket_not_allowed",
                "Your access key does not open WebSockets of the Responses API. Send POST /v1/responses.",
            ),
            Self::Upgrade(reason) => Spec {
                status: StatusCode::UPGRADE_REQUIRED,
                header: Some((header::UPGRADE, HeaderValue::from_static("HTTP/1.1"))),
                retry: false,
                ..reason.spec()
            },
            Self::Spending(spec) => (**spec).clone(),
            Self::Requests { per_minute, retry_after } => rate_limit(
                "requests",
                format!("You may send {per_minute} requests per minute. Try again in {} s.", seconds(*retry_after)),
                *retry_after,
            ),
            Self::Concurrency { limit, retry_after } => rate_limit(
                "requests",
                format!("You may have {limit} open requests. Try again when one has ended."),
                *retry_after,
            ),
            Self::Undecided => Spec::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "misconfigured",
                "This proxy cannot check your limits. Ask its owner to look at the log.",
            ),
            Self::Body(failure) => body_failure(failure),
        }
    }
}

fn body_failure(failure: &BodyFailure) -> Spec {
    match failure {
        BodyFailure::Invalid { message, param } => {
            Spec { param: param.clone(), ..Spec::new(StatusCode::BAD_REQUEST, "invalid_body", message.clone()) }
        }
        BodyFailure::Encoding(message) => {
            Spec::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", message.clone())
        }
        BodyFailure::TooLarge(limit) => Spec::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "request_too_large",
            format!("The body of this request is longer than {limit} bytes. Send a shorter one."),
        ),
        BodyFailure::TimedOut(limit) => Spec::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            format!("The body of this request took longer than {} s. Send it faster, or send less.", limit.as_secs()),
        ),
        BodyFailure::Incomplete => Spec::new(
            StatusCode::BAD_REQUEST,
            "invalid_body",
            "The body of this request ended early, is longer or shorter than its 'Content-Length', or has a malformed \
             chunk. Send the whole body.",
        ),
        BodyFailure::OwnMemory => overloaded("Your other requests take all the memory for your bodies. Try again."),
        BodyFailure::Memory => overloaded("This proxy has no memory for the body of this request. Try again."),
    }
}

pub(crate) fn rate_limit(error_type: &'static str, message: String, retry_after: Duration) -> Spec {
    let spec = Spec { error_type, ..Spec::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message) };
    spec.with_retry(retry_after)
}

fn overloaded(message: &'static str) -> Spec {
    Spec::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message).with_retry(Duration::from_secs(1))
}

struct Address(Option<IpAddr>);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("which is not known"),
        }
    }
}
