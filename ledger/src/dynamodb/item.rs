//! Items: states, rows and sums as DynamoDB's JSON.

use std::{sync::Arc, time::Duration};

use base64ct::{Base64, Encoding as _};
use serde_json::{Map, Value, json};
use sparekey_policy::{HoldId, Period, State, Tier, Timestamp, Usage, Usd};

use super::{failure::Failure, invalid};
use crate::{
    columns::{duration, micros},
    day::{Day, Sums},
    row::{End, LedgerRow, Row},
    swap::Stored,
    usage_columns,
};

/// The sort key of a state.
pub(super) const STATE: &str = "s";

/// The partition of the names of users.
pub(super) const USERS: &str = "users";

/// The partition of a user's state.
pub(super) fn state_partition(user: &str) -> String {
    format!("u#{user}")
}

/// The partition of a user's rows of a month.
pub(super) fn row_partition(user: &str, month: &str) -> String {
    format!("l#{user}#{month}")
}

/// The partition of the sums of a month.
pub(super) fn day_partition(month: &str) -> String {
    format!("d#{month}")
}

/// The month of an instant in UTC, such as `2026-11`.
pub(super) fn month(at: Timestamp) -> String {
    at.to_string().get(..7).unwrap_or_default().to_owned()
}

/// The sort key of a row, such as `2026-11-27 12:00:00.000000`.
pub(super) fn row_key(at: Timestamp) -> String {
    let micros = at.as_micros().rem_euclid(Timestamp::SECOND);
    format!("{}.{micros:06}", at.to_string().trim_end_matches(" UTC"))
}

/// The key of an item.
pub(super) fn key(pk: &str, sk: &str) -> Value {
    json!({ "pk": { "S": pk }, "sk": { "S": sk } })
}

/// A number.
pub(super) fn number(number: i64) -> Value {
    json!({ "N": number.to_string() })
}

/// Writes a state.
pub(super) fn write_state(user: &str, version: i64, state: &State) -> Value {
    json!({
        "pk": { "S": state_partition(user) }, "sk": { "S": STATE },
        "v": number(version), "state": { "B": Base64::encode_string(&state.encode()) },
    })
}

/// Reads a state.
pub(super) fn read_state(item: &Value) -> Result<Stored, Failure> {
    let bytes = item.pointer("/state/B").and_then(Value::as_str).and_then(|text| Base64::decode_vec(text).ok());
    let bytes = bytes.ok_or_else(|| Failure::Known(invalid("state")))?;
    Ok(Stored { version: Item(item).count("v"), state: Some(State::decode(&bytes)) })
}

/// Writes a row. Zeros, and what is false or empty, are left out: most counts are.
pub(super) fn write_row(at: Timestamp, row: &LedgerRow, retention: Option<Duration>) -> Value {
    let LedgerRow { id, user, day, cost, voided, row } = row;
    let mut item = Map::new();
    let mut text = |name: &str, value: &str| {
        if !value.is_empty() {
            item.insert(name.to_owned(), json!({ "S": value }));
        }
    };
    text("pk", &row_partition(user, &month(at)));
    text("sk", &row_key(at));
    text("id", &format!("{:032x}", id.0));
    text("user", user);
    text("key", &row.key);
    text("route", &row.route);
    text("model", &row.model);
    text("tier", row.tier.name());
    text("prices", &row.prices);
    text("ended", row.end.name());
    text("upstream_id", row.upstream_id.as_deref().unwrap_or_default());
    text("response_id", row.response_id.as_deref().unwrap_or_default());
    let counts = [
        ("status", row.status.into()),
        ("estimated", row.is_estimated.into()),
        ("over", row.is_over.into()),
        ("retry", row.retry.into()),
    ];
    let optional = [("voided", voided.map(Usd::as_pico)), ("head_us", row.head.map(micros))];
    let always = [
        ("day", day.number().into()),
        ("started", row.started.as_micros()),
        ("cost", cost.as_pico()),
        ("total_us", micros(row.total)),
    ];
    let ends = retention.map(|retention| at.plus(micros(retention)).as_seconds());
    let numbers =
        usage_columns::named(&row.usage).into_iter().chain(counts).filter(|(_, count)| *count != 0).chain(always);
    let optional = optional.into_iter().chain([("ttl", ends)]).filter_map(|(name, value)| Some((name, value?)));
    item.extend(numbers.chain(optional).map(|(name, value)| (name.to_owned(), number(value))));
    Value::Object(item)
}

