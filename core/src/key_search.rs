//! Finds access keys in a text, such as the path and the query of a URL.

use crate::{access_key::AccessKey, headers, keyring::Keyring};

/// Texts in a URL that are hashed because they may be keys. Each costs about 1 µs without SHA instructions; a URL has none.
const CANDIDATES_MAX: usize = 16;

impl Keyring {
    /// Whether a text contains one of these keys, or more than [`CANDIDATES_MAX`] texts that may be keys.
    pub(crate) fn occurs_in(&self, text: &[u8]) -> bool {
        const START_MAX: usize = AccessKey::PREFIX.len() + AccessKey::USER_MAX;
        if !text.contains(&b'-') {
            return false;
        }
        let mut candidates = 0_usize;
        // The user may contain dashes, so each dash may be the last.
        headers::positions(text, "-").any(|dash| {
            let (before, after) = text.split_at_checked(dash).unwrap_or_default();
            let random = after.iter().skip(1).take_while(|byte| byte.is_ascii_alphanumeric()).count();
            if !(AccessKey::RANDOM_MIN..=AccessKey::RANDOM_MAX).contains(&random) {
                return false;
            }
            let is_key_byte = |byte: &&u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
            let length = before.iter().rev().take(START_MAX).take_while(is_key_byte).count();
            let earliest = dash.saturating_sub(length);
            headers::positions(before.get(earliest..).unwrap_or_default(), AccessKey::PREFIX).any(|position| {
                candidates = candidates.saturating_add(1);
                let key = earliest.saturating_add(position)..=dash.saturating_add(random);
                candidates > CANDIDATES_MAX || self.is_key(text.get(key).unwrap_or_default())
            })
        })
    }

    fn is_key(&self, text: &[u8]) -> bool {
        let key = str::from_utf8(text).ok().and_then(|text| AccessKey::parse(text).ok());
        key.is_some_and(|key| self.find_any(key.user(), &key.digest()).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOM: &str = "sk-Tom-abcdefgh";

    #[test]
    fn keys_are_found_in_a_text() {
        let ring = Keyring::parse("sk-anna-maria.k-abcdefgh,sk-Tom-ABCDEFGH", &[]).unwrap();
        for text in [
            "sk-Tom-ABCDEFGH",
            "/x/sk-Tom-ABCDEFGH.png",
            "key=sk-anna-maria.k-abcdefgh&a=b",
            "protocol.sk-anna-maria.k-abcdefgh-",
            "sk-sk-Tom-ABCDEFGH",
        ] {
            assert!(ring.occurs_in(text.as_bytes()), "{text}");
        }
        for text in ["sk-Tom-ABCDEFGI", "sk-learn-documentation", "sk-Tom-", "sk-", "", "sk-Tom-ABCDEFGHI", "task-Tom"]
        {
            assert!(!ring.occurs_in(text.as_bytes()), "{text}");
        }
        assert!(!ring.occurs_in(b"\xffsk-Tom-\xff"));
    }

    #[test]
    fn search_is_bounded() {
        let ring = Keyring::parse(TOM, &[]).unwrap();
        let candidate = "sk-Ann-abcdefgh,";
        assert!(!ring.occurs_in(candidate.repeat(CANDIDATES_MAX).as_bytes()));
        assert!(ring.occurs_in(candidate.repeat(CANDIDATES_MAX + 1).as_bytes()));
        assert!(ring.occurs_in(format!("{}abcdefgh", "sk-".repeat(CANDIDATES_MAX + 2)).as_bytes()));
        assert!(!ring.occurs_in("task-abcdefgh/".repeat(1000).as_bytes()));
    }
}
