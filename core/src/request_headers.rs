//! The headers of a request that reach the upstream: an allow-list, so that no header steers a gateway or names another
//! payer.

use http::{HeaderMap, HeaderName, header};

use crate::{
    headers::{self, HOP_BY_HOP, KEY_HEADERS, ORGANIZATION, PROJECT},
    list::{self, Position},
};

/// How a row of [`RULES`] applies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Rule {
    /// The name passes.
    Name,
    /// Names with this prefix pass.
    Prefix,
    /// Names with this prefix are dropped.
    Deny,
    /// The name is dropped without a warning, because browsers, runtimes and reverse proxies always send it.
    Silent,
    /// The same for a prefix.
    SilentPrefix,
}
use Rule::{Deny, Name, Prefix, Silent, SilentPrefix};

/// Sorted by name. The last row that matches counts.
static RULES: [(&str, Rule); 63] = [
    ("accept", Prefix),
    ("anthropic-beta", Name),
    ("anthropic-version", Name),
    ("authorization", Silent),
    ("baggage", Name),
    ("cache-control", Name),
    ("cdn-loop", Silent),
    ("cf-", SilentPrefix),
    ("cloudfront-", SilentPrefix),
    ("connection", Silent),
    ("content-", Prefix),
    ("conversation_id", Name),
    ("cookie", Silent),
    ("dnt", Silent),
    ("expect", Silent),
    ("forwarded", Silent),
    ("host", Silent),
    ("http-referer", Silent),
    ("idempotency-key", Name),
    ("if-", Prefix),
    ("last-event-id", Name),
    ("openai-beta", Name),
    ("openai-organization", Silent),
    ("openai-project", Silent),
    ("openai-safety-identifier", Name),
    ("origin", Silent),
    ("originator", Name),
    ("pragma", Silent),
    ("priority", Silent),
    ("range", Name),
    ("referer", Silent),
    ("sec-ch-", SilentPrefix),
    ("sec-fetch-", SilentPrefix),
    ("sec-gpc", Silent),
    ("sec-websocket-", Prefix),
    ("session-id", Name),
    ("session_id", Name),
    ("thread-id", Name),
    ("traceparent", Name),
    ("tracestate", Name),
    ("true-client-ip", Silent),
    ("upgrade-insecure-requests", Silent),
    ("user-agent", Name),
    ("version", Name),
    ("via", Silent),
    ("x-amz-", SilentPrefix),
    ("x-amzn-", SilentPrefix),
    ("x-client-request-id", Name),
    ("x-codex-", Prefix),
    ("x-forwarded-", SilentPrefix),
    ("x-oai-", Prefix),
    ("x-openai-", Prefix),
    ("x-openai-account-", Deny),
    ("x-openai-internal-", Deny),
    ("x-openwebui-", SilentPrefix),
    ("x-promptfoo-", SilentPrefix),
    ("x-real-ip", Silent),
    ("x-requested-with", Silent),
    ("x-responsesapi-", Prefix),
    ("x-session-affinity", Name),
    ("x-session-id", Name),
    ("x-stainless-", Prefix),
    ("x-title", Silent),
];

/// What happens to a request header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Pass,
    Drop,
    /// Dropped, and logged once.
    DropAndReport,
}

/// `PASS_HEADERS`: names and `prefix-*` that pass too.
#[derive(Debug, Default)]
pub(crate) struct PassHeaders {
    names: Vec<HeaderName>,
    prefixes: Vec<String>,
    /// `API_KEY_HEADER` with `-` for `_`, which never passes.
    key_header: String,
}

/// Parses `API_KEY_HEADER`: `authorization`, another header of keys, or one that never passes and that no client, reverse
/// proxy or connection uses.
pub(crate) fn parse_key_header(text: &str) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(text.as_bytes()).ok()?;
    let is_of_keys = name == header::AUTHORIZATION || KEY_HEADERS.contains(&name);
    let is_unused = || find_rule(name.as_str()).is_none() && !is_protected(&name);
    (is_of_keys || is_unused()).then_some(name)
}

