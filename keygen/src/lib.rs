//! Generates access keys.
//!
//! In scope: a new key from the operating system's random source, its item for `ACCESS_KEYS`, and the command line of both
//! `keygen` and `sparekey keygen`.
//! Out of scope: the syntax of a key, which `sparekey_core` defines, and the storage of keys.
//!
//! ```
//! let key = keygen::access_key("Tom", keygen::DEFAULT_LENGTH)?;
//! assert!(key.expose().starts_with("sk-Tom-"));
//! assert!(key.item().starts_with("sha256:Tom:"));
//! # Ok::<(), keygen::KeygenError>(())
//! ```

pub mod command_line;

use std::fmt;
use std::ops::RangeInclusive;

use rand::distr::{Alphanumeric, SampleString as _};
use rand::rngs::{StdRng, SysError, SysRng};
use rand::{SeedableRng as _, TryCryptoRng};
use sparekey_core::{AccessKey, KeyError};

/// Allowed lengths of the random part, in characters. 22 is the least with 128 bits, at log2(62) ≈ 5.95 bits each.
pub const LENGTHS: RangeInclusive<usize> = 22..=AccessKey::RANDOM_MAX;

/// Default length of the random part, in characters: 190 bits.
pub const DEFAULT_LENGTH: usize = 32;

/// Generates a key for `user`, with `length` characters in its random part.
///
/// # Errors
/// [`KeygenError::User`] and [`KeygenError::Length`] for an argument that no key allows,
/// [`KeygenError::Randomness`] when the operating system's random source fails.
pub fn access_key(user: &str, length: usize) -> Result<NewKey, KeygenError> {
    access_key_from(&mut SysRng, user, length)
}

/// A generated key. It has no `Display`: only [`NewKey::expose`] returns its text.
pub struct NewKey {
    key: String,
    item: String,
}

impl NewKey {
    /// Returns the whole key, for its user.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.key
    }

    /// Returns the item for `ACCESS_KEYS`, which contains a digest in place of the key: `sha256:{user}:{hex}`.
    #[must_use]
    pub fn item(&self) -> &str {
        &self.item
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewKey(…)")
    }
}

/// The reason why no key was generated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeygenError {
    /// The user name contains a character that a key must not contain; the source has the character and its place.
    /// Choose another name.
    #[error(transparent)]
    User(#[from] KeyError),
    /// The length is outside [`LENGTHS`].
    #[error("the random part has {min} to {max} characters, not {0}", min = LENGTHS.start(), max = LENGTHS.end())]
    Length(usize),
    /// The operating system's random source failed. Try again, or on another machine.
    #[error("cannot read the operating system's random source: {0}")]
    Randomness(#[from] SysError),
}

/// Returns the item of an existing key for `ACCESS_KEYS` or a users file: `sha256:{user}:{hex}`.
#[must_use]
pub fn digest_item(key: &AccessKey<'_>) -> String {
    format!("sha256:{}:{}", key.user(), key.digest())
}

fn access_key_from<R: TryCryptoRng<Error = SysError>>(
    source: &mut R,
    user: &str,
    length: usize,
) -> Result<NewKey, KeygenError> {
    AccessKey::check_user(user)?;
    if !LENGTHS.contains(&length) {
        return Err(KeygenError::Length(length));
    }
    let key = format!("{}{user}-{}", AccessKey::PREFIX, random_part(source, length)?);
    let item = digest_item(&AccessKey::parse(&key)?);
    Ok(NewKey { key, item })
}

// `rand` samples from infallible generators only. `SysRng` is fallible, so it seeds one: 256 bits, new for each key.
fn random_part<R: TryCryptoRng<Error = SysError>>(source: &mut R, length: usize) -> Result<String, SysError> {
    let mut rng = StdRng::try_from_rng(source)?;
    Ok(Alphanumeric.sample_string(&mut rng, length))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
    use rand::TryRng;

    use super::*;

    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    struct FailingRng;

    impl TryRng for FailingRng {
        type Error = SysError;

        fn try_next_u32(&mut self) -> Result<u32, SysError> {
            Err(SysError::UNEXPECTED)
        }

        fn try_next_u64(&mut self) -> Result<u64, SysError> {
            Err(SysError::UNEXPECTED)
        }

        fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), SysError> {
            Err(SysError::UNEXPECTED)
        }
    }

    impl TryCryptoRng for FailingRng {}

    proptest! {
        #[test]
        fn parse_round_trip(user in "[A-Za-z0-9._-]{1,64}", length in LENGTHS) {
            let key = access_key(&user, length).unwrap();
            let parsed = AccessKey::parse(key.expose()).unwrap();
            prop_assert_eq!(parsed.user(), &user);
            prop_assert_eq!(key.item(), format!("sha256:{user}:{}", parsed.digest()));
        }

        #[test]
        fn random_part_length_and_alphabet(length in LENGTHS) {
            let key = access_key("Tom", length).unwrap();
            let random = key.expose().strip_prefix("sk-Tom-").unwrap();
            prop_assert_eq!(random.len(), length);
            prop_assert!(random.bytes().all(|byte| ALPHABET.contains(&byte)));
        }

        #[test]
        fn user_names_as_in_core(user in ".{0,70}") {
            prop_assert_eq!(access_key(&user, DEFAULT_LENGTH).is_ok(), AccessKey::check_user(&user).is_ok());
        }
    }

    #[test]
    fn uniform_characters() {
        const EACH: usize = 10_000;
        let text = random_part(&mut SysRng, ALPHABET.len() * EACH).unwrap();
        for &letter in ALPHABET {
            let count = text.bytes().filter(|&byte| byte == letter).count();
            // The standard deviation is 99: the bound is eight of them.
            assert!(count.abs_diff(EACH) < 800, "{} occurs {count} times", char::from(letter));
        }
    }

    #[test]
    fn uniform_characters_over_many_seeds() {
        const KEYS: usize = 10_000;
        let text: String = (0..KEYS).map(|_| random_part(&mut SysRng, 62).unwrap()).collect();
        for &letter in ALPHABET {
            let count = text.bytes().filter(|&byte| byte == letter).count();
            assert!(count.abs_diff(KEYS) < 800, "{} occurs {count} times", char::from(letter));
        }
    }

    #[test]
    fn keys_are_distinct() {
        let keys = (0..1000).map(|_| access_key("Tom", 22).unwrap().expose().to_owned());
        assert_eq!(keys.collect::<HashSet<_>>().len(), 1000);
    }

    #[test]
    fn failing_random_source() {
        let error = access_key_from(&mut FailingRng, "Tom", 128).unwrap_err();
        assert!(matches!(error, KeygenError::Randomness(_)));
        assert_eq!(error.to_string(), "cannot read the operating system's random source: unexpected situation");
    }

    #[test]
    fn length_bounds_are_inclusive() {
        for (length, allowed) in [(21, false), (22, true), (128, true), (129, false)] {
            assert_eq!(access_key("Tom", length).is_ok(), allowed, "{length}");
        }
        assert_eq!(access_key("Tom", 21).unwrap_err().to_string(), "the random part has 22 to 128 characters, not 21");
    }

    #[test]
    fn shortest_key_has_128_bits() {
        let bits = |characters: u8| f64::from(characters) * 62_f64.log2();
        assert!(bits(21) < 128.0 && bits(22) >= 128.0);
    }

    #[test]
    fn debug_omits_the_key() {
        assert_eq!(format!("{:?}", access_key("Tom", 22).unwrap()), "NewKey(…)");
    }
}
