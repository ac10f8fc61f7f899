//! Whether the time that a refusal takes tells how much of a key was right. The same key is shown to two gates: to one it
//! is right but for the last character, to the other wrong from the first on. `cargo run --release --example constant_time`
//!
//! Welch's t beyond 4.5 either way says that the two differ, as [dudect](https://eprint.iacr.org/2016/1123) has it.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "figures to read"
)]

use std::{hint::black_box, time::Instant};

use http::{Request, header::AUTHORIZATION, request};
use sparekey_core::{Config, Gate};

const SHOWN: &str = "sk-Tom-wMtF9kkGDuXn42Zb7QcR5sLa";
const NEAR: &str = "sk-Tom-wMtF9kkGDuXn42Zb7QcR5sLb";
const FAR: &str = "sk-Tom-aB3dE5fG7hJ9kL2mN4pQ6rS8";

const ROUNDS: usize = 2_000_000;

fn main() {
    let gates = [gate(NEAR), gate(FAR)];
    let mut times = [Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS)];
    // A simple generator: neither is always the first.
    let mut state = 1_u32;
    for _ in 0..ROUNDS * 2 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let which = (state >> 31) as usize;
        let head = head(SHOWN);
        let begun = Instant::now();
        let refused = black_box(gates[which].admit(black_box(head)));
        times[which].push(begun.elapsed().as_nanos() as f64);
        assert!(refused.is_err());
    }
    println!("t = {:.2}", welch(&mut times));
}

fn gate(key: &str) -> Gate {
    let settings = |name: &str| match name {
        "OPENAI_API_KEY" => Some("sk-proj-RealRealRealReal".to_owned()),
        "ACCESS_KEYS" => Some(key.to_owned()),
        _ => None,
    };
    Gate::new(Config::from_lookup(settings).expect("these settings are good"))
}

fn head(key: &str) -> request::Parts {
    let request = Request::post("/v1/responses").header(AUTHORIZATION, format!("Bearer {key}")).body(());
    request.expect("its parts are good").into_parts().0
}

/// Of the faster nine tenths: what takes longer was interrupted.
fn welch(times: &mut [Vec<f64>; 2]) -> f64 {
    let [(mean_a, error_a), (mean_b, error_b)] = times.each_mut().map(|times| {
        times.sort_by(f64::total_cmp);
        let kept = &times[..times.len() * 9 / 10];
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    });
    println!("right but for the last character {mean_a:.1} ns, wrong from the first on {mean_b:.1} ns");
    (mean_a - mean_b) / (error_a + error_b).sqrt()
}
