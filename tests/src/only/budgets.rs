//! Budgets of users on the server: what is reserved, refused and charged.

mod alerts;
mod ends;
mod exact;
mod kill;
mod ledger;
mod parallel;
mod refusals;
mod several_servers;

use std::{net::SocketAddr, path::PathBuf};

use libtest_mimic::Trial;
use serde_json::Value;
use sparekey_policy::Usd;

use super::{Test, files::Files, get, settings_for};
use crate::{
    adapter::{Running as _, Settings},
    case_files::KEY,
    chat::{self, amount, response, usd},
    raw_connection::{Head, RawConnection, wait_until},
    server::RunningServer,
    upstream::Upstream,
    wire,
};

pub(crate) use crate::chat::post;

pub(super) use self::{
    alerts::TESTS as ALERTS, ends::TESTS as ENDS, exact::TESTS, kill::TESTS as KILL, ledger::TESTS as LEDGER,
    parallel::TESTS as PARALLEL, refusals::TESTS as REFUSALS, several_servers::trials as several_servers,
};

/// A token of the input costs 0.000001 USD, one of the output 0.00001 USD.
pub(crate) const PRICES: &str = r#"
[models.model]
mode = "chat"
max_input = 100000
max_output = 10000
standard = { input = "1", output = "10" }
"#;

const MODEL: &str = "model";

pub(crate) const BUDGET: &str = "[users.Tom]\nbudgets = [{ usd = 1, per = \"month\" }]";

/// The head of an event stream whose length is not known.
pub(crate) const EVENTS: &str = wire::EVENTS;

/// A server with a ledger of its own.
struct Budgeted {
    files: Files,
    settings: Settings,
    proxy: RunningServer,
}

impl Budgeted {
    fn start(upstream: SocketAddr, users: &str) -> Self {
        Self::start_with(upstream, users, &[])
    }

    fn start_with(upstream: SocketAddr, users: &str, more: &[(&str, &str)]) -> Self {
        let files = Files::new();
        files.write("users", users);
        files.write("prices", PRICES);
        let path = |name: &str| files.path(name).to_str().expect("a UTF-8 path").to_owned();
        let (users, prices, ledger) = (path("users"), path("prices"), path("ledger.db"));
        let own = [("USERS_FILE", &*users), ("PRICES_FILE", &prices), ("LEDGER", &ledger), ("LOG", "info")];
        let settings = settings_for(&format!("http://{upstream}"), &[&own[..], more].concat());
        let proxy = RunningServer::start(&settings);
        Self { files, settings, proxy }
    }

    /// [`Self::start`] for the tests of all platforms.
    fn boxed(upstream: SocketAddr, users: &str) -> Box<dyn Metered> {
        Box::new(Self::start(upstream, users))
    }

    fn ledger(&self) -> PathBuf {
        self.files.path("ledger.db")
    }
}

impl Metered for Budgeted {
    fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    fn wait_for_field(&self, name: &str, value: u32) {
        let text = format!(" {name}={value} ");
        self.proxy.process.wait_for(|line| line.contains(&text).then_some(()));
    }
}

/// A proxy whose users have budgets, on any platform.
pub(crate) trait Metered: Sync {
    fn address(&self) -> SocketAddr;

    /// Waits until the log of requests has a line with this field, where there is one.
    fn wait_for_field(&self, _name: &str, _value: u32) {}

    /// Sends a request on a new connection.
    fn send(&self, request: &str) -> (Head, Vec<u8>) {
        let mut client = self.client(request);
        let head = client.head();
        let body = client.body(&head);
        (head, body)
    }

    /// A connection that has sent a request.
    fn client(&self, request: &str) -> RawConnection {
        let mut client = RawConnection::connect(self.address());
        client.send(request);
        client
    }

    /// A request whose head has reached the upstream: the connections to both.
    fn sent(&self, upstream: &Upstream, request: &str) -> (RawConnection, RawConnection) {
        let client = self.client(request);
        let mut upstream_conn = upstream.accept();
        upstream_conn.head();
        (client, upstream_conn)
    }

    /// `GET /usage`, which has a rate of its own.
    fn usage(&self) -> Value {
        loop {
            let (head, body) = self.send(&get("/v1/usage"));
            match head.status() {
                200 => return serde_json::from_slice(&body).expect("JSON"),
                429 => {}
                status => panic!("{status}: {}", String::from_utf8_lossy(&body)),
            }
        }
    }

    /// An amount of the first budget.
    fn amount(&self, name: &str) -> Usd {
        amount(&self.usage()["budgets"][0][name])
    }

    /// Waits until no request is reserved; what was spent then.
    fn settled(&self) -> Usd {
        wait_until("all requests are settled", || self.amount("held_usd") == Usd::ZERO);
        self.amount("spent_usd")
    }
}

/// Starts a proxy in front of an upstream, with these users and [`PRICES`].
pub(crate) type Start<'a> = &'a dyn Fn(SocketAddr, &str) -> Box<dyn Metered>;

/// A test of every platform that has budgets.
pub(crate) type SharedTest = (&'static str, fn(Start<'_>));

/// The tests of every platform that has budgets: topics, and their tests.
pub(crate) const SHARED: [(&str, &[SharedTest]); 4] = [
    ("budgets", exact::SHARED),
    ("budgets_ends", ends::SHARED),
    ("budgets_parallel", parallel::SHARED),
    ("budgets_refusals", refusals::SHARED),
];

/// One trial per shared test on the server.
pub(super) fn trials() -> impl Iterator<Item = Trial> {
    let tests = SHARED.iter().flat_map(|(topic, tests)| tests.iter().map(move |test| (topic, test)));
    tests.map(|(topic, (name, run))| {
        Trial::test(format!("server::{topic}::{name}"), move || {
            run(&Budgeted::boxed);
            Ok(())
        })
    })
}

/// The cost of a response.
pub(crate) fn cost(input: i64, output: i64) -> Usd {
    Usd::from_pico(input * 1_000_000 + output * 10_000_000)
}

/// A request for a chat completion of at most 100 tokens.
pub(crate) fn chat() -> String {
    post("/v1/chat/completions", &chat_body(100, false))
}

pub(crate) fn streamed_chat() -> String {
    post("/v1/chat/completions", &chat_body(100, true))
}

pub(crate) fn chat_body(output: u32, stream: bool) -> Value {
    chat::body(MODEL, output, stream)
}

/// A chat completion with this usage.
pub(crate) fn completion(input: i64, output: i64) -> Vec<u8> {
    chat::completion(MODEL, "Hi", input, output)
}

pub(crate) fn chunk(text: &str) -> String {
    chat::chunk(MODEL, text)
}

pub(crate) fn last_chunks(input: i64, output: i64) -> String {
    chat::last_chunks(MODEL, input, output)
}
