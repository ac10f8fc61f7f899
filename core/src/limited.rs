//! A request of a user with limits: the steps before it is admitted.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, header};
use sparekey_policy::{BodyFailure, Endpoint, Facts, Limits, ModelSource, Outcome};

use crate::{
    cors::Cors,
    forward::Forward,
    grant::{Grant, Needs},
    limit_rejection::LimitRejection,
    rejection::Rejection,
    spending_rejection,
    user_key::UserKey,
};

/// A request of a user with limits. Ask the user's state for a place if it has [`limits`](Self::limits), then call
/// [`reserve`](Self::reserve).
#[derive(Debug)]
pub struct Limited(ModelCheck);

/// The next step of a request that has its place among the user's requests, but for one with a
/// [`ledger_place`](Self::ledger_place). Read the models that it names, if it has a
/// [`facts_source`](Self::facts_source), then call [`admit`](Self::admit). With an [`endpoint`](Self::endpoint), read what it
/// can use too, and call [`quote`](Self::quote) instead.
#[derive(Debug)]
pub struct ModelCheck {
    pub(crate) forward: Forward,
    pub(crate) grant: Arc<Grant>,
    pub(crate) needs: Needs,
    /// Below the API base; empty if it is not needed.
    pub(crate) path: Box<str>,
    pub(crate) is_responses_websocket: bool,
    /// Whether the request may have a body.
    pub(crate) may_have_body: bool,
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
    pub fn reserve(self, outcome: Option<&Outcome>) -> Result<ModelCheck, Rejection> {
        let limits = self.limits();
        match (outcome, limits) {
            (None, None) => Ok(self.0),
            (Some(outcome), Some(limits)) => {
                let limits = limits.clone();
                self.0.place(outcome, &limits)
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

    /// Returns the limits of the user's state in the ledger, if it must be asked for a place: call
    /// [`reserve`](Self::reserve) with the outcome before anything is read. A metered request takes its place with its
    /// [`quote`](Self::quote).
    #[must_use]
    pub fn ledger_place(&self) -> Option<&Arc<Limits>> {
        self.grant.ledger_places().filter(|_| self.needs.endpoint.is_none())
    }

    /// Takes the outcome of the reservation of a [`ledger_place`](Self::ledger_place).
    ///
    /// # Errors
    /// A [`Rejection`]: send nothing of the request anywhere.
    pub fn reserve(self, outcome: &Outcome) -> Result<Self, Rejection> {
        match self.ledger_place().map(Arc::clone) {
            Some(limits) => self.place(outcome, &limits),
            None => Err(self.reject(LimitRejection::Undecided)),
        }
    }

    fn place(self, outcome: &Outcome, limits: &Limits) -> Result<Self, Rejection> {
        if let Outcome::Granted { rates, .. } = outcome {
            return Ok(Self { forward: self.forward.with_rates(*rates), ..self });
        }
        let Outcome::Denied(denial) = outcome else { return Err(self.reject(LimitRejection::Undecided)) };
        Err(self.reject(LimitRejection::place(denial, limits)).with_rates(denial.rates))
    }

    /// Returns where the request names its model. `None`: nothing of the request needs to be read.
    #[must_use]
    pub fn facts_source(&self) -> Option<ModelSource> {
        self.needs.source
    }

    /// Returns the endpoint of a request whose usage is metered.
    #[must_use]
    pub fn endpoint(&self) -> Option<Endpoint> {
        self.needs.endpoint
    }

    /// Whether the whole body must be read: some gateways prefer a model in the body to one in the URL.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        self.needs.endpoint.is_some()
            || self.needs.source.is_some_and(|source| source.needs_body() || self.may_have_body)
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
        match (facts.map(|facts| self.check_models(facts)), self.needs.endpoint) {
            (Some(Err(limit)), _) => Err(self.reject(limit)),
            // Its usage must be read first.
            (_, Some(_)) => Err(self.reject(LimitRejection::Undecided)),
            (_, None) => Ok(self.forward),
        }
    }

    /// Returns the name of a model in the price table.
    #[must_use]
    pub fn price_name(&self, model: &str) -> Option<&str> {
        self.forward.gate().prices()?.find_entry(model).map(|(name, _)| name)
    }

    pub(crate) fn check_models(&self, facts: &Facts) -> Result<(), LimitRejection> {
        if self.grant.user().models.is_none() {
            return Ok(());
        }
        let refused = facts.refused_model(|model| self.grant.user().allows_model(model));
        refused.map_or(Ok(()), |refused| {
            Err(LimitRejection::Model {
                model: refused.name.map(Into::into),
                param: refused.param.into(),
                allowed: self.grant.model_list(),
            })
        })
    }

    /// Returns the error response to a request whose body cannot be used.
    #[must_use]
    pub fn reject_body(&self, failure: BodyFailure) -> Rejection {
        self.reject(LimitRejection::Body(failure))
    }

    /// Returns the error response to a request whose place cannot be counted.
    #[must_use]
    pub fn reject_without_ledger(&self) -> Rejection {
        self.reject(spending_rejection::ledger())
    }

    /// Returns the error response to a user whose requests failed repeatedly after they were sent.
    #[must_use]
    pub fn reject_repeated_failures(&self, wait: Duration) -> Rejection {
        self.reject(spending_rejection::repeated_failures(wait))
    }

    fn values(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.forward.head().headers.get_all(name).iter().map(HeaderValue::as_bytes)
    }

    pub(crate) fn reject(&self, limit: LimitRejection) -> Rejection {
        self.forward.add_rates(rejection(limit, self.is_responses_websocket, self.forward.cors().clone()))
    }
}

/// The error response, with status 426 for a WebSocket of the Responses API, whose clients repeat others.
pub(crate) fn rejection(limit: LimitRejection, is_responses_websocket: bool, cors: Cors) -> Rejection {
    let limit = if is_responses_websocket { LimitRejection::Upgrade(Box::new(limit)) } else { limit };
    Rejection::new(limit.into(), cors)
}
