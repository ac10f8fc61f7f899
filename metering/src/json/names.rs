//! The keys of an object that are read.

/// Names of a table. A key is compared with those of its length only.
#[derive(Debug)]
pub(crate) struct Names {
    names: &'static [&'static str],
    /// By length, the positions of the names: a bit each.
    by_length: [u64; LONGEST],
}

/// One more than the bytes of the longest name.
const LONGEST: usize = 32;

/// What a key is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Key {
    /// With its position in the table.
    Name(u32, &'static str),
    OtherCase(&'static str),
    Ambiguous,
    Other,
}

impl Names {
    /// Makes a table at compile time.
    ///
    /// # Panics
    /// If it has more names than a bit set has bits, or a name that is too long.
    #[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated at compile time")]
    pub(crate) const fn new(names: &'static [&'static str]) -> Self {
        assert!(names.len() <= 64);
        let mut by_length = [0; LONGEST];
        let mut at = 0;
        while at < names.len() {
            by_length[names[at].len()] |= 1 << at;
            at += 1;
        }
        Self { names, by_length }
    }

    /// Whether all names are those of another table, or more.
    #[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated at compile time")]
    pub(crate) const fn contain(&self, others: &[&str]) -> bool {
        let mut at = 0;
        while at < others.len() {
            let mut name = 0;
            while name < self.names.len() && !is_same(self.names[name], others[at]) {
                name += 1;
            }
            if name == self.names.len() {
                return false;
            }
            at += 1;
        }
        true
    }

    /// Compares a key as it was sent.
    pub(super) fn find(&self, key: &[u8]) -> Key {
        // Some readers compare names in Unicode's simple case folding: `toolſ` is `tools` for Go's encoding/json.
        if key.iter().any(|byte| *byte == b'\\' || !byte.is_ascii()) {
            return Key::Ambiguous;
        }
        let mut rest = self.by_length.get(key.len()).copied().unwrap_or(0);
        while rest != 0 {
            let at = rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
            let name = usize::try_from(at).ok().and_then(|at| self.names.get(at)).copied().unwrap_or_default();
            if key == name.as_bytes() {
                return Key::Name(at, name);
            }
            if key.eq_ignore_ascii_case(name.as_bytes()) {
                return Key::OtherCase(name);
            }
        }
        Key::Other
    }
}

#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated at compile time")]
const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many names as fit.
    const FULL: Names = Names::new(&[
        "00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15", "16", "17",
        "18", "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31", "32", "33", "34", "35",
        "36", "37", "38", "39", "40", "41", "42", "43", "44", "45", "46", "47", "48", "49", "50", "51", "52", "53",
        "54", "55", "56", "57", "58", "59", "60", "61", "62", "last",
    ]);

    #[test]
    fn keys_are_found() {
        for (key, expected) in [
            ("00", Key::Name(0, "00")),
            ("62", Key::Name(62, "62")),
            ("last", Key::Name(63, "last")),
            ("Last", Key::OtherCase("last")),
            ("63", Key::Other),
            ("", Key::Other),
            ("la\\u0073t", Key::Ambiguous),
            ("laſt", Key::Ambiguous),
        ] {
            assert_eq!(FULL.find(key.as_bytes()), expected, "{key}");
        }
        assert_eq!(FULL.find(&[b'a'; LONGEST]), Key::Other);
    }

    #[test]
    fn tables_contain_each_other() {
        let names = Names::new(&["model", "models"]);
        assert!(names.contain(&["models", "model"]) && names.contain(&[]));
        assert!(!names.contain(&["model", "mode"]) && !names.contain(&["modelss"]) && !names.contain(&[""]));
    }
}
