//! What a request costs with few and with many access keys, users and open streams, and an idle connection of each kind.

use std::io;

use conformance::load as idle;

use crate::{
    Result, format_figure,
    load::{LoadGenerator, request},
    median,
    metered::json_requests,
    proxy::{Limited, Programs, ProxyProcess, Setup, key},
    scenario::{Measurement, measure, scaled},
    upstream::Upstream,
};

/// Keys that send requests, evenly spread over all: enough that each finds its state outside the CPU caches, few enough that
/// the load generator's messages take 1 MB.
const SENDERS: usize = 1000;
/// Clients of the requests.
const CLIENTS: usize = 16;
/// Requests of a measurement.
const REQUESTS: usize = 4000;
/// Milliseconds between two chunks of an open stream: 1,000 chunks per second of 10,000 streams, 1 % of the CPU time.
const PAUSE_MS: u64 = 10_000;
/// Chunks of an open stream, more than are sent.
const CHUNKS: usize = 1_000_000;
/// Idle connections of each kind: fewer are lost among the pages that all share.
const IDLE: usize = 1000;
/// File descriptors of the load generator and the upstream for a stream, and for all else.
const DESCRIPTORS: (u64, u64) = (2, 300);

/// Prints a table each: keys, users, open streams, idle connections. The counts of a row are measured by turns.
pub(crate) fn report(
    load: &LoadGenerator,
    programs: &Programs,
    upstream: &Upstream,
    rounds: usize,
    scale: f64,
) -> Result<()> {
    let counts = [10, 10_000, 100_000].map(|count| scaled(count, scale).max(10));
    print_headings("Sparekey, by number", &counts);
    for (label, limited) in [("access keys", Limited::Two), ("users with rates", Limited::All)] {
        let proxies = counts
            .iter()
            .map(|keys| ProxyProcess::start_sparekey(programs, upstream, Setup { keys: *keys, limited }))
            .collect::<io::Result<Vec<_>>>()?;
        let results = by_turns(counts.len(), rounds, |at| {
            // Without the two users of `Limited::Two`, so that all senders have the same limits.
            measure_json(load, &proxies[at], &senders(2, counts[at]), scale)
        })?;
        print_cpu(&format!("{label}, CPU µs per request"), &results);
        let memory: Vec<_> = proxies.iter().map(|proxy| proxy.memory() as f64 / 1e6).collect();
        print_row(&format!("{label}, memory, MB"), &memory);
    }
    println!();

    let limit = rlimit::increase_nofile_limit(u64::MAX)?;
    let most = usize::try_from((limit - DESCRIPTORS.1) / DESCRIPTORS.0).unwrap_or(usize::MAX);
    let counts = [10, 1000, 10_000].map(|count| scaled(count, scale).max(10).min(most));
    print_headings("Sparekey, by open streams", &counts);
    let proxy = ProxyProcess::start_sparekey(programs, upstream, Setup::COMMON)?;
    let streams: Vec<_> = senders(2, Setup::COMMON.keys)
        .iter()
        .map(|key| request("POST", &format!("/v1/stream/{CHUNKS}/{PAUSE_MS}"), key, b"{}"))
        .collect();
    let results = by_turns(counts.len(), rounds, |at| {
        load.open_streams(proxy.address, &streams, counts[at], || {
            let memory_bytes = proxy.memory();
            let mut result = measure_json(load, &proxy, &senders(2, Setup::COMMON.keys), scale)?;
            result.memory_bytes = memory_bytes;
            Ok(result)
        })
    })?;
    print_cpu("open streams, CPU µs per request", &results);
    // Of the first round, before freed memory of more streams remains with the allocator.
    let memory: Vec<_> = results.iter().map(|rounds| rounds[0].memory_bytes as f64 / 1e6).collect();
    print_row("open streams, memory, MB", &memory);
    println!();

    let kinds = [idle::idle_http1, idle::idle_http2, idle::idle_tls_http1, idle::idle_tls_http2];
    let each = kinds.map(|kind| kind(&programs.sparekey, IDLE));
    println!(
        "| Sparekey, {IDLE} connections | HTTP/1.1 | HTTP/2 | HTTP/1.1, TLS | HTTP/2, TLS |\n|---|---|---|---|---|"
    );
    print_row("idle connection, KiB", &each);
    println!();
    Ok(())
}

/// Returns up to [`SENDERS`] keys, from number `first` on.
fn senders(first: usize, keys: usize) -> Vec<String> {
    (first..keys).step_by((keys / SENDERS).max(1)).map(key).collect()
}

fn measure_json(load: &LoadGenerator, proxy: &ProxyProcess, keys: &[String], scale: f64) -> io::Result<Measurement> {
    let requests = scaled(REQUESTS, scale).max(CLIENTS);
    measure(load, proxy, &json_requests(keys, CLIENTS, requests), 1)
}

/// Measures each of `count` cases once per round; returns the results of each case. The order is reversed each round, so that
/// no case always runs after the same one.
fn by_turns(
    count: usize,
    rounds: usize,
    run: impl Fn(usize) -> io::Result<Measurement>,
) -> io::Result<Vec<Vec<Measurement>>> {
    let mut results: Vec<Vec<Measurement>> = (0..count).map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for step in 0..count {
            let at = if round % 2 == 0 { step } else { count - 1 - step };
            results[at].push(run(at)?);
        }
    }
    Ok(results)
}

/// Prints the medians of the rounds. × is the median of the rounds' ratios to the first case.
fn print_cpu(label: &str, results: &[Vec<Measurement>]) {
    let cells = results.iter().map(|rounds| {
        let values = rounds.iter().map(|result| result.cpu_us).collect();
        let ratios = rounds.iter().zip(&results[0]).map(|(many, few)| many.cpu_us / few.cpu_us).collect();
        format!("{} **×{:.2}**", format_figure(median(values)), median(ratios))
    });
    println!("| {label} | {} |", cells.collect::<Vec<_>>().join(" | "));
}

fn print_row(label: &str, values: &[f64]) {
    println!("| {label} | {} |", values.iter().map(|value| format_figure(*value)).collect::<Vec<_>>().join(" | "));
}

fn print_headings(title: &str, counts: &[usize]) {
    let counts: Vec<_> = counts.iter().map(ToString::to_string).collect();
    println!("| {title} | {} |\n|---|{}", counts.join(" | "), "---|".repeat(counts.len()));
}
