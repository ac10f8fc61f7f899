//! Copies a ledger into an empty one of another engine: states, rows and sums per day. Reads its rows some at a time.

use std::{iter, sync::Arc};

use sparekey_policy::{Period, State, Usd};

use crate::{
    day::{Day, Sums},
    engine::RowQuery,
    error::LedgerError,
    row::LedgerRow,
};

/// Rows that are in memory at a time.
pub(crate) const PAGE: u32 = 5_000;

/// The place of a row in the order in which rows were written: its instant, and a number among those of the same instant.
pub type Position = (i64, i64);

/// A ledger as it is at one instant.
pub trait Source {
    /// Whether a process uses the ledger.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn is_in_use(&self) -> Result<bool, LedgerError>;

    /// Makes all later reads show the ledger as it is now.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn freeze(&self) -> Result<(), LedgerError>;

    /// Returns the states of all users.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn states(&self) -> Result<Vec<(Arc<str>, State)>, LedgerError>;

    /// Returns the next rows after a position, from the first one on without it; empty after the last one.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn rows_after(&self, position: Option<Position>) -> Result<Vec<(Position, LedgerRow)>, LedgerError>;

    /// Returns the position after which the rows of a query begin.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn position_before(&self, query: &RowQuery) -> Result<Position, LedgerError>;

    /// Returns the sums of all days.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn all_days(&self) -> Result<Vec<Day>, LedgerError>;
}

/// An empty ledger that is being filled. Nothing is stored before [`commit`](Self::commit).
pub trait Target {
    /// Returns what was added so far.
    fn contents(&self) -> &dyn Source;

    /// Adds states.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn add_states(&mut self, states: &[(Arc<str>, State)]) -> Result<(), LedgerError>;

    /// Adds rows, in the order of their positions.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn add_rows(&mut self, rows: &[(Position, LedgerRow)]) -> Result<(), LedgerError>;

    /// Adds sums.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn add_days(&mut self, days: &[Day]) -> Result<(), LedgerError>;

    /// Stores all of it.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn commit(self: Box<Self>) -> Result<(), LedgerError>;
}

/// What a ledger contains. It is compared after a copy.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Users with a state.
    pub users: usize,
    /// What they spent, by their counters of all time.
    pub spent: Usd,
    /// Rows.
    pub rows: usize,
    /// The sums of the rows.
    pub of_rows: Sums,
    /// The sums of all days, which stay when rows are deleted.
    pub of_days: Sums,
}

/// Why a ledger was not copied.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The source cannot be read.
    #[error("cannot read the source: {0}")]
    Source(LedgerError),
    /// The target cannot be written. If its database does not confirm the last statement, all may be stored.
    #[error("cannot write the target: {0}")]
    Target(LedgerError),
    /// A server uses the source, so what it stores meanwhile would be lost.
    #[error("a server uses the source: stop it first")]
    SourceInUse,
    /// A server uses the target.
    #[error("a server uses the target: stop it first")]
    TargetInUse,
    /// The target has users or rows.
    #[error("the target is not empty: copy into a new ledger")]
    NotEmpty,
    /// Requests are open.
    #[error(
        "{0} requests of the source are open: those of servers that have died are charged some seconds after the ledger is \
         opened for writing; try again then"
    )]
    OpenRequests(usize),
    /// The sums of the target are not those of the source.
    #[error(
        "the copy is not equal to the source, so nothing was stored: it has {}; try again, and report it if it stays so",
        copy.instead_of(source_totals)
    )]
    Different {
        /// Of the source.
        source_totals: Box<Totals>,
        /// Of the copy.
        copy: Box<Totals>,
    },
}

/// Copies everything, compares the sums, and stores the copy.
///
/// # Errors
/// [`CopyError`].
pub fn copy(source: &dyn Source, mut target: Box<dyn Target + '_>) -> Result<Totals, CopyError> {
    if source.is_in_use().map_err(CopyError::Source)? {
        return Err(CopyError::SourceInUse);
    }
    if target.contents().is_in_use().map_err(CopyError::Target)? {
        return Err(CopyError::TargetInUse);
    }
    if totals(target.contents()).map_err(CopyError::Target)? != Totals::default() {
        return Err(CopyError::NotEmpty);
    }
    source.freeze().map_err(CopyError::Source)?;
    let states = source.states().map_err(CopyError::Source)?;
    let open = states.iter().map(|(_, state)| state.holds().len()).sum();
    if open > 0 {
        return Err(CopyError::OpenRequests(open));
    }
    let mut source_totals = Totals::default();
    source_totals.add_states(&states);
    target.add_states(&states).map_err(CopyError::Target)?;
    for rows in pages(source, None) {
        let rows = rows.map_err(CopyError::Source)?;
        source_totals.add_rows(&rows);
        target.add_rows(&rows).map_err(CopyError::Target)?;
    }
    let days = source.all_days().map_err(CopyError::Source)?;
    source_totals.add_days(&days);
    target.add_days(&days).map_err(CopyError::Target)?;
    let copy = totals(target.contents()).map_err(CopyError::Target)?;
    if copy != source_totals {
        return Err(CopyError::Different { source_totals: Box::new(source_totals), copy: Box::new(copy) });
    }
    target.commit().map_err(CopyError::Target)?;
    Ok(copy)
}

