//! Limits and budgets of users, in a DynamoDB table.

mod budgets;
mod commands;
mod failures;
mod freezes;
mod kills;
mod rates;
mod shared;

use std::{net::SocketAddr, thread, time::Duration};

use serde_json::Value;
use sparekey_policy::{PriceTable, Tier, Tokens, Usage, Usd};

use super::{Lambda, STREAMING, Test, get, read_response, start};
use crate::{
    adapter::Running as _,
    chat,
    lambda::{
        RunningFunction,
        table::{Moto, Table},
    },
    only::budgets::Metered,
    raw_connection::{RawConnection, wait_until},
    upstream::{ReceivedRequest, RespondingUpstream, Upstream},
};

pub(super) use self::{
    budgets::TESTS as BUDGETS, commands::TESTS as COMMANDS, failures::TESTS as FAILURES, freezes::TESTS as FREEZES,
    kills::TESTS as KILLS, rates::TESTS as RATES, shared::trials,
};

const MODEL: &str = "gpt-5-mini";

const BUDGET: &str = "[users.Tom]\nbudgets = [{ usd = 1, per = \"month\" }]";

/// A function whose users have limits.
struct Limited(RunningFunction);

impl Limited {
    fn start(upstream: SocketAddr, users: &str, table: &Table) -> Self {
        Self::start_with(STREAMING, upstream, users, &table.settings(), &[])
    }

    fn start_with(
        lambda: Lambda,
        upstream: SocketAddr,
        users: &str,
        table: &[(&'static str, String)],
        more: &[(&str, &str)],
    ) -> Self {
        let mut all = vec![("USERS", users), ("LOG", "info")];
        all.extend(table.iter().map(|(name, value)| (*name, &**value)));
        all.extend(more);
        Self(start(lambda, upstream, &all))
    }

    /// What is spent, and what is reserved.
    fn spent(&self) -> (Usd, Usd) {
        let usage = self.usage();
        let [spent, held] = ["spent_usd", "held_usd"].map(|name| chat::amount(&usage["budgets"][0][name]));
        (spent, held)
    }
}

impl Metered for Limited {
    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    fn wait_for_field(&self, name: &str, value: u32) {
        let text = format!("\"{name}\":{value},");
        self.0.process.wait_for(|line| line.contains(&text).then_some(()));
    }

    fn usage(&self) -> Value {
        let mut usage = None;
        wait_until("the usage is read", || {
            let (head, body) = self.send(&get("/v1/usage"));
            match head.status() {
                200 => usage = Some(serde_json::from_slice(&body).expect("JSON")),
                // It has a rate of its own. The emulation may be too slow for the deadline of a step.
                429 | 503 => thread::sleep(Duration::from_millis(100)),
                status => panic!("{status}: {}", String::from_utf8_lossy(&body)),
            }
            usage.is_some()
        });
        usage.expect("it was read")
    }
}

/// The cost of a response, by the shipped prices.
fn cost(input: u64, output: u64) -> Usd {
    let usage = Usage::from(Tokens { input, output, ..Tokens::default() });
    PriceTable::shipped().expect("prices").cost(MODEL, Tier::Standard, &usage).expect("a price")
}

/// A request for a chat completion of at most 100 tokens.
fn chat(stream: bool) -> String {
    chat::post("/v1/chat/completions", &chat::body(MODEL, 100, stream))
}

/// Whether a request to the table changes it.
fn is_write(request: &ReceivedRequest) -> bool {
    let target = request.head.header("x-amz-target");
    target.is_some_and(|target| target.ends_with(".PutItem") || target.ends_with(".TransactWriteItems"))
}

fn completion(input: i64, output: i64) -> Vec<u8> {
    chat::completion(MODEL, "Hi", input, output)
}
