//! Settings that are valid, and probably a mistake.

use std::sync::Arc;

use crate::{
    access_key::AccessKey,
    api_base::ApiBase,
    keyring::Keyring,
    list::{self, Position},
};

/// Characters of a random part that cannot be guessed; `keygen` makes 32.
const RANDOM_MIN: usize = 16;

/// A setting that is probably a mistake. Its `Display` says what to do, and contains no value but names of users.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigWarning {
    /// A random part that can be guessed.
    #[error(
        "ACCESS_KEYS {position}: its random part has fewer than 16 characters; make keys with `sparekey keygen NAME`"
    )]
    ShortKey {
        /// The item's position.
        position: Position,
    },
    /// Plain HTTP to a host on the Internet.
    #[error("API_BASE is plain HTTP to a public host, so the API key passes unencrypted; use https://")]
    PlainHttp,
    /// An AI Gateway without a provider.
    #[error(
        "API_BASE names no provider of the AI Gateway, so users choose who receives the API key; end it with /openai or \
         /compat"
    )]
    NoProvider,
    /// Users without entries.
    #[error("USERS lists no user, and limits are for listed users only; add [users.NAME]")]
    NoUser,
    /// A user who is not listed, beside one whose name differs in case only.
    #[error("USERS lists {listed}, and ACCESS_KEYS has a key of {user}, who has no limits; write both names alike")]
    UserCase {
        /// The user of the users file.
        listed: Arc<str>,
        /// The user of `ACCESS_KEYS`.
        user: Arc<str>,
    },
    /// A user who lost the last key while the proxy runs, so that a key can be removed at any time.
    #[error("USERS user {user} has no key: remove its entry, or add a key")]
    UserWithoutKey {
        /// The user.
        user: Arc<str>,
    },
}

/// Looks for mistakes.
// Not inlined: a Worker's runtime compiles `Config::read` faster in parts (0.5 ms of the load).
#[inline(never)]
pub(crate) fn find(api_base: &ApiBase, access_keys: &str, has_users: bool, keys: &Keyring) -> Vec<ConfigWarning> {
    let short = list::items(access_keys)
        .filter(|(_, item)| AccessKey::parse(item).is_ok_and(|key| key.random_length() < RANDOM_MIN));
    let mut warnings: Vec<_> = short.map(|(position, _)| ConfigWarning::ShortKey { position }).collect();
    if !api_base.is_https() && api_base.is_public() {
        warnings.push(ConfigWarning::PlainHttp);
    }
    if api_base.is_ai_gateway() && !api_base.has_provider() {
        warnings.push(ConfigWarning::NoProvider);
    }
    if has_users && keys.limited_users().next().is_none() {
        warnings.push(ConfigWarning::NoUser);
    }
    warnings.extend(users_of_other_case(keys));
    warnings.extend(keys.users_without_key().map(|user| ConfigWarning::UserWithoutKey { user: Arc::clone(user) }));
    warnings
}

/// Pairs of names that are compared, at most, which takes 0.1 s. With more users, the warning is left out: a map of names would
/// make the Worker 1.4 KB larger.
const PAIRS_MAX: usize = 10_000_000;

/// Finds users without limits whose name differs from one with limits in case only.
fn users_of_other_case(keys: &Keyring) -> impl Iterator<Item = ConfigWarning> {
    let pairs = keys.limited_users().count().saturating_mul(keys.unlimited_users().count());
    let compared = keys.limited_users().take(if pairs > PAIRS_MAX { 0 } else { usize::MAX });
    compared.flat_map(|listed| {
        let others = keys.unlimited_users().filter(|user| user.eq_ignore_ascii_case(listed));
        others.map(|user| ConfigWarning::UserCase { listed: Arc::clone(listed), user: Arc::clone(user) })
    })
}

#[cfg(test)]
mod tests {
    use sparekey_policy::{Enforced, KeySource};

    use super::*;
    use crate::{config::Config, places::Places, users::CompiledUsers};

    #[track_caller]
    fn found(api_base: &str, keys: &str) -> Vec<ConfigWarning> {
        find(&ApiBase::parse(api_base).unwrap(), keys, false, &Keyring::default())
    }

