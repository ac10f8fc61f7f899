//! The tables, in a schema of their own. Their comments stay in the database: `\d+ sparekey.usage` of `psql` shows them.
//!
//! A new version appends a migration. Versions that share the database during an upgrade must work with the same tables, so a
//! migration adds, and `oldest_reader` rises only where it cannot be avoided.

use tokio_postgres::{GenericClient, Transaction};

use super::{failure::Failure, target::Connection};
use crate::error::LedgerError;

/// The version of this program: the number of migrations.
const VERSION: u32 = 1;

/// Each with the oldest version that can use the tables after it.
const MIGRATIONS: [(&str, u32); VERSION as usize] = [(FIRST, 1)];

/// The advisory lock of migrations: "SPAREKEY".
const MIGRATION_LOCK: i64 = 0x5350_4152_454b_4559;

const FIRST: &str = include_str!("schema.sql");

/// Creates or migrates the tables. Returns whether there were none.
pub(super) async fn migrate(connection: &mut Connection) -> Result<bool, Failure> {
    if check(&**connection).await?.is_some_and(|version| version >= VERSION) {
        return Ok(false);
    }
    let transaction = connection.client_mut().transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await?;
    // Again, because another process can have migrated it meanwhile.
    let version = check(&transaction).await?;
    migrate_from(version.unwrap_or(0), &transaction).await?;
    transaction.commit().await?;
    Ok(version.is_none())
}

/// Creates the tables.
pub(super) async fn create(transaction: &Transaction<'_>) -> Result<(), Failure> {
    migrate_from(0, transaction).await
}

async fn migrate_from(version: u32, transaction: &Transaction<'_>) -> Result<(), Failure> {
    for (sql, oldest_reader) in MIGRATIONS.iter().skip(version as usize) {
        transaction.batch_execute(sql).await?;
        let (version, oldest_reader) = (i64::from(VERSION), i64::from(*oldest_reader));
        transaction.execute("DELETE FROM sparekey.schema", &[]).await?;
        transaction.execute("INSERT INTO sparekey.schema VALUES ($1, $2)", &[&version, &oldest_reader]).await?;
    }
    Ok(())
}

/// Returns the version of the tables, which can be newer; `None` for a database without them.
pub(super) async fn check(client: &impl GenericClient) -> Result<Option<u32>, Failure> {
    let find =
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = 'sparekey' AND tablename = 'schema')";
    if !client.query_one(find, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let row = client.query_opt("SELECT version, oldest_reader FROM sparekey.schema", &[]).await?;
    let row = row.ok_or_else(|| LedgerError::Io("the table sparekey.schema is empty".to_owned()))?;
    let number =
        |index: usize| -> Result<u32, Failure> { Ok(u32::try_from(row.try_get::<_, i64>(index)?).unwrap_or(u32::MAX)) };
    let needed = number(1)?;
    if needed > VERSION {
        return Err(LedgerError::TooNew { needed, supported: VERSION }.into());
    }
    Ok(Some(number(0)?))
}
