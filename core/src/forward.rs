//! An admitted request.

use http::{HeaderName, HeaderValue, header, request};
use sparekey_policy::Rates;

use crate::{
    budget_headers::BudgetHeaders,
    cors::Cors,
    exchange::Exchange,
    failure::UpstreamFailure,
    gate::Gate,
    rejection::{Rejection, RejectionKind},
    user_key::UserKey,
};

/// No encoding: the response is read.
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// An admitted request. Only [`Gate::admit`] creates one.
#[derive(Debug)]
pub struct Forward {
    pub(crate) head: Box<request::Parts>,
    pub(crate) exchange: Box<Exchange>,
    pub(crate) dropped: Vec<HeaderName>,
}

impl Forward {
    /// Returns the headers of the client that were dropped and that an upstream may need. The owner should see each name
    /// once; `PASS_HEADERS` passes it.
    #[must_use]
    pub fn dropped_headers(&self) -> &[HeaderName] {
        &self.dropped
    }

    /// Returns the error response to a user with too many open requests. Drop this request then.
    #[must_use]
    pub fn reject_too_many_requests(&self) -> Rejection {
        Rejection::new(RejectionKind::TooManyRequests, self.exchange.cors.clone()).with_key(self.key().clone())
    }

    /// Returns the error response to send if the upstream sent no response.
    #[must_use]
    pub fn reject(&self, failure: UpstreamFailure) -> Rejection {
        self.exchange.reject(failure)
    }

    /// Returns the access key's digest and its user.
    #[must_use]
    pub fn key(&self) -> &UserKey {
        &self.exchange.key
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.exchange.gate
    }

    pub(crate) fn head(&self) -> &request::Parts {
        &self.head
    }

    pub(crate) fn cors(&self) -> &Cors {
        &self.exchange.cors
    }

    /// Makes the response a whole list of models without an encoding, which is read.
    pub(crate) fn filter_models(&mut self) {
        self.exchange.limited().lists_models = Some(self.head.method.clone());
        self.head.headers.insert(header::ACCEPT_ENCODING, IDENTITY);
        for name in [header::RANGE, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE] {
            self.head.headers.remove(name);
        }
    }

    pub(crate) fn with_rates(mut self, rates: Rates) -> Self {
        self.exchange.limited().rates = Some(rates);
        self
    }

    /// Adds the rate of requests, if its state is in memory.
    pub(crate) fn with_requests(&self, rates: Rates) -> Rates {
        Rates { requests: self.exchange.rates().and_then(|rates| rates.requests).or(rates.requests), ..rates }
    }

    /// Prepares a request whose response is read for its usage. `changes_body`: a part of the response is removed.
    pub(crate) fn metered(mut self, headers: BudgetHeaders, rates: Rates, changes_body: bool) -> Self {
        self.head.headers.insert(header::ACCEPT_ENCODING, IDENTITY);
        let rates = self.with_requests(rates);
        let limited = self.exchange.limited();
        limited.rates = Some(rates);
        limited.budget = Some(headers);
        limited.changes_body = changes_body;
        self
    }

    /// Asks for a response without an encoding, on a platform that cannot see the end of another one.
    #[must_use]
    pub fn unencoded(mut self) -> Self {
        self.head.headers.insert(header::ACCEPT_ENCODING, IDENTITY);
        self
    }

    /// Sets the length of a body that was read and may have been changed.
    #[must_use]
    pub fn with_body_length(mut self, length: u64) -> Self {
        self.head.headers.remove(header::TRANSFER_ENCODING);
        self.head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        self
    }

    pub(crate) fn add_rates(&self, rejection: Rejection) -> Rejection {
        self.exchange.add_rates(rejection)
    }

    /// Returns the head to send, with an absolute URI, and the state that its response needs.
    #[must_use]
    pub fn into_parts(self) -> (Box<request::Parts>, Box<Exchange>) {
        (self.head, self.exchange)
    }
}
