//! The settings of the gate, and what they say about keys, credentials and logs. [`admission`](crate::admission) decides.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use sparekey_policy::{PriceTable, Timestamp};

use crate::{
    access_key::AccessKey, api_base::ApiBase, config::Config, failure::HeadFailure, headers, keyring::Keyring,
    rejection::Rejection, request_head::RequestHead, secret::Secret, user_key::UserKey,
};

/// Authorization of an
/// [authenticated AI Gateway](https://developers.cloudflare.com/ai-gateway/configuration/authentication/).
const GATEWAY_AUTHORIZATION: HeaderName = HeaderName::from_static("cf-aig-authorization");

/// Decides about requests and responses. One gate serves a whole process, until its settings change.
#[derive(Debug)]
pub struct Gate {
    pub(crate) config: Config,
    /// Set on each request to the upstream, in place of any value that the client sent.
    injected: Vec<(HeaderName, HeaderValue)>,
    /// Whether the upstream is an AI Gateway, which logs the user's name.
    pub(crate) sends_user: bool,
}

impl Gate {
    /// Creates a gate.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let sends_user = config.gateway_token.is_some() || config.api_base.is_ai_gateway();
        let api_key = config.api_key.as_ref().and_then(|key| key.upstream_value(&config.api_key_header));
        let api_key = api_key.map(|value| (config.api_key_header.clone(), value));
        let token = config.gateway_token.as_ref().and_then(Secret::bearer).map(|value| (GATEWAY_AUTHORIZATION, value));
        let account = [(headers::ORGANIZATION, &config.organization), (headers::PROJECT, &config.project)].into_iter();
        let account = account.filter_map(|(name, value)| Some((name, value.clone()?)));
        let injected = api_key.into_iter().chain(token).chain(account).collect();
        Self { config, injected, sends_user }
    }

    /// Returns the access keys of all users.
    #[must_use]
    pub fn keys(&self) -> &Keyring {
        &self.config.keys
    }

    /// Returns whether this gate still accepts a key that another one has accepted.
    #[must_use]
    pub fn accepts(&self, key: &UserKey) -> bool {
        self.config.keys.contains(key)
    }

    /// Returns the instant at which a key ends, and open WebSockets of its user must be closed.
    #[must_use]
    pub fn expires(&self, key: &UserKey) -> Option<Timestamp> {
        self.config.keys.expires(key)
    }

    /// Returns the error response to a request that has no head to admit. `headers` is `None` if they could not be read.
    #[must_use]
    pub fn reject_head(&self, failure: HeadFailure, headers: Option<&HeaderMap>) -> Rejection {
        let origins = &self.config.origins;
        let cors = headers.map_or_else(|| origins.for_unknown_request(), |headers| origins.for_request(headers));
        Rejection::new(failure.into(), cors)
    }

    /// Returns the path as logs may show it: hidden if it may contain a key.
    #[must_use]
    pub fn loggable_path<'a>(&self, head: &'a RequestHead) -> &'a str {
        if self.is_loggable(head.decoded_path()) { head.parts().uri.path() } else { "(hidden: it contains a key)" }
    }

    /// Whether logs may show a text of a client: it contains no key.
    pub(crate) fn is_loggable(&self, text: &[u8]) -> bool {
        // `sk-` within a word such as `task-` counts too: a missing text is better than a logged key.
        let contains = |secret: &str| headers::contains(text, secret);
        !(contains(AccessKey::PREFIX) || self.secrets().any(contains))
    }

    /// Sets the owner's credentials, in place of any value that the client sent.
    pub(crate) fn set_credentials(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.injected {
            headers.insert(name, value.clone());
        }
    }

    pub(crate) fn api_key_header(&self) -> &HeaderName {
        &self.config.api_key_header
    }

    pub(crate) fn prices(&self) -> Option<&Arc<PriceTable>> {
        self.config.prices.as_ref()
    }

    /// The base URL of the upstream.
    pub(crate) fn api_base(&self) -> &ApiBase {
        &self.config.api_base
    }

    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> + Clone {
        [&self.config.api_key, &self.config.gateway_token].into_iter().flatten().map(Secret::expose)
    }
}
