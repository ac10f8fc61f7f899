//! The rows of several users in the order in which they were written, some at a time.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, VecDeque},
};

use sparekey_policy::Timestamp;

use super::{
    client::{Client, FIRST},
    failure::Failure,
    item,
    pages::{PAGE, Pages, RowRange},
    query::{self, Key},
    transport::Transport,
};
use crate::{engine::RowQuery, row::LedgerRow};

/// Rows of a user that are read at a time, at least: those of all users together are a page if there are few users.
const PAGE_MIN: usize = 20;

/// Rows that are not read yet, the oldest first.
pub(super) struct Merge<'a, T> {
    lanes: Lanes<'a, T>,
    /// How many there are at most.
    left: usize,
}

/// The rows of some users, in one order.
struct Lanes<'a, T> {
    all: Vec<Lane<'a, T>>,
    /// The sort key of the next row of each lane, and its index. Of rows with the same key, that of the last lane is the first
    /// one.
    heads: BTreeSet<(String, Reverse<usize>)>,
    is_newest_first: bool,
}

/// The rows of a user.
struct Lane<'a, T> {
    pages: Pages<'a, T>,
    rows: VecDeque<(Key, LedgerRow)>,
}

impl<'a, T: Transport> Merge<'a, T> {
    /// Finds the first row.
    ///
    /// # Errors
    /// [`Failure`], if the table cannot be read.
    pub(super) async fn open(client: &'a Client<T>, query: &RowQuery, now: Timestamp) -> Result<Self, Failure> {
        let users = query::users(client, query.user.as_deref()).await?;
        let limit = (PAGE / users.len().max(1)).max(PAGE_MIN);
        let range = |from, is_newest_first| RowRange { from, is_newest_first, limit };
        let from = query.since.map_or_else(|| FIRST.to_owned(), item::row_key);
        // The newest first.
        let mut all: Vec<Vec<String>> =
            users.into_iter().map(|user| user.partitions(query.since, now).collect()).collect();
        let mut firsts = vec![from; all.len()];
        if let Some(limit) = query.limit {
            let newest = all.iter().zip(&firsts);
            let newest = newest
                .map(|(partitions, from)| Pages::of(client, partitions.clone().into_iter(), range(from.clone(), true)));
            let oldest = Lanes::open(newest.collect(), true).await?.oldest(limit).await?;
            for ((partitions, first), oldest) in all.iter_mut().zip(&mut firsts).zip(oldest) {
                let last = oldest.as_ref().and_then(|key| partitions.iter().position(|name| *name == key.partition));
                partitions.truncate(last.map_or(0, |last| last + 1));
                *first = oldest.map_or_else(String::new, |key| key.sort);
            }
        }
        let oldest_first = all.into_iter().zip(firsts).filter(|(partitions, _)| !partitions.is_empty());
        let oldest_first = oldest_first
            .map(|(partitions, from)| Pages::of(client, partitions.into_iter().rev(), range(from, false)))
            .collect();
        let left = query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(Self { lanes: Lanes::open(oldest_first, false).await?, left })
    }

    /// Returns the next rows; `None` after the last one.
    ///
    /// # Errors
    /// [`Failure`], if they are not read within the client's deadline.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<LedgerRow>>, Failure> {
        let mut rows = Vec::new();
        while rows.len() < PAGE.min(self.left) {
            let Some((_, (_, row))) = self.lanes.pop().await? else { break };
            rows.push(row);
        }
        self.left -= rows.len();
        Ok(Some(rows).filter(|rows| !rows.is_empty()))
    }
}

impl<'a, T: Transport> Lanes<'a, T> {
    async fn open(all: Vec<Pages<'a, T>>, is_newest_first: bool) -> Result<Self, Failure> {
        let all: Vec<_> = all.into_iter().map(|pages| Lane { pages, rows: VecDeque::new() }).collect();
        let mut lanes = Self { heads: BTreeSet::new(), is_newest_first, all };
        for index in 0..lanes.all.len() {
            lanes.enter(index).await?;
        }
        Ok(lanes)
    }

    /// Adds the next row of a lane to the heads.
    async fn enter(&mut self, index: usize) -> Result<(), Failure> {
        let Some(lane) = self.all.get_mut(index) else { return Ok(()) };
        if lane.rows.is_empty() {
            lane.rows.extend(lane.pages.next().await?.into_iter().flatten());
        }
        if let Some((key, _)) = lane.rows.front() {
            self.heads.insert((key.sort.clone(), Reverse(index)));
        }
        Ok(())
    }

    /// Returns the next row, and the index of its lane.
    async fn pop(&mut self) -> Result<Option<(usize, (Key, LedgerRow))>, Failure> {
        let head = if self.is_newest_first { self.heads.pop_last() } else { self.heads.pop_first() };
        let Some((_, Reverse(index))) = head else { return Ok(None) };
        let row = self.all.get_mut(index).and_then(|lane| lane.rows.pop_front());
        self.enter(index).await?;
        Ok(row.map(|row| (index, row)))
    }

    /// Reads so many rows, and returns the key of the last one of each lane.
    async fn oldest(mut self, limit: u32) -> Result<Vec<Option<Key>>, Failure> {
        let mut last = vec![None; self.all.len()];
        for _ in 0..limit {
            let Some((index, (key, _))) = self.pop().await? else { break };
            if let Some(last) = last.get_mut(index) {
                *last = Some(key);
            }
        }
        Ok(last)
    }
}