/// Reads a ledger to its end.
fn totals(source: &dyn Source) -> Result<Totals, LedgerError> {
    let mut totals = Totals::default();
    totals.add_states(&source.states()?);
    for rows in pages(source, None) {
        totals.add_rows(&rows?);
    }
    totals.add_days(&source.all_days()?);
    Ok(totals)
}

/// Returns the rows after a position, some thousands at a time. Stop at the first error.
pub fn pages(
    source: &dyn Source,
    mut after: Option<Position>,
) -> impl Iterator<Item = Result<Vec<(Position, LedgerRow)>, LedgerError>> {
    std::iter::from_fn(move || match source.rows_after(after) {
        Ok(rows) => {
            after = Some(rows.last()?.0);
            Some(Ok(rows))
        }
        Err(error) => Some(Err(error)),
    })
}

/// Returns the rows of a query in the order in which they were written, some thousands at a time. A page may be empty. Stop at
/// the first error.
///
/// # Errors
/// [`LedgerError`].
pub fn pages_of<'a>(
    source: &'a dyn Source,
    query: &'a RowQuery,
) -> Result<impl Iterator<Item = Result<Vec<LedgerRow>, LedgerError>> + 'a, LedgerError> {
    let before = source.position_before(query)?;
    // Rows that are written meanwhile are the newest ones.
    let mut left = query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut pages = pages(source, Some(before));
    let next = move || {
        let rows = if left > 0 { pages.next()? } else { return None };
        let is_asked_for = |row: &LedgerRow| query.user.as_ref().is_none_or(|user| *user == row.user);
        let page = rows.map(|rows| rows.into_iter().map(|(_, row)| row).filter(is_asked_for).take(left).collect());
        left -= page.as_ref().map_or(0, Vec::len);
        Some(page)
    };
    Ok(iter::from_fn(next))
}

impl Totals {
    /// Returns the values that are not those of others, each with the other one.
    fn instead_of(&self, others: &Self) -> String {
        let pairs = self.named().into_iter().zip(others.named()).filter(|(own, other)| own != other);
        let texts = pairs.map(|((name, own), (_, other))| format!("{own} {name} instead of {other}"));
        texts.collect::<Vec<_>>().join(", ")
    }

    fn named(&self) -> Vec<(String, String)> {
        let Self { users, spent, rows, of_rows, of_days } = self;
        let own = [("users", users.to_string()), ("US dollars spent", spent.to_string()), ("rows", rows.to_string())];
        let sums = |sums: &Sums, of: &'static str| {
            let Sums { requests, estimated, input, cached, output, cost } = *sums;
            let counts = [
                ("requests", requests),
                ("estimated requests", estimated),
                ("input tokens", input),
                ("cached tokens", cached),
                ("output tokens", output),
            ];
            let counts = counts.map(|(name, count)| (format!("{name} of {of}"), count.to_string()));
            counts.into_iter().chain([(format!("US dollars of {of}"), cost.to_string())])
        };
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
        own.chain(sums(of_rows, "rows")).chain(sums(of_days, "days")).collect()
    }

    fn add_states(&mut self, states: &[(Arc<str>, State)]) {
        self.users += states.len();
        let spent = states.iter().filter_map(|(_, state)| state.spent(Period::Total.of_day(0)));
        self.spent = spent.fold(self.spent, Usd::plus);
    }

    fn add_rows(&mut self, rows: &[(Position, LedgerRow)]) {
        self.rows += rows.len();
        self.of_rows = rows.iter().fold(self.of_rows, |sums, (_, row)| sums.plus(Sums::of(row)));
    }

    fn add_days(&mut self, days: &[Day]) {
        self.of_days = days.iter().fold(self.of_days, |sums, day| sums.plus(day.sums));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_of_a_copy() {
        let sums = |cached, cost| Sums { requests: 2, cached, cost: Usd::from_pico(cost), ..Sums::default() };
        let totals = |rows, cost| Totals { users: 1, rows, of_days: sums(7, cost), ..Totals::default() };
        let (source_totals, copy) = (Box::new(totals(2, 1_500_000_000_000)), Box::new(totals(1, 0)));
        assert_eq!(
            CopyError::Different { source_totals, copy }.to_string(),
            "the copy is not equal to the source, so nothing was stored: it has 1 rows instead of 2, 0.00 US dollars of days \
             instead of 1.50; try again, and report it if it stays so"
        );
    }
}
