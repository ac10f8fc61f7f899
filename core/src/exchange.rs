//! An admitted request that waits for its response, and the filter of that response's head.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header, response};
use sparekey_policy::Rates;

use crate::{
    budget_headers::BudgetHeaders,
    cors::Cors,
    failure::UpstreamFailure,
    gate::Gate,
    grant::Grant,
    headers, mask, owner_quota, rate_headers,
    rejection::{Rejection, RejectionKind},
    response_facts::{self, REQUEST_ID},
    response_headers,
    secret::Secret,
    user_key::UserKey,
};

/// Headers of a list of models that describe the whole one.
const OF_WHOLE_LIST: [HeaderName; 5] =
    [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::ETAG, header::LAST_MODIFIED, header::ACCEPT_RANGES];

/// An admitted request that waits for its response. It holds the gate that admitted the request, so that a reload of
/// the settings between request and response changes nothing for it.
#[derive(Debug)]
pub struct Exchange {
    pub(crate) gate: Arc<Gate>,
    pub(crate) key: UserKey,
    pub(crate) cors: Cors,
    /// In front of `/v1` in `location`; usually empty.
    pub(crate) prefix: Box<str>,
    pub(crate) is_websocket: bool,
    /// Boxed, so that requests of users without limits don't reserve room for it.
    pub(crate) limited: Option<Box<LimitedExchange>>,
}

/// What the response to a user with limits needs.
#[derive(Debug, Default)]
pub(crate) struct LimitedExchange {
    /// The user's remaining rates.
    pub(crate) rates: Option<Rates>,
    /// The method, if the response is a list of models, of which the user may use some only.
    pub(crate) lists_models: Option<Method>,
    /// Headers for a metered user.
    pub(crate) budget: Option<BudgetHeaders>,
    /// Whether a part of the body is removed, so that the upstream's length is not the client's.
    pub(crate) changes_body: bool,
}