/// Reads a row.
pub(super) fn read_row(value: &Value) -> Result<LedgerRow, Failure> {
    let item = Item(value);
    let id = u128::from_str_radix(item.text("id"), 16).map_err(|_| item.invalid("id"))?;
    let mut names = usage_columns::named(&Usage::default()).into_iter();
    let usage = usage_columns::read(|| Ok::<_, Failure>(names.next().map_or(0, |(name, _)| item.unsigned(name))))?;
    let text = |name| Some(item.text(name)).filter(|text| !text.is_empty()).map(Arc::from);
    let row = Row {
        started: Timestamp::from_micros(item.count("started")),
        key: Arc::from(item.text("key")),
        route: Arc::from(item.text("route")),
        model: Arc::from(item.text("model")),
        // A value of a newer version is an error, not another value.
        tier: Tier::from_name(item.text("tier")).ok_or_else(|| item.invalid("tier"))?,
        usage,
        prices: Arc::from(item.text("prices")),
        status: u16::try_from(item.count("status")).unwrap_or(u16::MAX),
        end: End::from_name(item.text("ended")).ok_or_else(|| item.invalid("ended"))?,
        is_estimated: item.count("estimated") != 0,
        is_over: item.count("over") != 0,
        retry: u32::try_from(item.count("retry")).unwrap_or(u32::MAX),
        upstream_id: text("upstream_id"),
        response_id: text("response_id"),
        head: item.optional("head_us").map(duration),
        total: duration(item.count("total_us")),
    };
    Ok(LedgerRow {
        id: HoldId(id),
        user: Arc::from(item.text("user")),
        day: Period::Day.of_day(item.day("day")),
        cost: Usd::from_pico(item.count("cost")),
        voided: item.optional("voided").map(Usd::from_pico),
        row,
    })
}

/// The key of the sums to which a row adds.
pub(super) fn day_key(row: &LedgerRow) -> (String, String) {
    let day = row.day.to_string();
    let partition = day_partition(day.get(..7).unwrap_or_default());
    (partition, format!("{}#{day}#{}", row.user, row.row.model))
}

/// Writes an update that adds sums.
pub(super) fn add_sums(table: &str, (pk, sk): &(String, String), day: i32, sums: &Sums) -> Value {
    let values = [
        ("day", day.into()),
        ("requests", sums.requests),
        ("estimated", sums.estimated),
        ("input", sums.input),
        ("cached", sums.cached),
        ("output", sums.output),
        ("cost", sums.cost.as_pico()),
    ];
    let names: Map<String, Value> = values.iter().map(|(name, _)| (format!("#{name}"), json!(name))).collect();
    let values: Map<String, Value> = values.iter().map(|(name, value)| (format!(":{name}"), number(*value))).collect();
    json!({ "Update": {
        "TableName": table, "Key": key(pk, sk),
        "UpdateExpression": "SET #day = :day ADD #requests :requests, #estimated :estimated, #input :input, \
                             #cached :cached, #output :output, #cost :cost",
        "ExpressionAttributeNames": names, "ExpressionAttributeValues": values,
    } })
}

/// Reads sums.
pub(super) fn read_day(value: &Value) -> Result<Day, Failure> {
    let item = Item(value);
    let mut parts = item.text("sk").splitn(3, '#');
    let (Some(user), Some(_), Some(model)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(item.invalid("sk"));
    };
    let sums = Sums {
        requests: item.count("requests"),
        estimated: item.count("estimated"),
        input: item.count("input"),
        cached: item.count("cached"),
        output: item.count("output"),
        cost: Usd::from_pico(item.count("cost")),
    };
    Ok(Day { day: Period::Day.of_day(item.day("day")), user: Arc::from(user), model: Arc::from(model), sums })
}

/// An item that is read. What is left out is zero, or empty.
#[derive(Clone, Copy)]
pub(super) struct Item<'a>(pub(super) &'a Value);

impl<'a> Item<'a> {
    pub(super) fn text(self, name: &str) -> &'a str {
        self.0.get(name).and_then(|value| value.get("S")?.as_str()).unwrap_or_default()
    }

    pub(super) fn day(self, name: &str) -> i32 {
        i32::try_from(self.count(name)).unwrap_or(i32::MAX)
    }

    fn optional(self, name: &str) -> Option<i64> {
        self.0.get(name)?.get("N")?.as_str()?.parse().ok()
    }

    fn count(self, name: &str) -> i64 {
        self.optional(name).unwrap_or(0)
    }

    fn unsigned(self, name: &str) -> u64 {
        u64::try_from(self.count(name)).unwrap_or(0)
    }

    fn invalid(self, name: &str) -> Failure {
        Failure::Known(invalid(&format!("{name} of the item {} {}", self.text("pk"), self.text("sk"))))
    }
}
