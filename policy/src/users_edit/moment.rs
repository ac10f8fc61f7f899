//! Dates and durations as people write them.

use toml_edit::{Date as TomlDate, Datetime, Offset, Time};

use crate::{
    civil::{DAY_SECONDS, Date},
    timestamp::Timestamp,
    users_file::date,
    zone::Zone,
};

/// The longest duration, in seconds: 100 years.
const DURATION_MAX: i64 = 100 * 366 * DAY_SECONDS;

/// A date or a time as the users file has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    datetime: Datetime,
    instant: Timestamp,
}

impl Moment {
    /// The forms that [`Moment::parse`] reads, for messages.
    pub const FORMS: &str = "a date such as 2027-01-31, a time such as \"2027-01-31 18:00\", or a time from now on such as \
                             30m, 12h, 7d or 2w";

    /// Parses a date, a time of the zone, or a time from now on: minutes, hours, days of 24 hours, or weeks.
    #[must_use]
    pub fn parse(text: &str, now: Timestamp, zone: &Zone) -> Option<Self> {
        let text = text.trim();
        if let Some(seconds) = duration(text) {
            // Rounded up: the time is never shorter than given.
            let second = now.plus(Timestamp::SECOND.saturating_sub(1)).as_seconds().saturating_add(seconds);
            return Self::at(Timestamp::from_seconds(second), zone);
        }
        let has_seconds = text.matches(':').count() != 1;
        let text = if has_seconds { text.to_owned() } else { format!("{text}:00") };
        let datetime: Datetime = text.parse().ok()?;
        Some(Self { datetime, instant: date::instant(&datetime, zone)? })
    }

    /// Returns the instant.
    #[must_use]
    pub fn instant(&self) -> Timestamp {
        self.instant
    }

    /// An instant as a local time with its UTC offset, which stays right where clocks are changed.
    fn at(instant: Timestamp, zone: &Zone) -> Option<Self> {
        let minutes = zone.offset_at(instant).div_euclid(60);
        let local = instant.as_seconds().saturating_add(i64::from(minutes).saturating_mul(60));
        let date = Date::from_days(i32::try_from(local.div_euclid(DAY_SECONDS)).ok()?);
        let second = u32::try_from(local.rem_euclid(DAY_SECONDS)).ok()?;
        let date = TomlDate {
            year: u16::try_from(date.year).ok()?,
            month: u8::try_from(date.month).ok()?,
            day: u8::try_from(date.day).ok()?,
        };
        let time = Time {
            hour: u8::try_from(second.div_euclid(3_600)).ok()?,
            minute: u8::try_from(second.div_euclid(60).rem_euclid(60)).ok()?,
            second: Some(u8::try_from(second.rem_euclid(60)).ok()?),
            nanosecond: None,
        };
        let offset = if minutes == 0 { Offset::Z } else { Offset::Custom { minutes: i16::try_from(minutes).ok()? } };
        let datetime = Datetime { date: Some(date), time: Some(time), offset: Some(offset) };
        Some(Self { datetime, instant })
    }

    pub(super) fn datetime(&self) -> Datetime {
        self.datetime
    }
}

/// Parses a duration, in seconds.
fn duration(text: &str) -> Option<i64> {
    let (last, unit) = text.char_indices().last()?;
    let seconds = match unit {
        'm' => 60,
        'h' => 3_600,
        'd' => DAY_SECONDS,
        'w' => DAY_SECONDS.saturating_mul(7),
        _ => return None,
    };
    let number = text.get(..last).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let seconds = number.parse::<i64>().ok()?.checked_mul(seconds)?;
    (1..=DURATION_MAX).contains(&seconds).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_795_780_800_000_001);

    fn written(text: &str) -> Option<String> {
        let zone = Zone::iana("Europe/Berlin", NOW).unwrap();
        Moment::parse(text, NOW, &zone).map(|moment| moment.datetime.to_string())
    }

    #[test]
    fn dates_and_durations() {
        for (text, expected) in [
            ("2027-01-31", "2027-01-31"),
            ("2027-01-31 18:00", "2027-01-31T18:00:00"),
            (" 2027-01-31T18:00:30 ", "2027-01-31T18:00:30"),
            ("2027-01-31T18:00:00Z", "2027-01-31T18:00:00Z"),
            ("30m", "2026-11-27T13:30:01+01:00"),
            ("12h", "2026-11-28T01:00:01+01:00"),
            ("7d", "2026-12-04T13:00:01+01:00"),
            ("2w", "2026-12-11T13:00:01+01:00"),
            ("31w", "2027-07-02T14:00:01+02:00"),
        ] {
            assert_eq!(written(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_forms() {
        for text in ["", "7", "d", "0d", "-7d", "+7d", "7 d", "1.5d", "7D", "7s", "1y", "99999999w", "18:00"] {
            assert_eq!(written(text), None, "{text:?}");
        }
        for text in ["2027-02-29", "2027-13-01", "31.01.2027", "2027-01-31 25:00", "2027-1-1", "tomorrow", "é"] {
            assert_eq!(written(text), None, "{text:?}");
        }
    }

    #[test]
    fn durations_end_at_their_instant() {
        let zone = Zone::iana("Europe/Berlin", NOW).unwrap();
        let moment = Moment::parse("7d", NOW, &zone).unwrap();
        assert_eq!(date::instant(&moment.datetime, &zone), Some(moment.instant()));
        assert_eq!(moment.instant().as_seconds(), 1_795_780_801 + 7 * 86_400);
    }
}
