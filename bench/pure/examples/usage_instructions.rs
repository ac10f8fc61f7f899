//! The cost of reading usage in instructions, which do not depend on the load of the machine:
//! `cargo run --release --package bench-pure --example usage_instructions`. Needs valgrind.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a measurement without valgrind is useless"
)]

use std::{env, hint::black_box};

use bench_pure::{Count, count_self};
use sparekey_metering::{ResponseForm, UsageEventFilter, UsageScanner};

/// Iterations of a short and a long run. Their difference excludes the set-up.
const FEW: u64 = 100;
const MANY: u64 = 1_100;

/// A chunk of a chat completion of 200 bytes.
const CHUNK: &[u8] = b"data: {\"id\":\"chatcmpl-C1d2E3f4A5b6\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,\"model\":\"gpt-5-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" hello\"},\"finish_reason\":null}],\"usage\":null}\n\n";

/// The same as two pieces.
const HALVES: [&[u8]; 2] = [CHUNK.split_at(100).0, CHUNK.split_at(100).1];

/// An event of a response of 200 bytes.
const DELTA: &[u8] = b"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":7,\"item_id\":\"msg_0123456789abcdef01\",\"output_index\":0,\"content_index\":0,\"delta\":\" hello\",\"logprobs\":[]}\n\n";

/// A name, and the measured loop.
type Measurement = (&'static str, fn(u64));

const MEASUREMENTS: [Measurement; 7] = [
    ("scan a chat chunk", |times| scan(ResponseForm::EventStream, &[CHUNK], times)),
    ("scan a chat chunk in two pieces", |times| scan(ResponseForm::EventStream, &HALVES, times)),
    ("scan an event of a response", |times| scan(ResponseForm::EventStream, &[DELTA], times)),
    ("remove usage from a chat chunk", |times| filter(CHUNK, times)),
    ("scan a chat chunk, and remove usage", |times| scan_and_filter(CHUNK, times)),
    ("scan 16 KiB of base64 in JSON", |times| scan(ResponseForm::Json, &[&[b'A'; 16 << 10]], times)),
    ("scan a chat chunk as JSON", |times| scan(ResponseForm::Json, &[&CHUNK[6..], b","], times)),
];

fn main() {
    assert_eq!([CHUNK.len(), DELTA.len()], [200; 2]);
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [index, times] = arguments.as_slice() else { return measure() };
    MEASUREMENTS[index.parse::<usize>().unwrap()].1(times.parse().unwrap());
}

fn measure() {
    println!("| | instructions | calls of the C library |\n|---|---|---|");
    for (index, (name, _)) in MEASUREMENTS.iter().enumerate() {
        let count = |times: u64| count_self(&[&index.to_string(), &times.to_string()]);
        let Count { instructions, library_calls } = (count(MANY) - count(FEW)).per(MANY - FEW);
        println!("| {name} | {instructions} | {library_calls} |");
    }
}

fn scan(form: ResponseForm, pieces: &[&[u8]], times: u64) {
    let mut scanner = UsageScanner::new(form);
    if form == ResponseForm::Json {
        // Each piece is a part of a string, or an item of an array.
        scanner.push(if pieces[0][0] == b'A' { b"{\"data\":\"" } else { b"{\"data\":[" });
    }
    for _ in 0..times {
        for piece in pieces {
            scanner.push(black_box(piece));
        }
    }
    black_box(scanner.finish());
}

fn filter(event: &[u8], times: u64) {
    let (mut filter, mut out) = (UsageEventFilter::default(), Vec::new());
    for _ in 0..times {
        filter.push(black_box(event), &mut out);
        black_box(&out);
        out.clear();
    }
}

fn scan_and_filter(event: &[u8], times: u64) {
    let (mut filter, mut out) = (UsageEventFilter::default(), Vec::new());
    let mut scanner = UsageScanner::new(ResponseForm::EventStream);
    for _ in 0..times {
        filter.push_scanned(&mut scanner, black_box(event), &mut out);
        black_box(&out);
        out.clear();
    }
    black_box(scanner.finish());
}
