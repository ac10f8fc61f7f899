//! Deletes old rows. Their sums per day stay.

use std::time::Duration;

use super::{failure::Failure, target::Connection};
use crate::clock::Clock;

/// Rows of one statement.
const CHUNK: i64 = 1_000;

/// An expired hold can be settled for a day, which replaces its row.
const LEAST: Duration = Duration::from_secs(2 * 86_400);

/// Rows that another server deletes at this moment are skipped.
const DELETE: &str = "DELETE FROM sparekey.usage WHERE (at, seq) IN (SELECT at, seq FROM sparekey.usage WHERE at < $1 \
                      ORDER BY at, seq LIMIT $2 FOR UPDATE SKIP LOCKED)";

/// Deletes some of the rows that are older than `retention`. Returns whether there may be more.
pub(super) async fn delete_some(connection: &Connection, retention: Duration, clock: &Clock) -> Result<bool, Failure> {
    let age = i64::try_from(retention.max(LEAST).as_micros()).unwrap_or(i64::MAX);
    let before = clock.now().plus(age.saturating_neg()).as_micros();
    let deleted = connection.execute(DELETE, &[&before, &CHUNK]).await?;
    Ok(deleted == CHUNK.cast_unsigned())
}
