//! Finds the access key in a request.
//!
//! | header | form |
//! |---|---|
//! | `authorization` | `Bearer {key}` ([RFC 6750]), or `Basic` with the key as password, or as user name without a password ([RFC 7617]) |
//! | `api-key`, `x-api-key`, `x-goog-api-key` | `{key}` |
//! | `sec-websocket-protocol` | an item `openai-insecure-api-key.{key}` |
//!
//! The query is not read, because intermediaries log URLs.
//!
//! [RFC 6750]: https://www.rfc-editor.org/rfc/rfc6750#section-2.1
//! [RFC 7617]: https://www.rfc-editor.org/rfc/rfc7617#section-2

use std::borrow::Cow;

use base64ct::{Base64, Encoding as _};
use http::{HeaderMap, HeaderValue, header};

use crate::{access_key::AccessKey, headers::KEY_HEADERS, rejection::RejectionKind};

/// Bytes of all headers that may contain a key. An access key has at most 196.
const KEY_HEADERS_MAX: usize = 1024;
/// Comma-separated items of these headers: parsing 4,000 costs 90 times a rejection without them.
const KEY_ITEMS_MAX: usize = 16;

/// Prefix of the subprotocol that contains a key. Browsers cannot set other headers on a WebSocket
/// ([OpenAI, Realtime](https://platform.openai.com/docs/guides/realtime-websocket)).
const KEY_SUBPROTOCOL: &str = "openai-insecure-api-key.";

/// Prefixes of the subprotocols that select an organization or a project
/// ([OpenAI, Realtime](https://platform.openai.com/docs/guides/realtime-websocket)).
const ACCOUNT_SUBPROTOCOLS: [&str; 2] = ["openai-organization.", "openai-project."];

/// What a header, or all headers so far, contain.
enum Found<'a> {
    Nothing,
    /// It may not be well-formed.
    Key(Cow<'a, str>),
    Malformed,
}

/// Finds the one key of a request. The same key in several places is one key. A text that is not of the form of an access
/// key is ignored if there is a key too, because clients of several vendors send values such as `undefined`.
///
/// # Errors
/// [`RejectionKind::MissingKey`], [`RejectionKind::InvalidKey`], or [`RejectionKind::AmbiguousKey`] if there are two
/// different keys.
pub(crate) fn find_key(headers: &HeaderMap) -> Result<Cow<'_, str>, RejectionKind> {
    let authorization = headers.get_all(header::AUTHORIZATION).iter().map(|value| (value, from_authorization as Read));
    let key_headers = KEY_HEADERS.iter().flat_map(|name| headers.get_all(name)).map(|value| (value, from_text as Read));

    let mut bound = Bound::default();
    let mut found = Found::Nothing;
    for (value, read) in authorization.chain(key_headers) {
        bound.count(value)?;
        found = found.or(in_value(value, read)?)?;
    }
    for value in headers.get_all(header::SEC_WEBSOCKET_PROTOCOL) {
        bound.count(value)?;
        for item in subprotocols(value).filter_map(subprotocol_key) {
            found = found.or(from_text(item))?;
        }
    }
    match found {
        Found::Key(key) => Ok(key),
        Found::Malformed => Err(RejectionKind::InvalidKey),
        Found::Nothing => Err(RejectionKind::MissingKey),
    }
}

/// What was read of the headers that may contain a key.
#[derive(Default)]
struct Bound {
    bytes: usize,
    items: usize,
}

impl Bound {
    /// Counts a header before it is parsed.
    fn count(&mut self, value: &HeaderValue) -> Result<(), RejectionKind> {
        self.bytes = self.bytes.saturating_add(value.len());
        self.items = self.items.saturating_add(value.as_bytes().split(|byte| *byte == b',').count());
        let is_exceeded = self.bytes > KEY_HEADERS_MAX || self.items > KEY_ITEMS_MAX;
        if is_exceeded { Err(RejectionKind::InvalidKey) } else { Ok(()) }
    }
}

/// Reads an item of a header.
type Read = for<'a> fn(&'a str) -> Found<'a>;

impl Found<'_> {
    /// Combines the contents of two headers.
    fn or(self, other: Self) -> Result<Self, RejectionKind> {
        match (self, other) {
            (Self::Nothing, found) | (found, Self::Nothing) => Ok(found),
            (Self::Malformed, Self::Malformed) => Ok(Self::Malformed),
            (Self::Key(key), Self::Malformed) | (Self::Malformed, Self::Key(key)) => Ok(Self::Key(key)),
            (Self::Key(key), Self::Key(other)) if key == other => Ok(Self::Key(key)),
            (Self::Key(key), Self::Key(other)) => match (is_access_key(&key), is_access_key(&other)) {
                (true, true) => Err(RejectionKind::AmbiguousKey),
                (false, true) => Ok(Self::Key(other)),
                _ => Ok(Self::Key(key)),
            },
        }
    }
}

