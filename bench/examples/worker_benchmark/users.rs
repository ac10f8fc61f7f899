//! What limits of a user cost, in one build: users without limits, with a budget, and with a budget on chat streams, whose
//! event of the usage is removed.

use std::{net::SocketAddr, time::Duration};

use conformance::{
    adapter::Running as _,
    case_files::{API_KEY, KEY},
    raw_connection::RawConnection,
    upstream::{RespondingUpstream, Upstream},
    worker::{RunningWorker, Worker, compiled},
};

use crate::{ROUNDS, STREAMS, idle_cpu, request, stream, summary};

/// Requests per round and for the warm-up.
const REQUESTS: u32 = 500;

/// Compares users of the gate with limits.
pub(crate) fn compare(worker: &Worker) {
    println!("\n{:48}{:>24}{:>24}{:>24}", "", "no limits", "a budget", "usage is removed");
    for (what, measure) in [
        ("a request, CPU, µs", request_of as fn(&Worker, &User) -> Duration),
        ("a streamed event of 300 streams, CPU, µs", streamed_of),
    ] {
        let mut all = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            for (user, all) in USERS.iter().zip(&mut all) {
                all.push(measure(worker, user));
            }
        }
        let [free, budget, removed] = all.map(summary);
        println!("{what:48}{free:>24}{budget:>24}{removed:>24}");
    }
}

/// A user: the name begins so, and each has some of the streams.
struct User {
    name: &'static str,
    /// Chat completions have the usage in an event that the client did not ask for.
    is_chat: bool,
}

const USERS: [User; 3] = [
    User { name: "Free", is_chat: false },
    User { name: "Paid", is_chat: false },
    User { name: "Paid", is_chat: true },
];
/// Users with the same name and another number: one may have 64 open requests.
const PER_NAME: usize = 6;

/// Starts the Worker with a ledger.
fn start_with_ledger(worker: &Worker, upstream: SocketAddr) -> RunningWorker {
    let numbers = || (0..PER_NAME).map(|number| number.to_string());
    let keys = ["Free", "Paid"].iter().flat_map(|name| numbers().map(move |number| user_key(name, &number)));
    let paid = "budgets = [{ usd = 1000, per = \"day\" }]\nconcurrent_requests = 64";
    let users: Vec<_> = numbers().map(|number| format!("[users.Paid{number}]\n{paid}")).collect();
    let settings = [
        ("OPENAI_API_KEY", API_KEY.to_owned()),
        ("API_BASE", format!("http://{upstream}/v1")),
        ("ACCESS_KEYS", keys.collect::<Vec<_>>().join(",")),
        ("USERS", compiled(&users.join("\n"))),
    ];
    worker.serve(&settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(), "")
}

fn user_key(name: &str, number: &str) -> String {
    format!("sk-{name}{number}-abcdefghijklmnopqrstuv")
}

impl User {
    /// A request of the user with this number.
    fn request(&self, number: usize, is_streamed: bool) -> String {
        let (path, input) = if self.is_chat {
            ("/v1/chat/completions", r#""messages":[{"role":"user","content":"Hello"}],"max_completion_tokens":100"#)
        } else {
            ("/v1/responses", r#""input":"Hello","max_output_tokens":100"#)
        };
        let body = format!(r#"{{"model":"gpt-5-mini","stream":{is_streamed},{input}}}"#);
        let key = user_key(self.name, &(number % PER_NAME).to_string());
        let sent = request(path).replace(KEY, &key);
        sent.replace("content-length: 2\r\n\r\n{}", &format!("content-length: {}\r\n\r\n{body}", body.len()))
    }

    /// An event of a stream.
    fn event(&self, number: usize) -> String {
        if self.is_chat {
            format!(
                "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-5-mini\",\"choices\":[{{\"index\":0,\
                 \"delta\":{{\"content\":\"{number}\"}},\"finish_reason\":null}}],\"usage\":null}}\n\n"
            )
        } else {
            format!("data: {{\"type\":\"response.output_text.delta\",\"item_id\":\"i\",\"delta\":\"{number}\"}}\n\n")
        }
    }

    /// A response with usage.
    fn response(&self) -> Vec<u8> {
        let usage = if self.is_chat {
            r#""prompt_tokens":9,"completion_tokens":5,"total_tokens":14"#
        } else {
            r#""input_tokens":9,"output_tokens":5,"total_tokens":14"#
        };
        let body = format!(r#"{{"id":"r","model":"gpt-5-mini","usage":{{{usage}}}}}"#);
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into()
    }
}

/// A request with its reservation and its settle, which ends after the response.
fn request_of(worker: &Worker, user: &User) -> Duration {
    let response = user.response();
    let upstream = RespondingUpstream::start(move |_| response.clone());
    let running = start_with_ledger(worker, upstream.address());
    let mut client = RawConnection::connect(running.address());
    let mut send = |count| {
        for number in 0..count {
            client.send(user.request(number, false));
            let head = client.head();
            assert_eq!(head.status(), 200);
            client.body(&head);
        }
        idle_cpu(running.process.id())
    };
    let count = REQUESTS as usize;
    let before = send(count);
    send(count).saturating_sub(before) / REQUESTS
}

fn streamed_of(worker: &Worker, user: &User) -> Duration {
    let upstream = Upstream::start();
    let running = start_with_ledger(worker, upstream.address());
    let requests = (0..STREAMS).map(|number| user.request(number, true));
    stream(running.address(), running.process.id(), &upstream, requests, |number| user.event(number))
}
