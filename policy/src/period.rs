//! Calendar periods: which one it is, its name, its end.

use std::fmt;

use crate::{
    civil::{DAY_SECONDS, Date},
    timestamp::Timestamp,
    zone::Zone,
};

/// The kinds of periods of a budget.
// Exhaustive: counters and budgets have one place per kind.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Period {
    /// A calendar day, which has 23 to 25 hours.
    Day,
    /// A week, from Monday ([ISO 8601](https://en.wikipedia.org/wiki/ISO_week_date)).
    Week,
    /// A calendar month.
    Month,
    /// All time.
    Total,
}

/// One calendar period, such as November 2026. Its `Display` is its name.
///
/// Periods of one kind are ordered by time.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct CalendarPeriod {
    period: Period,
    number: i32,
}

impl Period {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Total];

    /// Returns the name in the users file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// Returns the kind with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.name() == name)
    }

    /// Returns the period of this kind that contains the instant.
    #[must_use]
    pub fn at(self, instant: Timestamp, zone: &Zone) -> CalendarPeriod {
        self.of_day(zone.day_at(instant))
    }

    /// Returns the period of this kind that contains the day, given in days since 1970-01-01.
    #[must_use]
    pub fn of_day(self, day: i32) -> CalendarPeriod {
        let number = match self {
            Self::Day => day,
            // 1970-01-01 was a Thursday, three days after the Monday of week 0.
            Self::Week => day.div_euclid(7).saturating_add(i32::from(day.rem_euclid(7) >= 4)),
            Self::Month => {
                let date = Date::from_days(day);
                let months =
                    date.year.saturating_sub(1970).saturating_mul(12).saturating_add(date.month).saturating_sub(1);
                i32::try_from(months).unwrap_or(0)
            }
            Self::Total => 0,
        };
        CalendarPeriod { period: self, number }
    }
}

impl CalendarPeriod {
    /// Returns the kind.
    #[must_use]
    pub fn period(self) -> Period {
        self.period
    }

    /// Returns the number since the period of its kind that contains 1970-01-01. Of a day, it is the number of days.
    #[must_use]
    pub fn number(self) -> i32 {
        self.number
    }

    /// Returns the instant at which the period ends and the next one begins; `None` for [`Period::Total`].
    #[must_use]
    pub fn end(self, zone: &Zone) -> Option<Timestamp> {
        let next = Self { number: self.number.saturating_add(1), ..self };
        Some(zone.instant_of(next.first_day()?.saturating_mul(DAY_SECONDS)))
    }

    /// The first day, in days since 1970-01-01.
    fn first_day(self) -> Option<i64> {
        let number = i64::from(self.number);
        match self.period {
            Period::Day => Some(number),
            Period::Week => Some(monday(number)),
            Period::Month => Some(self.first_of_month().to_days()),
            Period::Total => None,
        }
    }

    fn first_of_month(self) -> Date {
        let number = i64::from(self.number);
        Date {
            year: number.div_euclid(12).saturating_add(1970),
            month: number.rem_euclid(12).saturating_add(1),
            day: 1,
        }
    }
}

/// Writes `2026-11-26`, `2026-W48`, `2026-11` or `total`.
impl fmt::Display for CalendarPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.period {
            Period::Day => Date::from_days(self.number).fmt(f),
            Period::Week => {
                // The year of a week is that of its Thursday.
                let thursday = monday(self.number.into()).saturating_add(3);
                let year = Date::from_days(i32::try_from(thursday).unwrap_or(i32::MAX)).year;
                let new_year = Date { year, month: 1, day: 1 }.to_days();
                let week = thursday.saturating_sub(new_year).div_euclid(7).saturating_add(1);
                write!(f, "{year:04}-W{week:02}")
            }
            Period::Month => {
                let first = self.first_of_month();
                write!(f, "{:04}-{:02}", first.year, first.month)
            }
            Period::Total => f.write_str("total"),
        }
    }
}

/// The Monday of a week, in days since 1970-01-01.
fn monday(week: i64) -> i64 {
    week.saturating_mul(7).saturating_sub(3)
}