    #[test]
    fn short_keys() {
        let keys = "sk-Tom-0123456789abcdef, sk-Tom-password\nsha256:Ann:00";
        assert_eq!(
            found("https://api.openai.com", keys),
            [ConfigWarning::ShortKey { position: Position { number: 2, line: Some(1) } }]
        );
    }

    #[test]
    fn plain_http() {
        for base in ["http://llm.example.com/v1", "http://1.1.1.1/v1", "http://[2001:db8::1]:80/v1"] {
            assert_eq!(found(base, ""), [ConfigWarning::PlainHttp], "{base}");
        }
        for host in ["localhost:1", "127.0.0.1", "10.1.2.3", "[::1]:8000", "[fd00::1]", "vllm", "a.local", "a.internal"]
        {
            assert_eq!(found(&format!("http://{host}/v1"), ""), [], "{host}");
        }
    }

    #[test]
    fn gateway_without_provider() {
        assert_eq!(found("https://gateway.ai.cloudflare.com/v1/a/g", ""), [ConfigWarning::NoProvider]);
        assert_eq!(found("https://gateway.ai.cloudflare.com/v1/a/g/openai", ""), []);
        assert_eq!(found("https://gateway.ai.cloudflare.com/v1/a/g/compat/", ""), []);
    }

    #[test]
    fn compiled_name_that_no_key_has() {
        let users = r#"{"version":1,"timezone":{"name":"UTC","offset":0,"transitions":[]},"users":[{"name":"T\"m"}]}"#;
        let setting = |name: &str| match name {
            "OPENAI_API_KEY" => Some("sk-proj-abcdef".to_owned()),
            "USERS" => Some(users.to_owned()),
            _ => None,
        };
        let read_key = |_: &KeySource| Err(String::new());
        let reader = CompiledUsers { enforced: Enforced::ALL, before: None, places: Places::Memory, read_key };
        let error = Config::with_users(setting, &reader).unwrap_err().to_string();
        assert!(error.contains("USERS users has a name that no key can have"), "{error}");
    }

    #[test]
    fn users_of_other_case() {
        let users = r#"{"version":1,"timezone":{"name":"UTC","offset":0,"transitions":[]},"users":[{"name":"Eve"},{"name":"Tom"}]}"#;
        let setting = |name: &str| match name {
            "OPENAI_API_KEY" => Some("sk-proj-abcdef".to_owned()),
            "ACCESS_KEYS" => {
                Some(["Eve", "Tom", "tom", "Tomas"].map(|user| format!("sk-{user}-0123456789abcdef")).join(","))
            }
            "USERS" => Some(users.to_owned()),
            _ => None,
        };
        let reader = CompiledUsers {
            enforced: Enforced::ALL,
            before: None,
            places: Places::Memory,
            read_key: |_: &KeySource| Err(String::new()),
        };
        let config = Config::with_users(setting, &reader).unwrap();
        let expected = ConfigWarning::UserCase { listed: "Tom".into(), user: "tom".into() };
        assert_eq!(config.warnings(), [expected]);
    }

    #[test]
    fn users_without_a_key() {
        let users = r#"{"version":1,"timezone":{"name":"UTC","offset":0,"transitions":[]},"users":[{"name":"Eve"},{"name":"Tom"}]}"#;
        let setting = |name: &str| match name {
            "OPENAI_API_KEY" => Some("sk-proj-abcdef".to_owned()),
            "ACCESS_KEYS" => Some("sk-Tom-0123456789abcdef".to_owned()),
            "USERS" => Some(users.to_owned()),
            _ => None,
        };
        let before = Keyring::parse("sk-Eve-0123456789abcdef", &[]).unwrap();
        let read = |before| {
            let read_key = |_: &KeySource| Err(String::new());
            Config::with_users(
                setting,
                &CompiledUsers { enforced: Enforced::ALL, before, places: Places::Memory, read_key },
            )
        };
        let warnings: Vec<_> = read(Some(&before)).unwrap().warnings().iter().map(ToString::to_string).collect();
        assert_eq!(warnings, ["USERS user Eve has no key: remove its entry, or add a key"]);
        assert_eq!(read(None).unwrap_err().to_string(), "USERS users.Eve has no key, here or in ACCESS_KEYS");
    }
}
