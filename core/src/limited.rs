//! A request of a user with limits: the steps before it is admitted.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, header};
use sparekey_policy::{BodyFailure, Denial, DeniedBy, Facts, Limits, ModelSource, Outcome, Report};

use crate::{
    cors::Cors,
    gate::Forward,
    grant::Grant,
    keyring::UserKey,
    limit_rejection::LimitRejection,
    rejection::{Rejection, RejectionKind},
    usage,
};

/// A request of a user with limits. Ask the user's state for a place if it has [`limits`](Self::limits), then call
/// [`reserve`](Self::reserve).
#[derive(Debug)]
pub struct Limited(ModelCheck);

/// The next step of a request that has its place among the user's requests. Read the models that it names, if it has a
/// [`facts_source`](Self::facts_source), then call [`admit`](Self::admit).
#[derive(Debug)]
pub struct ModelCheck {
    pub(crate) forward: Forward,
    pub(crate) grant: Arc<Grant>,
    pub(crate) source: Option<ModelSource>,
    /// Below the API base; empty if it is not needed.
    pub(crate) path: Box<str>,
    pub(crate) is_responses_websocket: bool,
    /// Whether the request may have a body.
    pub(crate) may_have_body: bool,
}

/// A request for the user's own limits: `GET /usage`.
#[derive(Debug)]
pub struct UsageRequest {
    key: UserKey,
    grant: Arc<Grant>,
    cors: Cors,
}

impl Limited {
    pub(crate) fn new(next: ModelCheck) -> Self {
        Self(next)
    }

    /// Returns the user.
    #[must_use]
    pub fn user(&self) -> &Arc<str> {
        self.key().user()
    }

    /// Returns the access key of the request.
    #[must_use]
    pub fn key(&self) -> &UserKey {
        self.0.forward.key()
    }

    /// Returns the error response to a user with too many open requests. Drop this request then.
    #[must_use]
    pub fn reject_too_many_requests(&self) -> Rejection {
        self.0.forward.reject_too_many_requests()
    }

    /// Returns the limits of the user's state; `None` if the request needs no place.
    #[must_use]
    pub fn limits(&self) -> Option<&Limits> {
        self.key().limits()
    }

    /// Takes the outcome of the reservation; `None` without [`limits`](Self::limits).
    ///
    /// # Errors
    /// A [`Rejection`]: send nothing of the request anywhere.
    pub fn reserve(self: Box<Self>, outcome: Option<&Outcome>) -> Result<ModelCheck, Rejection> {
        let limits = self.limits();
        match outcome {
            None if limits.is_none() => Ok(self.0),
            Some(Outcome::Granted { rates, .. }) => {
                Ok(ModelCheck { forward: self.0.forward.with_rates(*rates), ..self.0 })
            }
            Some(Outcome::Denied(denial)) => {
                let limit = limits.map_or(LimitRejection::Undecided, |limits| reason(denial, limits));
                Err(self.0.reject(limit).with_rates(denial.rates))
            }
            _ => Err(self.0.reject(LimitRejection::Undecided)),
        }
    }
}

impl ModelCheck {
    /// Returns the user.
    #[must_use]
    pub fn user(&self) -> &Arc<str> {
        self.key().user()
    }

    /// Returns the access key of the request.
    #[must_use]
    pub fn key(&self) -> &UserKey {
        self.forward.key()
    }

    /// Returns where the request names its model. `None`: nothing of the request needs to be read.
    #[must_use]
    pub fn facts_source(&self) -> Option<ModelSource> {
        self.source
    }