impl PassHeaders {
    /// Parses a list separated by commas or newlines.
    ///
    /// # Errors
    /// The positions of the invalid items, counted from 1: not a header name or prefix, or one that never passes.
    pub(crate) fn parse(list: &str, key_header: &HeaderName) -> Result<Self, Vec<usize>> {
        let mut pass = Self { key_header: hyphenated(key_header), ..Self::default() };
        let mut invalid = Vec::new();
        for (Position { number: position, .. }, item) in list::items(list) {
            let text = item.strip_suffix('*').unwrap_or(item);
            match HeaderName::from_bytes(text.as_bytes()) {
                Ok(name) if pass.is_protected(&name) => invalid.push(position),
                Ok(name) if text.len() < item.len() => pass.prefixes.push(name.as_str().to_owned()),
                Ok(name) => pass.names.push(name),
                Err(_) => invalid.push(position),
            }
        }
        if invalid.is_empty() { Ok(pass) } else { Err(invalid) }
    }

    /// Removes from a request all headers that do not pass, and every header whose value contains this access key.
    /// Returns the names of those that are logged.
    pub(crate) fn strip(&self, headers: &mut HeaderMap, key: &str) -> Vec<HeaderName> {
        let mut reported = Vec::new();
        headers::strip(headers, |name, value| match self.fate(name) {
            Fate::Pass => headers::contains(value, key),
            Fate::Drop => true,
            Fate::DropAndReport => {
                reported.push(name.clone());
                true
            }
        });
        reported
    }

    /// What happens to a header with this name.
    fn fate(&self, name: &HeaderName) -> Fate {
        match find_rule(name.as_str()) {
            Some((Name, _)) => Fate::Pass,
            // The prefixes contain no `_`: a gateway may read `_` as `-`.
            Some((Prefix, rest)) if rest.iter().all(|byte| *byte != b'_') => Fate::Pass,
            _ if self.contains(name) && !self.is_protected(name) => Fate::Pass,
            Some((Silent | SilentPrefix, _)) => Fate::Drop,
            _ if self.is_protected(name) => Fate::Drop,
            _ => Fate::DropAndReport,
        }
    }

    /// Whether a header never passes; a gateway may read `_` as `-`.
    fn is_protected(&self, name: &HeaderName) -> bool {
        is_protected(name) || hyphenated(name) == self.key_header
    }

    fn contains(&self, name: &HeaderName) -> bool {
        self.names.contains(name) || self.prefixes.iter().any(|prefix| name.as_str().starts_with(prefix))
    }
}

/// The range of the rows of [`RULES`] in each bucket, so that a lookup compares few names.
static BUCKETS: [(usize, usize); 256] = buckets();

#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated at compile time")]
const fn buckets() -> [(usize, usize); 256] {
    let mut buckets = [(0, 0); 256];
    let mut row = 0;
    while row < RULES.len() {
        let bucket = &mut buckets[bucket(RULES[row].0.as_bytes())];
        if bucket.1 == 0 {
            bucket.0 = row;
        }
        bucket.1 = row + 1;
        row += 1;
    }
    buckets
}

/// The bucket of a name: its first letter, or the first one after `x-`. Names are ASCII.
const fn bucket(name: &[u8]) -> usize {
    match name {
        [b'x', b'-', letter, ..] => 0x80 | *letter as usize,
        [letter, ..] => *letter as usize,
        [] => 0,
    }
}

/// The last row that matches a name, and the rest of the name after it.
fn find_rule(name: &str) -> Option<(Rule, &[u8])> {
    let name = name.as_bytes();
    let (start, end) = BUCKETS.get(bucket(name)).copied()?;
    RULES.get(start..end)?.iter().rev().find_map(|(row, rule)| {
        let rest = name.strip_prefix(row.as_bytes())?;
        let matches = rest.is_empty() || matches!(rule, Prefix | Deny | SilentPrefix);
        matches.then_some((*rule, rest))
    })
}

/// Headers that never pass, whatever `PASS_HEADERS` says.
fn is_protected(name: &HeaderName) -> bool {
    let text = name.as_str();
    KEY_HEADERS.contains(name)
        || HOP_BY_HOP.contains(name)
        || [header::AUTHORIZATION, header::HOST, header::COOKIE, header::FORWARDED, ORGANIZATION, PROJECT]
            .contains(name)
        || ["x-forwarded-", "cf-"].iter().any(|prefix| text.starts_with(prefix))
        || text.contains('_') && is_protected_twin(text)
}

