//! Queries of rows and sums, month by month.

use std::sync::Arc;

use serde_json::Value;
use sparekey_policy::{CalendarPeriod, Period, Timestamp, Zone};

use super::{
    client::{Client, FIRST, LAST, Range},
    failure::Failure,
    item::{self, Item, USERS},
    transport::Transport,
};
use crate::{
    day::{Day, DayQuery},
    engine::RowQuery,
    pending::Reply,
    row::{End, LedgerRow},
    swap::Swap,
};

/// A request can refer to a response among so many of its user's newest ones: a conversation refers to the last one.
const RESPONSES: usize = 200;

/// The row of an expired hold is at most so old when it is replaced: the state forgets the hold after 24 h.
const EXPIRED: i64 = 25 * Timestamp::HOUR;

/// Days between two looks for a month: less than each month has.
const STEP_DAYS: i32 = 27;

/// A query of many items.
pub(super) enum Read {
    Days(DayQuery, Reply<Vec<Day>>),
    Rows(RowQuery, Reply<Vec<LedgerRow>>),
}

/// Where a row is.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) partition: String,
    pub(super) sort: String,
}

/// A user with a state.
pub(super) struct User {
    name: Arc<str>,
    /// In UTC.
    first_day: i32,
}

/// Rows of a user to read.
struct Newest {
    since: Option<Timestamp>,
    limit: usize,
    ended: Option<&'static str>,
}

impl Read {
    /// Sends the result, which the caller may not wait for.
    pub(super) async fn answer<T: Transport>(self, client: &Client<T>, now: Timestamp) {
        match self {
            Self::Days(query, reply) => {
                let _ = reply.send(days(client, &query, now).await.map_err(|failure| failure.error()));
            }
            Self::Rows(query, reply) => {
                let _ = reply.send(rows(client, &query, now).await.map_err(|failure| failure.error()));
            }
        }
    }
}

impl Key {
    pub(super) fn to_json(&self) -> Value {
        item::key(&self.partition, &self.sort)
    }
}

impl User {
    /// Returns the partitions of this user's rows since an instant, the newest first.
    pub(super) fn partitions(self, since: Option<Timestamp>, now: Timestamp) -> impl Iterator<Item = String> {
        let first = since.map_or(i32::MIN, |since| Period::Day.at(since, &Zone::utc()).number());
        let Self { name, first_day } = self;
        months(first.max(first_day), now).map(move |month| item::row_partition(&name, &month))
    }
}

pub(super) async fn days<T: Transport>(
    client: &Client<T>,
    query: &DayQuery,
    now: Timestamp,
) -> Result<Vec<Day>, Failure> {
    let first = users(client, query.user.as_deref()).await?.iter().map(|user| user.first_day).min();
    let Some(first) = first else { return Ok(Vec::new()) };
    // A day can begin before that of UTC.
    let since = query.since.map_or(i32::MIN, CalendarPeriod::number);
    let (from, to) = match &query.user {
        None => (FIRST.to_owned(), LAST.to_owned()),
        Some(user) => (format!("{user}#"), format!("{user}#{LAST}")),
    };
    let mut days = Vec::new();
    for month in months(since.max(first.saturating_sub(1)), now) {
        let partition = item::day_partition(&month);
        let range = Range {
            partition: &partition,
            from: &from,
            to: &to,
            is_newest_first: false,
            limit: usize::MAX,
            ended: None,
        };
        for item in client.query(&range).await? {
            days.push(item::read_day(&item)?);
        }
    }
    days.retain(|day| day.day.number() >= since && !day.sums.is_empty());
    days.sort_by(|a, b| (a.day.number(), &a.user, &a.model).cmp(&(b.day.number(), &b.user, &b.model)));
    Ok(days)
}

pub(super) async fn rows<T: Transport>(
    client: &Client<T>,
    query: &RowQuery,
    now: Timestamp,
) -> Result<Vec<LedgerRow>, Failure> {
    let limit = query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut found = Vec::new();
    for user in users(client, query.user.as_deref()).await? {
        found.extend(newest(client, user, &Newest { since: query.since, limit, ended: None }, now).await?);
        found.sort_by(|(a, _), (b, _)| b.sort.cmp(&a.sort));
        found.truncate(limit);
    }
    Ok(found.into_iter().rev().map(|(_, row)| row).collect())
}

/// Returns the row of a response of this user.
pub(super) async fn response<T: Transport>(
    client: &Client<T>,
    user: &str,
    response_id: &str,
    now: Timestamp,
) -> Result<Option<LedgerRow>, Failure> {
    let since = now.plus(-30 * 24 * Timestamp::HOUR);
    let user = User { name: Arc::from(user), first_day: i32::MIN };
    let rows = newest(client, user, &Newest { since: Some(since), limit: RESPONSES, ended: None }, now).await?;
    Ok(rows.into_iter().map(|(_, row)| row).find(|row| row.row.is_response(response_id)))
}

