//! Dates of the proleptic Gregorian calendar, without time zones.
//!
//! The two conversions are
//! [Howard Hinnant's](https://howardhinnant.github.io/date_algorithms.html#days_from_civil).

use std::fmt;

/// Seconds of a day.
pub(crate) const DAY_SECONDS: i64 = 86_400;

/// A date.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) day: i64,
}

impl Date {
    /// Returns the date this many days after 1970-01-01. Days are those of an `i32`, so nothing overflows.
    pub(crate) fn from_days(days: i32) -> Self {
        // Years begin in March here, so that the leap day is the last one.
        let days = i64::from(days).saturating_add(719_468);
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let leap_days = [1_460, 36_524, 146_096].map(|length| day_of_era.div_euclid(length));
        let [fourth, hundredth, last] = leap_days;
        let year_of_era =
            day_of_era.saturating_sub(fourth).saturating_add(hundredth).saturating_sub(last).div_euclid(365);
        let before = days_before_year(year_of_era);
        let day_of_year = day_of_era.saturating_sub(before);
        let month = day_of_year.saturating_mul(5).saturating_add(2).div_euclid(153);
        let day = day_of_year.saturating_sub(days_before_month(month)).saturating_add(1);
        let month = if month < 10 { month.saturating_add(3) } else { month.saturating_sub(9) };
        let year = year_of_era.saturating_add(era.saturating_mul(400));
        Self { year: if month <= 2 { year.saturating_add(1) } else { year }, month, day }
    }

    /// Returns the number of days since 1970-01-01. The month and the day may be out of range by one.
    pub(crate) fn to_days(self) -> i64 {
        let year = if self.month <= 2 { self.year.saturating_sub(1) } else { self.year };
        let month = if self.month > 2 { self.month.saturating_sub(3) } else { self.month.saturating_add(9) };
        let day_of_year = days_before_month(month).saturating_add(self.day).saturating_sub(1);
        let day_of_era = days_before_year(year.rem_euclid(400)).saturating_add(day_of_year);
        year.div_euclid(400).saturating_mul(146_097).saturating_add(day_of_era).saturating_sub(719_468)
    }
}

/// Writes `2026-11-26`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// Days before a year of an era that begins in March.
fn days_before_year(year: i64) -> i64 {
    let leap_days = year.div_euclid(4).saturating_sub(year.div_euclid(100));
    year.saturating_mul(365).saturating_add(leap_days)
}

/// Days before a month of a year, where month 0 is March.
fn days_before_month(month: i64) -> i64 {
    month.saturating_mul(153).saturating_add(2).div_euclid(5)
}
