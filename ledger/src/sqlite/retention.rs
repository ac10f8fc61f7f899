//! Deletes old rows. Their sums per day stay.

use std::time::Duration;

use super::{connection::Writable, transaction};
use crate::{clock::Clock, retention};

/// Rows of one transaction: other calls wait for it, some milliseconds.
const CHUNK: usize = 1_000;

/// Deletes some of the rows that are older than `retention`. Returns whether there are more.
pub(super) fn delete_some(
    writable: &mut Writable,
    retention: Duration,
    clock: &Clock,
) -> Result<bool, transaction::Failed> {
    let before = retention::ends_at(retention, clock.now()).as_micros();
    let first = "SELECT EXISTS (SELECT 1 FROM usage WHERE at < ?1)";
    let is_any: bool =
        writable.connection.query_row(first, [before], |row| row.get(0)).map_err(super::failure::Failure::from)?;
    if !is_any {
        return Ok(false);
    }
    let delete = "DELETE FROM usage WHERE at IN (SELECT at FROM usage WHERE at < ?1 ORDER BY at LIMIT ?2)";
    let deleted = transaction::in_transaction(writable, false, |writable| {
        let limit = i64::try_from(CHUNK).unwrap_or(i64::MAX);
        Ok(writable.connection.prepare_cached(delete)?.execute([before, limit])?)
    })?;
    Ok(deleted == CHUNK)
}
