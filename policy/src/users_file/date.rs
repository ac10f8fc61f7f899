//! Dates and times of the users file.

use toml_edit::{Datetime, Offset, Time};

use crate::{
    civil::{DAY_SECONDS, Date},
    timestamp::Timestamp,
    toml_file::{
        problem::Problems,
        tree::{Node, Value},
    },
    zone::Zone,
};

/// Reads an instant: a date is its first instant in the zone, a time without an offset is one of the zone.
pub(crate) fn read(node: &Node, zone: &Zone, problems: &mut Problems<'_>) -> Option<Timestamp> {
    let instant = if let Value::Datetime(datetime) = &node.value { instant(datetime, zone) } else { None };
    if instant.is_none() {
        problems.add(node, "must be a date such as 2027-01-01, or a time such as 2027-01-01T18:00:00, without quotes");
    }
    instant
}

/// Returns the instant of a date or a time; `None` for a time of day alone, and for a day that does not exist.
pub(crate) fn instant(datetime: &Datetime, zone: &Zone) -> Option<Timestamp> {
    let date = datetime.date?;
    let date = Date { year: date.year.into(), month: date.month.into(), day: date.day.into() };
    let days = date.to_days();
    // The parser checks the form; a day that the month does not have would be one of the next month.
    if Date::from_days(i32::try_from(days).ok()?) != date {
        return None;
    }
    let (seconds, micros) = datetime.time.map_or((0, 0), of_day);
    let local = days.saturating_mul(DAY_SECONDS).saturating_add(seconds);
    let instant = match datetime.offset {
        None => zone.instant_of(local),
        Some(Offset::Z) => Timestamp::from_seconds(local),
        Some(Offset::Custom { minutes }) => {
            Timestamp::from_seconds(local.saturating_sub(i64::from(minutes).saturating_mul(60)))
        }
    };
    Some(instant.plus(micros))
}

/// The seconds since midnight, and the microseconds after them.
fn of_day(time: Time) -> (i64, i64) {
    let minutes = i64::from(time.hour).saturating_mul(60).saturating_add(time.minute.into());
    let seconds = minutes.saturating_mul(60).saturating_add(time.second.unwrap_or(0).into());
    (seconds, i64::from(time.nanosecond.unwrap_or(0)).div_euclid(1_000))
}
