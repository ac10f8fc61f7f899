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

use serde_json::{Value, json};
use sparekey_policy::Usd;

use super::{Test, files::Files, get, settings_for};
use crate::{
    adapter::{Running as _, Settings},
    case_files::KEY,
    raw_connection::{Head, RawConnection, wait_until},
    server::RunningServer,
    upstream::Upstream,
    wire,
};

pub(super) use self::{
    alerts::TESTS as ALERTS, ends::TESTS as ENDS, exact::TESTS, kill::TESTS as KILL, ledger::TESTS as LEDGER,
    parallel::TESTS as PARALLEL, refusals::TESTS as REFUSALS, several_servers::trials as several_servers,
};

/// A token of the input costs 0.000001 USD, one of the output 0.00001 USD.
const PRICES: &str = r#"
[models.model]
mode = "chat"
max_input = 100000
max_output = 10000
standard = { input = "1", output = "10" }
"#;

const BUDGET: &str = "[users.Tom]\nbudgets = [{ usd = 1, per = \"month\" }]";

/// The head of an event stream whose length is not known.
const EVENTS: &str = wire::EVENTS;

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

    fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    fn ledger(&self) -> PathBuf {
        self.files.path("ledger.db")
    }

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

fn amount(value: &Value) -> Usd {
    value.as_str().and_then(Usd::parse).unwrap_or_else(|| panic!("no amount: {value}"))
}

fn usd(text: &str) -> Usd {
    Usd::parse(text).expect("an amount")
}

/// The cost of a response.
fn cost(input: i64, output: i64) -> Usd {
    Usd::from_pico(input * 1_000_000 + output * 10_000_000)
}

fn post(path: &str, body: &Value) -> String {
    let body = body.to_string();
    let fields = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    wire::request("POST", path, &fields) + &body
}

/// A request for a chat completion of at most 100 tokens.
fn chat() -> String {
    post("/v1/chat/completions", &chat_body(100, false))
}

fn streamed_chat() -> String {
    post("/v1/chat/completions", &chat_body(100, true))
}

fn chat_body(output: u32, stream: bool) -> Value {
    let messages = json!([{"role": "user", "content": "Hello"}]);
    json!({"model": "model", "max_completion_tokens": output, "stream": stream, "messages": messages})
}

fn response(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// A chat completion with this usage.
fn completion(input: i64, output: i64) -> Vec<u8> {
    let usage = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    let choices = json!([{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]);
    let body =
        json!({"id": "chatcmpl-1", "object": "chat.completion", "model": "model", "choices": choices, "usage": usage});
    response("200 OK", &body.to_string())
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// An event of a streamed chat completion, as OpenAI sends it with `include_usage`.
fn chunk(text: &str) -> String {
    let choices = json!([{"index": 0, "delta": {"content": text}, "finish_reason": null}]);
    event(
        &json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "model", "choices": choices, "usage": null}),
    )
}

/// The last events of a streamed chat completion.
fn last_chunks(input: i64, output: i64) -> String {
    let usage = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    let last =
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "model", "choices": [], "usage": usage});
    event(&last) + "data: [DONE]\n\n"
}
