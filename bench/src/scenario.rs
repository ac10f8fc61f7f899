//! The measured scenarios.

use std::{
    cell::Cell,
    io,
    time::{Duration, Instant},
};

use crate::{
    load::{Expected, LoadGenerator, Workload, request},
    payload::{self, Checksum},
    proxy::{ProxyProcess, key, models_key, rates_key, valid_key},
    upstream::UpstreamProtocol,
};

/// Body size of the transfers, in bytes.
pub(crate) const TRANSFER_SIZE: u64 = 10 << 20;
/// Chunks per live stream.
pub(crate) const CHUNKS: usize = 50;
/// Milliseconds between two chunks of a live stream: 25 chunks per second.
pub(crate) const CHUNK_INTERVAL_MS: u64 = 40;

/// A workload and its unit of CPU time.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// Units of CPU time in one request, for example chunks.
    units_per_request: usize,
    /// Runs over plain HTTP only.
    pub(crate) plain_only: bool,
    workload: fn() -> Workload,
    clients: usize,
    requests: usize,
}

pub(crate) const SCENARIOS: [Scenario; 11] = [
    Scenario {
        name: "json",
        unit: "CPU µs per request",
        units_per_request: 1,
        plain_only: false,
        workload: json,
        clients: 16,
        requests: 4000,
    },
    Scenario {
        name: "refused",
        unit: "CPU µs per request",
        units_per_request: 1,
        plain_only: true,
        workload: refused,
        clients: 16,
        requests: 4000,
    },
    chats("chat 1 KiB", || chat(&valid_key(), 1)),
    chats("chat 1 KiB, user with rates", || chat(&rates_key(), 1)),
    chats("chat 1 KiB, user with models", || chat(&models_key(), 1)),
    chats("chat 100 KiB", || chat(&valid_key(), 100)),
    chats("chat 100 KiB, user with models", || chat(&models_key(), 100)),
    Scenario {
        name: "burst",
        unit: "CPU µs per stream of 100 chunks",
        units_per_request: 1,
        plain_only: false,
        workload: burst,
        clients: 8,
        requests: 300,
    },
    Scenario {
        name: "live",
        unit: "CPU µs per chunk",
        units_per_request: CHUNKS,
        plain_only: true,
        workload: live,
        clients: 1000,
        requests: 1000,
    },
    Scenario {
        name: "up 10 MB",
        unit: "CPU µs",
        units_per_request: 1,
        plain_only: false,
        workload: up,
        clients: 2,
        requests: 24,
    },
    Scenario {
        name: "down 10 MB",
        unit: "CPU µs",
        units_per_request: 1,
        plain_only: false,
        workload: down,
        clients: 2,
        requests: 24,
    },
];

/// A chat completion of one client in turn. nginx and haproxy read no body and have no rates.
const fn chats(name: &'static str, workload: fn() -> Workload) -> Scenario {
    Scenario {
        name,
        unit: "CPU µs per request",
        units_per_request: 1,
        plain_only: true,
        workload,
        clients: 16,
        requests: 4000,
    }
}

/// The result of one run.
pub(crate) struct Measurement {
    /// The proxy's CPU time per unit, in microseconds.
    pub(crate) cpu_us: f64,
    /// Requests per second of all clients together; the load generator competes for the same CPUs.
    pub(crate) requests_per_second: f64,
    /// The proxy's memory while all streams are open, in bytes.
    pub(crate) memory_bytes: u64,
    /// Time of each event from the upstream to the client, or of each other response, in nanoseconds, sorted.
    latencies_ns: Vec<u64>,
}

impl Measurement {
    /// Returns a percentile of the latencies, in microseconds.
    pub(crate) fn latency_us(&self, percentile: usize) -> f64 {
        self.latencies_ns[(self.latencies_ns.len() - 1) * percentile / 100] as f64 / 1e3
    }
}

impl Scenario {
    pub(crate) fn runs_over(&self, protocol: UpstreamProtocol) -> bool {
        protocol == UpstreamProtocol::Plain || !self.plain_only
    }