    /// Whether the whole body must be read: some gateways prefer a model in the body to one in the URL.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        self.source.is_some_and(|source| source.needs_body() || self.may_have_body)
    }

    /// Returns the `content-length`, if the client sent one.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.values(header::CONTENT_LENGTH).next().and_then(|value| str::from_utf8(value).ok()?.parse().ok())
    }

    /// Returns the path below the API base, if [`facts_source`](Self::facts_source) is [`ModelSource::Path`].
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the query.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.forward.head().uri.query()
    }

    /// Returns the values of `content-type`.
    pub fn content_types(&self) -> impl Iterator<Item = &[u8]> {
        self.values(header::CONTENT_TYPE)
    }

    /// Returns the values of `content-encoding`.
    pub fn content_encodings(&self) -> impl Iterator<Item = &[u8]> {
        self.values(header::CONTENT_ENCODING)
    }

    /// Whether logs may show the name of a model: it contains no key.
    #[must_use]
    pub fn is_loggable(&self, model: &str) -> bool {
        self.forward.gate().is_loggable(model.as_bytes())
    }

    /// Admits the request if the user may use the models that it names. `facts` is `None` if
    /// [`facts_source`](Self::facts_source) is.
    ///
    /// # Errors
    /// A [`Rejection`]: send nothing of the request anywhere.
    pub fn admit(self, facts: Option<&Facts>) -> Result<Forward, Rejection> {
        match facts.and_then(|facts| facts.refused_model(|model| self.grant.user().allows_model(model))) {
            None => Ok(self.forward),
            Some(refused) => Err(self.reject(LimitRejection::Model {
                model: refused.name.map(Into::into),
                param: refused.param.into(),
                allowed: self.grant.model_list(),
            })),
        }
    }

    /// Returns the error response to a request whose body cannot be used.
    #[must_use]
    pub fn reject_body(&self, failure: BodyFailure) -> Rejection {
        self.reject(LimitRejection::Body(failure))
    }

    fn values(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.forward.head().headers.get_all(name).iter().map(HeaderValue::as_bytes)
    }

    fn reject(&self, limit: LimitRejection) -> Rejection {
        self.forward.add_rates(rejection(limit, self.is_responses_websocket, self.forward.cors().clone()))
    }
}

impl UsageRequest {
    /// A user may read its limits after its end too.
    pub(crate) fn new(
        key: UserKey,
        grant: Arc<Grant>,
        cors: Cors,
        client: impl FnOnce() -> Option<IpAddr>,
    ) -> Result<Box<Self>, Rejection> {
        match grant.check_address(client) {
            Ok(()) => Ok(Box::new(Self { key, grant, cors })),
            Err(limit) => Err(rejection(limit, false, cors).with_key(key)),
        }
    }

    /// Returns the user.
    #[must_use]
    pub fn user(&self) -> &Arc<str> {
        self.key.user()
    }

    /// Returns the access key of the request.
    #[must_use]
    pub fn key(&self) -> &UserKey {
        &self.key
    }

    /// Returns the limits of the user's state.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.grant.limits()
    }

    /// Returns the response. `report` is what the user's state reports; `None` without one.
    #[must_use]
    pub fn reply(&self, report: Option<&Report>) -> Response<Bytes> {
        usage::reply(&self.key, Some(&self.grant), report, &self.cors)
    }
}

/// The error response, with status 426 for a WebSocket of the Responses API, whose clients repeat others.
pub(crate) fn rejection(limit: LimitRejection, is_responses_websocket: bool, cors: Cors) -> Rejection {
    let limit = if is_responses_websocket { LimitRejection::Upgrade(Box::new(limit)) } else { limit };
    Rejection::new(RejectionKind::Limit(Box::new(limit)), cors)
}

fn reason(denial: &Denial, limits: &Limits) -> LimitRejection {
    let retry_after = denial.retry_after.unwrap_or_default();
    match denial.which {
        DeniedBy::Requests => LimitRejection::Requests {
            per_minute: limits.requests_per_minute.map_or(0, std::num::NonZeroU32::get),
            retry_after,
        },
        DeniedBy::Concurrency => LimitRejection::Concurrency { limit: limits.concurrency().unwrap_or(0), retry_after },
        DeniedBy::Tokens | DeniedBy::Budget(_) | DeniedBy::Held(_) => LimitRejection::Undecided,
    }
}
