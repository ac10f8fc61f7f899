//! The gate's cost per request in instructions, which do not depend on the load of the machine:
//! `cargo run --release --package bench-pure --example gate_instructions`. Needs valgrind. It does not support the
//! processor's SHA instructions, so about 3,000 instructions of each row are SHA-256 in software.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a measurement without valgrind is useless"
)]

#[path = "../benches/gate/heads.rs"]
mod heads;

use std::{env, hint::black_box};

use bench_pure::{Count, count_self};
use sparekey_policy::Timestamp;

use self::heads::{KEY, WRONG, exchange, gate, request, response};

/// Iterations of a short and a long run. Their difference excludes the set-up.
const FEW: u64 = 100;
const MANY: u64 = 1100;

/// A name, the measured loop, and the same loop without the gate.
type Measurement = (&'static str, fn(u64), fn(u64));

const MEASUREMENTS: [Measurement; 5] = [
    ("admit, 1 key", |times| admit(1, KEY, times), |times| heads_only(KEY, times)),
    ("admit, 10,000 keys", |times| admit(10_000, KEY, times), |times| heads_only(KEY, times)),
    ("reject, 1 key", |times| admit(1, WRONG, times), |times| heads_only(WRONG, times)),
    ("reject, 10,000 keys", |times| admit(10_000, WRONG, times), |times| heads_only(WRONG, times)),
    ("admit a response", admit_response, responses_only),
];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [index, part, times] = arguments.as_slice() else { return measure() };
    let (_, with, without) = MEASUREMENTS[index.parse::<usize>().unwrap()];
    let run = if part == "with" { with } else { without };
    run(times.parse().unwrap());
}

fn measure() {
    println!("| | instructions | calls of the C library |\n|---|---|---|");
    for (index, (name, ..)) in MEASUREMENTS.iter().enumerate() {
        let count = |part, times: u64| count_self(&[&index.to_string(), part, &times.to_string()]);
        let [with, without] = ["with", "without"].map(|part| count(part, MANY) - count(part, FEW));
        let Count { instructions, library_calls } = (with - without).per(MANY - FEW);
        println!("| {name} | {instructions} | {library_calls} |");
    }
}

fn admit(keys: usize, key: &str, times: u64) {
    let gate = gate(keys);
    for _ in 0..times {
        drop(black_box(gate.admit(black_box(request(key)), |_| None, Timestamp::default)));
    }
}

fn heads_only(key: &str, times: u64) {
    for _ in 0..times {
        drop(black_box(request(key)));
    }
}

fn admit_response(times: u64) {
    let exchange = exchange(&gate(1));
    for _ in 0..times {
        drop(black_box(exchange.admit_response(black_box(response()))));
    }
}

fn responses_only(times: u64) {
    for _ in 0..times {
        drop(black_box(response()));
    }
}
