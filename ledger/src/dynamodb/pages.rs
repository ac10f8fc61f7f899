//! Rows of partitions, some at a time: those of all users, one user after the other and the newest first, or those of others.

use std::iter;

use serde_json::Value;
use sparekey_policy::{HoldId, Timestamp};

use super::{
    client::{Client, FIRST, LAST, Page, Range},
    failure::Failure,
    item,
    query::{self, Key},
    transport::Transport,
    tries::Tries,
};
use crate::row::LedgerRow;

/// Rows that are read at a time. Each takes some 15 KB while it is parsed, and 1 KB of the 1 MB that a response has at most.
pub(super) const PAGE: usize = 1_000;

/// The rows of each partition that are read.
pub(super) struct RowRange {
    /// The first sort key.
    pub(super) from: String,
    pub(super) is_newest_first: bool,
    /// Rows that are read at a time.
    pub(super) limit: usize,
}

/// Rows that are not read yet.
pub(super) struct Pages<'a, T> {
    client: &'a Client<T>,
    range: RowRange,
    partitions: Box<dyn Iterator<Item = String> + 'a>,
    /// The rest of a partition, from a key on.
    rest: Option<(String, Value)>,
}

impl<'a, T: Transport> Pages<'a, T> {
    /// Begins before the first row. The first request is not tried again, so that a wrong address is an error at once.
    ///
    /// # Errors
    /// [`Failure`], if the names of users cannot be read.
    pub(super) async fn open(client: &'a Client<T>, since: Option<Timestamp>, now: Timestamp) -> Result<Self, Failure> {
        let users = query::users(client, None).await?;
        let from = since.map_or_else(|| FIRST.to_owned(), item::row_key);
        let partitions = users.into_iter().flat_map(move |user| user.partitions(since, now));
        Ok(Self::of(client, partitions, RowRange { from, is_newest_first: true, limit: PAGE }))
    }

    /// Reads these partitions, one after the other.
    pub(super) fn of(client: &'a Client<T>, partitions: impl Iterator<Item = String> + 'a, range: RowRange) -> Self {
        Self { client, range, partitions: Box::new(partitions), rest: None }
    }

    /// Returns the next rows; `None` after the last one. It ends with the first error.
    ///
    /// # Errors
    /// [`Failure`], if it does not pass within the client's deadline.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<(Key, LedgerRow)>>, Failure> {
        let rows = self.next_rows().await;
        if rows.is_err() {
            self.partitions = Box::new(iter::empty());
        }
        rows
    }

    async fn next_rows(&mut self) -> Result<Option<Vec<(Key, LedgerRow)>>, Failure> {
        loop {
            let next = self.rest.take().or_else(|| Some((self.partitions.next()?, Value::Null)));
            let Some((partition, start)) = next else { return Ok(None) };
            let range = Range {
                partition: &partition,
                from: &self.range.from,
                to: LAST,
                is_newest_first: self.range.is_newest_first,
                limit: self.range.limit,
                ended: None,
            };
            let Page { items, next } = self.read(&range, &start).await?;
            let rows: Result<Vec<_>, _> = items.into_iter().map(|item| query::row(&partition, &item)).collect();
            let rows = rows?;
            if !next.is_null() {
                self.rest = Some((partition, next));
            }
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
        }
    }

    /// Reads a page, in several tries.
    async fn read(&self, range: &Range<'_>, start: &Value) -> Result<Page, Failure> {
        let mut tries = Tries::within(self.client.deadline);
        loop {
            let failure = match tries.run(self.client.page(range, start)).await {
                Ok(page) => return Ok(page),
                Err(failed) => failed.failure,
            };
            if !tries.next(&failure).await {
                return Err(failure);
            }
        }
    }
}

/// Finds a row by its request. It reads the rows of all users: only the owner's commands need it.
pub(super) async fn find<T: Transport>(
    client: &Client<T>,
    id: HoldId,
    now: Timestamp,
) -> Result<Option<(Key, LedgerRow)>, Failure> {
    let mut pages = Pages::open(client, None, now).await?;
    while let Some(rows) = pages.next().await? {
        if let Some(found) = rows.into_iter().find(|(_, row)| row.id == id) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
