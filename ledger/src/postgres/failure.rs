//! PostgreSQL's errors, by what an owner can do.

use tokio_postgres::error::{DbError, SqlState};

use crate::{error::LedgerError, swap::Scope};

/// The database ended a statement that did not wait for another session.
const SLOW: &str = "a statement takes more than 0.2 s";

/// Why work on the database failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// An error of the database, or of the connection.
    Postgres(tokio_postgres::Error),
    /// No response within the deadline.
    Deadline,
    /// Anything with a name already.
    Known(LedgerError),
}

impl Failure {
    /// Returns the error for callers.
    pub(super) fn error(&self) -> LedgerError {
        match self {
            Self::Postgres(error) => error.as_db_error().map_or_else(|| unreachable(error), of_database),
            Self::Deadline => LedgerError::Unreachable("no response within its deadline".to_owned()),
            Self::Known(error) => error.clone(),
        }
    }

    /// Whether the statement may be stored all the same: an error of the database rolls it back, everything else leaves it
    /// unknown.
    pub(super) fn is_ambiguous(&self) -> bool {
        match self {
            Self::Postgres(error) => error.as_db_error().is_none(),
            Self::Deadline => true,
            Self::Known(_) => false,
        }
    }

    /// Whether the connection ended, and another one may work: PostgreSQL restarted, or an administrator ended the session.
    pub(super) fn is_connection_lost(&self) -> bool {
        let Self::Postgres(error) = self else { return false };
        error.as_db_error().is_none_or(|error| ["57P01", "57P02", "08006"].contains(&error.code().code()))
    }

    /// Returns what the failure affects. After a statement that took too long the database may work for other users.
    pub(super) fn scope(&self) -> Scope {
        let is_of_one_user =
            || matches!(self.error(), LedgerError::Busy | LedgerError::State(_) | LedgerError::Overloaded(_));
        match self {
            // The tables do not take the data.
            _ if self.class().is_some_and(|class| ["22", "23", "54"].contains(&class)) => Scope::Call,
            Self::Postgres(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Scope::LockedUser,
            _ if self.is_timeout() || is_of_one_user() => Scope::User,
            _ => Scope::Database,
        }
    }

    /// Whether the database ended the statement because it took too long.
    pub(super) fn is_timeout(&self) -> bool {
        let Self::Postgres(error) = self else { return false };
        error.code().is_some_and(|code| [SqlState::QUERY_CANCELED, SqlState::LOCK_NOT_AVAILABLE].contains(code))
    }

    /// The class of the error: the first two digits of its code.
    fn class(&self) -> Option<&str> {
        let Self::Postgres(error) = self else { return None };
        error.as_db_error().and_then(|error| error.code().code().get(..2))
    }
}

/// A part of the text of an error, and what an owner can do about it.
const NEXT_STEPS: [(&str, &str); 4] = [
    ("(3D000)", "create it with CREATE DATABASE, or correct LEDGER"),
    ("does not support TLS", "enable TLS there, or set sslmode=disable in LEDGER if the network is private"),
    (
        "password missing",
        "add a line for this host, port, database and role to the file of PGPASSFILE, or to ~/.pgpass",
    ),
    (
        "CaUsedAsEndEntity",
        "the database has the certificate of an authority: create one with basicConstraints=CA:FALSE, or sign one with it",
    ),
];

/// Without the connection string, which may have a password.
fn unreachable(error: &tokio_postgres::Error) -> LedgerError {
    let source = std::error::Error::source(error);
    let text = source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    LedgerError::Unreachable(with_next_step(text))
}

fn with_next_step(text: String) -> String {
    match NEXT_STEPS.iter().find(|(part, _)| text.contains(part)) {
        Some((_, next)) => format!("{text}; {next}"),
        None => text,
    }
}

fn of_database(error: &DbError) -> LedgerError {
    let code = error.code();
    // See https://www.postgresql.org/docs/current/errcodes-appendix.html.
    match code.code().get(..2) {
        _ if *code == SqlState::QUERY_CANCELED => LedgerError::Unreachable(SLOW.to_owned()),
        _ if *code == SqlState::LOCK_NOT_AVAILABLE => LedgerError::Busy,
        _ if [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code) => LedgerError::Busy,
        _ if *code == SqlState::DISK_FULL => LedgerError::Full,
        _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION => LedgerError::ReadOnlyDatabase,
        Some("57" | "08" | "53") => LedgerError::Unreachable(error.message().to_owned()),
        Some("XX") => LedgerError::Corrupt(error.message().to_owned()),
        _ => LedgerError::Io(with_next_step(format!("PostgreSQL: {} ({})", error.message(), code.code()))),
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::Known(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_steps() {
        for (problem, step) in [
            ("PostgreSQL: database \"x\" does not exist (3D000)", "create it"),
            ("server does not support TLS", "sslmode=disable"),
        ] {
            let text = with_next_step(problem.to_owned());
            assert!(text.starts_with(&format!("{problem}; ")) && text.contains(step), "{text}");
        }
        assert_eq!(with_next_step("x".to_owned()), "x");
    }
}
