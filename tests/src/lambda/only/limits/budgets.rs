//! Budgets.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::{lambda::only::BUFFERING, only::budgets::PRICES, wire};

pub(crate) const TESTS: &[Test] = &[
    ("responses_are_charged_exactly", exact),
    ("own_prices_are_added_to_those_of_the_release", own_prices),
    ("request_that_does_not_fit_is_refused", refused),
    ("cost_is_stored_after_the_response_and_before_the_next_event", between_response_and_poll),
    ("response_that_is_too_large_is_charged_exactly", too_large),
    ("late_buffered_body_is_504", late),
    ("killed_function_is_charged_at_the_end_of_its_invocation", killed),
    ("two_functions_on_one_table_stay_within_the_budget", two_functions),
];

fn exact() {
    let upstream = RespondingUpstream::start(|request| {
        if request.body.windows(13).any(|part| part == b"\"stream\":true") {
            let events = [chat::chunk(MODEL, "Hel"), chat::chunk(MODEL, "lo"), chat::last_chunks(MODEL, 9, 2)].concat();
            return format!("{}{:x}\r\n{events}\r\n0\r\n\r\n", wire::EVENTS, events.len()).into();
        }
        completion(12, 30)
    });
    let whole = cost(12, 30);
    let both = whole.plus(cost(9, 2));
    for lambda in [STREAMING, BUFFERING] {
        let table = Moto::shared().create_table();
        let function = Limited::start_with(lambda, upstream.address(), BUDGET, &table.settings(), &[]);
        let (head, _) = function.send(&chat(false));
        assert_eq!(head.status(), 200);
        let left = chat::usd(head.header("x-sparekey-budget-left-usd").expect("what is left"));
        assert!(left < chat::usd("1") && left > chat::usd("0.99"), "{left}");
        assert_eq!(function.spent(), (whole, Usd::ZERO));
        let (_, body) = function.send(&chat(true));
        let body = String::from_utf8(body).expect("UTF-8");
        assert!(body.contains("Hel") && body.ends_with("data: [DONE]\n\n") && !body.contains("usage"), "{body}");
        assert_eq!(function.spent(), (both, Usd::ZERO));
        let usage = function.usage();
        let today = &usage["days"][0];
        assert_eq!((chat::amount(&today["usd"]), &today["requests"]), (both, &2.into()));
        assert_eq!(usage["by_model"][0]["model"], MODEL);
        let rows = table.rows();
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| row["ended"]["S"] == "complete" && row.get("estimated").is_none()), "{rows:?}");
    }
}

fn own_prices() {
    let upstream = RespondingUpstream::start(|_| chat::completion("model", "Hi", 12, 30));
    let extension = RespondingUpstream::start(|received| {
        assert!(received.head.word(1).ends_with("&name=prices"), "{}", received.head.word(1));
        let json = serde_json::json!({ "Parameter": { "Value": PRICES } }).to_string();
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{json}", json.len()).into()
    });
    let port = extension.address().port().to_string();
    let request = chat::post("/v1/chat/completions", &chat::body("model", 100, false));
    let parameter = [("PRICES_PARAMETER", "prices"), ("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", &port)];
    for own in [&[("PRICES", PRICES)][..], &parameter] {
        let table = Moto::shared().create_table();
        let function = Limited::start_with(STREAMING, upstream.address(), BUDGET, &table.settings(), own);
        assert_eq!(function.send(&request).0.status(), 200);
        // 12 tokens of 0.000001 and 30 of 0.00001.
        assert_eq!(function.spent(), (chat::usd("0.000312"), Usd::ZERO));
        assert_eq!(function.send(&chat(false)).0.status(), 200, "the release's prices stay");
    }
    let function = Limited::start(upstream.address(), BUDGET, &Moto::shared().create_table());
    super::super::assert_error(&mut function.client(&request), 403, "model_not_priced");
}

fn refused() {
    let upstream = RespondingUpstream::start(|_| completion(12, 30));
    let table = Moto::shared().create_table();
    let users = "[users.Tom]\nbudgets = [{ usd = \"0.0001\", per = \"total\" }]";
    let function = Limited::start(upstream.address(), users, &table);
    let request = chat::post("/v1/chat/completions", &chat::body(MODEL, 5_000, false));
    let mut client = function.client(&request);
    super::super::assert_error(&mut client, 429, "insufficient_quota");
    assert!(upstream.take().is_empty());
    assert_eq!(function.spent(), (Usd::ZERO, Usd::ZERO));
    assert!(table.rows().is_empty());
}

