//! The object, called over HTTP, as an engine.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Value, json};
use sparekey_ledger::{Call, Day, DayQuery, Ledger, LedgerRow, Options, Pending, Reader, RowQuery, Sqlite};
use sparekey_policy::{Command, HoldId, Limits, Outcome, Period, ProcessId, State, Timestamp, step};

use crate::{
    raw_connection::RawConnection,
    wire,
    worker::{LedgerFolder, RunningWorker, Worker},
};

/// A workerd with an object.
pub(super) struct Object {
    proxy: RunningWorker,
    now: Arc<AtomicI64>,
}

/// A caller of the object.
pub(super) struct Client {
    pub(super) object: Arc<Object>,
    pub(super) process: ProcessId,
}

impl Object {
    pub(super) fn start(worker: &Worker, now: Arc<AtomicI64>) -> Self {
        Self { proxy: worker.serve(&wire::settings("http://127.0.0.1:1", &[]), ""), now }
    }

    /// Calls the object, whose clock counts milliseconds.
    fn call(&self, mut call: Value) -> [Value; 3] {
        call["at"] = (self.now.load(Ordering::SeqCst) / 1_000).into();
        let body = call.to_string();
        let mut client = RawConnection::connect(self.proxy.watch);
        client.send(format!("POST /object HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        let head = client.head();
        let body = client.body(&head);
        assert_eq!(head.status(), 200, "{}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("three values")
    }

    /// Runs a call as the Worker does: the same step, on the state that the object returns.
    fn run(&self, mut call: Call) -> Outcome {
        let row = call.row.take().map(|row| {
            let Command::Settle { id, amount, .. } = call.command else { panic!("a settle has a row") };
            let day = Period::Day.of_day(0);
            LedgerRow { id, user: Arc::clone(&call.user), day, cost: amount, voided: None, row: *row }.to_lines()
        });
        let numbers = call.to_numbers().expect("a call of the Worker");
        let numbers: Vec<_> = numbers.iter().map(i64::to_string).collect();
        let [before, now, after] = self.call(json!({ "user": &*call.user, "call": numbers, "row": row }));
        let mut state = state(&before);
        let outcome = step(&call.limits, &mut state, time(&now), &call.command);
        assert_eq!(Some(state.encode()), bytes(&after), "the object ran the same step");
        outcome
    }

    /// Returns the use of a user's limits, as `GET /usage` does.
    fn report(&self, call: &Call) -> Outcome {
        let [before, now, _] = self.usage(&call.user);
        step(&call.limits, &mut state(&before), time(&now), &Command::Report)
    }

    fn usage(&self, user: &str) -> [Value; 3] {
        self.call(json!({ "user": user, "since": i32::MIN }))
    }

    fn response(&self, user: &str, id: &str) -> [Value; 3] {
        self.call(json!({ "user": user, "id": id }))
    }

    /// Copies the object's tables into a file of the server, whose reader reads the same columns.
    fn read<T>(&self, read: impl FnOnce(&Reader) -> T) -> T {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let folder = self.proxy.ledger.as_ref().expect("a ledger");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let file = folder.path().join(format!("{number}.db"));
        drop(Sqlite::open(&file, Options::default()).expect("a new ledger"));
        copy(folder, &file);
        let result = read(&Reader::open(&file).expect("a ledger"));
        fs::remove_file(&file).expect("remove the copy");
        result
    }
}

fn copy(folder: &LedgerFolder, file: &Path) {
    let from = folder.open();
    let to = rusqlite::Connection::open(file).expect("the copy");
    for table in ["usage", "usage_daily"] {
        let mut select = from.prepare(&format!("SELECT * FROM {table}")).expect("the object's table");
        let names: Vec<_> = select.column_names().map(str::to_owned).collect();
        // The object's ids are texts.
        let values: Vec<_> = names.iter().map(|name| if name == "id" { "unhex(?)" } else { "?" }).collect();
        let insert = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "));
        let mut rows = select.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            let values = (0..names.len()).map(|column| row.get::<_, rusqlite::types::Value>(column).expect("a value"));
            to.execute(&insert, rusqlite::params_from_iter(values)).expect("the server's table has the columns");
        }
    }
}

impl Ledger for Client {
    fn run(&self, call: Call) -> Pending<Outcome> {
        let (reply, pending) = Pending::new();
        let object = Arc::clone(&self.object);
        // Calls are in flight together, as those of several isolates are.
        thread::spawn(move || {
            let is_report = call.command == Command::Report;
            let _ = reply.send(Ok(if is_report { object.report(&call) } else { object.run(call) }));
        });
        pending
    }

    fn void(&self, _: HoldId, _: Arc<Limits>) -> Pending<Outcome> {
        unimplemented!("the object has no such call")
    }

    /// The days of a user are those that `GET /usage` shows.
    fn days(&self, query: DayQuery) -> Pending<Vec<Day>> {
        let days = self.object.read(|reader| reader.days(&query)).expect("days");
        if let (Some(user), None) = (&query.user, query.since) {
            let lines = |Day { day, model, sums, .. }: &Day| {
                let counts =
                    [sums.cost.as_pico(), sums.requests, sums.input, sums.output].map(|count| count.to_string());
                format!("{}\n{model}\n{}", day.number(), counts.join("\n"))
            };
            let shown = days.iter().map(lines).collect::<Vec<_>>().join("\n");
            assert_eq!(self.object.usage(user)[2], shown);
        }
        Pending::ready(Ok(days))
    }

    fn rows(&self, query: RowQuery) -> Pending<Vec<LedgerRow>> {
        Pending::ready(self.object.read(|reader| reader.rows(&query)))
    }

    /// The object returns the model and the tokens of the row.
    fn response(&self, user: Arc<str>, response_id: Arc<str>) -> Pending<Option<LedgerRow>> {
        let [model, tokens, _] = self.object.response(&user, &response_id);
        let query = RowQuery { user: Some(user), ..RowQuery::default() };
        let mut rows = self.object.read(|reader| reader.rows(&query)).expect("rows");
        let found = rows.iter().rposition(|row| {
            let tokens_of_row = row.row.usage.tokens.total();
            (row.row.response_id.as_ref(), &*row.row.model, tokens_of_row)
                == (Some(&response_id), model.as_str().unwrap_or_default(), tokens.as_u64().unwrap_or_default())
        });
        assert_eq!(found.is_some(), !model.is_null());
        Pending::ready(Ok(found.map(|index| rows.swap_remove(index))))
    }

    fn process(&self) -> ProcessId {
        self.process
    }
}

fn state(value: &Value) -> State {
    bytes(value).map_or_else(State::default, |bytes| State::decode(&bytes).expect("a state"))
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    serde_json::from_value(value.clone()).expect("bytes, if any")
}

fn time(millis: &Value) -> Timestamp {
    Timestamp::from_micros(millis.as_i64().expect("milliseconds") * 1_000)
}
