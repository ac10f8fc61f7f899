//! The compiled users: validated JSON for platforms without a TOML parser and a time zone database.
//!
//! ```json
//! {"version":1,"timezone":{"name":"Europe/Berlin","offset":3600,"transitions":[[1774746000,7200]]},
//!  "users":[{"name":"Tom","keys":[{"digest":"5f…"}],"routes":["inference"],"requests_per_minute":60}]}
//! ```
//!
//! Instants are microseconds since 1970-01-01 00:00 UTC, but for those of transitions, which are seconds. Amounts are
//! decimal numbers in quotes. A field that this version does not have is an error, because it may be a limit.

use std::{collections::BTreeMap, fmt::Write as _, num::NonZeroU32, sync::Arc};

use crate::{
    json::{Json, Object},
    json_parser,
    limits::{Budgets, CONCURRENCY_MAX, Limits, REQUESTS_PER_MINUTE_MAX},
    model_pattern::ModelPattern,
    network::Network,
    period::Period,
    timestamp::Timestamp,
    usd::Usd,
    user_field::UserField,
    users::{KeySource, ListedKey, User, Users},
    zone::Zone,
};

/// The version of the form.
const VERSION: i64 = 1;

/// Why a text is not the compiled form of users. No variant contains a value of the text.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CompiledError {
    /// Not JSON, or not with the parts of compiled users.
    #[error("byte {at} is not as `sparekey users compile` writes it; compile the users file again")]
    Syntax {
        /// The bytes before it.
        at: usize,
    },
    /// The form of another version.
    #[error(
        "the users were compiled in form {found}, but this version reads form {VERSION}; compile them with the same version"
    )]
    Version {
        /// Its version.
        found: i64,
    },
    /// Something missing or unknown outside the users.
    #[error("{field} of the compiled users is missing, invalid or unknown; compile the users file again")]
    Part {
        /// The field, or `another field`.
        field: &'static str,
    },
    /// A value that no users file has, or a field that may be a limit of another version.
    #[error(
        "{field} of user {user} of the compiled users is missing, invalid or unknown; compile the users file again"
    )]
    User {
        /// The user's number in the list, counted from 1.
        user: usize,
        /// The field, or `another field`.
        field: &'static str,
    },
}

/// Named by errors in place of a field of an unknown name, which could contain anything.
const OTHER: &str = "another field";

impl Users {
    /// Writes the compiled form. It contains digests, and no key.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut root = Object::default();
        root.put("version", Json::Integer(VERSION));
        root.put("timezone", write_zone(&self.zone));
        root.put("users", Json::Array(self.iter().map(|(name, user)| write_user(name, user)).collect()));
        let mut out = String::new();
        Json::Object(root).write(&mut out);
        out
    }

    /// Reads the compiled form. It may have fields that the platform does not enforce.
    ///
    /// # Errors
    /// [`CompiledError`], the first one that is found.
    pub fn from_json(text: &str) -> Result<Self, CompiledError> {
        let root = json_parser::parse(text).map_err(|at| CompiledError::Syntax { at })?;
        let mut root = root.object().ok_or(CompiledError::Syntax { at: 0 })?;
        let part = |field| CompiledError::Part { field };
        match root.take("version").and_then(Json::integer).ok_or(part("version"))? {
            VERSION => {}
            found => return Err(CompiledError::Version { found }),
        }
        let zone = root.take("timezone").and_then(Json::object).and_then(read_zone);
        let zone = Arc::new(zone.ok_or(part("timezone"))?);
        let list = root.take("users").and_then(Json::array).ok_or(part("users"))?;
        if !root.is_empty() {
            return Err(part(OTHER));
        }
        let mut users = BTreeMap::new();
        for (number, user) in (1..).zip(list) {
            let error = |field| CompiledError::User { user: number, field };
            let (name, user) = read_user(user.object().ok_or(error(OTHER))?, &zone).map_err(error)?;
            if users.insert(name, user).is_some() {
                return Err(error("name"));
            }
        }
        Ok(Self { zone, users })
    }
}

fn write_zone(zone: &Zone) -> Json {
    let transition = |&(at, offset): &(i64, i32)| Json::Array(vec![Json::Integer(at), Json::Integer(offset.into())]);
    let mut object = Object::default();
    object.put("name", Json::Text(zone.name().to_owned()));
    object.put("offset", Json::Integer(zone.first_offset().into()));
    object.put("transitions", Json::Array(zone.transitions().iter().map(transition).collect()));
    Json::Object(object)
}

fn read_zone(mut object: Object) -> Option<Zone> {
    let transition = |pair: Json| {
        let [at, offset] = <[Json; 2]>::try_from(pair.array()?).ok()?;
        Some((at.integer()?, i32::try_from(offset.integer()?).ok()?))
    };
    let name = object.take("name")?.text()?;
    let offset = i32::try_from(object.take("offset")?.integer()?).ok()?;
    let transitions = object.take("transitions")?.array()?.into_iter().map(transition).collect::<Option<_>>()?;
    Zone::new(name, offset, transitions).ok().filter(|_| object.is_empty())
}

/// Writes the fields that are set.
fn write_user(name: &str, user: &User) -> Json {
    let mut object = Object::default();
    object.put("name", Json::Text(name.to_owned()));
    for field in UserField::ALL.into_iter().filter(|field| user.has(*field)) {
        if let Some(value) = write_field(user, field) {
            object.put(field.name(), value);
        }
    }
    Json::Object(object)
}

