//! Calendar periods, compared with jiff.
#![cfg(feature = "users-file")]
#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "a test may panic")]

use jiff::{
    ToSpan as _,
    civil::Date,
    tz::{TimeZone, TimeZoneDatabase},
};
use proptest::prelude::*;
use sparekey_policy::{Period, Timestamp, Zone};

/// 2026-11-27 12:00 UTC.
const NOW: Timestamp = Timestamp::from_seconds(1_795_780_800);

/// Changes of one hour and of half an hour, at midnight, around a month, on both sides of the equator, and none.
const ZONES: [&str; 11] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "Asia/Beirut",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
];

const EIGHT_YEARS: i64 = 8 * 366 * 86_400;

/// The name and the end of the period, by jiff.
fn by_jiff(period: Period, date: Date, zone: &TimeZone) -> Option<(String, Option<i64>)> {
    let start_of = |date: Date| Some(date.to_zoned_datetime(zone.clone()).ok()?.timestamp().as_second());
    Some(match period {
        Period::Day => (date.to_string(), Some(start_of(date.tomorrow().ok()?)?)),
        Period::Week => {
            let week = date.iso_week_date();
            let next = date.checked_add((8 - i64::from(date.weekday().to_monday_one_offset())).days()).ok()?;
            (format!("{:04}-W{:02}", week.year(), week.week()), Some(start_of(next)?))
        }
        Period::Month => {
            let next = date.first_of_month().checked_add(1.month()).ok()?;
            (date.strftime("%Y-%m").to_string(), Some(start_of(next)?))
        }
        Period::Total => ("total".to_owned(), None),
    })
}

fn compare(zone: &str, seconds: i64) -> Result<(), TestCaseError> {
    let ours = Zone::iana(zone, NOW).ok_or_else(|| TestCaseError::fail("unknown zone"))?;
    let theirs = TimeZoneDatabase::bundled().get(zone).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let instant = Timestamp::from_seconds(seconds);
    let theirs_at = jiff::Timestamp::from_second(seconds).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(ours.offset_at(instant), theirs.to_offset(theirs_at).seconds());
    for period in Period::ALL {
        let found = period.at(instant, &ours);
        let end = found.end(&ours);
        let date = theirs_at.to_zoned_datetime(theirs.clone()).date();
        let expected = by_jiff(period, date, &theirs);
        prop_assert_eq!(Some((found.to_string(), end.map(Timestamp::as_seconds))), expected, "{} {}", zone, seconds);
        if let Some(end) = end {
            prop_assert_eq!(period.at(end.plus(-1), &ours), found);
            prop_assert_eq!(period.at(end, &ours).end(&ours).map(|next| next > end), Some(true));
            prop_assert!(end > instant);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn names_and_ends(zone in proptest::sample::select(&ZONES[..]), seconds in -300 * 86_400..EIGHT_YEARS) {
        compare(zone, NOW.as_seconds() + seconds)?;
    }

    #[test]
    fn around_changes_of_offset(
        zone in proptest::sample::select(&ZONES[1..9]),
        index: proptest::sample::Index,
        seconds in -93_600_i64..93_600,
    ) {
        let table = Zone::iana(zone, NOW).unwrap();
        compare(zone, index.get(table.transitions()).0 + seconds)?;
    }

    #[test]
    fn dates_of_all_years(seconds in -62_000_000_000_i64..253_000_000_000) {
        compare("UTC", seconds)?;
    }
}

/// All days of the 400 years after which the calendar repeats.
#[test]
fn all_days() {
    let mut date = Date::constant(1999, 12, 31);
    for day in 10_956..10_956 + 146_097 {
        let instant = Timestamp::from_seconds(day * 86_400);
        assert_eq!(Period::Day.at(instant, &Zone::utc()).to_string(), date.to_string());
        date = date.tomorrow().unwrap();
    }
}

#[test]
fn names() {
    let name = |period: Period, seconds| period.at(Timestamp::from_seconds(seconds), &Zone::utc()).to_string();
    assert_eq!(
        Period::ALL.map(|period| name(period, NOW.as_seconds())),
        ["2026-11-27", "2026-W48", "2026-11", "total"]
    );
    // 2027-01-01 is in the last week of 2026.
    assert_eq!(name(Period::Week, 1_798_761_600), "2026-W53");
}

#[test]
fn days_of_23_and_25_hours() {
    let berlin = Zone::iana("europe/berlin", NOW).unwrap();
    assert_eq!(berlin.name(), "Europe/Berlin");
    // 2027-03-28 and 2027-10-31, 00:00 in Berlin.
    for (start, hours) in [(1_806_188_400, 23), (1_824_933_600, 25)] {
        let start = Timestamp::from_seconds(start);
        let day = Period::Day.at(start, &berlin);
        assert_ne!(Period::Day.at(start.plus(-1), &berlin), day);
        assert_eq!(day.end(&berlin), Some(start.plus(hours * Timestamp::HOUR)), "{day}");
    }
}

#[test]
fn zones_cover_eleven_years_and_unknown_ones_are_none() {
    let table = Zone::iana("America/New_York", NOW).unwrap();
    assert_eq!(table.transitions().len(), 2 * 12);
    assert!(Zone::iana("Europe/Atlantis", NOW).is_none());
}

#[test]
fn invalid_tables() {
    assert!(Zone::new("x".to_owned(), 86_400, vec![]).is_err());
    assert!(Zone::new("x".to_owned(), 0, vec![(0, -86_400)]).is_err());
    assert!(Zone::new("x".to_owned(), 0, vec![(5, 0), (5, 1)]).is_err());
}
