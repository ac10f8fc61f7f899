//! The grammar of an access key.
//!
//! ```text
//! sk-{user}-{random}
//!     user    1 to 64 of A-Z a-z 0-9 . _ -
//!     random  8 to 128 of A-Z a-z 0-9
//! ```
//!
//! The user ends at the last `-`. Every character is legal in a WebSocket subprotocol (a `token`,
//! [RFC 9110 §5.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2)) and in a comma list.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// What every access key begins with.
pub const PREFIX: &str = "sk-";
/// The most characters that a user's name may have.
pub const USER_MAX: usize = 64;
/// The fewest characters that the random part may have.
pub const RANDOM_MIN: usize = 8;
/// The most characters that the random part may have.
pub const RANDOM_MAX: usize = 128;

/// A well-formed access key, borrowed from where it was presented.
#[derive(Clone, Copy)]
pub struct AccessKey<'a> {
    whole: &'a str,
    user: &'a str,
}

impl<'a> AccessKey<'a> {
    /// Parses a key.
    ///
    /// # Errors
    /// [`KeyError`], which names what is wrong and never the key.
    pub fn parse(text: &'a str) -> Result<Self, KeyError> {
        let rest = text.strip_prefix(PREFIX).ok_or(KeyError::Prefix)?;
        let (user, random) = rest.rsplit_once('-').ok_or(KeyError::NoRandom)?;
        check_user(user)?;
        if let Some(at) = random.bytes().position(|b| !b.is_ascii_alphanumeric()) {
            return Err(KeyError::RandomCharacter { at: at.saturating_add(1) });
        }
        if !(RANDOM_MIN..=RANDOM_MAX).contains(&random.len()) {
            return Err(KeyError::RandomLength(random.len()));
        }
        Ok(Self { whole: text, user })
    }

    /// The person whom the key was given to. Public: it stands in logs.
    #[must_use]
    pub fn user(&self) -> &'a str {
        self.user
    }

    /// The SHA-256 of the whole key.
    #[must_use]
    pub fn digest(&self) -> KeyDigest {
        KeyDigest::of(self.whole)
    }
}

impl fmt::Debug for AccessKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not even the user: in a foreign key with dashes that part is secret too.
        f.write_str("AccessKey(…)")
    }
}

/// Checks a user's name against the grammar.
///
/// # Errors
/// [`KeyError::UserLength`] and [`KeyError::UserCharacter`].
pub fn check_user(user: &str) -> Result<(), KeyError> {
    if let Some((at, found)) = user.chars().enumerate().find(|&(_, c)| !is_user_character(c)) {
        return Err(KeyError::UserCharacter { found, at: at.saturating_add(1) });
    }
    if (1..=USER_MAX).contains(&user.len()) { Ok(()) } else { Err(KeyError::UserLength(user.len())) }
}

fn is_user_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// The SHA-256 of a whole access key. It opens nothing, but it is not shown needlessly either.
#[derive(Clone, Copy)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// No key's digest, as far as anybody knows.
    pub(crate) const ZERO: Self = Self([0; 32]);

    pub(crate) fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Reads 64 hexadecimal digits, in either case.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        base16ct::mixed::decode(text, &mut bytes).ok().filter(|read| read.len() == 32)?;
        Some(Self(bytes))
    }
}

impl ConstantTimeEq for KeyDigest {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

/// Writes 64 lower-case hexadecimal digits, as a `sha256:` item of `ACCESS_KEYS` holds them.
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

/// What is wrong with a key or a user's name. No variant holds anything of the random part.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// The key does not begin with `sk-`.
    #[error("a key begins with \"sk-\"")]
    Prefix,
    /// Nothing but a name follows `sk-`.
    #[error("a key is sk-{{user}}-{{random}}; the part after the user is missing")]
    NoRandom,
    /// The user's name is empty or too long.
    #[error("a user's name has 1 to 64 characters, this one {0}")]
    UserLength(usize),
    /// A character that a user's name can't hold; places count from 1.
    #[error("a user's name is made of A-Z a-z 0-9 . _ -, but character {at} is {found:?}")]
    UserCharacter {
        /// The character.
        found: char,
        /// Its place in the name, the first being 1.
        at: usize,
    },
    /// The random part is too short or too long.
    #[error("the random part has 8 to 128 characters, this one {0}")]
    RandomLength(usize),
    /// A character that the random part can't hold; places count from 1.
    #[error("the random part is made of A-Z a-z 0-9, but character {at} is not")]
    RandomCharacter {
        /// Its place in the random part, the first being 1.
        at: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, message: &str) {
        assert_eq!(AccessKey::parse(text).unwrap_err().to_string(), message);
    }

    #[test]
    fn the_user_ends_at_the_last_dash() {
        assert_eq!(AccessKey::parse("sk-anna-maria.k_2-abcdefgh").unwrap().user(), "anna-maria.k_2");
    }

    #[test]
    fn lengths_are_inclusive() {
        let key = |user: usize, random: usize| format!("sk-{}-{}", "u".repeat(user), "r".repeat(random));
        assert!(AccessKey::parse(&key(1, 8)).is_ok());
        assert!(AccessKey::parse(&key(64, 128)).is_ok());
        refused(&key(65, 8), "a user's name has 1 to 64 characters, this one 65");
        refused(&key(1, 7), "the random part has 8 to 128 characters, this one 7");
        refused(&key(1, 129), "the random part has 8 to 128 characters, this one 129");
    }

    #[test]
    fn messages_name_the_place_and_never_the_secret() {
        refused("pk-Tom-abcdefgh", "a key begins with \"sk-\"");
        refused("sk-Tomabcdefgh", "a key is sk-{user}-{random}; the part after the user is missing");
        refused("sk--abcdefgh", "a user's name has 1 to 64 characters, this one 0");
        refused("sk-T m-abcdefgh", "a user's name is made of A-Z a-z 0-9 . _ -, but character 2 is ' '");
        refused("sk-Tom-abc_efgh", "the random part is made of A-Z a-z 0-9, but character 4 is not");
    }

    #[test]
    fn debug_and_display_hold_no_key() {
        let key = AccessKey::parse("sk-Tom-abcdefgh").unwrap();
        assert_eq!(format!("{key:?}"), "AccessKey(…)");
        assert_eq!(format!("{:?}", key.digest()), "KeyDigest(…)");
    }

    #[test]
    fn a_digest_reads_back() {
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
