//! A charge that is dropped is settled too.

use std::{
    num::NonZeroU32,
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use sparekey_core::{Admission, Config, Places};
use sparekey_ledger::{Clock, Day, DayQuery, End, LedgerRow, Memory, Pending, RowQuery};
use sparekey_metering::{Target, read_metered};
use sparekey_policy::{Enforced, HoldId, KeySource, ModelSource, PriceTable, ProcessId, StateError, Usd, Zone};

use super::{recent_failure::COUNTS, *};
use crate::{now, users::TomlUsers};

const KEY: &str = "sk-Tom-abcdefgh12345678";
const BODY: &[u8] = br#"{"model":"gpt-5","messages":[],"max_completion_tokens":100}"#;

struct Open {
    charges: Charges,
    ledger: Memory,
    charge: Charge,
    granted: Usd,
}

fn gate() -> Arc<ArcSwap<Gate>> {
    let settings = |name: &str| match name {
        "OPENAI_API_KEY" => Some("sk-proj-abcdef".to_owned()),
        "ACCESS_KEYS" => Some(KEY.to_owned()),
        "USERS" => Some("[users.Tom]\nbudgets = [{ usd = 1, per = \"day\" }]".to_owned()),
        _ => None,
    };
    let read_key = |_: &KeySource| Err("is not needed".to_owned());
    let users = TomlUsers { enforced: Enforced::ALL, before: None, places: Places::Memory, read_key };
    let config = Config::with_users(settings, &users).unwrap().with_prices(PriceTable::shipped().unwrap());
    Arc::new(ArcSwap::from_pointee(Gate::new(config)))
}

/// A request that is reserved and not sent.
async fn open() -> Open {
    let gate = gate();
    let ledger = Memory::new(Clock::default(), ProcessId(1));
    let engine = ledger.clone();
    let handle = LedgerHandle::new(move || Ok(Arc::new(engine.clone()) as Arc<dyn Ledger>));
    let charges = Charges::new(handle, Arc::clone(&gate), Sinks::new(Vec::new()));
    let request = Request::builder().method(Method::POST).uri("/v1/chat/completions").header("host", "proxy");
    let request = request.header("authorization", format!("Bearer {KEY}")).header("content-type", "application/json");
    let (head, ()) = request.body(()).unwrap().into_parts();
    let Ok(Admission::Limited(limited)) = gate.load_full().admit(head.into(), |_| None, now) else {
        panic!("not limited")
    };
    let granted = Outcome::Granted { amount: Usd::ZERO, left: None, rates: sparekey_policy::Rates::default() };
    let check = limited.reserve(Some(&granted)).unwrap();
    let target = Target { source: ModelSource::Body, path: "", query: None };
    let endpoint = check.endpoint().unwrap();
    let body = Bytes::from_static(BODY);
    let read = read_metered(endpoint, target, check.content_types(), check.content_encodings(), &body).unwrap();
    let quote = check.quote(&read.facts, &read.demand, None).unwrap();
    let (funded, charge) = charges.reserve(quote, false, (now(), None), endpoint.path()).await.unwrap();
    Open { charges, ledger, charge, granted: funded.granted }
}

impl Open {
    fn rows(&self) -> Vec<LedgerRow> {
        self.ledger.rows(RowQuery::default()).wait().unwrap()
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[track_caller]
fn assert_estimated(open: &Open, end: End) {
    let rows = open.rows();
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((row.row.end, row.row.is_estimated, row.cost), (end, true, open.granted));
}

#[test]
fn request_that_was_not_sent_costs_nothing() {
    let Open { charges, ledger, charge, granted } = block_on(open());
    assert!(granted > Usd::ZERO);
    drop(charge);
    assert!(ledger.rows(RowQuery::default()).wait().unwrap().is_empty());
    let Reports { known, is_complete, is_failing } = block_on(charges.reports());
    assert_eq!((known.len(), is_complete, is_failing), (1, true, false));
    assert_eq!((known[0].1.open, known[0].1.periods[0].spent), (0, Usd::ZERO));
}

#[test]
fn panic_costs_the_hold() {
    let mut open = block_on(open());
    open.charge.sending(&HeaderMap::new(), None);
    let charge = std::mem::replace(&mut open.charge, Charge::settled());
    let panicked = panic::catch_unwind(AssertUnwindSafe(move || {
        let _charge = charge;
        panic!("while the request is open");
    }));
    assert!(panicked.is_err());
    assert_estimated(&open, End::Failed);
}

#[test]
fn end_of_the_process_costs_the_hold() {
    let mut open = block_on(open());
    open.charge.sending(&HeaderMap::new(), None);
    open.charges.close();
    drop(std::mem::replace(&mut open.charge, Charge::settled()));
    assert_estimated(&open, End::Shutdown);
}

#[test]
fn each_request_is_settled_once() {
    let mut open = block_on(open());
    open.charge.sending(&HeaderMap::new(), None);
    open.charge.responded(http::StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new());
    open.charge.settle_estimate(End::Failed);
    drop(std::mem::replace(&mut open.charge, Charge::settled()));
    let rows = open.rows();
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((row.row.end, row.row.status, row.cost), (End::Complete, 429, Usd::ZERO));
}

/// A ledger whose calls are run by a function.
struct Scripted<F> {
    ledger: Memory,
    run: F,
}

impl<F: Fn(&Memory, Call) -> Pending<Outcome> + Send + Sync> Ledger for Scripted<F> {
    fn run(&self, call: Call) -> Pending<Outcome> {
        (self.run)(&self.ledger, call)
    }

    fn void(&self, id: HoldId, limits: Arc<Limits>) -> Pending<Outcome> {
        self.ledger.void(id, limits)
    }

    fn days(&self, query: DayQuery) -> Pending<Vec<Day>> {
        self.ledger.days(query)
    }

    fn rows(&self, query: RowQuery) -> Pending<Vec<LedgerRow>> {
        self.ledger.rows(query)
    }

    fn response(&self, user: Arc<str>, response_id: Arc<str>) -> Pending<Option<LedgerRow>> {
        self.ledger.response(user, response_id)
    }

    fn process(&self) -> ProcessId {
        self.ledger.process()
    }
}

/// Returns whether a place is granted beside a request of another process, and how often it was asked for.
fn place_beside(other: ProcessId, calls_before: usize) -> (bool, usize) {
    let user: Arc<str> = Arc::from("Tom");
    let mut limits = Limits::none(Arc::new(Zone::utc()));
    limits.concurrent_requests = NonZeroU32::new(1);
    let limits = Arc::new(limits);
    let ledger = Memory::new(Clock::default(), ProcessId(1));
    let other = ledger.share(other);
    let open = Reserve::place(HoldId(1), other.process());
    let open = Call::new(Arc::clone(&user), Arc::clone(&limits), Command::Reserve(open));
    let end = open.undo().unwrap();
    assert!(matches!(other.run(open).wait(), Ok(Outcome::Granted { .. })));
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    // The other request ends after so many reservations. It is stored at once.
    let run = move |ledger: &Memory, call: Call| {
        let is_last = call.reserve().is_some() && count.fetch_add(1, Ordering::Relaxed) + 1 == calls_before;
        let outcome = ledger.run(call);
        if is_last {
            drop(other.run(end.clone()));
        }
        outcome
    };
    let handle = LedgerHandle::ready(Arc::new(Scripted { ledger, run }) as Arc<dyn Ledger>);
    let charges = Charges::new(handle, gate(), Sinks::new(Vec::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let (outcome, _) = runtime.block_on(charges.place(&user, &limits, None)).unwrap();
    (matches!(outcome, Outcome::Granted { .. }), calls.load(Ordering::Relaxed))
}

#[test]
fn request_of_another_server_that_has_ended_refuses_none() {
    let (this, other) = (ProcessId(1), ProcessId(2));
    for calls_before in 1..=3 {
        assert_eq!(place_beside(other, calls_before), (true, calls_before + 1));
    }
    assert_eq!(place_beside(other, 4), (false, 4), "the request goes on");
    assert_eq!(place_beside(this, 1), (false, 1), "this process stores an end before");
}

/// What calls fail with.
type SetError = Arc<Mutex<Option<LedgerError>>>;

/// Charges of a ledger that works, until an error is set.
fn charges() -> (Charges, SetError) {
    let error = SetError::default();
    let set = Arc::clone(&error);
    let run = move |ledger: &Memory, call| match error.lock().unwrap().clone() {
        Some(error) => Pending::ready(Err(error)),
        None => ledger.run(call),
    };
    let ledger = Scripted { ledger: Memory::new(Clock::default(), ProcessId(1)), run };
    let handle = LedgerHandle::ready(Arc::new(ledger) as Arc<dyn Ledger>);
    (Charges::new(handle, gate(), Sinks::new(Vec::new())), set)
}

/// Reserves a place. Returns whether the ledger ran it.
async fn reserve(charges: &Charges) -> bool {
    let limits = Arc::new(Limits::none(Arc::new(Zone::utc())));
    charges.place(&Arc::from("Tom"), &limits, None).await.is_ok()
}

/// The number of reports, whether they are complete, and whether the ledger fails.
async fn reported(charges: &Charges) -> (usize, bool, bool) {
    let Reports { known, is_complete, is_failing } = charges.reports().await;
    (known.len(), is_complete, is_failing)
}

#[tokio::test(start_paused = true)]
async fn ledger_fails_if_all_users_are_affected() {
    for (error, expected) in [
        (LedgerError::State(StateError::Format), (0, true, false)),
        (LedgerError::UserBusy(Arc::from("Tom")), (0, true, false)),
        (LedgerError::Full, (0, false, true)),
    ] {
        let (charges, error_of_calls) = charges();
        *error_of_calls.lock().unwrap() = Some(error.clone());
        assert_eq!(reported(&charges).await, expected, "{error}");
        assert!(!reserve(&charges).await);
        *error_of_calls.lock().unwrap() = None;
        let (_, _, is_failing) = expected;
        assert_eq!(reported(&charges).await, (1, true, is_failing), "a reservation: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn failure_of_a_reservation_is_over_after_the_next_or_a_minute() {
    let (charges, error_of_calls) = charges();
    for is_reserved_again in [true, false] {
        *error_of_calls.lock().unwrap() = Some(LedgerError::Full);
        assert!(!reserve(&charges).await);
        *error_of_calls.lock().unwrap() = None;
        tokio::time::advance(COUNTS / 2).await;
        assert_eq!(reported(&charges).await, (1, true, true));
        if is_reserved_again {
            assert!(reserve(&charges).await);
        } else {
            tokio::time::advance(COUNTS / 2).await;
        }
        assert_eq!(reported(&charges).await, (1, true, false));
    }
}