/// The key in a header. Several items are several headers joined by an intermediary
/// ([RFC 9110 §5.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.3)), which have the same key or are malformed.
fn in_value(value: &HeaderValue, read: Read) -> Result<Found<'_>, RejectionKind> {
    let Ok(text) = str::from_utf8(value.as_bytes()) else { return Ok(Found::Malformed) };
    let mut items = text.split(',').map(|item| read(trim(item)));
    let first = items.next().unwrap_or(Found::Nothing);
    items.try_fold(first, |found, item| match (found, item) {
        (Found::Nothing, Found::Nothing) => Ok(Found::Nothing),
        (Found::Key(key), Found::Key(other)) if key == other => Ok(Found::Key(key)),
        (Found::Key(key), Found::Key(other)) if is_access_key(&key) && is_access_key(&other) => {
            Err(RejectionKind::AmbiguousKey)
        }
        _ => Ok(Found::Malformed),
    })
}

fn is_access_key(text: &str) -> bool {
    AccessKey::parse(text).is_ok()
}

fn from_authorization(item: &str) -> Found<'_> {
    let (scheme, credentials) = item.split_once([' ', '\t']).unwrap_or((item, ""));
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    match trim(credentials) {
        "" if is("") || is("bearer") || is("basic") => Found::Nothing,
        credentials if is("bearer") => Found::Key(Cow::Borrowed(credentials)),
        credentials if is("basic") => basic_key(credentials).map_or(Found::Malformed, |key| match key.as_str() {
            "" => Found::Nothing,
            _ => Found::Key(Cow::Owned(key)),
        }),
        _ => Found::Malformed,
    }
}

/// The password, or the user name if the password is empty
/// ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617#section-2)).
fn basic_key(credentials: &str) -> Option<String> {
    let pair = String::from_utf8(Base64::decode_vec(credentials).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    Some(if password.is_empty() { user } else { password }.to_owned())
}

fn from_text(item: &str) -> Found<'_> {
    if item.is_empty() { Found::Nothing } else { Found::Key(Cow::Borrowed(item)) }
}

/// Removes keys, organization and project from the subprotocols that a client offers. The others keep their order.
pub(crate) fn strip_subprotocols(headers: &mut HeaderMap) {
    if !headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        return;
    }
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    // A value that is not ASCII may contain a key.
    let not_ascii = values.iter().any(|value| value.to_str().is_err());
    let offered = || values.iter().flat_map(subprotocols);
    if !not_ascii && !offered().any(is_stripped) {
        return;
    }
    let kept: Vec<&str> = offered().filter(|item| !is_stripped(item)).collect();
    let kept = HeaderValue::try_from(kept.join(", ")).ok().filter(|value| !value.is_empty());
    headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
    if let Some(kept) = kept {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, kept);
    }
}

fn subprotocol_key(item: &str) -> Option<&str> {
    strip_prefix_ignore_case(KEY_SUBPROTOCOL, item)
}

fn is_stripped(subprotocol: &str) -> bool {
    subprotocol_key(subprotocol).is_some()
        || ACCOUNT_SUBPROTOCOLS.iter().any(|name| strip_prefix_ignore_case(name, subprotocol).is_some())
}

/// The text after a prefix, which may be in any case.
fn strip_prefix_ignore_case<'a>(prefix: &str, text: &'a str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The offered subprotocols in a header; none if it is not ASCII.
fn subprotocols(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().ok().into_iter().flat_map(|list| list.split(',')).map(trim)
}

