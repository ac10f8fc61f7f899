//! Time zones of the IANA database, as it was when this version was built.

use jiff::tz::TimeZoneDatabase;

use crate::{
    civil::{DAY_SECONDS, Date},
    timestamp::Timestamp,
    zone::Zone,
};

/// Years after the current one whose changes of offset are in the table. The table is made again at each start.
const YEARS_AHEAD: i64 = 10;

impl Zone {
    /// Returns a time zone with the offsets from the year before `now` to ten years after it; `None` if the database has
    /// no zone of this name. Case does not matter.
    #[must_use]
    pub fn iana(name: &str, now: Timestamp) -> Option<Self> {
        let zone = TimeZoneDatabase::bundled().get(name).ok()?;
        let year = Date::from_days(Self::utc().day_at(now)).year;
        let new_year = |year| Date { year, month: 1, day: 1 }.to_days().saturating_mul(DAY_SECONDS);
        let start = jiff::Timestamp::from_second(new_year(year.saturating_sub(1))).ok()?;
        let end = new_year(year.saturating_add(YEARS_AHEAD).saturating_add(1));
        let first = zone.to_offset(start).seconds();
        let mut offset = first;
        let mut transitions = Vec::new();
        for transition in zone.following(start) {
            let at = transition.timestamp().as_second();
            if at >= end {
                break;
            }
            // Some transitions change only the abbreviation.
            let next = transition.offset().seconds();
            if next != offset {
                transitions.push((at, next));
                offset = next;
            }
        }
        Self::new(zone.iana_name().unwrap_or(name).to_owned(), first, transitions).ok()
    }
}
