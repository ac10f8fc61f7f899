//! Where a client may present its key.
//!
//! | place | form |
//! |---|---|
//! | `authorization` | `Bearer {key}`, or `Basic` with a blank user and the key as password |
//! | `api-key`, `x-api-key`, `x-goog-api-key` | `{key}` |
//! | `sec-websocket-protocol` | an item `openai-insecure-api-key.{key}` |
//!
//! Nothing is read from the query or the body, which end up in logs.

use std::borrow::Cow;

use base64ct::{Base64, Encoding as _};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::rejection::Cause;

/// The headers whose whole value is a key.
static KEY_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// What the subprotocol that holds a key begins with.
const KEY_SUBPROTOCOL: &str = "openai-insecure-api-key.";

/// Beginnings of subprotocols that stand for headers of the owner's choice.
const OWNER_SUBPROTOCOLS: [&str; 2] = ["openai-organization.", "openai-project."];

/// Finds the one key of a request.
///
/// # Errors
/// [`Cause::MissingKey`], [`Cause::InvalidKey`] or [`Cause::AmbiguousKey`].
pub(crate) fn presented(headers: &HeaderMap) -> Result<Cow<'_, str>, Cause> {
    let authorization = from_authorization(headers)?;
    let whole = KEY_HEADERS.iter().flat_map(|name| headers.get_all(name)).flat_map(key_texts);
    let offered = subprotocols(headers).filter_map(subprotocol_key).map(Ok);

    let mut found = authorization;
    for key in whole.chain(offered) {
        let key = key?;
        match &found {
            _ if key.is_empty() => {}
            Some(known) if known != key => return Err(Cause::AmbiguousKey),
            Some(_) => {}
            None => found = Some(Cow::Borrowed(key)),
        }
    }
    found.ok_or(Cause::MissingKey)
}

/// Takes the key, and what is the owner's to choose, out of the subprotocols that a WebSocket offers; the others
/// stay in their order.
pub(crate) fn strip_subprotocols(headers: &mut HeaderMap) {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    // What can't be read can't be shown to hold no key.
    let unreadable = values.iter().any(|value| value.to_str().is_err());
    if !unreadable && !subprotocols(headers).any(ends_here) {
        return;
    }
    let kept: Vec<&str> = subprotocols(headers).filter(|item| !ends_here(item)).collect();
    let kept = HeaderValue::try_from(kept.join(", ")).ok().filter(|value| !value.is_empty());
    headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
    if let Some(kept) = kept {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, kept);
    }
}

/// Whether a header of this name holds nothing but a key.
pub(crate) fn is_key_header(name: &HeaderName) -> bool {
    KEY_HEADERS.contains(name)
}

fn from_authorization(headers: &HeaderMap) -> Result<Option<Cow<'_, str>>, Cause> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    // No credentials hold a comma: it is where somebody on the way joined several headers.
    let joined = value.as_bytes().split(|byte| *byte == b',').filter(|item| !item.trim_ascii().is_empty()).count();
    if values.next().is_some() || joined > 1 {
        return Err(Cause::AmbiguousKey);
    }
    let text = key_text(value)?;
    let (scheme, credentials) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    match trim(credentials) {
        "" if is("") || is("bearer") || is("basic") => Ok(None),
        credentials if is("bearer") => Ok(Some(Cow::Borrowed(credentials))),
        credentials if is("basic") => {
            basic_password(credentials).map(|key| Some(Cow::Owned(key))).ok_or(Cause::InvalidKey)
        }
        _ => Err(Cause::InvalidKey),
    }
}

/// The password beside a blank user ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617#section-2)).
fn basic_password(credentials: &str) -> Option<String> {
    let pair = String::from_utf8(Base64::decode_vec(credentials).ok()?).ok()?;
    Some(pair.strip_prefix(':')?.to_owned())
}

/// The keys of one header, which may have been several
/// ([RFC 9110 §5.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.3)).
fn key_texts(value: &HeaderValue) -> impl Iterator<Item = Result<&str, Cause>> {
    value
        .as_bytes()
        .split(|byte| *byte == b',')
        .map(|item| str::from_utf8(item).map(trim).map_err(|_| Cause::InvalidKey))
}

fn key_text(value: &HeaderValue) -> Result<&str, Cause> {
    value.to_str().map(trim).map_err(|_| Cause::InvalidKey)
}

fn subprotocol_key(item: &str) -> Option<&str> {
    after(KEY_SUBPROTOCOL, item)
}

fn ends_here(subprotocol: &str) -> bool {
    subprotocol_key(subprotocol).is_some() || OWNER_SUBPROTOCOLS.iter().any(|name| after(name, subprotocol).is_some())
}

/// What follows a prefix, in any case.
fn after<'a>(prefix: &str, text: &'a str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The offered subprotocols; a value that is not ASCII offers none.
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
    fn finds(list: &[(&'static str, &'static str)], expected: Result<&str, Cause>) {
        assert_eq!(presented(&headers(list)).as_deref(), expected.as_ref().map(|key| *key), "{list:?}");
    }

    #[test]
    fn every_place_in_every_form() {
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
    fn none_wrong_or_two() {
        finds(&[], Err(Cause::MissingKey));
        finds(&[("authorization", "")], Err(Cause::MissingKey));
        finds(&[("authorization", "Bearer")], Err(Cause::MissingKey));
        finds(&[("x-api-key", "")], Err(Cause::MissingKey));
        finds(&[("authorization", "Digest k")], Err(Cause::InvalidKey));
        finds(&[("authorization", "k")], Err(Cause::InvalidKey));
        finds(&[("authorization", "Basic dTpr")], Err(Cause::InvalidKey));
        finds(&[("authorization", "Basic !")], Err(Cause::InvalidKey));
        finds(&[("authorization", "Bearer k"), ("authorization", "Bearer k")], Err(Cause::AmbiguousKey));
        finds(&[("authorization", "Bearer k"), ("api-key", "j")], Err(Cause::AmbiguousKey));
        finds(&[("api-key", "k"), ("api-key", "j")], Err(Cause::AmbiguousKey));
    }

    #[test]
    fn other_subprotocols_stay_in_order() {
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
