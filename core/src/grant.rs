//! One user of the users file: expiry, networks, routes, models, upstream key.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, request};
use sparekey_policy::{Endpoint, Limits, METERED_CONCURRENCY_MAX, ModelSource, Timestamp, User};
use subtle::ConstantTimeEq as _;

use crate::{
    access_key::KeyDigest,
    headers::{self, OPENAI_BETA, ORGANIZATION, PROJECT},
    limit_rejection::LimitRejection,
    open_routes::OpenRoutes,
    places::Places,
    routes::{self, Route, RouteCost},
    secret::Secret,
    spending_rejection,
};

/// The routes of a user with `routes = "unlimited"`.
const ALL_ROUTES: &str = "all";

/// Characters of the models that an error response lists.
const MODELS_MAX: usize = 500;

/// Opens more requests than the body shows
/// ([`openai-beta`](https://platform.openai.com/docs/guides/responses-multi-agent)).
const MULTI_AGENT: &str = "responses_multi_agent";

/// A user of the users file.
#[derive(Debug)]
pub(crate) struct Grant {
    user: User,
    /// The limits whose state is in memory: they are checked before a body is read.
    place_limits: Limits,
    /// The limits whose state is in the ledger; `None` if there are none.
    ledger_limits: Option<Arc<Limits>>,
    /// Those of them that count requests without a cost.
    ledger_places: Option<Arc<Limits>>,
    routes: OpenRoutes,
    /// The upstream key of this user's own.
    api_key: Option<Secret>,
    project: Option<HeaderValue>,
}

/// What must be read of a request on a route that is open for the user.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Needs {
    /// Where the request names its model. `None`: nothing must be read.
    pub(crate) source: Option<ModelSource>,
    /// The endpoint of a request that is metered.
    pub(crate) endpoint: Option<Endpoint>,
}

impl Grant {
    /// # Errors
    /// A sentence that begins with the name of the field.
    pub(crate) fn new(user: User, api_key: Option<Secret>, places: Places) -> Result<Self, String> {
        let routes = user.routes.as_ref().map_or_else(|| ALL_ROUTES.to_owned(), |routes| routes.join(","));
        let routes = OpenRoutes::parse(Some(&routes), false);
        let routes =
            routes.map_err(|errors| format!("routes {}", errors.first().map_or(String::new(), ToString::to_string)))?;
        let project = user.project.as_deref().map(|project| {
            Secret::parse(project)
                .and_then(|project| HeaderValue::from_str(project.expose()).ok())
                .ok_or("openai_project must consist of visible ASCII characters, without spaces")
        });
        let limits = &user.limits;
        let (place_limits, ledger_limits) = match places {
            Places::Memory => {
                let mut in_ledger = limits.clone();
                in_ledger.requests_per_minute = None;
                (limits.places(), limits.is_metered().then_some(in_ledger))
            }
            Places::Ledger => {
                // Each is a part of the stored state.
                if limits.concurrency().is_some_and(|most| most > METERED_CONCURRENCY_MAX) {
                    return Err(format!(
                        "concurrent_requests must be at most {METERED_CONCURRENCY_MAX} where the ledger counts them"
                    ));
                }
                let is_counted = limits.is_metered() || limits.needs_state();
                (Limits::none(Arc::clone(&limits.zone)), is_counted.then(|| limits.clone()))
            }
        };
        let counted = ledger_limits.as_ref().filter(|limits| places == Places::Ledger && limits.needs_state());
        let ledger_places = counted.map(|limits| Arc::new(limits.places()));
        let (project, ledger_limits) = (project.transpose()?, ledger_limits.map(Arc::new));
        Ok(Self { user, place_limits, ledger_limits, ledger_places, routes, api_key, project })
    }

    pub(crate) fn user(&self) -> &User {
        &self.user
    }

    pub(crate) fn place_limits(&self) -> &Limits {
        &self.place_limits
    }

    pub(crate) fn ledger_limits(&self) -> Option<&Arc<Limits>> {
        self.ledger_limits.as_ref()
    }

    pub(crate) fn ledger_places(&self) -> Option<&Arc<Limits>> {
        self.ledger_places.as_ref()
    }

    pub(crate) fn api_key(&self) -> Option<&Secret> {
        self.api_key.as_ref()
    }

    /// The instant from which on a key of the user is refused.
    pub(crate) fn expires(&self, key: &KeyDigest) -> Option<Timestamp> {
        let listed = self.user.keys.iter().find(|listed| KeyDigest::from(listed.digest).ct_eq(key).into());
        [self.user.expires, listed.and_then(|listed| listed.expires)].into_iter().flatten().min()
    }

    /// Checks that a key is not expired.
    ///
    /// # Errors
    /// [`LimitRejection::Expired`].
    pub(crate) fn check_expiry(&self, key: &KeyDigest, now: impl FnOnce() -> Timestamp) -> Result<(), LimitRejection> {
        match self.expires(key) {
            Some(at) if now() >= at => Err(LimitRejection::Expired(at)),
            _ => Ok(()),
        }
    }

