//! When a report begins.

use sparekey_policy::{Moment, Timestamp, Zone};

use crate::commands::Failure;

/// What is accepted.
pub(super) const FORMS: &str = "2026-11-27, \"2026-11-27 18:00\", 2026-11, or a time ago such as 12h, 7d, 2w";

/// Reads an instant of the past.
///
/// # Errors
/// [`Failure::Usage`].
pub(crate) fn read(text: &str, now: Timestamp, zone: &Zone) -> Result<Timestamp, Failure> {
    let instant = |text: &str| Moment::parse(text, now, zone).map(|moment| moment.instant());
    let text = text.trim();
    let found = if text.ends_with(char::is_alphabetic) && !text.ends_with('Z') {
        // The same time from now on, the other way. It is rounded up to a second.
        instant(text).map(|later| Timestamp::from_micros(now.as_micros() - (later.as_micros() - now.as_micros())))
    } else {
        instant(text).or_else(|| instant(&format!("{text}-01")))
    };
    found.ok_or_else(|| Failure::Usage(format!("--since must be {FORMS}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let now = Timestamp::from_seconds(1_795_780_800);
        let zone = Zone::iana("Europe/Berlin", now).unwrap();
        for (text, expected) in [
            ("2026-11-27", "2026-11-26 23:00:00 UTC"),
            ("2026-11-27 18:00", "2026-11-27 17:00:00 UTC"),
            ("2026-11", "2026-10-31 23:00:00 UTC"),
            ("12h", "2026-11-27 00:00:00 UTC"),
            (" 7d ", "2026-11-20 12:00:00 UTC"),
            ("2026-11-27T18:00:00Z", "2026-11-27 18:00:00 UTC"),
        ] {
            assert_eq!(read(text, now, &zone).unwrap().to_string(), expected, "{text}");
        }
        for text in ["", "yesterday", "2026", "2026-13", "7", "-7d", "d"] {
            assert!(read(text, now, &zone).is_err(), "{text:?}");
        }
    }
}
