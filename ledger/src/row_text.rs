//! A row as lines of text, for an engine that is reached through a language without integers of 64 bits.

use std::time::Duration;

use sparekey_policy::Usd;

use crate::{row::LedgerRow, usage_columns};

impl LedgerRow {
    /// Returns the columns, one per line, in the order of the table `usage` from `id` on. A line is empty for a value that is
    /// absent.
    #[must_use]
    pub fn to_lines(&self) -> String {
        let Self { id, user, day, cost, voided, row } = self;
        let micros = |duration: Duration| duration.as_micros().to_string();
        let mut lines = vec![
            format!("{:032x}", id.0),
            day.number().to_string(),
            user.to_string(),
            row.started.as_micros().to_string(),
            row.key.to_string(),
            row.route.to_string(),
            row.model.to_string(),
            row.tier.name().to_owned(),
        ];
        lines.extend(usage_columns::named(&row.usage).map(|(_, count)| count.to_string()));
        lines.extend([
            cost.as_pico().to_string(),
            voided.map(Usd::as_pico).map_or_else(String::new, |voided| voided.to_string()),
            row.prices.to_string(),
            row.status.to_string(),
            row.end.name().to_owned(),
            u8::from(row.is_estimated).to_string(),
            u8::from(row.is_over).to_string(),
            row.retry.to_string(),
            row.upstream_id.as_deref().unwrap_or_default().to_owned(),
            row.response_id.as_deref().unwrap_or_default().to_owned(),
            row.head.map_or_else(String::new, micros),
            micros(row.total),
        ]);
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use sparekey_policy::{HoldId, Period, Timestamp};

    use super::*;
    use crate::row::{End, Row};

    #[test]
    fn has_all_columns() {
        let mut row = Row::bare(Timestamp::from_micros(7), End::Complete);
        row.usage.tokens.input = 12;
        row.usage.characters = u64::MAX;
        row.total = Duration::from_millis(3);
        let row = LedgerRow {
            id: HoldId(255),
            user: "Tom".into(),
            day: Period::Day.of_day(20_000),
            cost: Usd::from_pico(-5),
            voided: None,
            row,
        };
        let lines = row.to_lines();
        let lines: Vec<_> = lines.split('\n').collect();
        // The columns of the table but for `at`.
        assert_eq!(lines.len(), 37);
        assert_eq!(lines[..9], ["000000000000000000000000000000ff", "20000", "Tom", "7", "", "", "", "standard", "12"]);
        assert_eq!(lines[24..30], ["9223372036854775807", "-5", "", "", "0", "complete"]);
        assert_eq!(lines[30..], ["0", "0", "0", "", "", "", "3000"]);
    }
}