    /// Checks the client's address. An unknown one is refused.
    ///
    /// # Errors
    /// [`LimitRejection::Address`].
    pub(crate) fn check_address(&self, client: impl FnOnce() -> Option<IpAddr>) -> Result<(), LimitRejection> {
        if self.user.networks.is_none() {
            return Ok(());
        }
        let address = client();
        let is_allowed = address.is_some_and(|address| self.user.allows_address(address));
        if is_allowed { Ok(()) } else { Err(LimitRejection::Address(address)) }
    }

    /// Checks a route that is open for all users. `path` is below the API base; `decoded` is the whole path with all
    /// escapes decoded. Returns what must be read of the request.
    ///
    /// # Errors
    /// [`LimitRejection::Route`], [`LimitRejection::HiddenModel`], [`LimitRejection::Spending`].
    pub(crate) fn check_route(
        &self,
        head: &request::Parts,
        path: &str,
        decoded: &[u8],
    ) -> Result<Needs, LimitRejection> {
        let route = self.routes.check(&head.method, path, decoded).map_err(|_| LimitRejection::Route)?;
        let endpoint = self.check_cost(head, route, decoded)?;
        let source = match (self.check_model_source(head, route, decoded)?, endpoint) {
            (None, Some(_)) => route.and_then(Route::model_source),
            (source, _) => source,
        };
        Ok(Needs { source, endpoint })
    }

    /// Returns the endpoint of a request that is metered.
    fn check_cost(
        &self,
        head: &request::Parts,
        route: Option<&Route>,
        decoded: &[u8],
    ) -> Result<Option<Endpoint>, LimitRejection> {
        let limits = &self.user.limits;
        if !limits.is_metered() {
            return Ok(None);
        }
        let cost = route.map_or(RouteCost::Unbounded, |route| route.cost);
        if let RouteCost::Bounded(endpoint) = cost {
            let is_multi_agent =
                |value: &HeaderValue| headers::contains(&value.as_bytes().to_ascii_lowercase(), MULTI_AGENT);
            if limits.is_restricted() && head.headers.get_all(OPENAI_BETA).iter().any(is_multi_agent) {
                let advice = "Remove it: the agents' requests have no highest cost.";
                return Err(spending_rejection::option(OPENAI_BETA.as_str(), advice));
            }
            return Ok(Some(endpoint));
        }
        // A tolerant upstream may find a route here that costs something.
        let costs = || routes::tolerant_readings(&head.method, decoded).any(|route| route.cost != RouteCost::Free);
        if limits.is_restricted() && (cost != RouteCost::Free || costs()) {
            return Err(spending_rejection::route());
        }
        Ok(None)
    }

    /// Returns where the request names its model, if the user may use some models only.
    fn check_model_source(
        &self,
        head: &request::Parts,
        route: Option<&Route>,
        decoded: &[u8],
    ) -> Result<Option<ModelSource>, LimitRejection> {
        if self.user.models.is_none() {
            return Ok(None);
        }
        let Some(route) = route.filter(|route| !route.hides_model()) else { return Err(LimitRejection::HiddenModel) };
        // A tolerant upstream may find a route here whose model must be read.
        let names_model =
            || routes::tolerant_readings(&head.method, decoded).any(|route| route.model_source().is_some());
        match route.model_source() {
            None if names_model() => Err(LimitRejection::HiddenModel),
            source => Ok(source),
        }
    }

    /// Whether the response is a list of models, of which the user may use some only.
    pub(crate) fn filters_models(&self, path: &str) -> bool {
        self.user.models.is_some() && path.strip_suffix('/').unwrap_or(path) == "/models"
    }

    /// Whether a WebSocket of the Responses API is refused: it carries many requests, which are not read.
    pub(crate) fn refuses_responses_websocket(&self) -> bool {
        let limits = &self.user.limits;
        self.user.models.is_some() || limits.requests_per_minute.is_some() || limits.is_metered()
    }

    /// The allowed models, for an error response.
    pub(crate) fn model_list(&self) -> String {
        let models = self.user.models.iter().flatten();
        let list = models.map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match list.char_indices().nth(MODELS_MAX) {
            Some((end, _)) => format!("{}…", list.get(..end).unwrap_or_default()),
            None => list,
        }
    }

    /// Sets the upstream key and the project of this user in place of those for all users. The owner's organization and
    /// project may not fit a key of its own.
    pub(crate) fn set_credentials(&self, headers: &mut HeaderMap, api_key_header: &HeaderName) {
        if let Some(key) = self.api_key.as_ref().and_then(|key| key.upstream_value(api_key_header)) {
            headers.insert(api_key_header, key);
            headers.remove(ORGANIZATION);
            headers.remove(PROJECT);
        }
        if let Some(project) = &self.project {
            headers.insert(PROJECT, project.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use sparekey_policy::Users;

    use super::*;

    #[test]
    fn long_model_lists_are_cut() {
        let models = (0..200).map(|number| format!("model-{number}")).collect::<Vec<_>>();
        let users = format!(
            r#"{{"version":1,"timezone":{{"name":"UTC","offset":0,"transitions":[]}},"users":[{{"name":"Tom","models":{models:?}}}]}}"#
        );
        let users = Users::from_json(&users).unwrap();
        let list = Grant::new(users.get("Tom").unwrap().clone(), None, Places::Memory).unwrap().model_list();
        assert!(
            list.starts_with("model-0, model-1, ") && list.ends_with('…') && list.chars().count() == MODELS_MAX + 1
        );
    }
}
