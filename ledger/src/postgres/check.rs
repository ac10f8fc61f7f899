//! Whether a server could use a database.

use std::time::Duration;

use super::{
    failure::Failure,
    reader::Reader,
    schema,
    target::{Connection, Target},
};
use crate::error::LedgerError;

const DEADLINE: Duration = Duration::from_secs(5);

const SETTINGS: &str = "SET statement_timeout = '5s'";

/// Those that a server writes.
const TABLES: &str =
    "SELECT tablename::text FROM pg_catalog.pg_tables WHERE schemaname = 'sparekey' AND tablename <> 'schema'";

/// Checks that a server could create the tables, or write those that are there. Nothing stays changed.
///
/// # Errors
/// [`LedgerError`], as a server has it.
pub fn check(url: &str) -> Result<(), LedgerError> {
    let target = Target::parse(url)?;
    Reader::new(async move {
        let mut connection = target.connect(SETTINGS, DEADLINE).await?;
        try_writes(&mut connection).await?;
        Ok(connection)
    })
    .map(drop)
}

async fn try_writes(connection: &mut Connection) -> Result<(), Failure> {
    let transaction = connection.client_mut().transaction().await?;
    if schema::check(&transaction).await?.is_none() {
        schema::create(&transaction).await?;
    }
    for row in transaction.query(TABLES, &[]).await? {
        let table: String = row.try_get(0)?;
        // A right that is missing, and a read-only database, are errors without a row too.
        transaction.batch_execute(&format!("DELETE FROM sparekey.{table} WHERE false")).await?;
    }
    transaction.rollback().await?;
    Ok(())
}