    /// Runs once, with the load multiplied by `scale`.
    pub(crate) fn run(&self, load: &LoadGenerator, proxy: &ProxyProcess, scale: f64) -> io::Result<Measurement> {
        let clients = if self.clients > 16 { scaled(self.clients, scale) } else { self.clients };
        let requests = scaled(self.requests, scale).max(clients);
        let workload = Workload { clients, requests, ..(self.workload)() };
        measure(load, proxy, &workload, self.units_per_request)
    }
}

pub(crate) fn scaled(count: usize, scale: f64) -> usize {
    ((count as f64 * scale) as usize).max(2)
}

/// Runs a workload and measures the proxy meanwhile.
pub(crate) fn measure(
    load: &LoadGenerator,
    proxy: &ProxyProcess,
    workload: &Workload,
    units_per_request: usize,
) -> io::Result<Measurement> {
    let memory = Cell::new(0);
    let (cpu_before, started) = (proxy.cpu(), Instant::now());
    let mut latencies_ns = load.run(proxy.address, workload, || memory.set(proxy.memory()))?;
    let requests_per_second = workload.requests as f64 / started.elapsed().as_secs_f64();
    let cpu = proxy.cpu().saturating_sub(cpu_before);
    if cpu.is_zero() {
        return Err(io::Error::other("the kernel reports no CPU time for the proxy's processes"));
    }
    latencies_ns.sort_unstable();
    Ok(Measurement {
        cpu_us: cpu.as_secs_f64() * 1e6 / (workload.requests * units_per_request) as f64,
        requests_per_second,
        memory_bytes: memory.get(),
        latencies_ns,
    })
}

/// One request by one client.
pub(crate) fn single(request: Vec<u8>, expected: Expected) -> Workload {
    Workload { messages: vec![request], expected, clients: 1, requests: 1, ramp_up: Duration::ZERO }
}

fn json() -> Workload {
    single(
        request("POST", "/v1/json/1024", &valid_key(), &[b'x'; 1024]),
        Expected::Body(checksum(payload::json(1024).as_bytes())),
    )
}

fn refused() -> Workload {
    single(request("POST", "/v1/json/1024", &key(usize::MAX), &[b'x'; 1024]), Expected::Status(401))
}

/// A request body of this many KiB, with its model last.
fn chat(key: &str, kibibytes: usize) -> Workload {
    let text = r#"Tell me about \"quotes\" in JSON. "#.repeat(kibibytes * 1024 / 36);
    let body = format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}],"stream":false,"model":"gpt-5-mini"}}"#);
    let response = checksum(payload::json(1024).as_bytes());
    single(request("POST", "/v1/chat/completions", key, body.as_bytes()), Expected::Body(response))
}

fn burst() -> Workload {
    single(request("POST", "/v1/stream/100/0", &valid_key(), b"{}"), Expected::Events(100))
}

fn live() -> Workload {
    streams(CHUNKS, 1000)
}

/// Event streams whose clients connect over `ramp_up_ms` milliseconds.
pub(crate) fn streams(chunks: usize, ramp_up_ms: u64) -> Workload {
    let target = format!("/v1/stream/{chunks}/{CHUNK_INTERVAL_MS}");
    let workload = single(request("POST", &target, &valid_key(), b"{}"), Expected::Events(chunks));
    Workload { ramp_up: Duration::from_millis(ramp_up_ms), ..workload }
}

fn up() -> Workload {
    upload(TRANSFER_SIZE)
}

pub(crate) fn upload(size: u64) -> Workload {
    let body: Vec<u8> = payload::blocks(size).flatten().collect();
    let response = Checksum::of_blocks(size).to_json();
    single(request("POST", "/v1/upload", &valid_key(), &body), Expected::Body(checksum(response.as_bytes())))
}

fn down() -> Workload {
    download(TRANSFER_SIZE)
}

pub(crate) fn download(size: u64) -> Workload {
    single(request("GET", &format!("/v1/bytes/{size}"), &valid_key(), b""), Expected::Body(Checksum::of_blocks(size)))
}

pub(crate) fn checksum(bytes: &[u8]) -> Checksum {
    let mut checksum = Checksum::EMPTY;
    checksum.update(bytes);
    checksum
}
