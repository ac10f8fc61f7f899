//! `keys`: the digests of a user's keys.

use super::date;
use crate::{
    toml_file::{
        problem::Problems,
        tree::{Node, Value},
    },
    users::ListedKey,
    zone::Zone,
};

const FORM: &str = "must be \"sha256:{64 hexadecimal digits}\", as `sparekey keygen --digest NAME` prints it, or \
                    { digest = \"sha256:…\", expires = 2027-01-01, label = \"laptop\" }";

const PLAIN_KEY: &str = "is a key in plain text, which must not be stored; write its digest: \"sha256:\" and the output of \
                         `printf %s KEY | sha256sum`, or make a new key with `sparekey keygen --digest NAME`";

/// A key and where it stands.
#[derive(Debug)]
pub(super) struct KeyEntry<'a> {
    pub(super) listed: ListedKey,
    /// The user that the digest names.
    pub(super) user: Option<&'a str>,
    pub(super) node: &'a Node,
}

/// Reads one item.
pub(super) fn read<'a>(node: &'a Node, zone: &Zone, problems: &mut Problems<'_>) -> Option<KeyEntry<'a>> {
    let Value::Table(entries) = &node.value else {
        let (user, listed) = read_digest(node, problems)?;
        return Some(KeyEntry { listed, user, node });
    };
    let (mut digest, mut expires, mut label) = (None, None, None);
    let has_digest = entries.iter().any(|(name, _)| name == "digest");
    for (name, value) in entries {
        match name.as_str() {
            "digest" => digest = read_digest(value, problems),
            "expires" => expires = date::read(value, zone, problems),
            "label" => {
                label = value.text().filter(|label| !label.chars().any(char::is_control)).map(str::to_owned);
                if label.is_none() {
                    problems.add(value, "must be a text of one line");
                }
            }
            _ => problems.add(value, "is not a field of a key; its fields are digest, expires and label"),
        }
    }
    if !has_digest {
        problems.add(node, FORM);
    }
    let (user, listed) = digest?;
    Some(KeyEntry { listed: ListedKey { expires, label, ..listed }, user, node })
}

/// Reads `sha256:{digits}` or `sha256:{user}:{digits}`.
fn read_digest<'a>(node: &'a Node, problems: &mut Problems<'_>) -> Option<(Option<&'a str>, ListedKey)> {
    let text = node.text();
    let parts = text.and_then(|text| text.strip_prefix("sha256:")).map(|rest| match rest.rsplit_once(':') {
        Some((user, digits)) => (Some(user), digits),
        None => (None, rest),
    });
    let read = parts.and_then(|(user, digits)| Some((user, ListedKey::from_hex(digits)?)));
    if read.is_none() {
        let is_plain = text.is_some_and(|text| text.trim_start().starts_with("sk-"));
        problems.add(node, if is_plain { PLAIN_KEY } else { FORM });
    }
    read
}