/// Lambda freezes the function as soon as it polls.
fn between_response_and_poll() {
    let upstream = Upstream::start();
    let moto = Moto::start();
    let table = moto.create_table();
    let [frozen, other] = [(); 2].map(|()| Limited::start(upstream.address(), BUDGET, &table));
    let mut serving = None;
    let mut spent = Usd::ZERO;
    frozen.0.api.next_poll();
    for _ in 0..3 {
        let mut client = frozen.client(&chat(false));
        let serving = serving.get_or_insert_with(|| upstream.accept());
        let head = serving.head();
        serving.body(&head);
        moto.process.signal("STOP");
        serving.send(completion(12, 30));
        assert_eq!(read_response(&mut client).0.status(), 200);
        assert!(!frozen.0.api.has_poll_within(Duration::from_millis(200)), "the cost is not stored");
        moto.process.signal("CONT");
        frozen.0.api.next_poll();
        frozen.0.process.signal("STOP");
        spent = spent.plus(cost(12, 30));
        assert_eq!(other.spent(), (spent, Usd::ZERO));
        frozen.0.process.signal("CONT");
    }
}

/// The client gets an error response, and the upstream's is read to its end.
fn too_large() {
    let upstream = RespondingUpstream::start(|_| chat::completion(MODEL, &"a".repeat(7_000_000), 12, 30));
    let table = Moto::shared().create_table();
    let function = Limited::start_with(BUFFERING, upstream.address(), BUDGET, &table.settings(), &[]);
    let mut client = function.client(&chat(false));
    super::super::assert_error(&mut client, 502, "answer_too_large");
    assert_eq!(function.spent(), (cost(12, 30), Usd::ZERO));
}

/// The deadline of the hold is that of the invocation.
fn late() {
    let upstream = Upstream::start();
    let table = Moto::shared().create_table();
    let lambda = Lambda { timeout: Duration::from_secs(3), ..BUFFERING };
    let function = Limited::start_with(lambda, upstream.address(), BUDGET, &table.settings(), &[]);
    let mut client = function.client(&chat(false));
    let mut serving = upstream.accept();
    serving.head();
    serving.send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{");
    super::super::assert_error(&mut client, 504, "upstream_timeout");
}

/// Nothing else ends its hold: another function cannot see that the process is gone.
fn killed() {
    let upstream = Upstream::start();
    let table = Moto::shared().create_table();
    let lambda = Lambda { timeout: Duration::from_secs(5), ..STREAMING };
    let function = Limited::start_with(lambda, upstream.address(), BUDGET, &table.settings(), &[]);
    let other = Limited::start(upstream.address(), BUDGET, &table);
    let client = function.client(&chat(false));
    let mut serving = upstream.accept();
    serving.head();
    let held = other.amount("held_usd");
    assert!(held > Usd::ZERO);
    function.0.process.signal("KILL");
    thread::sleep(Duration::from_secs(5));
    assert_eq!(other.spent(), (Usd::ZERO, held), "the invocation could have gone on, and its cost be late");
    wait_until("the reservation is charged", || other.spent() == (held, Usd::ZERO));
    assert_eq!(table.rows()[0]["ended"]["S"], "expired");
    drop((client, serving));
}

/// Each request costs what it reserves.
fn two_functions() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    // The most input is not billed, so the cost is below the reservation.
    let upstream = RespondingUpstream::start(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(30));
        completion(1, 100)
    });
    let table = Moto::shared().create_table();
    let each = cost(1, 100);
    let budget = Usd::from_pico(each.as_pico() * 20);
    let users = format!("[users.Tom]\nconcurrent_requests = 64\nbudgets = [{{ usd = \"{budget}\", per = \"month\" }}]");
    let more = [("AWS_LAMBDA_MAX_CONCURRENCY", "8")];
    let functions =
        [(); 2].map(|()| Limited::start_with(STREAMING, upstream.address(), &users, &table.settings(), &more));
    let statuses: Vec<u16> = thread::scope(|scope| {
        let client = |index: usize| {
            let function = &functions[index % 2];
            scope.spawn(move || (0..6).map(|_| function.send(&chat(false)).0.status()).collect::<Vec<_>>())
        };
        let clients: Vec<_> = (0..10).map(client).collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });
    let admitted = statuses.iter().filter(|status| **status == 200).count();
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!(admitted + refused, statuses.len(), "{statuses:?}");
    assert_eq!(sent.load(Ordering::SeqCst), admitted);
    let billed = Usd::from_pico(each.as_pico() * i64::try_from(admitted).expect("a count"));
    assert!(admitted > 5 && refused > 5 && billed <= budget, "{admitted} admitted, {refused} refused");
    wait_until("all is settled", || functions[0].spent() == (billed, Usd::ZERO));
    assert_eq!(functions[1].spent(), (billed, Usd::ZERO));
}