fn write_field(user: &User, field: UserField) -> Option<Json> {
    let number = |value: Option<NonZeroU32>| value.map(|value| Json::Integer(value.get().into()));
    Some(match field {
        UserField::Keys => Json::Array(user.keys.iter().map(write_key).collect()),
        UserField::Expires => write_instant(user.expires?),
        UserField::Disabled => Json::Boolean(user.disabled),
        UserField::Networks => texts(user.networks.as_deref()?),
        UserField::Routes => texts(user.routes.as_deref()?),
        UserField::Models => texts(user.models.as_deref()?),
        UserField::RequestsPerMinute => number(user.limits.requests_per_minute)?,
        UserField::ConcurrentRequests => number(user.limits.concurrent_requests)?,
        UserField::Budgets => Json::Array(user.limits.budgets.iter().map(write_budget).collect()),
        UserField::TokensPerMinute => number(user.limits.tokens_per_minute)?,
        UserField::MaxOutputTokens => number(user.limits.max_output_tokens)?,
        UserField::Metered => Json::Boolean(user.limits.metered),
        UserField::OpenAiApiKey => Json::Text(user.api_key.as_ref()?.to_string()),
        UserField::OpenAiProject => Json::Text(user.project.clone()?),
    })
}

/// Returns the name and the user.
///
/// # Errors
/// The field that is invalid.
fn read_user(mut object: Object, zone: &Arc<Zone>) -> Result<(String, User), &'static str> {
    let name = object.take("name").and_then(Json::text).ok_or("name")?;
    let mut user = User {
        keys: Vec::new(),
        expires: None,
        disabled: false,
        networks: None,
        routes: None,
        models: None,
        limits: Limits::none(Arc::clone(zone)),
        api_key: None,
        project: None,
    };
    for field in UserField::ALL {
        if let Some(value) = object.take(field.name()) {
            read_field(&mut user, field, value).ok_or(field.name())?;
        }
    }
    if object.is_empty() { Ok((name, user)) } else { Err(OTHER) }
}

fn read_field(user: &mut User, field: UserField, value: Json) -> Option<()> {
    let limits = &mut user.limits;
    match field {
        UserField::Keys => user.keys = value.array()?.into_iter().map(read_key).collect::<Option<_>>()?,
        UserField::Expires => user.expires = Some(read_instant(value)?),
        UserField::Disabled => user.disabled = value.boolean()?,
        UserField::Networks => user.networks = Some(list(value, Network::parse)?),
        UserField::Routes => user.routes = Some(list(value, |route| Some(route.to_owned()))?),
        UserField::Models => user.models = Some(list(value, ModelPattern::parse)?),
        UserField::RequestsPerMinute => limits.requests_per_minute = Some(number(value, REQUESTS_PER_MINUTE_MAX)?),
        UserField::ConcurrentRequests => limits.concurrent_requests = Some(number(value, CONCURRENCY_MAX)?),
        UserField::Budgets => limits.budgets = read_budgets(value)?,
        UserField::TokensPerMinute => limits.tokens_per_minute = Some(number(value, u32::MAX)?),
        UserField::MaxOutputTokens => limits.max_output_tokens = Some(number(value, u32::MAX)?),
        UserField::Metered => limits.metered = value.boolean()?,
        UserField::OpenAiApiKey => user.api_key = Some(KeySource::parse(&value.text()?)?),
        UserField::OpenAiProject => user.project = Some(value.text()?),
    }
    Some(())
}

fn write_key(key: &ListedKey) -> Json {
    let mut digest = String::new();
    for byte in key.digest {
        // Writing to a string cannot fail.
        _ = write!(digest, "{byte:02x}");
    }
    let mut object = Object::default();
    object.put("digest", Json::Text(digest));
    if let Some(expires) = key.expires {
        object.put("expires", write_instant(expires));
    }
    if let Some(label) = &key.label {
        object.put("label", Json::Text(label.clone()));
    }
    Json::Object(object)
}

fn read_key(value: Json) -> Option<ListedKey> {
    let mut object = value.object()?;
    let mut key = ListedKey::from_hex(&object.take("digest")?.text()?)?;
    if let Some(expires) = object.take("expires") {
        key.expires = Some(read_instant(expires)?);
    }
    if let Some(label) = object.take("label") {
        key.label = Some(label.text()?);
    }
    object.is_empty().then_some(key)
}

fn write_budget((period, usd): (Period, Usd)) -> Json {
    let mut object = Object::default();
    object.put("usd", Json::Text(usd.to_string()));
    object.put("per", Json::Text(period.name().to_owned()));
    Json::Object(object)
}

fn read_budgets(value: Json) -> Option<Budgets> {
    let mut budgets = Budgets::default();
    for budget in value.array()? {
        let mut object = budget.object()?;
        let usd = Usd::parse(&object.take("usd")?.text()?).filter(|usd| *usd > Usd::ZERO)?;
        let period = Period::from_name(&object.take("per")?.text()?)?;
        if !object.is_empty() || budgets.set(period, usd).is_some() {
            return None;
        }
    }
    Some(budgets)
}

fn write_instant(instant: Timestamp) -> Json {
    Json::Integer(instant.as_micros())
}

fn read_instant(value: Json) -> Option<Timestamp> {
    value.integer().map(Timestamp::from_micros)
}

fn number(value: Json, max: u32) -> Option<NonZeroU32> {
    let number = u32::try_from(value.integer()?).ok().filter(|number| *number <= max)?;
    NonZeroU32::new(number)
}

fn texts<T: ToString>(values: &[T]) -> Json {
    Json::Array(values.iter().map(|value| Json::Text(value.to_string())).collect())
}

/// Reads a list that is not empty: an empty one would refuse everything, and no users file has one.
fn list<T>(value: Json, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let values: Vec<T> = value.array()?.into_iter().map(|text| parse(&text.text()?)).collect::<Option<_>>()?;
    Some(values).filter(|values| !values.is_empty())
}
