//! The gate's cost per request, in time and allocations: `cargo bench --package bench-pure --bench gate`.

#![allow(clippy::expect_used, clippy::panic, reason = "the fixtures are valid")]

mod heads;

use std::hint::black_box;

use divan::{AllocProfiler, Bencher};
use http::{Request, header};
use sparekey_policy::Timestamp;

use self::heads::{KEY, WRONG, exchange, gate, request, response};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench(args = [1, 10_000], sample_count = 300, sample_size = 50)]
fn admit(bencher: Bencher, keys: usize) {
    let gate = gate(keys);
    bencher.with_inputs(|| request(KEY)).bench_values(|head| gate.admit(black_box(head), |_| None, Timestamp::default));
}

#[divan::bench(args = [1, 10_000], sample_count = 300, sample_size = 50)]
fn reject(bencher: Bencher, keys: usize) {
    let gate = gate(keys);
    bencher
        .with_inputs(|| request(WRONG))
        .bench_values(|head| gate.admit(black_box(head), |_| None, Timestamp::default));
}

/// Writing the error response.
#[divan::bench(sample_count = 300, sample_size = 50)]
fn error_response(bencher: Bencher) {
    let rejection = gate(1).admit(request(WRONG), |_| None, Timestamp::default).expect_err("the key is wrong");
    bencher.bench(|| black_box(&rejection).to_response());
}

#[divan::bench(sample_count = 300, sample_size = 50)]
fn preflight(bencher: Bencher) {
    let gate = gate(1);
    let preflight = || {
        let head = Request::options("/v1/chat/completions")
            .header(header::ORIGIN, "https://chat.example.com")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization, content-type, x-stainless-lang");
        head.body(()).expect("a valid head").into_parts().0.into()
    };
    bencher.with_inputs(preflight).bench_values(|head| gate.admit(black_box(head), |_| None, Timestamp::default));
}

#[divan::bench(sample_count = 300, sample_size = 50)]
fn admit_response(bencher: Bencher) {
    let exchange = exchange(&gate(1));
    bencher.with_inputs(response).bench_values(|head| exchange.admit_response(black_box(head)));
}
