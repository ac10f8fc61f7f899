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

/// What a server writes. A read-only database refuses the statement without a row too.
const READ_ONLY: &str = "DELETE FROM sparekey.state WHERE false";

/// The rights that this role lacks.
const MISSING: &str = "SELECT string_agg(needed || ' on ' || name, ', ') \
                       FROM unnest(ARRAY['process', 'state', 'usage', 'usage_daily']) AS name, \
                            unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS needed \
                       WHERE NOT has_table_privilege('sparekey.' || name, needed)";

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
    let missing: Option<String> = transaction.query_one(MISSING, &[]).await?.try_get(0)?;
    if let Some(missing) = missing {
        return Err(LedgerError::Io(format!("the role lacks rights: {missing}")).into());
    }
    transaction.execute(READ_ONLY, &[]).await?;
    transaction.rollback().await?;
    Ok(())
}