/// Whether a name with `_` for `-` is protected.
fn is_protected_twin(text: &str) -> bool {
    HeaderName::from_bytes(text.replace('_', "-").as_bytes()).is_ok_and(|twin| is_protected(&twin))
}

fn hyphenated(name: &HeaderName) -> String {
    name.as_str().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn fate(pass: &str, name: &'static str) -> Fate {
        PassHeaders::parse(pass, &header::AUTHORIZATION).unwrap().fate(&HeaderName::from_static(name))
    }

    #[test]
    fn rules_are_sorted() {
        assert!(RULES.is_sorted_by(|(a, _), (b, _)| a < b));
    }

    #[test]
    fn allow_list() {
        for name in
            ["accept", "accept-encoding", "content-type", "user-agent", "x-stainless-os", "session_id", "if-match"]
        {
            assert_eq!(fate("", name), Fate::Pass, "{name}");
        }
        for name in ["x-codex-turn-state", "x-openai-agents-sdk", "x-openai-product-sku", "sec-websocket-key", "range"]
        {
            assert_eq!(fate("", name), Fate::Pass, "{name}");
        }
        for name in
            ["cookie", "pragma", "sec-fetch-mode", "openai-organization", "x-forwarded-for", "cf-aig-cache-ttl", "te"]
        {
            assert_eq!(fate("", name), Fate::Drop, "{name}");
        }
        for name in ["x-portkey-custom-host", "helicone-target-url", "x-original-url", "openai_beta", "x-stainless_os"]
        {
            assert_eq!(fate("", name), Fate::DropAndReport, "{name}");
        }
        for name in ["x-openai-account-routing-override", "x-openai-internal-caller", "x-http-method-override"] {
            assert_eq!(fate("", name), Fate::DropAndReport, "{name}");
        }
        assert_ne!(fate("", "openai_organization"), Fate::Pass);
    }

    #[test]
    fn pass_headers() {
        assert_eq!(fate("X-Custom, helicone-*", "x-custom"), Fate::Pass);
        assert_eq!(fate("X-Custom, helicone-*", "helicone-auth"), Fate::Pass);
        assert_eq!(fate("x-*", "x-api-key"), Fate::Drop);
        assert_eq!(fate("x-*", "x-forwarded-for"), Fate::Drop);
        assert_eq!(
            PassHeaders::parse("a, cookie, x_api_key, b c, cf-*, openai-project, *", &header::AUTHORIZATION)
                .unwrap_err(),
            [2, 3, 4, 5, 6, 7]
        );
    }

    #[test]
    fn key_header() {
        for name in ["Authorization", "api-key", "X-API-Key", "ocp-apim-subscription-key", "my_key"] {
            assert!(parse_key_header(name).is_some(), "{name}");
        }
        for name in
            ["", "a b", "content-type", "Host", "te", "cf-aig-authorization", "x-codex-key", "api_key", "expect"]
        {
            assert_eq!(parse_key_header(name), None, "{name}");
        }
        let key_header = HeaderName::from_static("x-my-key");
        let pass = PassHeaders::parse("x-*, x_*", &key_header).unwrap();
        for name in ["x-my-key", "x_my_key", "x-my_key"] {
            assert_eq!(pass.fate(&HeaderName::from_static(name)), Fate::Drop, "{name}");
        }
        assert_eq!(pass.fate(&HeaderName::from_static("x-my-keys")), Fate::Pass);
        assert_eq!(PassHeaders::parse("x-my-keys, X-My_Key", &key_header).unwrap_err(), [2]);
    }

    #[test]
    fn headers_listed_in_connection_are_removed() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("connection", "close, X-One ,,"), ("connection", "x-three")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        for name in ["x-one", "x-three", "x-four"] {
            headers.append(name, HeaderValue::from_static("1"));
            headers.append(name, HeaderValue::from_static("2"));
        }
        let pass = PassHeaders::parse("x-*", &header::AUTHORIZATION).unwrap();
        assert!(pass.strip(&mut headers, "key").is_empty());
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-four"]);
        assert_eq!(headers.get_all("x-four").iter().collect::<Vec<_>>(), ["1", "2"]);
    }
}
