//! A table that cannot be used.

use std::time::Instant;

use super::*;
use crate::{case_files, lambda::table};

pub(crate) const TESTS: &[Test] = &[
    ("users_without_budgets_go_on_without_the_table", others),
    ("cost_waits_for_the_table", kept),
    ("invalid_settings_are_named", invalid),
];

const ANN: &str = "sk-Ann-second0second0second0";

fn with_key(key: &str, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: proxy\r\nauthorization: Bearer {key}\r\n\r\n")
}

fn others() {
    let upstream = RespondingUpstream::start(|_| super::super::OK.into());
    let users = format!(
        "{BUDGET}\n[users.Ann]\nkeys = [\"{}\"]\nrequests_per_minute = 60\nconcurrent_requests = 2",
        case_files::digest(ANN)
    );
    // Nothing listens there.
    let table = table::settings(([127, 0, 0, 1], 1).into(), "sparekey");
    let function = Limited::start_with(STREAMING, upstream.address(), &users, &table, &[]);
    let started = Instant::now();
    for _ in 0..3 {
        super::super::assert_error(&mut function.client(&chat(false)), 503, "ledger_unavailable");
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(upstream.take().is_empty());
    function.0.process.wait_for(|line| line.contains("the database of the ledger cannot be reached").then_some(()));
    // Counted by the function itself.
    assert_eq!(function.send(&with_key(ANN, "/v1/models")).0.status(), 200);
    assert_eq!(upstream.take().len(), 1);
    super::super::assert_error(&mut function.client(&get("/v1/usage")), 503, "ledger_unavailable");
}

fn kept() {
    let upstream = Upstream::start();
    let moto = Moto::start();
    let table = moto.create_table();
    let function = Limited::start(upstream.address(), BUDGET, &table);
    let mut client = function.client(&chat(false));
    let mut serving = upstream.accept();
    let head = serving.head();
    serving.body(&head);
    moto.process.signal("STOP");
    serving.send(completion(12, 30));
    assert_eq!(read_response(&mut client).0.status(), 200);
    // It waits for the table a moment, and then for the next event.
    let started = Instant::now();
    super::super::assert_error(&mut function.client(&chat(false)), 503, "ledger_unavailable");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    moto.process.signal("CONT");
    wait_until("the cost is stored", || {
        let (head, body) = function.send(&get("/v1/usage"));
        let usage: Value = serde_json::from_slice(&body).expect("JSON");
        head.status() == 200 && chat::amount(&usage["budgets"][0]["spent_usd"]) == cost(12, 30)
    });
    assert_eq!(function.spent(), (cost(12, 30), Usd::ZERO));
    assert_eq!(table.rows().len(), 1);
}

fn invalid() {
    for (more, problem) in [
        (&[("LEDGER", "/var/lib/sparekey.db")][..], "LEDGER must be dynamodb:TABLE: this platform has no other ledger"),
        (&[("LEDGER", "dynamodb:a")], "LEDGER must be dynamodb:TABLE: the name of a DynamoDB table has 3 to 255"),
        (&[("LEDGER", "dynamodb:abc")], "LEDGER must be dynamodb:TABLE: AWS_REGION is not set"),
        (&[("PRICES", "[models.model]\nmode = 1")], "PRICES line 2: "),
        (&[("USAGE_RETENTION", "0")], "USAGE_RETENTION must be a number of days, 1 to 36500"),
    ] {
        let function = start(STREAMING, ([127, 0, 0, 1], 1).into(), more);
        let mut client = RawConnection::connect(function.address());
        client.send(get("/v1/models"));
        super::super::assert_error(&mut client, 500, "misconfigured");
        let line = function.process.wait_for(|line| line.contains("invalid settings").then(|| line.to_owned()));
        assert!(line.contains(problem), "no {problem} in {line}");
    }
}
