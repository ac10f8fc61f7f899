//! Finds the access key in a request.
//!
//! | header | form |
//! |---|---|
//! | `authorization` | `Bearer {key}` ([RFC 6750]), or `Basic` with an empty user name and the key as password ([RFC 7617]) |
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

use crate::{headers::KEY_HEADERS, rejection::RejectionKind};

/// Bytes of a key header. An access key has at most 196.
const KEY_HEADER_MAX: usize = 1024;
/// Comma-separated items of all key headers together: parsing 4,000 costs 90 times a rejection without them.
const KEY_ITEMS_MAX: usize = 16;

/// Prefix of the subprotocol that contains a key. Browsers cannot set other headers on a WebSocket
/// ([OpenAI, Realtime](https://platform.openai.com/docs/guides/realtime-websocket)).
const KEY_SUBPROTOCOL: &str = "openai-insecure-api-key.";

/// Prefixes of the subprotocols that select an organization or a project
/// ([OpenAI, Realtime](https://platform.openai.com/docs/guides/realtime-websocket)).
const ACCOUNT_SUBPROTOCOLS: [&str; 2] = ["openai-organization.", "openai-project."];

/// Finds the one key of a request. The same key in several places is one key.
///
/// # Errors
/// [`RejectionKind::MissingKey`], [`RejectionKind::InvalidKey`] or [`RejectionKind::AmbiguousKey`].
pub(crate) fn find_key(headers: &HeaderMap) -> Result<Cow<'_, str>, RejectionKind> {
    let authorization = from_authorization(headers)?;
    let key_header_values = KEY_HEADERS.iter().flat_map(|name| headers.get_all(name)).flat_map(key_texts);
    let subprotocol_keys = subprotocols(headers).filter_map(subprotocol_key).map(Ok);

    let mut found = authorization;
    for (position, key) in key_header_values.chain(subprotocol_keys).enumerate() {
        let key = key?;
        if position >= KEY_ITEMS_MAX {
            return Err(RejectionKind::InvalidKey);
        }
        match &found {
            _ if key.is_empty() => {}
            Some(known) if known != key => return Err(RejectionKind::AmbiguousKey),
            Some(_) => {}
            None => found = Some(Cow::Borrowed(key)),
        }
    }
    found.ok_or(RejectionKind::MissingKey)
}

/// Removes keys, organization and project from the subprotocols that a client offers. The others keep their order.
pub(crate) fn strip_subprotocols(headers: &mut HeaderMap) {
    if !headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        return;
    }
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    // A value that is not ASCII may contain a key.
    let not_ascii = values.iter().any(|value| value.to_str().is_err());
    if !not_ascii && !subprotocols(headers).any(is_stripped) {
        return;
    }
    let kept: Vec<&str> = subprotocols(headers).filter(|item| !is_stripped(item)).collect();
    let kept = HeaderValue::try_from(kept.join(", ")).ok().filter(|value| !value.is_empty());
    headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
    if let Some(kept) = kept {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, kept);
    }
}

fn from_authorization(headers: &HeaderMap) -> Result<Option<Cow<'_, str>>, RejectionKind> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    // Credentials contain no comma: an intermediary joined several headers
    // (https://www.rfc-editor.org/rfc/rfc9110#section-5.3).
    let joined = value.as_bytes().split(|byte| *byte == b',').filter(|item| !item.trim_ascii().is_empty()).count();
    if values.next().is_some() || joined > 1 {
        return Err(RejectionKind::AmbiguousKey);
    }
    if value.len() > KEY_HEADER_MAX {
        return Err(RejectionKind::InvalidKey);
    }
    let text = key_text(value)?;
    let (scheme, credentials) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    match trim(credentials) {
        "" if is("") || is("bearer") || is("basic") => Ok(None),
        credentials if is("bearer") => Ok(Some(Cow::Borrowed(credentials))),
        credentials if is("basic") => {
            basic_password(credentials).map(|key| Some(Cow::Owned(key))).ok_or(RejectionKind::InvalidKey)
        }
        _ => Err(RejectionKind::InvalidKey),
    }
}

/// The password if the user name is empty ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617#section-2)).
fn basic_password(credentials: &str) -> Option<String> {
    let pair = String::from_utf8(Base64::decode_vec(credentials).ok()?).ok()?;
    Some(pair.strip_prefix(':')?.to_owned())
}

/// The keys of one header, which may be several headers joined by an intermediary
/// ([RFC 9110 §5.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.3)).
fn key_texts(value: &HeaderValue) -> impl Iterator<Item = Result<&str, RejectionKind>> {
    value
        .as_bytes()
        .split(|byte| *byte == b',')
        .map(|item| str::from_utf8(item).ok().map(trim).filter(|key| key.len() <= KEY_HEADER_MAX))
        .map(|key| key.ok_or(RejectionKind::InvalidKey))
}

fn key_text(value: &HeaderValue) -> Result<&str, RejectionKind> {
    value.to_str().map(trim).map_err(|_| RejectionKind::InvalidKey)
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

/// The offered subprotocols; values that are not ASCII are skipped.
fn subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(',')).map(trim)
}

/// Trims optional whitespace ([RFC 9110 §5.6.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.3)).
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
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
        assert_eq!(find_key(&headers(list)).as_deref(), expected.as_ref().map(|key| *key), "{list:?}");
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
    fn missing_invalid_and_ambiguous() {
        finds(&[], Err(RejectionKind::MissingKey));
        finds(&[("authorization", "")], Err(RejectionKind::MissingKey));
        finds(&[("authorization", "Bearer")], Err(RejectionKind::MissingKey));
        finds(&[("x-api-key", "")], Err(RejectionKind::MissingKey));
        finds(&[("authorization", "Digest k")], Err(RejectionKind::InvalidKey));
        finds(&[("authorization", "k")], Err(RejectionKind::InvalidKey));
        finds(&[("authorization", "Basic dTpr")], Err(RejectionKind::InvalidKey));
        finds(&[("authorization", "Basic !")], Err(RejectionKind::InvalidKey));
        finds(&[("authorization", "Bearer k"), ("authorization", "Bearer k")], Err(RejectionKind::AmbiguousKey));
        finds(&[("authorization", "Bearer k"), ("api-key", "j")], Err(RejectionKind::AmbiguousKey));
        finds(&[("api-key", "k"), ("api-key", "j")], Err(RejectionKind::AmbiguousKey));
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

        let mut only_the_key = headers(&[("sec-websocket-protocol", "openai-insecure-api-key.k")]);
        strip_subprotocols(&mut only_the_key);
        assert!(only_the_key.is_empty());
    }
}
