//! Measures whether the time of a rejection depends on how much of a key is correct. The same key is sent to two gates:
//! for one only its last character is wrong, for the other all characters of its random part are.
//! `cargo run --release --package bench-pure --example constant_time`
//!
//! A Welch's t above 4.5 or below -4.5 means that the times differ ([dudect](https://eprint.iacr.org/2016/1123)).

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "figures to read"
)]

use std::{hint::black_box, sync::Arc, time::Instant};

use http::{
    Request,
    header::{AUTHORIZATION, HOST},
};
use sparekey_core::{Config, Gate, RequestHead};
use sparekey_policy::Timestamp;

/// The key of the request.
const SENT: &str = "sk-Tom-wMtF9kkGDuXn42Zb7QcR5sLa";
/// The valid keys of the two gates.
const NEAR: &str = "sk-Tom-wMtF9kkGDuXn42Zb7QcR5sLb";
const FAR: &str = "sk-Tom-aB3dE5fG7hJ9kL2mN4pQ6rS8";

/// Requests per gate. More of them show smaller differences.
const ROUNDS: usize = 2_000_000;

fn main() {
    let gates = [gate(NEAR), gate(FAR)];
    let mut times = [Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS)];
    // A linear congruential generator: neither gate is always the first.
    let mut state = 1_u32;
    for _ in 0..ROUNDS * 2 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let gate = (state >> 31) as usize;
        let head = head(SENT);
        let start = Instant::now();
        let rejected = black_box(gates[gate].admit(black_box(head), |_| None, Timestamp::default));
        times[gate].push(start.elapsed().as_nanos() as f64);
        assert!(rejected.is_err());
    }
    println!("t = {:.2}", welch(&mut times));
}

fn gate(key: &str) -> Arc<Gate> {
    let settings = |name: &str| match name {
        "OPENAI_API_KEY" => Some("sk-proj-RealRealRealReal".to_owned()),
        "ACCESS_KEYS" => Some(key.to_owned()),
        _ => None,
    };
    Arc::new(Gate::new(Config::from_lookup(settings).expect("valid settings")))
}

fn head(key: &str) -> RequestHead {
    let request = Request::post("/v1/responses")
        .header(HOST, "proxy.example")
        .header(AUTHORIZATION, format!("Bearer {key}"))
        .body(());
    request.expect("a valid request").into_parts().0.into()
}

/// Uses the faster nine tenths: the slowest ones were interrupted.
fn welch(times: &mut [Vec<f64>; 2]) -> f64 {
    let [(mean_a, error_a), (mean_b, error_b)] = times.each_mut().map(|times| {
        times.sort_by(f64::total_cmp);
        let kept = &times[..times.len() * 9 / 10];
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    });
    println!("last character wrong {mean_a:.1} ns, all characters wrong {mean_b:.1} ns");
    (mean_a - mean_b) / (error_a + error_b).sqrt()
}
