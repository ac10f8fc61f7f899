//! Searches for a delimiter in big files.

/// Boyer–Moore–Horspool: moves on by nearly the delimiter's length at a time.
#[derive(Debug)]
pub(super) struct Needle<'n> {
    bytes: &'n [u8],
    /// How far the needle may move where its last position has this byte.
    shifts: [u8; 256],
}

impl<'n> Needle<'n> {
    /// Prepares a needle of 1 to 255 bytes.
    pub(super) fn new(bytes: &'n [u8]) -> Self {
        let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX).max(1);
        let mut shifts = [length; 256];
        // The last position is left out: there the shift would be 0.
        for (byte, shift) in bytes.iter().zip((1..length).rev()) {
            if let Some(entry) = shifts.get_mut(usize::from(*byte)) {
                *entry = shift;
            }
        }
        Self { bytes, shifts }
    }

    /// Returns what is before and after the first occurrence.
    pub(super) fn split<'a>(&self, text: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let mut start = 0_usize;
        loop {
            let (before, rest) = text.split_at_checked(start)?;
            let (window, after) = rest.split_at_checked(self.bytes.len())?;
            if window == self.bytes {
                return Some((before, after));
            }
            let shift = self.shifts.get(usize::from(*window.last()?)).copied().unwrap_or(1);
            start = start.wrapping_add(shift.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn finds_the_first_occurrence(needle in "[-a]{1,4}", text in "[-ab]{0,24}") {
            let expected = text.split_once(&needle);
            let found = Needle::new(needle.as_bytes()).split(text.as_bytes());
            prop_assert_eq!(found, expected.map(|(before, after)| (before.as_bytes(), after.as_bytes())));
        }
    }

    #[test]
    fn longest_delimiter() {
        let needle = [b"--".to_vec(), vec![b'b'; 70]].concat();
        for before in 0..200 {
            let text = [vec![b'b'; before], needle.clone(), b"x".to_vec()].concat();
            assert_eq!(Needle::new(&needle).split(&text), Some((&*vec![b'b'; before], &b"x"[..])));
        }
    }
}
