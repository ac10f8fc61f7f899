//! The table as the worker uses it.

use std::{collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

use serde_json::{Value, json};
use sparekey_policy::{HoldId, Period, Timestamp, Usd, Zone};
use tokio::{sync::mpsc::UnboundedReceiver, time::sleep};

use super::{
    Options,
    breaker::Breaker,
    client::Client,
    failure::{Failure, reason_code},
    item::{self, STATE, USERS},
    pages,
    query::{self, Key, Read},
    step,
    transport::Transport,
};
use crate::{
    clock::Clock,
    day::Sums,
    error::LedgerError,
    event::{Event, Events},
    ids,
    row::LedgerRow,
    swap::{self, Done, Failed, Step, Store, Stored, Swap},
};

/// Before the next try after the second lost swap, at most: some requests of other processes. It is doubled for each. The first
/// one is lost wherever two processes take turns, and shows the state.
const PAUSE: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(320);

pub(super) struct DynamoStore<T> {
    client: Client<T>,
    options: Options,
    breaker: Breaker,
}

/// The requests of a step.
pub(super) struct Session<'a, T>(&'a Client<T>);

impl<T: Transport> DynamoStore<T> {
    pub(super) fn new(client: Client<T>, options: Options) -> Self {
        Self { client, options, breaker: Breaker::default() }
    }
}

/// Answers queries, one after the other.
pub(super) async fn serve_reads<T: Transport>(store: Rc<DynamoStore<T>>, mut reads: UnboundedReceiver<Read>) {
    while let Some(read) = reads.recv().await {
        read.answer(&store.client, store.options.clock.now()).await;
    }
}

impl<T: Transport> Store for DynamoStore<T> {
    type Key = Key;

    // A transaction has 100 items at most: with these, the rows of 64 holds that expire, and their sums.
    const BATCH_MAX: usize = 8;

    fn clock(&self) -> &Clock {
        &self.options.clock
    }

    fn events(&self) -> &Events {
        &self.options.events
    }

    fn failure(&self) -> Option<LedgerError> {
        self.breaker.failure()
    }

    fn trip(self: &Rc<Self>, error: LedgerError) {
        self.options.events.send(Event::Failed(error.clone()));
        self.breaker.trip(error);
    }

    async fn restored(&self) {
        self.breaker.restored().await;
    }

    async fn run(&self, step: Step<'_, Key>, cached: &mut Option<Stored>) -> Result<Done, Failed> {
        step::run(&Session(&self.client), step, cached).await
    }

    async fn response(&self, user: &str, response_id: &str) -> Result<Option<LedgerRow>, LedgerError> {
        let row = query::response(&self.client, user, response_id, self.options.clock.now()).await;
        row.map_err(|failure| failure.error())
    }

    async fn find(&self, id: HoldId) -> Result<Option<(Key, Arc<str>)>, LedgerError> {
        let row = pages::find(&self.client, id, self.options.clock.now()).await;
        row.map(|row| row.map(|(key, row)| (key, row.user))).map_err(|failure| failure.error())
    }
}

impl<T: Transport> swap::Session for Session<'_, T> {
    type Failure = Failure;
    type Key = Key;

    async fn load(&self, user: &str) -> Result<Stored, Failure> {
        let item = self.0.get(&item::state_partition(user), STATE).await?;
        item.map_or_else(|| Ok(Stored::default()), |item| item::read_state(&item))
    }

    /// Nothing waits, but the next tries of several processes are apart. Reading the state is cheaper than a lost swap.
    async fn lock(&self, user: &str, lost: u32) -> Result<Option<Stored>, Failure> {
        let Some(doubled) = lost.checked_sub(2) else { return Ok(None) };
        sleep(random_below(PAUSE.saturating_mul(1 << doubled.min(16)).min(PAUSE_MAX))).await;
        self.load(user).await.map(Some)
    }

    async fn unlock(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn row(&self, key: &Key) -> Result<Option<LedgerRow>, Failure> {
        self.0.get(&key.partition, &key.sort).await?.map(|item| item::read_row(&item)).transpose()
    }

    /// A time, later than that of the version before by the number of rows.
    fn new_version(&self, seen: i64, now: Timestamp, rows: usize) -> i64 {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX).max(1);
        now.plus(rows.saturating_sub(1)).as_micros().max(seen.saturating_add(rows))
    }

    async fn swap(&self, swap: &Swap<'_, Key>) -> Result<Option<Stored>, Failure> {
        let changes = self.changes(swap).await?;
        let put = self.put_state(swap);
        if changes.is_empty() {
            return match self.0.send("PutItem", &put).await? {
                Ok(_) => Ok(None),
                Err(exception) if exception.is_failed_condition() => stored(exception.item()).map(Some),
                Err(exception) => Err(exception.into_failure()),
            };
        }
        let items: Vec<_> = [json!({ "Put": put })].into_iter().chain(changes).collect();
        let Err(exception) = self.0.send("TransactWriteItems", &json!({ "TransactItems": items })).await? else {
            return Ok(None);
        };
        match exception.cancellation() {
            Some([state, ..]) if reason_code(state) == "ConditionalCheckFailed" => stored(state.get("Item")).map(Some),
            Some(reasons) => Err(Failure::of_cancellation(reasons)),
            None => Err(exception.into_failure()),
        }
    }
}

