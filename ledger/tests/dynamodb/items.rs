//! The items of the table, as an owner reads them, and what they cost.

use std::sync::Arc;

use serde_json::{Value, json};
use sparekey_ledger::{
    Clock, Ledger,
    dynamodb::{Options, Table},
};
use sparekey_policy::{Command, HoldId, Period, Timestamp, Usd};

use crate::{
    support::{
        self, NOON, budget, is_granted,
        moto::{self, Moto, Plain},
        settle,
    },
    tom,
};

const DAY: i64 = 24 * Timestamp::HOUR;

pub(crate) fn layout(table: &Table) {
    let retention = Some(std::time::Duration::from_secs(10 * 86_400));
    let options = Options { clock: Clock::new(|| NOON), retention, ..Options::default() };
    let ledger: Arc<dyn Ledger> = Arc::new(moto::open(table.clone(), Plain, options));
    let tom = support::User::new(&ledger, "Tom", budget(Period::Day, 100));
    tom.reserve(1, 40, NOON.plus(Timestamp::HOUR));
    tom.settle(1, 15);
    let items = scan(table);
    let keys: Vec<_> = items.iter().map(|item| (text(item, "pk"), text(item, "sk"))).collect();
    assert_eq!(
        keys,
        [
            ("d#2026-11", "Tom#2026-11-27#gpt-5-mini"),
            ("l#Tom#2026-11", "2026-11-27 12:00:00.000001"),
            ("u#Tom", "s"),
            ("users", "Tom"),
        ]
    );
    let row = &items[1];
    assert_eq!((text(row, "id"), text(row, "ended")), (format!("{:032x}", 1).as_str(), "complete"));
    assert_eq!(row["cost"], json!({ "N": usd_text(15) }));
    assert_eq!(row["ttl"], json!({ "N": (NOON.plus(10 * DAY).as_seconds()).to_string() }));
    assert_eq!(items[0]["cost"], json!({ "N": usd_text(15) }));
    assert_eq!(items[0]["requests"], json!({ "N": "1" }));
}

fn usd_text(cents: i64) -> String {
    support::usd(cents).as_pico().to_string()
}

/// A reservation costs one unit, and a settle three items in a transaction, of two units each, if no item is above 1 KB.
pub(crate) fn write_units(table: &Table) {
    let opened = crate::open(table);
    let tom = tom(&opened.ledger);
    let until = Clock::default().now().plus(Timestamp::HOUR);
    // The first one notes the name of the user too, in a transaction.
    for (id, units) in [(0, 4), (1, 1), (2, 1), (3, 1), (4, 1)] {
        assert!(is_granted(&tom.run(support::reserve(id, 1, until, tom.ledger.process()))));
        assert_eq!(opened.faults.take_units(), units, "reservation {id}");
    }
    let full = sparekey_ledger::Row {
        key: Arc::from("5f3a9bcd"),
        route: Arc::from("/chat/completions"),
        prices: Arc::from("2026-11-20"),
        upstream_id: Some("req_0123456789abcdef0123456789abcdef".into()),
        response_id: Some("chatcmpl-0123456789abcdef0123456789abcdef".into()),
        head: Some(std::time::Duration::from_millis(1234)),
        ..support::row(1)
    };
    let command = Command::Settle { id: HoldId(1), amount: Usd::from_pico(123_456_789_012), tokens: 3_000 };
    tom.ledger.run(tom.call(command).with_row(full)).wait().unwrap();
    assert_eq!(opened.faults.take_units(), 6);
    tom.ledger.run(settle(&tom, 2, 1)).wait().unwrap();
    assert_eq!(opened.faults.take_units(), 6);
    tom.run(Command::Settle { id: HoldId(3), amount: Usd::ZERO, tokens: 0 });
    assert_eq!(opened.faults.take_units(), 1, "nothing was sent: no row");
    tom.run(support::reserve(5, 2_000_000, until, tom.ledger.process()));
    tom.report();
    assert_eq!(opened.faults.take_units(), 0, "a refusal and a report write nothing");
    for item in scan(table) {
        assert!(size(&item) < 1024, "{} bytes: {item}", size(&item));
    }
    let sizes: Vec<_> = scan(table).iter().map(|item| (text(item, "pk").to_owned(), size(item))).collect();
    println!("items in bytes: {sizes:?}");
}

/// The [size](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html) of an item in
/// bytes: names, text, bytes, and a byte per two digits and one more.
pub(crate) fn size(item: &Value) -> usize {
    let value = |value: &Value| match value.as_object().and_then(|value| value.iter().next()) {
        Some((kind, value)) => {
            let length = value.as_str().unwrap().len();
            match kind.as_str() {
                "N" => length.div_ceil(2) + 1,
                "B" => length * 3 / 4,
                _ => length,
            }
        }
        None => 0,
    };
    item.as_object().map_or(0, |item| item.iter().map(|(name, content)| name.len() + value(content)).sum())
}

fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name]["S"].as_str().unwrap()
}

/// All items, by their keys.
pub(crate) fn scan(table: &Table) -> Vec<Value> {
    let body = json!({ "TableName": table.name() }).to_string().into_bytes();
    let response = Moto::shared().unwrap().send("Scan", body);
    let mut response: Value = serde_json::from_slice(&response.body).unwrap();
    let Value::Array(mut items) = response["Items"].take() else { panic!("{response}") };
    items.sort_by(|a, b| (text(a, "pk"), text(a, "sk")).cmp(&(text(b, "pk"), text(b, "sk"))));
    items
}
