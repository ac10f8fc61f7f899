//! What a budget costs: the same load by users without limits and by users with a budget, on one server.

use std::{io, time::Duration};

use crate::{
    Result, format_figure,
    load::{Expected, LoadGenerator, Workload, request},
    median,
    payload::json,
    proxy::{Limited, Programs, ProxyProcess, Setup, key, metered_keys},
    scenario::{CHUNK_INTERVAL_MS, Measurement, checksum, measure, scaled},
    upstream::Upstream,
};

/// Events of a stream that are sent at once.
const BURST: usize = 100;

/// Events of a stream at the model's pace: enough that the figure is the cost of a chunk, and not that of the request.
const LIVE: usize = 250;

/// The last chunk of a stream, and `[DONE]`. Its usage is removed again.
const LAST_EVENTS: usize = 2;

/// A load, and the figures of its rows.
struct Comparison {
    name: &'static str,
    workload: fn(&[String], f64) -> Workload,
    units_per_request: usize,
    figures: &'static [Figure],
}

/// A unit, and its value.
type Figure = (&'static str, fn(&Measurement) -> f64);

const JSON_FIGURES: &[Figure] = &[
    ("CPU µs per request", |result| result.cpu_us),
    ("latency p50, µs", |result| result.latency_us(50)),
    ("latency p99, µs", |result| result.latency_us(99)),
];

const COMPARISONS: [Comparison; 4] = [
    Comparison {
        name: "json, 1 client",
        workload: |keys, scale| json_requests(keys, 1, scaled(1000, scale)),
        units_per_request: 1,
        figures: JSON_FIGURES,
    },
    Comparison {
        name: "json, 16 clients",
        workload: |keys, scale| json_requests(keys, 16, scaled(4000, scale)),
        units_per_request: 1,
        figures: JSON_FIGURES,
    },
    Comparison {
        name: "burst",
        workload: |keys, scale| Workload {
            clients: 8,
            requests: scaled(300, scale).max(8),
            ..streams(keys, BURST, 0, Duration::ZERO)
        },
        units_per_request: 1,
        figures: &[("CPU µs per stream of 100 chunks", |result| result.cpu_us)],
    },
    Comparison {
        name: "live",
        workload: |keys, scale| Workload {
            clients: scaled(1000, scale),
            requests: scaled(1000, scale),
            ..streams(keys, LIVE, CHUNK_INTERVAL_MS, Duration::from_secs(1))
        },
        units_per_request: LIVE,
        figures: &[
            ("CPU µs per chunk", |result| result.cpu_us),
            ("chunk latency p50, µs", |result| result.latency_us(50)),
            ("memory, MB", |result| result.memory_bytes as f64 / 1e6),
        ],
    },
];

/// Measures both kinds of users by turns, and prints a table. × is the median of the rounds' ratios.
pub(crate) fn report(
    load: &LoadGenerator,
    programs: &Programs,
    upstream: &Upstream,
    rounds: usize,
    scale: f64,
) -> Result<()> {
    let unlimited_keys: Vec<_> = (100..116).map(key).collect();
    let users = [unlimited_keys, metered_keys()];
    println!("| Sparekey | user without limits | user with a budget | × |\n|---|---|---|---|");
    let proxy = {
        let plain = ProxyProcess::start_sparekey(programs, upstream, Setup::COMMON)?;
        let metered =
            ProxyProcess::start_sparekey(programs, upstream, Setup { limited: Limited::Metered, ..Setup::COMMON })?;
        let memory = |proxy: &ProxyProcess| -> io::Result<f64> {
            load.run(proxy.address, &json_requests(&users[1], 16, 16), || {})?;
            Ok(proxy.memory() as f64 / 1e6)
        };
        print_row("idle memory without and with a ledger, MB", &[[memory(&plain)?, memory(&metered)?]]);
        metered
    };
    for comparison in &COMPARISONS {
        let mut results = Vec::new();
        for round in 0..rounds {
            let run = |keys: &[String]| {
                let workload = (comparison.workload)(keys, scale);
                measure(load, &proxy, &workload, comparison.units_per_request)
                    .map_err(|error| format!("{}: {error}", comparison.name))
            };
            // Reverses the order each round, so that no kind of user always runs after the other.
            results.push(if round % 2 == 0 {
                let unlimited = run(&users[0])?;
                [unlimited, run(&users[1])?]
            } else {
                let metered = run(&users[1])?;
                [run(&users[0])?, metered]
            });
        }
        for (unit, value) in comparison.figures {
            let values: Vec<_> = results.iter().map(|pair| pair.each_ref().map(value)).collect();
            print_row(&format!("{}, {unit}", comparison.name), &values);
        }
    }
    println!();
    Ok(())
}

/// Prints the medians of the rounds.
fn print_row(label: &str, rounds: &[[f64; 2]]) {
    let of = |value: &dyn Fn(&[f64; 2]) -> f64| median(rounds.iter().map(value).collect());
    let [unlimited, metered] = [of(&|pair| pair[0]), of(&|pair| pair[1])].map(format_figure);
    println!("| {label} | {unlimited} | {metered} | **×{:.2}** |", of(&|pair| pair[1] / pair[0]));
}

/// Chat completions of 1 KiB each way.
pub(crate) fn json_requests(keys: &[String], clients: usize, requests: usize) -> Workload {
    let text = "words ".repeat(1024 / 6);
    let body = format!(r#"{{"model":"gpt-5-mini","messages":[{{"role":"user","content":"{text}"}}]}}"#);
    Workload {
        messages: keys.iter().map(|key| request("POST", "/v1/chat/completions", key, body.as_bytes())).collect(),
        expected: Expected::Body(checksum(json(1024).as_bytes())),
        clients,
        requests,
        ramp_up: Duration::ZERO,
    }
}

/// Streamed chat completions.
fn streams(keys: &[String], chunks: usize, pause_ms: u64, ramp_up: Duration) -> Workload {
    let target = format!("/v1/chat/completions?{chunks}/{pause_ms}");
    let body = br#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"words"}],"stream":true}"#;
    Workload {
        messages: keys.iter().map(|key| request("POST", &target, key, body)).collect(),
        expected: Expected::Events(chunks + LAST_EVENTS),
        clients: 1,
        requests: 1,
        ramp_up,
    }
}
