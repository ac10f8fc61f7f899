//! A user's own fields over the defaults of `[limits]`.

use std::{num::NonZeroU32, sync::Arc};

use super::{fields::Fields, value::Setting};
use crate::{
    limits::{Limits, METERED_CONCURRENCY_MAX},
    toml_file::problem::Problems,
    users::User,
    zone::Zone,
};

/// The routes of a user without `routes`.
const DEFAULT_ROUTE: &str = "inference";

/// Returns the user with these fields, and the default of each limit that they do not set.
pub(super) fn merge(fields: Fields<'_>, defaults: &Fields<'_>, zone: &Arc<Zone>, problems: &mut Problems<'_>) -> User {
    let mut limits = Limits::none(Arc::clone(zone));
    limits.requests_per_minute = limit(fields.requests_per_minute, defaults.requests_per_minute.as_ref());
    limits.tokens_per_minute = limit(fields.tokens_per_minute, defaults.tokens_per_minute.as_ref());
    limits.max_output_tokens = limit(fields.max_output_tokens, defaults.max_output_tokens.as_ref());
    limits.budgets = limit(fields.budgets, defaults.budgets.as_ref()).unwrap_or_default();
    limits.metered = fields.metered.or(defaults.metered).unwrap_or(false);
    if let Some((concurrency, node)) = fields.concurrent_requests.or_else(|| defaults.concurrent_requests.clone()) {
        let most = if limits.is_metered() { NonZeroU32::new(METERED_CONCURRENCY_MAX) } else { None };
        limits.concurrent_requests = concurrency.limited().or(most);
        if most.is_some() && limits.concurrent_requests > most {
            problems.add(node, &format!("must be at most {METERED_CONCURRENCY_MAX} for users with budgets, tokens_per_minute, max_output_tokens or metered"));
        }
    }
    let default_routes = || Setting::Limited(vec![DEFAULT_ROUTE.to_owned()]);
    let routes = fields.routes.or_else(|| defaults.routes.clone()).unwrap_or_else(default_routes);
    User {
        keys: fields.keys.into_iter().map(|key| key.listed).collect(),
        expires: limit(fields.expires, defaults.expires.as_ref()),
        disabled: fields.disabled.unwrap_or(false),
        networks: limit(fields.networks, defaults.networks.as_ref()),
        routes: routes.limited(),
        models: limit(fields.models, defaults.models.as_ref()),
        limits,
        api_key: fields.api_key,
        project: fields.project,
    }
}

fn limit<T: Clone>(own: Option<Setting<T>>, default: Option<&Setting<T>>) -> Option<T> {
    own.or_else(|| default.cloned())?.limited()
}
