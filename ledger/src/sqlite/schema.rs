//! The tables. Their comments stay in the file, so that `sqlite3 sparekey.db .schema` shows them.
//!
//! A new version appends a migration. Versions that share the file during an upgrade must work with the same tables, so a
//! migration adds, and `oldest_reader` rises only where it cannot be avoided.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::failure::Failure;
use crate::error::LedgerError;

/// Marks the file as ours: "SPKY".
pub(super) const APPLICATION_ID: i32 = 0x5350_4b59;

/// The version of this program: the number of migrations.
const VERSION: u32 = 1;

/// Each with the oldest version that can open the file after it.
const MIGRATIONS: [(&str, u32); VERSION as usize] = [(FIRST, 1)];

const FIRST: &str = "
CREATE TABLE schema (
  version INTEGER NOT NULL,         -- of the tables in this file
  oldest_reader INTEGER NOT NULL    -- the oldest version of a program that may open it
) STRICT;

-- Amounts are in pico-dollars (10^-12 USD), instants in microseconds since 1970-01-01 00:00 UTC, days in days since then in
-- the time zone of the limits. The views `requests` and `days` show them as text.

CREATE TABLE state (
  user TEXT PRIMARY KEY,
  state BLOB NOT NULL,              -- counters, rates and holds
  version INTEGER NOT NULL          -- rises with each change
) STRICT, WITHOUT ROWID;

CREATE TABLE usage (
  at INTEGER PRIMARY KEY,           -- when the row was written; unique
  id BLOB NOT NULL,                 -- of the request, 16 bytes
  day INTEGER NOT NULL,             -- that is charged: when the request was admitted
  user TEXT NOT NULL,
  started INTEGER NOT NULL,         -- when the request arrived
  key TEXT NOT NULL,                -- first digits of the access key's digest
  route TEXT NOT NULL,
  model TEXT NOT NULL,              -- as in the price table; 'other' for one that is not in it
  tier TEXT NOT NULL,
  input INTEGER NOT NULL,           -- tokens; the kinds of input and output are parts of them
  cached INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  cache_write_12h INTEGER NOT NULL,
  input_audio INTEGER NOT NULL,
  cached_audio INTEGER NOT NULL,
  input_image INTEGER NOT NULL,
  cached_image INTEGER NOT NULL,
  output INTEGER NOT NULL,
  reasoning INTEGER NOT NULL,
  output_audio INTEGER NOT NULL,
  output_image INTEGER NOT NULL,
  web_search INTEGER NOT NULL,      -- calls of tools
  file_search INTEGER NOT NULL,
  containers INTEGER NOT NULL,
  audio_ms INTEGER NOT NULL,        -- audio that is billed by its duration
  characters INTEGER NOT NULL,      -- text that is billed by its length
  cost INTEGER NOT NULL,            -- negative for a credit, 0 if void
  voided INTEGER,                   -- the cost before the row was made void
  prices TEXT NOT NULL,             -- version of the price table
  status INTEGER NOT NULL,          -- of the response; 0 without one
  ended TEXT NOT NULL,              -- complete, client-left, upstream-cut, timeout, shutdown, key-ended, failed, expired, credit
  estimated INTEGER NOT NULL,       -- 1 if the usage or the cost is an estimate
  over INTEGER NOT NULL,            -- 1 if the cost is above the hold
  retry INTEGER NOT NULL,           -- the repetition that the SDK names; 0 for the first try
  upstream_id TEXT,                 -- the upstream's x-request-id
  response_id TEXT,                 -- the id in the response
  head_us INTEGER,                  -- microseconds to the response head, and to the end
  total_us INTEGER NOT NULL
) STRICT;

-- Only responses can be named by a later request. The end of an id is random, and an index of all of it would be as large as
-- the other columns together.
CREATE INDEX usage_response ON usage (substr(response_id, -12)) WHERE route = '/responses';

CREATE INDEX usage_expired ON usage (id) WHERE ended = 'expired';

-- The sums of the rows, also of those that were deleted.
CREATE TABLE usage_daily (
  day INTEGER NOT NULL,
  user TEXT NOT NULL,
  model TEXT NOT NULL,
  requests INTEGER NOT NULL,
  estimated INTEGER NOT NULL,
  input INTEGER NOT NULL,
  cached INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  PRIMARY KEY (day, user, model)
) STRICT, WITHOUT ROWID;

-- Processes that use the file. Each has a lock on the file with its id in hex and '.lock' in its name.
CREATE TABLE process (
  id INTEGER PRIMARY KEY
) STRICT;

CREATE VIEW requests AS SELECT
  strftime('%Y-%m-%d %H:%M:%f', started / 1e6, 'unixepoch') AS started_utc, lower(hex(id)) AS id,
  date(day * 86400, 'unixepoch') AS day, user, key, route, model, tier, input, cached, output, reasoning,
  printf('%.6f', cost / 1e12) AS usd, ended, status, estimated, over, total_us / 1000 AS total_ms, upstream_id, response_id
FROM usage;

CREATE VIEW days AS SELECT
  date(day * 86400, 'unixepoch') AS day, user, model, requests, estimated, input, cached, output,
  printf('%.6f', cost / 1e12) AS usd
FROM usage_daily;
";

/// Creates or migrates the tables. Returns whether the file was empty.
pub(super) fn migrate(connection: &mut Connection) -> Result<bool, Failure> {
    if check(connection)?.is_some_and(|version| version >= VERSION) {
        return Ok(false);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Again, because another process can have migrated it meanwhile.
    let version = check(&transaction)?;
    for (sql, oldest_reader) in MIGRATIONS.iter().skip(version.unwrap_or(0) as usize) {
        transaction.execute_batch(sql)?;
        transaction.execute("DELETE FROM schema", [])?;
        transaction.execute("INSERT INTO schema VALUES (?1, ?2)", [VERSION, *oldest_reader])?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()?;
    Ok(version.is_none())
}

/// Returns the version of the tables, which can be newer; `None` for an empty file.
pub(super) fn check(connection: &Connection) -> Result<Option<u32>, Failure> {
    let application_id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application_id == 0 && tables == 0 {
        return Ok(None);
    }
    if application_id != APPLICATION_ID {
        return Err(Failure::NotALedger);
    }
    let select = "SELECT version, oldest_reader FROM schema";
    let row: Option<(u32, u32)> = connection.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (version, needed) = row.ok_or(Failure::NotALedger)?;
    if needed > VERSION {
        return Err(Failure::Known(LedgerError::TooNew { needed, supported: VERSION }));
    }
    Ok(Some(version))
}
