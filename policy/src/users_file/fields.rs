//! The fields of a user and of `[limits]`.

use std::num::NonZeroU32;

use super::{
    checks::Checks,
    date,
    key::{self, KeyEntry},
    value::{self, Setting},
};
use crate::{
    limits::{Budgets, CONCURRENCY_MAX, REQUESTS_PER_MINUTE_MAX},
    model_pattern::ModelPattern,
    network::Network,
    timestamp::Timestamp,
    toml_file::{
        problem::Problems,
        tree::{Node, Value},
    },
    user_field::UserField,
    users::KeySource,
    zone::Zone,
};

/// The highest limit on tokens per minute, and on output tokens.
const TOKENS_MAX: u32 = 1_000_000_000;

/// Which table is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scope {
    /// `[limits]`.
    Limits,
    /// `[users.NAME]`.
    User,
}

/// What a table sets.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) keys: Vec<KeyEntry<'a>>,
    pub(super) has_invalid_keys: bool,
    pub(super) expires: Option<Setting<Timestamp>>,
    pub(super) disabled: Option<bool>,
    pub(super) networks: Option<Setting<Vec<Network>>>,
    pub(super) routes: Option<Setting<Vec<String>>>,
    pub(super) models: Option<Setting<Vec<ModelPattern>>>,
    pub(super) requests_per_minute: Option<Setting<NonZeroU32>>,
    pub(super) concurrent_requests: Option<(Setting<NonZeroU32>, &'a Node)>,
    pub(super) budgets: Option<Setting<Budgets>>,
    pub(super) tokens_per_minute: Option<Setting<NonZeroU32>>,
    pub(super) max_output_tokens: Option<Setting<NonZeroU32>>,
    pub(super) metered: Option<bool>,
    pub(super) api_key: Option<KeySource>,
    pub(super) project: Option<String>,
}

impl<'a> Fields<'a> {
    pub(super) fn read(
        table: &'a Node,
        scope: Scope,
        zone: &Zone,
        checks: &Checks<'_>,
        problems: &mut Problems<'_>,
    ) -> Self {
        let mut fields = Self::default();
        for (name, node) in table.entries() {
            let find = |name: &str| UserField::ALL.into_iter().find(|field| field.name() == name);
            let field = find(name);
            let allowed = || UserField::ALL.into_iter().filter(|field| scope == Scope::User || field.is_limit());
            let Some(field) = field.filter(|field| allowed().any(|allowed| allowed == *field)) else {
                let names = || allowed().map(UserField::name).collect::<Vec<_>>().join(", ");
                let advice = match (scope, &node.value) {
                    // The name in `[users.tom.smith]` is two names in TOML.
                    (Scope::User, Value::Table(_)) if node.entries().iter().any(|(name, _)| find(name).is_some()) => {
                        let name = node.path.strip_prefix("users.").unwrap_or(&node.path).replace('"', "");
                        format!("a name with a dot needs quotes: [users.\"{name}\"]")
                    }
                    _ => format!("the fields are {}", names()),
                };
                problems.add(node, &format!("is not a field here; {advice}"));
                continue;
            };
            fields.set(field, node, zone, checks, problems);
            if let Err(problem) = checks.enforced.check(field) {
                problems.add(node, &problem);
            }
        }
        fields
    }

    fn set(&mut self, field: UserField, node: &'a Node, zone: &Zone, checks: &Checks<'_>, problems: &mut Problems<'_>) {
        match field {
            UserField::Keys => self.set_keys(node, zone, problems),
            UserField::Expires => self.expires = Setting::read(node, |node| date::read(node, zone, problems)),
            UserField::Disabled => self.disabled = value::boolean(node, problems),
            UserField::Networks => {
                let parse = |text: &str| {
                    Network::parse(text).ok_or_else(|| {
                        "must be an address or a network such as 203.0.113.0/24 or 2001:db8::/32".to_owned()
                    })
                };
                self.networks = Setting::read(node, |node| value::list(node, "networks", parse, problems));
            }
            UserField::Routes => {
                let parse = |text: &str| (checks.route)(text).map(|()| text.to_owned());
                self.routes = Setting::read(node, |node| value::list(node, "routes", parse, problems));
            }
            UserField::Models => {
                let parse = |text: &str| {
                    ModelPattern::parse(text).ok_or_else(|| {
                        "must be a model name without spaces, in which * stands for any characters".to_owned()
                    })
                };
                let models = Setting::read(node, |node| value::list(node, "models", parse, problems));
                let is_any = |patterns: &[ModelPattern]| patterns.iter().any(ModelPattern::is_any);
                self.models = models.map(|models| match models {
                    Setting::Limited(patterns) if !is_any(&patterns) => Setting::Limited(patterns),
                    Setting::Limited(_) | Setting::Unlimited => Setting::Unlimited,
                });
            }
            UserField::RequestsPerMinute => {
                self.requests_per_minute =
                    Setting::read(node, |node| value::number(node, REQUESTS_PER_MINUTE_MAX, problems));
            }
            UserField::ConcurrentRequests => {
                let number = Setting::read(node, |node| value::number(node, CONCURRENCY_MAX, problems));
                self.concurrent_requests = number.map(|number| (number, node));
            }
            UserField::Budgets => self.budgets = Setting::read(node, |node| value::budgets(node, problems)),
            UserField::TokensPerMinute => {
                self.tokens_per_minute = Setting::read(node, |node| value::number(node, TOKENS_MAX, problems));
            }
            UserField::MaxOutputTokens => {
                self.max_output_tokens = Setting::read(node, |node| value::number(node, TOKENS_MAX, problems));
            }
            UserField::Metered => self.metered = value::boolean(node, problems),
            UserField::OpenAiApiKey => {
                self.api_key = node.text().and_then(KeySource::parse);
                let form = "must say where the key is stored: \"file:{path}\" or \"env:{variable}\"";
                if let Err(problem) = self.api_key.as_ref().ok_or(form.to_owned()).and_then(checks.api_key) {
                    problems.add(node, &problem);
                }
            }
            UserField::OpenAiProject => {
                let is_valid = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
                self.project = node.text().filter(is_valid).map(str::to_owned);
                if self.project.is_none() {
                    problems.add(node, "must be the id of a project: visible ASCII characters, without spaces");
                }
            }
        }
    }

    fn set_keys(&mut self, node: &'a Node, zone: &Zone, problems: &mut Problems<'_>) {
        let Value::Array(items) = &node.value else {
            self.has_invalid_keys = true;
            problems.add(node, "must be a list of digests: [\"sha256:…\"]");
            return;
        };
        for item in items {
            match key::read(item, zone, problems) {
                Some(key) => self.keys.push(key),
                None => self.has_invalid_keys = true,
            }
        }
    }
}
