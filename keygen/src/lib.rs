//! Makes access keys.
//!
//! In scope: a fresh key from the operating system's randomness, and the item of `ACCESS_KEYS`
//! that admits it. Out of scope: the grammar of a key, which `sparekey_core` owns, and where keys
//! are kept.
//!
//! ```
//! let key = keygen::access_key("Tom", keygen::DEFAULT_LENGTH)?;
//! assert!(key.expose().starts_with("sk-Tom-"));
//! assert!(key.item().starts_with("sha256:Tom:"));
//! # Ok::<(), keygen::KeygenError>(())
//! ```

use std::fmt;
use std::ops::RangeInclusive;

use sparekey_core::{AccessKey, KeyError, PREFIX, RANDOM_MAX, check_user};

/// How many characters the random part may have. 22 is the least that holds 128 bits, at
/// log2(62) ≈ 5.95 bits a character.
pub const LENGTHS: RangeInclusive<usize> = 22..=RANDOM_MAX;

/// How many characters the random part has when nobody asks for more or fewer: 190 bits.
pub const DEFAULT_LENGTH: usize = 32;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Makes a key for `user`, whose random part has `length` characters.
///
/// # Errors
/// [`KeygenError::User`] and [`KeygenError::Length`] for what no key may hold, and
/// [`KeygenError::Randomness`] when the operating system yields none.
pub fn access_key(user: &str, length: usize) -> Result<NewKey, KeygenError> {
    access_key_from(getrandom::fill, user, length)
}

/// A key that was just made. It has no `Display`, so that it is shown only where a line of code
/// says so.
pub struct NewKey {
    whole: String,
    item: String,
}

impl NewKey {
    /// The whole key, to be given to its user.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.whole
    }

    /// The item of `ACCESS_KEYS` that admits this key without holding it: `sha256:{user}:{hex}`.
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

/// Why no key was made.
#[derive(Debug, thiserror::Error)]
pub enum KeygenError {
    /// The user's name can't stand in a key; the source names the character and its place.
    /// Choose another name.
    #[error(transparent)]
    User(#[from] KeyError),
    /// The length is outside [`LENGTHS`].
    #[error("the random part has {min} to {max} characters, not {0}", min = LENGTHS.start(), max = LENGTHS.end())]
    Length(usize),
    /// The operating system yielded no randomness. Try again, or elsewhere: a key made without it
    /// could be guessed.
    #[error("the operating system yields no randomness: {0}")]
    Randomness(#[from] getrandom::Error),
}

fn access_key_from(
    fill: impl FnMut(&mut [u8]) -> Result<(), getrandom::Error>,
    user: &str,
    length: usize,
) -> Result<NewKey, KeygenError> {
    check_user(user)?;
    if !LENGTHS.contains(&length) {
        return Err(KeygenError::Length(length));
    }
    let whole = format!("{PREFIX}{user}-{}", random_text(fill, length)?);
    let item = format!("sha256:{user}:{}", AccessKey::parse(&whole)?.digest());
    Ok(NewKey { whole, item })
}

fn random_text(
    mut fill: impl FnMut(&mut [u8]) -> Result<(), getrandom::Error>,
    length: usize,
) -> Result<String, getrandom::Error> {
    // 256 is no multiple of 62: taking the remainder of every byte would favour the first eight
    // letters, so the bytes beyond the last whole multiple are dropped.
    const FAIR: u8 = 248;
    let mut text = String::with_capacity(length);
    let mut bytes = [0; 64];
    while text.len() < length {
        fill(&mut bytes)?;
        let wanted = length - text.len();
        let fair = bytes.iter().filter(|&&byte| byte < FAIR).take(wanted);
        text.extend(fair.map(|&byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_parses_back_with_its_user(user in "[A-Za-z0-9._-]{1,64}", length in LENGTHS) {
            let key = access_key(&user, length).unwrap();
            let parsed = AccessKey::parse(key.expose()).unwrap();
            prop_assert_eq!(parsed.user(), &user);
            prop_assert_eq!(key.expose().len(), "sk-".len() + user.len() + "-".len() + length);
            prop_assert_eq!(key.item(), format!("sha256:{user}:{}", parsed.digest()));
        }

        #[test]
        fn a_name_is_taken_exactly_when_the_core_takes_it(user in ".{0,70}") {
            prop_assert_eq!(access_key(&user, DEFAULT_LENGTH).is_ok(), check_user(&user).is_ok());
        }
    }

    #[test]
    fn every_byte_is_dropped_or_every_character_comes_up_equally_often() {
        let mut next = 0_u8;
        let every_byte_in_turn = |bytes: &mut [u8]| {
            for byte in bytes {
                *byte = next;
                next = next.wrapping_add(1);
            }
            Ok(())
        };
        let text = random_text(every_byte_in_turn, 248).unwrap();
        for &letter in ALPHABET {
            assert_eq!(text.bytes().filter(|&found| found == letter).count(), 4);
        }
    }

    #[test]
    fn the_system_s_randomness_uses_the_whole_alphabet_evenly() {
        const EACH: usize = 10_000;
        let text = random_text(getrandom::fill, ALPHABET.len() * EACH).unwrap();
        for &letter in ALPHABET {
            let count = text.bytes().filter(|&found| found == letter).count();
            // The standard deviation is 99: eight of them lie between the mean and either bound.
            assert!(count.abs_diff(EACH) < 800, "{} came up {count} times", char::from(letter));
        }
    }

    #[test]
    fn keys_differ() {
        let keys = (0..1000).map(|_| access_key("Tom", 22).unwrap().expose().to_owned());
        assert_eq!(keys.collect::<HashSet<_>>().len(), 1000);
    }

    #[test]
    fn no_randomness_no_key() {
        let mut left = 1;
        let dries_up = |bytes: &mut [u8]| {
            if left == 0 {
                return Err(getrandom::Error::UNEXPECTED);
            }
            left -= 1;
            bytes.fill(7);
            Ok(())
        };
        let error = access_key_from(dries_up, "Tom", 128).unwrap_err();
        assert!(matches!(error, KeygenError::Randomness(_)));
        assert_eq!(error.to_string(), "the operating system yields no randomness: unexpected situation");
    }

    #[test]
    fn lengths_are_inclusive() {
        for (length, taken) in [(21, false), (22, true), (128, true), (129, false)] {
            assert_eq!(access_key("Tom", length).is_ok(), taken, "{length}");
        }
        assert_eq!(access_key("Tom", 21).unwrap_err().to_string(), "the random part has 22 to 128 characters, not 21");
    }

    #[test]
    fn the_shortest_key_holds_128_bits() {
        let bits = |characters: u8| f64::from(characters) * 62_f64.log2();
        assert!(bits(21) < 128.0 && bits(22) >= 128.0);
    }

    #[test]
    fn debug_holds_no_key() {
        assert_eq!(format!("{:?}", access_key("Tom", 22).unwrap()), "NewKey(…)");
    }
}
