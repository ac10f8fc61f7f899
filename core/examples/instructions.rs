//! What the gate costs a request in instructions, which are the same whatever else the machine does:
//! `cargo run --release --package sparekey-core --example instructions`. Needs valgrind, which knows no instructions for
//! SHA-256: about 3,000 of each row are its rounds in software, where processors have some tens of their own.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "where something is missing there is nothing to measure"
)]

#[path = "../benches/gate/heads.rs"]
mod heads;

use std::{env, hint::black_box, process::Command};

use self::heads::{KEY, WRONG, answer, exchange, gate, request};

/// Two lengths of a run, so that what is done once falls out.
const FEW: u64 = 100;
const MANY: u64 = 1100;

/// A name, what is done so many times, and the same without the gate.
type Row = (&'static str, fn(u64), fn(u64));

const ROWS: [Row; 5] = [
    ("admit, 1 key", |times| admit(1, KEY, times), |times| heads_only(KEY, times)),
    ("admit, 10,000 keys", |times| admit(10_000, KEY, times), |times| heads_only(KEY, times)),
    ("refuse, 1 key", |times| admit(1, WRONG, times), |times| heads_only(WRONG, times)),
    ("refuse, 10,000 keys", |times| admit(10_000, WRONG, times), |times| heads_only(WRONG, times)),
    ("pass an answer", pass_answer, answers_only),
];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [row, part, times] = arguments.as_slice() else { return measure() };
    let (_, with, without) = ROWS[row.parse::<usize>().unwrap()];
    let run = if part == "with" { with } else { without };
    run(times.parse().unwrap());
}

fn measure() {
    println!("| | instructions |\n|---|---|");
    for (place, (name, ..)) in ROWS.iter().enumerate() {
        let [with, without] = ["with", "without"].map(|part| counted(place, part, MANY) - counted(place, part, FEW));
        println!("| {name} | {} |", (with - without) / (MANY - FEW));
    }
}

/// The instructions of a run of this program.
fn counted(row: usize, part: &str, times: u64) -> u64 {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(env::current_exe().unwrap());
    let output = valgrind.arg(row.to_string()).arg(part).arg(times.to_string()).output().expect("valgrind runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let count = said.lines().find_map(|line| line.split_once("Collected : ")).expect("valgrind counts").1;
    count.trim().parse().unwrap()
}

fn admit(keys: usize, key: &str, times: u64) {
    let gate = gate(keys);
    for _ in 0..times {
        drop(black_box(gate.admit(black_box(request(key)))));
    }
}

fn heads_only(key: &str, times: u64) {
    for _ in 0..times {
        drop(black_box(request(key)));
    }
}

fn pass_answer(times: u64) {
    let gate = gate(1);
    let exchange = exchange(&gate);
    for _ in 0..times {
        drop(black_box(gate.answer(&exchange, black_box(answer()))));
    }
}

fn answers_only(times: u64) {
    for _ in 0..times {
        drop(black_box(answer()));
    }
}