/// Trims optional whitespace ([RFC 9110 §5.6.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.3)).
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for &(name, value) in list {
            map.append(name, HeaderValue::from_static(value));
        }
        map
    }

    #[track_caller]
    fn finds(list: &[(&'static str, &'static str)], expected: Result<&str, RejectionKind>) {
        assert_eq!(find_key(&headers(list)), expected.map(Cow::Borrowed), "{list:?}");
    }

    #[test]
    fn every_header_in_every_form() {
        finds(&[("authorization", "Bearer k")], Ok("k"));
        finds(&[("authorization", "bEARER \t k \t")], Ok("k"));
        finds(&[("authorization", "Basic Oms=")], Ok("k"));
        finds(&[("api-key", " k ")], Ok("k"));
        finds(&[("x-api-key", "k")], Ok("k"));
        finds(&[("x-goog-api-key", "k")], Ok("k"));
        finds(&[("sec-websocket-protocol", "realtime, openai-insecure-api-key.k ,x")], Ok("k"));
        finds(&[("authorization", "Bearer k"), ("api-key", "k")], Ok("k"));
        finds(&[("authorization", "Bearer "), ("api-key", "k")], Ok("k"));
    }

    #[test]
    fn missing_and_invalid() {
        finds(&[], Err(RejectionKind::MissingKey));
        finds(&[("authorization", "")], Err(RejectionKind::MissingKey));
        finds(&[("authorization", "Bearer")], Err(RejectionKind::MissingKey));
        finds(&[("x-api-key", "")], Err(RejectionKind::MissingKey));
        finds(&[("authorization", "Digest k")], Err(RejectionKind::InvalidKey));
        finds(&[("authorization", "k")], Err(RejectionKind::InvalidKey));
        finds(&[("authorization", "Basic azo=")], Ok("k"));
        finds(&[("authorization", "Basic dTpr")], Ok("k"));
        finds(&[("authorization", "Basic Og==")], Err(RejectionKind::MissingKey));
        finds(&[("authorization", "Basic aw==")], Err(RejectionKind::InvalidKey));
        finds(&[("authorization", "Basic !")], Err(RejectionKind::InvalidKey));
    }

    #[test]
    fn several_keys() {
        const TOM: &str = "Bearer sk-Tom-abcdefgh";
        let with = |name, value| [("authorization", TOM), (name, value)];
        for (name, value) in [
            ("authorization", TOM),
            ("authorization", ""),
            ("authorization", "Token x"),
            ("api-key", "sk-Tom-abcdefgh"),
            ("api-key", "sk-Tom-abcdefgh, sk-Tom-abcdefgh"),
            ("x-api-key", "undefined"),
            ("x-api-key", "a,b"),
            ("x-goog-api-key", "AIza_sk-x"),
            ("sec-websocket-protocol", "a, openai-insecure-api-key.dummy, b"),
        ] {
            finds(&with(name, value), Ok("sk-Tom-abcdefgh"));
        }
        for (name, value) in [
            ("authorization", "Bearer sk-Ann-abcdefgh"),
            ("x-api-key", "sk-Ann-abcdefgh"),
            ("x-api-key", "sk-Tom-abcdefgh,sk-Ann-abcdefgh"),
            ("sec-websocket-protocol", "openai-insecure-api-key.sk-Ann-abcdefgh"),
        ] {
            finds(&with(name, value), Err(RejectionKind::AmbiguousKey));
        }
        finds(&[("api-key", "undefined"), ("x-api-key", "sk-Tom-abcdefgh")], Ok("sk-Tom-abcdefgh"));
        for value in ["Bearer sk-Tom-abcdefgh,x", "Bearer sk-Tom-abcdefgh,", "Bearer sk-Tom-abcdefgh, Token x"] {
            finds(&[("authorization", value)], Err(RejectionKind::InvalidKey));
        }
        finds(&[("x-api-key", "sk-Tom-abcdefgh,x")], Err(RejectionKind::InvalidKey));
    }

    #[test]
    fn bounds() {
        let finds = |name: &'static str, value: String, expected| {
            let value = HeaderValue::from_str(&value).unwrap();
            assert_eq!(find_key(&HeaderMap::from_iter([(HeaderName::from_static(name), value)])).err(), expected);
        };
        let (sixteen, more) = (",".repeat(15), ",".repeat(16));
        for name in ["authorization", "api-key", "sec-websocket-protocol"] {
            finds(name, sixteen.clone(), Some(RejectionKind::MissingKey));
            finds(name, more.clone(), Some(RejectionKind::InvalidKey));
        }
        finds("api-key", format!("{:1024}", ""), Some(RejectionKind::MissingKey));
        finds("api-key", format!("{:1025}", ""), Some(RejectionKind::InvalidKey));
    }

    #[test]
    fn other_subprotocols_keep_their_order() {
        let mut map = headers(&[
            ("sec-websocket-protocol", "realtime, openai-insecure-api-key.k"),
            ("sec-websocket-protocol", "openai-beta.realtime-v1"),
        ]);
        strip_subprotocols(&mut map);
        let left: Vec<_> = map.get_all("sec-websocket-protocol").iter().collect();
        assert_eq!(left, ["realtime, openai-beta.realtime-v1"]);

        // The other headers remain.
        let mut not_ascii = headers(&[("sec-websocket-protocol", "realtime")]);
        not_ascii.append("sec-websocket-protocol", HeaderValue::from_bytes(b"openai-project.x, \xe9").unwrap());
        strip_subprotocols(&mut not_ascii);
        assert_eq!(not_ascii.get_all("sec-websocket-protocol").iter().collect::<Vec<_>>(), ["realtime"]);

        let mut only_the_key = headers(&[("sec-websocket-protocol", "openai-insecure-api-key.k")]);
        strip_subprotocols(&mut only_the_key);
        assert!(only_the_key.is_empty());
    }
}