/// A part of the time, by a random number.
fn random_below(time: Duration) -> Duration {
    let part = ids::random() % 1_000;
    time.mul_f64(f64::from(u16::try_from(part).unwrap_or(0)) / 1_000.0)
}

/// The state that another process stored.
fn stored(item: Option<&Value>) -> Result<Stored, Failure> {
    item.map_or_else(|| Ok(Stored::default()), item::read_state)
}

impl<T: Transport> Session<'_, T> {
    pub(super) fn deadline(&self) -> Duration {
        self.0.deadline
    }

    /// Stores the state if its version is still the expected one.
    fn put_state(&self, swap: &Swap<'_, Key>) -> Value {
        let mut put = json!({
            "TableName": self.0.table(),
            "Item": item::write_state(swap.user, swap.version, swap.state),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        });
        if swap.expected == 0 {
            put["ConditionExpression"] = json!("attribute_not_exists(pk)");
        } else {
            put["ConditionExpression"] = json!("v = :seen");
            put["ExpressionAttributeValues"] = json!({ ":seen": item::number(swap.expected) });
        }
        put
    }

    /// What is stored beside the state.
    async fn changes(&self, swap: &Swap<'_, Key>) -> Result<Vec<Value>, Failure> {
        let table = self.0.table();
        let mut changes = Vec::new();
        let mut days = Days::default();
        if swap.expected == 0 {
            changes.push(self.register(swap));
        }
        if !swap.removed.is_empty() {
            for (key, row) in query::expired(self.0, swap).await? {
                days.add(&row, Sums::of(&row).negated());
                changes.push(json!({ "Delete": { "TableName": table, "Key": key.to_json() } }));
            }
        }
        // The last row has the time of the version.
        let first = swap.version.saturating_sub(i64::try_from(swap.rows.len()).unwrap_or(i64::MAX).saturating_sub(1));
        for (at, row) in (first..).zip(swap.rows) {
            days.add(row, Sums::of(row));
            let row = item::write_row(Timestamp::from_micros(at), row, self.0.retention);
            changes.push(json!({ "Put": { "TableName": table, "Item": row } }));
        }
        if let Some((key, row)) = &swap.void {
            days.add(row, Sums { cost: Usd::ZERO.minus(row.cost), ..Sums::default() });
            changes.push(json!({ "Update": {
                "TableName": table, "Key": key.to_json(),
                "UpdateExpression": "SET voided = cost, cost = :zero",
                // DynamoDB may have deleted it by its age.
                "ConditionExpression": "attribute_exists(pk)",
                "ExpressionAttributeValues": { ":zero": item::number(0) },
            } }));
        }
        changes.extend(days.0.iter().map(|(key, (day, sums))| item::add_sums(table, key, *day, sums)));
        Ok(changes)
    }

    /// Notes the name of a user with the first state, and the day in UTC.
    fn register(&self, swap: &Swap<'_, Key>) -> Value {
        let day = Period::Day.at(swap.now, &Zone::utc()).number();
        json!({ "Update": {
            "TableName": self.0.table(), "Key": item::key(USERS, swap.user),
            "UpdateExpression": "SET first_day = if_not_exists(first_day, :day)",
            "ExpressionAttributeValues": { ":day": item::number(day.into()) },
        } })
    }
}

/// Sums by their keys: a transaction has each item once.
#[derive(Default)]
struct Days(BTreeMap<(String, String), (i32, Sums)>);

impl Days {
    fn add(&mut self, row: &LedgerRow, sums: Sums) {
        let (_, day) = self.0.entry(item::day_key(row)).or_insert((row.day.number(), Sums::default()));
        *day = day.plus(sums);
    }
}
