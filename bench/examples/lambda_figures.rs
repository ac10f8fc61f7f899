//! Benchmarks of Lambda binaries: `cargo run --release --package bench --example lambda_figures -- BINARY...`.

use std::{env, fs, path::PathBuf, time::Duration};

use conformance::lambda::figures;

fn main() {
    for binary in env::args_os().skip(1).map(PathBuf::from) {
        let size = fs::metadata(&binary).expect("the binary exists").len();
        let starts = figures::starts(&binary, 50);
        let (direct, proxied) = figures::responses(&binary, 300);
        println!("{}", binary.display());
        println!("  size                      {size} bytes");
        println!("  start to first poll       {}", show(&starts));
        println!("  response, direct          {}", show(&direct));
        println!("  response, proxied         {}", show(&proxied));
        let (unlimited, budgeted) = figures::chats(&binary, 1000);
        println!("  chat                      {}", show(&unlimited));
        println!("  chat with a budget        {}", show(&budgeted));
        println!("  added, median             {:.3} ms", millis(median(&proxied)) - millis(median(&direct)));
    }
}

fn show(times: &[Duration]) -> String {
    let at = |share: usize| millis(times[(times.len() - 1) * share / 100]);
    format!("median {:.3} ms, 95 of 100 below {:.3} ms, n = {}", at(50), at(95), times.len())
}

fn median(times: &[Duration]) -> Duration {
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