impl Exchange {
    /// Returns the user of the access key.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.key.user
    }

    /// Returns whether the upstream refuses the owner's credentials, so that the owner's log should have the reason.
    #[must_use]
    pub fn refuses_credentials(&self, head: &response::Parts) -> bool {
        head.status == StatusCode::UNAUTHORIZED
    }

    /// Returns whether a response may be an error that only the owner can end, so that its body must be read.
    #[must_use]
    pub fn may_concern_owner(&self, head: &response::Parts) -> bool {
        self.refuses_credentials(head) || owner_quota::may_be_spent(head)
    }

    /// Returns the text for the owner's log if such an error concerns the owner, for a platform that does not parse it.
    pub fn owner_error(&self, head: &mut response::Parts, body: &[u8]) -> Option<String> {
        if owner_quota::may_be_spent(head) {
            if !owner_quota::has_code(body) {
                return None;
            }
            owner_quota::mark(head);
        }
        Some(self.mask_secrets(&String::from_utf8_lossy(body)))
    }

    /// Returns a text of the upstream for the owner's log: one line of at most 400 characters, without keys.
    #[must_use]
    pub fn mask_secrets(&self, text: &str) -> String {
        mask::mask(text, self.secrets())
    }

    /// Returns whether the client requests a WebSocket, so that the upstream may switch protocols.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        self.is_websocket
    }

    /// Returns the access key of the request.
    #[must_use]
    pub fn key(&self) -> &UserKey {
        &self.key
    }

    /// Filters the head of the upstream's response; the body follows unchanged. The result is never a status 101.
    ///
    /// # Errors
    /// A [`Rejection`] replaces the response if the upstream rejected the API key, or switched protocols without a
    /// request for it. Drop the response's body then.
    pub fn admit_response(&self, head: response::Parts) -> Result<response::Parts, Rejection> {
        match head.status {
            StatusCode::UNAUTHORIZED => Err(self.reject_unauthorized(head)),
            StatusCode::SWITCHING_PROTOCOLS => Err(self.reject(UpstreamFailure::Interrupted)),
            _ => Ok(self.filter(head)),
        }
    }

    /// Filters the head of a response with status 101. Call it only if the connection to the upstream has switched
    /// protocols; bytes pass in both directions after it.
    ///
    /// # Errors
    /// A [`Rejection`] replaces the response if it does not open the WebSocket that the client requested. Close the
    /// connection then.
    pub fn admit_upgrade(&self, head: response::Parts) -> Result<response::Parts, Rejection> {
        let opens_websocket = head.status == StatusCode::SWITCHING_PROTOCOLS
            && headers::has_token(&head.headers, header::UPGRADE, "websocket");
        if !(self.is_websocket && opens_websocket) {
            return Err(self.reject(UpstreamFailure::Interrupted));
        }
        let mut head = self.filter(head);
        headers::upgrade_to_websocket(&mut head.headers);
        Ok(head)
    }

    /// Filters a response head with [`admit_upgrade`](Self::admit_upgrade) if its status is 101, else with
    /// [`admit_response`](Self::admit_response). For a platform whose responses with status 101 always have their
    /// connection, such as Cloudflare's runtime.
    ///
    /// # Errors
    /// Those of the two functions.
    pub fn admit_response_or_upgrade(&self, head: response::Parts) -> Result<response::Parts, Rejection> {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            self.admit_upgrade(head)
        } else {
            self.admit_response(head)
        }
    }

    /// Returns whether the body of the upstream's response must be read, and replaced by
    /// [`filtered_models`](Self::filtered_models). `head` is filtered.
    #[must_use]
    pub fn filters_models(&self, head: &response::Parts) -> bool {
        self.lists_models().is_some_and(|method| *method != Method::HEAD) && head.status.is_success()
    }

    /// Returns whether the user may use this model.
    #[must_use]
    pub fn allows_model(&self, model: &str) -> bool {
        self.key.grant.as_ref().is_none_or(|grant| grant.user().allows_model(model))
    }

    /// Returns the response with a list of models. `list` contains those that the user may use; `None`: the upstream's
    /// body is no list of models.
    ///
    /// # Errors
    /// A [`Rejection`] replaces the response.
    pub fn filtered_models(
        &self,
        mut head: response::Parts,
        list: Option<Vec<u8>>,
    ) -> Result<Response<Bytes>, Rejection> {
        let is_encoded = response_facts::is_encoded(&head.headers);
        let list = list.filter(|_| !is_encoded).ok_or_else(|| self.reject(UpstreamFailure::NoModelList))?;
        strip_whole_list(&mut head.headers);
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(list.len()));
        Ok(Response::from_parts(head, list.into()))
    }

    /// Returns the error response to send if the upstream sent no response.
    #[must_use]
    pub fn reject(&self, failure: UpstreamFailure) -> Rejection {
        self.add_rates(Rejection::new(failure.into(), self.cors.clone()))
    }

    /// Returns the error response to send in place of a response with status 401, whose body may contain parts of the API
    /// key.
    fn reject_unauthorized(&self, head: response::Parts) -> Rejection {
        let request_id = self.filter(head).headers.remove(REQUEST_ID);
        self.add_rates(Rejection::new(RejectionKind::ApiKeyRefused, self.cors.clone()).with_request_id(request_id))
    }

    pub(crate) fn limited(&mut self) -> &mut LimitedExchange {
        self.limited.get_or_insert_default()
    }

    pub(crate) fn rates(&self) -> Option<&Rates> {
        self.limited.as_ref()?.rates.as_ref()
    }

    fn lists_models(&self) -> Option<&Method> {
        self.limited.as_ref()?.lists_models.as_ref()
    }

    pub(crate) fn add_rates(&self, rejection: Rejection) -> Rejection {
        match self.rates() {
            Some(rates) => rejection.with_rates(*rates),
            None => rejection,
        }
    }

    fn filter(&self, mut head: response::Parts) -> response::Parts {
        response_headers::strip(&mut head.headers, &self.secrets());
        if let Some(limited) = &self.limited {
            limited.filter(&mut head);
        }
        self.rewrite_location(&mut head);
        self.cors.apply(&mut head.headers);
        head.version = Version::HTTP_11;
        head
    }

    /// The owner's secrets for all users, and the key that was sent. Upstream keys of other users are not among them.
    fn secrets(&self) -> impl Iterator<Item = &str> + Clone {
        let of_user = self.key.grant.as_deref().and_then(Grant::api_key).map(Secret::expose);
        self.gate.secrets().chain(of_user)
    }

    /// Rewrites a `location` below the API base to the same route on the proxy.
    fn rewrite_location(&self, head: &mut response::Parts) {
        let location = head.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let relative = location.and_then(|location| self.gate.api_base().strip_base(location));
        let prefix = &self.prefix;
        if let Some(Ok(local)) = relative.map(|relative| HeaderValue::try_from(format!("{prefix}/v1{relative}"))) {
            head.headers.insert(header::LOCATION, local);
        }
    }
}

impl LimitedExchange {
    #[cold]
    fn filter(&self, head: &mut response::Parts) {
        if self.lists_models == Some(Method::HEAD) && head.status.is_success() {
            strip_whole_list(&mut head.headers);
        }
        if self.changes_body {
            head.headers.remove(header::CONTENT_LENGTH);
        }
        if let Some(rates) = &self.rates {
            rate_headers::set(&mut head.headers, rates);
        }
        if let Some(budget) = &self.budget {
            budget.set(&mut head.headers);
        }
    }
}

fn strip_whole_list(headers: &mut HeaderMap) {
    for name in OF_WHOLE_LIST {
        headers.remove(name);
    }
}
