//! Settings that are valid, and probably a mistake.

use crate::{access_key::AccessKey, api_base::ApiBase, list};

/// Characters of a random part that cannot be guessed; `keygen` makes 32.
const RANDOM_MIN: usize = 16;

/// A setting that is probably a mistake. Its `Display` says what to do, and contains no value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigWarning {
    /// A random part that can be guessed.
    #[error("ACCESS_KEYS item {position}: its random part has fewer than 16 characters; make keys with `keygen NAME`")]
    ShortKey {
        /// The item's position, counted from 1.
        position: usize,
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
}

/// Looks for mistakes.
pub(crate) fn find(api_base: &ApiBase, access_keys: &str) -> Vec<ConfigWarning> {
    let short = list::items(access_keys)
        .filter(|(_, item)| AccessKey::parse(item).is_ok_and(|key| key.random_length() < RANDOM_MIN));
    let mut warnings: Vec<_> = short.map(|(position, _)| ConfigWarning::ShortKey { position }).collect();
    if !api_base.is_https() && api_base.is_public() {
        warnings.push(ConfigWarning::PlainHttp);
    }
    if api_base.is_ai_gateway() && !api_base.has_provider() {
        warnings.push(ConfigWarning::NoProvider);
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn found(api_base: &str, keys: &str) -> Vec<ConfigWarning> {
        find(&ApiBase::parse(api_base).unwrap(), keys)
    }

    #[test]
    fn short_keys() {
        let keys = "sk-Tom-0123456789abcdef, sk-Tom-password\nsha256:Ann:00";
        assert_eq!(found("https://api.openai.com", keys), [ConfigWarning::ShortKey { position: 2 }]);
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
}
