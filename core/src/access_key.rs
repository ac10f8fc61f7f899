//! The grammar of an access key.
//!
//! ```text
//! sk-{user}-{random}
//!     user    1 to 64 of A-Z a-z 0-9 . _ -
//!     random  8 to 128 of A-Z a-z 0-9
//! ```
//!
//! The user name ends at the last `-`. All characters are allowed in a WebSocket subprotocol (a `token`,
//! [RFC 9110 §5.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2)) and in a comma-separated list.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// A well-formed access key.
#[derive(Clone, Copy)]
pub struct AccessKey<'a> {
    whole: &'a str,
    user: &'a str,
}

/// The SHA-256 of a whole access key. It gives no access, but it is not shown either.
#[derive(Clone, Copy)]
pub struct KeyDigest([u8; 32]);

/// Why a key or a user name is invalid. No variant contains anything of the random part.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key does not begin with `sk-`.
    #[error("a key begins with \"sk-\"")]
    Prefix,
    /// The random part is missing.
    #[error("a key is sk-{{user}}-{{random}}; the part after the user is missing")]
    NoRandom,
    /// The user name is empty or too long.
    #[error("a user name has 1 to 64 characters, this one {0}")]
    UserLength(usize),
    /// A character that is not allowed in a user name.
    #[error("a user name consists of A-Z a-z 0-9 . _ -, but character {at} is {found:?}")]
    UserCharacter {
        /// The character.
        found: char,
        /// Its position in the name, counted from 1.
        at: usize,
    },
    /// The random part is too short or too long.
    #[error("the random part has 8 to 128 characters, this one {0}")]
    RandomLength(usize),
    /// A character that is not allowed in the random part.
    #[error("the random part consists of A-Z a-z 0-9, but character {at} is not")]
    RandomCharacter {
        /// Its position in the random part, counted from 1.
        at: usize,
    },
}

impl AccessKey<'_> {
    /// The start of every access key.
    pub const PREFIX: &'static str = "sk-";
    /// The longest user name, in characters, so that log lines and metric labels stay short.
    pub const USER_MAX: usize = 64;
    /// The shortest random part, in characters: 47 bits, for keys made by hand. `keygen` makes 22 or more.
    pub const RANDOM_MIN: usize = 8;
    /// The longest random part, in characters, so that little is hashed per request.
    pub const RANDOM_MAX: usize = 128;

    /// Checks a user name against the grammar.
    ///
    /// # Errors
    /// [`KeyError::UserLength`] and [`KeyError::UserCharacter`].
    pub fn check_user(user: &str) -> Result<(), KeyError> {
        if let Some((at, found)) = user.chars().enumerate().find(|&(_, c)| !is_user_character(c)) {
            return Err(KeyError::UserCharacter { found, at: at.saturating_add(1) });
        }
        if (1..=Self::USER_MAX).contains(&user.len()) { Ok(()) } else { Err(KeyError::UserLength(user.len())) }
    }
}

impl<'a> AccessKey<'a> {
    /// Parses a key.
    ///
    /// # Errors
    /// [`KeyError`], which never contains the random part.
    pub fn parse(text: &'a str) -> Result<Self, KeyError> {
        let rest = text.strip_prefix(Self::PREFIX).ok_or(KeyError::Prefix)?;
        let (user, random) = rest.rsplit_once('-').ok_or(KeyError::NoRandom)?;
        Self::check_user(user)?;
        if let Some(at) = random.bytes().position(|b| !b.is_ascii_alphanumeric()) {
            return Err(KeyError::RandomCharacter { at: at.saturating_add(1) });
        }
        if !(Self::RANDOM_MIN..=Self::RANDOM_MAX).contains(&random.len()) {
            return Err(KeyError::RandomLength(random.len()));
        }
        Ok(Self { whole: text, user })
    }

    /// Returns the user name. It is not secret: logs show it.
    #[must_use]
    pub fn user(&self) -> &'a str {
        self.user
    }

    /// The length of the random part.
    pub(crate) fn random_length(&self) -> usize {
        self.whole.rsplit_once('-').map_or(0, |(_, random)| random.len())
    }

    /// Returns the SHA-256 of the whole key.
    #[must_use]
    pub fn digest(&self) -> KeyDigest {
        KeyDigest::of(self.whole)
    }
}

impl fmt::Debug for AccessKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No user name either: in a key of another service that part is secret.
        f.write_str("AccessKey(…)")
    }
}

fn is_user_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

impl KeyDigest {
    /// The digest of no known key.
    pub(crate) const ZERO: Self = Self([0; 32]);

    pub(crate) fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// The first bytes, which logs show.
    pub(crate) fn prefix(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.0;
        [a, b, c, d]
    }

    /// Parses 64 hexadecimal digits, in either case.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        base16ct::mixed::decode(text, &mut bytes).ok().filter(|read| read.len() == 32)?;
        Some(Self(bytes))
    }
}

impl From<[u8; 32]> for KeyDigest {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl ConstantTimeEq for KeyDigest {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

/// Writes 64 lower-case hexadecimal digits, as in a `sha256:` item of `ACCESS_KEYS`.
impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is_rejected(text: &str, message: &str) {
        assert_eq!(AccessKey::parse(text).unwrap_err().to_string(), message);
    }

    #[test]
    fn user_ends_at_the_last_dash() {
        assert_eq!(AccessKey::parse("sk-anna-maria.k_2-abcdefgh").unwrap().user(), "anna-maria.k_2");
    }

    #[test]
    fn lengths_are_inclusive() {
        let key = |user: usize, random: usize| format!("sk-{}-{}", "u".repeat(user), "r".repeat(random));
        assert!(AccessKey::parse(&key(1, 8)).is_ok());
        assert!(AccessKey::parse(&key(64, 128)).is_ok());
        is_rejected(&key(65, 8), "a user name has 1 to 64 characters, this one 65");
        is_rejected(&key(1, 7), "the random part has 8 to 128 characters, this one 7");
        is_rejected(&key(1, 129), "the random part has 8 to 128 characters, this one 129");
    }

    #[test]
    fn messages_contain_the_position_and_no_secret() {
        is_rejected("pk-Tom-abcdefgh", "a key begins with \"sk-\"");
        is_rejected("sk-Tomabcdefgh", "a key is sk-{user}-{random}; the part after the user is missing");
        is_rejected("sk--abcdefgh", "a user name has 1 to 64 characters, this one 0");
        is_rejected("sk-T m-abcdefgh", "a user name consists of A-Z a-z 0-9 . _ -, but character 2 is ' '");
        is_rejected("sk-Tom-abc_efgh", "the random part consists of A-Z a-z 0-9, but character 4 is not");
    }

    #[test]
    fn debug_and_display_contain_no_key() {
        let key = AccessKey::parse("sk-Tom-abcdefgh").unwrap();
        assert_eq!(format!("{key:?}"), "AccessKey(…)");
        assert_eq!(format!("{:?}", key.digest()), "KeyDigest(…)");
    }

    #[test]
    fn digest_round_trip() {
        let digest = AccessKey::parse("sk-Tom-abcdefgh").unwrap().digest();
        assert_eq!(
            digest.to_string(),
            // printf sk-Tom-abcdefgh | sha256sum
            "35f34728b9d5dc06381c3c36a7475c431fd1558259fa602825e821060cef2415"
        );
        let read = KeyDigest::from_hex(&digest.to_string().to_uppercase()).unwrap();
        assert!(bool::from(read.ct_eq(&digest)));
        assert!(KeyDigest::from_hex("00").is_none());
        assert!(KeyDigest::from_hex(&"g".repeat(64)).is_none());
    }
}