/// Finds the rows of expired holds that a step replaces.
pub(super) async fn expired<T: Transport>(
    client: &Client<T>,
    swap: &Swap<'_, Key>,
) -> Result<Vec<(Key, LedgerRow)>, Failure> {
    let user = User { name: Arc::from(swap.user), first_day: i32::MIN };
    let since = Some(swap.now.plus(-EXPIRED));
    let query = Newest { since, limit: usize::MAX, ended: Some(End::Expired.name()) };
    let mut rows = newest(client, user, &query, swap.now).await?;
    rows.retain(|(_, row)| swap.removed.contains(&row.id));
    Ok(rows)
}

/// Returns rows of a user, the newest first.
async fn newest<T: Transport>(
    client: &Client<T>,
    user: User,
    query: &Newest,
    now: Timestamp,
) -> Result<Vec<(Key, LedgerRow)>, Failure> {
    let Newest { since, limit, .. } = *query;
    let from = since.map_or_else(|| FIRST.to_owned(), item::row_key);
    let mut rows = Vec::new();
    for partition in user.partitions(since, now) {
        let left = limit.saturating_sub(rows.len());
        let range = Range {
            partition: &partition,
            from: &from,
            to: LAST,
            is_newest_first: true,
            limit: left,
            ended: query.ended,
        };
        for item in client.query(&range).await? {
            rows.push(row(&partition, &item)?);
        }
        if rows.len() >= limit {
            break;
        }
    }
    Ok(rows)
}

/// Reads a row of a partition.
pub(super) fn row(partition: &str, item: &Value) -> Result<(Key, LedgerRow), Failure> {
    let key = Key { partition: partition.to_owned(), sort: Item(item).text("sk").to_owned() };
    Ok((key, item::read_row(item)?))
}

/// Whether a request of a metered user was ever stored.
pub(super) async fn has_users<T: Transport>(client: &Client<T>) -> Result<bool, Failure> {
    let range = Range { partition: USERS, from: FIRST, to: LAST, is_newest_first: false, limit: 1, ended: None };
    Ok(!client.query(&range).await?.is_empty())
}

/// Returns the user of this name, or all.
pub(super) async fn users<T: Transport>(client: &Client<T>, name: Option<&str>) -> Result<Vec<User>, Failure> {
    let items = if let Some(name) = name {
        client.get(USERS, name).await?.into_iter().collect()
    } else {
        let range =
            Range { partition: USERS, from: FIRST, to: LAST, is_newest_first: false, limit: usize::MAX, ended: None };
        client.query(&range).await?
    };
    let user = |item: &Value| User { name: Arc::from(Item(item).text("sk")), first_day: Item(item).day("first_day") };
    Ok(items.iter().map(user).collect())
}

/// The months of days, the newest first, up to the day after `now`: clocks differ, and days begin earlier east of UTC.
fn months(first_day: i32, now: Timestamp) -> impl Iterator<Item = String> {
    let month = |day: i32| Period::Month.of_day(day);
    let last_day = Period::Day.at(now, &Zone::utc()).number().saturating_add(1);
    let first = month(first_day.max(0)).number();
    let days = std::iter::successors(Some(last_day), |day| Some(day.saturating_sub(STEP_DAYS)));
    let mut last = None;
    let months = days.map(month).take_while(move |month| month.number() >= first);
    let months = months.filter(move |month| last.replace(month.number()) != Some(month.number()));
    months.map(|month| month.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_month_once() {
        // 2026-11-27.
        let now = Timestamp::from_seconds(1_795_780_800);
        let today = Period::Day.at(now, &Zone::utc()).number();
        let months = |days: i32| months(today - days, now).collect::<Vec<_>>();
        assert_eq!(months(0), ["2026-11"]);
        assert_eq!(months(26), ["2026-11"]);
        assert_eq!(months(27), ["2026-11", "2026-10"]);
        assert_eq!(
            months(330),
            [
                "2026-11", "2026-10", "2026-09", "2026-08", "2026-07", "2026-06", "2026-05", "2026-04", "2026-03",
                "2026-02", "2026-01"
            ]
        );
        let end_of_month = now.plus(3 * 24 * Timestamp::HOUR);
        assert_eq!(super::months(today, end_of_month).collect::<Vec<_>>(), ["2026-12", "2026-11"]);
        assert_eq!(super::months(i32::MIN, now).count(), 57 * 12 - 1);
    }
}
