//! Deletes old rows. Their sums per day stay.

use std::time::Duration;

use super::{failure::Failure, target::Connection};
use crate::{clock::Clock, retention};

/// Rows of one statement.
const CHUNK: i64 = 1_000;

/// Rows that another server deletes at this moment are skipped.
const DELETE: &str = "DELETE FROM sparekey.usage WHERE (at, seq) IN (SELECT at, seq FROM sparekey.usage WHERE at < $1 \
                      ORDER BY at, seq LIMIT $2 FOR UPDATE SKIP LOCKED)";

/// Deletes some of the rows that are older than `retention`. Returns whether there may be more.
pub(super) async fn delete_some(connection: &Connection, retention: Duration, clock: &Clock) -> Result<bool, Failure> {
    let before = retention::ends_at(retention, clock.now()).as_micros();
    let deleted = connection.execute(DELETE, &[&before, &CHUNK]).await?;
    Ok(deleted == CHUNK.cast_unsigned())
}
