//! Rows, and queries of them.

use std::{sync::Arc, time::Duration};

use sparekey_ledger::{End, Row, RowQuery};
use sparekey_policy::{Command, Endpoint, HoldId, Outcome, Period, Tier, Timestamp, Tokens, ToolCalls, Usage, Usd};

use super::support::{NOON, Store, User, budget, row, usd};

pub(crate) fn rows_are_as_written(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Day, 100));
    tom.reserve(1, 40, store.hour_later());
    let full = full_row();
    let command = Command::Settle { id: HoldId(1), amount: Usd::from_pico(123_456_789), tokens: 3 };
    tom.ledger.run(tom.call(command).with_row(full.clone())).wait().unwrap();
    let rows = tom.ledger.rows(RowQuery::default()).wait().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].row, full);
    assert_eq!((rows[0].id, &*rows[0].user, rows[0].cost), (HoldId(1), "Tom", Usd::from_pico(123_456_789)));
    assert_eq!(rows[0].day.to_string(), "2026-11-27");
    let sums = tom.days()[0].sums;
    assert_eq!((sums.requests, sums.estimated, sums.input, sums.cached, sums.output), (1, 1, 1, 2, 9));
}

/// Each number is another one.
fn full_row() -> Row {
    let tokens = Tokens {
        input: 1,
        cached: 2,
        cache_write: 3,
        cache_write_12h: 4,
        input_audio: 5,
        cached_audio: 6,
        input_image: 7,
        cached_image: 8,
        output: 9,
        reasoning: 10,
        output_audio: 11,
        output_image: 12,
    };
    let tools = ToolCalls { web_search: 13, file_search: 14, containers: 15 };
    Row {
        started: NOON.plus(-1_234_567),
        key: Arc::from("5f3a9b"),
        route: Arc::from("/chat/completions"),
        model: Arc::from("gpt-5"),
        tier: Tier::Flex,
        usage: Usage { tokens, tools, audio_milliseconds: 16, characters: 17 },
        prices: Arc::from("2026-11-20"),
        status: 200,
        end: End::ClientLeft,
        is_estimated: true,
        is_over: true,
        retry: 2,
        upstream_id: Some(Arc::from("req_1")),
        response_id: Some(Arc::from("resp_1")),
        head: Some(Duration::from_micros(18)),
        total: Duration::from_micros(19),
    }
}

pub(crate) fn rows_of_a_query(store: &Store) {
    let ledger = store.open(1);
    let users = ["Tom", "Ann"].map(|name| User::new(&ledger, name, budget(Period::Day, 100)));
    for id in 0..6_u128 {
        let user = &users[usize::try_from(id % 2).unwrap()];
        user.reserve(id, 1, store.hour_later());
        user.settle(id, 1);
        store.wait(Timestamp::SECOND);
    }
    let ids = |user: Option<&str>, since: i64, limit| {
        let since = Some(NOON.plus(since * Timestamp::SECOND));
        let rows = ledger.rows(RowQuery { user: user.map(Arc::from), since, limit }).wait().unwrap();
        rows.into_iter().map(|row| row.id.0).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, 0, None), [0, 1, 2, 3, 4, 5]);
    assert_eq!(ids(Some("Ann"), 0, None), [1, 3, 5]);
    assert_eq!(ids(None, 4, None), [4, 5]);
    assert_eq!(ids(Some("Tom"), 0, Some(2)), [2, 4]);
    assert_eq!(ids(Some("Eve"), 0, None), [0_u128; 0]);
}

pub(crate) fn response_by_id(store: &Store) {
    let ledger = store.open(1);
    let tom = User::new(&ledger, "Tom", budget(Period::Day, 100));
    // The same end.
    for (id, name) in [(1, "resp_a123456789abc"), (2, "resp_b123456789abc")] {
        tom.reserve(id, 1, store.hour_later());
        let command = Command::Settle { id: HoldId(id), amount: usd(1), tokens: 0 };
        let route = Arc::from(Endpoint::Responses.path());
        let with_row = tom.call(command).with_row(Row { route, response_id: Some(Arc::from(name)), ..row(id) });
        // Not awaited: the query comes after it all the same.
        drop(ledger.run(with_row));
        let found = ledger.response(Arc::from("Tom"), Arc::from(name)).wait().unwrap().unwrap();
        assert_eq!((found.id, found.row.usage.tokens.total()), (HoldId(id), 1_200));
        assert_eq!(ledger.response(Arc::from("Ann"), Arc::from(name)).wait().unwrap(), None);
    }
    assert_eq!(ledger.response(Arc::from("Tom"), Arc::from("resp_c")).wait().unwrap(), None);
    // The id of another route's response.
    tom.reserve(3, 1, store.hour_later());
    let command = Command::Settle { id: HoldId(3), amount: usd(1), tokens: 0 };
    drop(ledger.run(tom.call(command).with_row(Row { response_id: Some(Arc::from("resp_d")), ..row(3) })));
    assert_eq!(ledger.response(Arc::from("Tom"), Arc::from("resp_d")).wait().unwrap(), None);
}

pub(crate) fn no_row_for_a_refused_request(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Day, 100));
    assert!(matches!(tom.reserve(1, 101, store.hour_later()), Outcome::Denied(_)));
    tom.reserve(2, 50, store.hour_later());
    // Nothing was sent.
    tom.run(Command::Settle { id: HoldId(2), amount: Usd::ZERO, tokens: 0 });
    assert_eq!(tom.ledger.rows(RowQuery::default()).wait().unwrap(), []);
    tom.check_sums();
}
