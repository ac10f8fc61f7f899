//! What is measured, as a table.

use std::{
    cell::Cell,
    io,
    time::{Duration, Instant},
};

use crate::{
    content::{self, Sum},
    load::{Job, Load, Right, request},
    proxy::{Proxy, good_key, key},
    upstream::Mode,
};

pub(crate) const BIG: u64 = 10 << 20;
/// Chunks of one stream.
const CHUNKS: usize = 50;
/// Between two chunks of a live stream.
const PAUSE_MS: u64 = 40;

/// One row of the table.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// What the proxy's CPU time is divided by, for each request.
    parts: usize,
    pub(crate) plain_only: bool,
    job: fn(usize) -> Job,
    clients: usize,
    times: usize,
}

pub(crate) const CASES: [Case; 6] = [
    Case { name: "json", unit: "CPU µs a request", parts: 1, plain_only: false, job: json, clients: 16, times: 4000 },
    Case {
        name: "refused",
        unit: "CPU µs a request",
        parts: 1,
        plain_only: true,
        job: refused,
        clients: 16,
        times: 4000,
    },
    Case {
        name: "burst",
        unit: "CPU µs a stream of 100 chunks",
        parts: 1,
        plain_only: false,
        job: burst,
        clients: 8,
        times: 300,
    },
    Case {
        name: "live",
        unit: "CPU µs a chunk",
        parts: CHUNKS,
        plain_only: true,
        job: live,
        clients: 1000,
        times: 1000,
    },
    Case { name: "up 10 MB", unit: "CPU µs", parts: 1, plain_only: false, job: up, clients: 2, times: 24 },
    Case { name: "down 10 MB", unit: "CPU µs", parts: 1, plain_only: false, job: down, clients: 2, times: 24 },
];

/// What one run found.
pub(crate) struct Found {
    /// Microseconds of the proxy's CPU for each part.
    pub(crate) cpu: f64,
    /// Requests a second, as fast as the load and the proxy together go.
    pub(crate) rate: f64,
    /// Bytes, with all streams open.
    pub(crate) memory: u64,
    /// Ages of chunks in nanoseconds, in order.
    pub(crate) ages: Vec<u64>,
}

impl Case {
    pub(crate) fn in_mode(&self, mode: Mode) -> bool {
        mode == Mode::Plain || !self.plain_only
    }

    /// Runs the case once, with so much of its load.
    pub(crate) fn run(&self, load: &Load, proxy: &Proxy, scale: f64) -> io::Result<Found> {
        let clients = if self.clients > 16 { scaled(self.clients, scale) } else { self.clients };
        let job = Job { clients, times: scaled(self.times, scale).max(clients), ..(self.job)(clients) };
        measure(load, proxy, &job, self.parts)
    }
}

fn scaled(count: usize, scale: f64) -> usize {
    ((count as f64 * scale) as usize).max(2)
}

pub(crate) fn measure(load: &Load, proxy: &Proxy, job: &Job, parts: usize) -> io::Result<Found> {
    let memory = Cell::new(0);
    let (before, begun) = (proxy.cpu(), Instant::now());
    let mut ages = load.run(proxy.address, job, || memory.set(proxy.memory()))?;
    let rate = job.times as f64 / begun.elapsed().as_secs_f64();
    let spent = proxy.cpu().saturating_sub(before);
    if spent.is_zero() {
        return Err(io::Error::other("the kernel counts no CPU time of its processes"));
    }
    ages.sort_unstable();
    Ok(Found { cpu: spent.as_secs_f64() * 1e6 / (job.times * parts) as f64, rate, memory: memory.get(), ages })
}

pub(crate) fn job(request: Vec<u8>, right: Right) -> Job {
    Job { request, right, clients: 1, times: 1, spread: Duration::ZERO }
}

fn json(_: usize) -> Job {
    job(request("POST", "/v1/json/1024", &good_key(), &[b'x'; 1024]), Right::Body(sum(content::json(1024).as_bytes())))
}

fn refused(_: usize) -> Job {
    job(request("POST", "/v1/json/1024", &key(usize::MAX), &[b'x'; 1024]), Right::Status(401))
}

fn burst(_: usize) -> Job {
    job(request("POST", "/v1/stream/100/0", &good_key(), b"{}"), Right::Events(100))
}

fn live(_: usize) -> Job {
    streams(CHUNKS, 1000)
}

/// Streams that begin one after the other, all of them open for a while.
pub(crate) fn streams(chunks: usize, spread_ms: u64) -> Job {
    let target = format!("/v1/stream/{chunks}/{PAUSE_MS}");
    let job = job(request("POST", &target, &good_key(), b"{}"), Right::Events(chunks));
    Job { spread: Duration::from_millis(spread_ms), ..job }
}

fn up(_: usize) -> Job {
    upload(BIG)
}

pub(crate) fn upload(size: u64) -> Job {
    let body: Vec<u8> = content::blocks(size).flatten().collect();
    let told = Sum::of_blocks(size).told();
    job(request("POST", "/v1/upload", &good_key(), &body), Right::Body(sum(told.as_bytes())))
}

fn down(_: usize) -> Job {
    download(BIG)
}

pub(crate) fn download(size: u64) -> Job {
    job(request("GET", &format!("/v1/bytes/{size}"), &good_key(), b""), Right::Body(Sum::of_blocks(size)))
}

fn sum(bytes: &[u8]) -> Sum {
    let mut sum = Sum::EMPTY;
    sum.add(bytes);
    sum
}
