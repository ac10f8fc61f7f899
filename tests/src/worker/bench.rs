//! What the Worker costs, beside the older one in plain JavaScript, in the same runtime with the same load.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use super::{HERE, Serving, Worker, listening};
use crate::{
    adapter::{Running as _, Settings},
    peer::Peer,
    process::Process,
    upstream::{Answering, Upstream},
    wire::{self, EVENTS, request},
};

const ROUNDS: usize = 11;
const REQUESTS: u32 = 2000;
const STREAMS: u32 = 300;
const EVENTS_EACH: u32 = 40;
const SMALL: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
/// What a client sends besides its key.
const USUAL: &str = "accept: application/json\r\naccept-encoding: gzip, deflate\r\nuser-agent: OpenAI/Python 3.3.1\r\n\
                     x-stainless-lang: python\r\nx-stainless-package-version: 3.3.1\r\nx-stainless-os: Linux\r\n\
                     x-stainless-arch: x64\r\nx-stainless-runtime: CPython\r\nx-stainless-retry-count: 0\r\n";

/// A Worker to measure: its name, and its modules as workerd's configuration says them.
struct Candidate {
    name: &'static str,
    modules: String,
}

/// What one round shows of a candidate.
struct Sample {
    /// From the start of the program to the first answer.
    started: Duration,
    /// The first answer of a fresh isolate.
    first: Duration,
    /// Half of the later answers are faster.
    median: Duration,
    /// CPU time of the runtime for one small request.
    request: Duration,
    /// CPU time of the runtime for one event of many streams.
    event: Duration,
}

/// Measures, candidate by candidate within each round, and prints medians over the rounds.
pub fn run(worker: &Worker) {
    let module = |kind: &str, folder: &Path, file: &str| {
        format!("(name = \"{file}\", {kind} = embed \"{}\"), ", folder.join(file).display())
    };
    let script = module("esModule", worker.folder(), "index.js");
    let candidates = [
        Candidate { name: "JavaScript", modules: module("esModule", Path::new(HERE), "older.js") },
        Candidate { name: "sparekey", modules: script + &module("wasm", worker.folder(), "index_bg.wasm") },
    ];
    let mut samples = candidates.each_ref().map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (candidate, samples) in candidates.iter().zip(&mut samples) {
            samples.push(sample(worker, candidate));
        }
    }
    println!("medians of {ROUNDS} rounds, {REQUESTS} requests and {STREAMS} streams of {EVENTS_EACH} events each");
    println!("{:12} {:>12} {:>12} {:>12} {:>12} {:>12}", "", "start", "first", "then", "CPU/request", "CPU/event");
    for (candidate, samples) in candidates.iter().zip(&samples) {
        let column = |field: fn(&Sample) -> Duration| median(samples.iter().map(field));
        let [start, first, then] = [column(|s| s.started), column(|s| s.first), column(|s| s.median)].map(milliseconds);
        let [request, event] = [column(|s| s.request), column(|s| s.event)].map(microseconds);
        println!("{:12} {start:>12} {first:>12} {then:>12} {request:>12} {event:>12}", candidate.name);
    }
}

fn sample(worker: &Worker, candidate: &Candidate) -> Sample {
    let small = Answering::start(|_| SMALL.to_vec());
    let settings = wire::settings(&format!("http://{}/v1", small.address()), &[]);
    let asked = request("GET", "/v1/models", USUAL);
    let ask = |client: &mut Peer| {
        let start = Instant::now();
        client.send(&asked);
        let head = client.head();
        client.body(&head);
        assert_eq!(head.status(), 200);
        start.elapsed()
    };
    let start = Instant::now();
    let serving = serve(worker, &candidate.modules, &settings);
    let mut client = Peer::connect(serving.address());
    let first = ask(&mut client);
    let started = start.elapsed();
    (0..REQUESTS / 4).for_each(|_| _ = ask(&mut client));
    let before = cpu(&serving);
    let median = median((0..REQUESTS).map(|_| ask(&mut client)));
    let request = cpu(&serving).saturating_sub(before) / REQUESTS;
    drop(serving);
    Sample { started, first, median, request, event: event(worker, candidate) }
}

/// CPU time for one event, its streams being open already.
fn event(worker: &Worker, candidate: &Candidate) -> Duration {
    let upstream = Upstream::start();
    let settings = wire::settings(&format!("http://{}/v1", upstream.address()), &[]);
    let serving = serve(worker, &candidate.modules, &settings);
    let open = |_| {
        let mut client = Peer::connect(serving.address());
        client.send(request("GET", "/v1/responses/1", USUAL));
        let mut sending = upstream.accept();
        sending.head();
        sending.send(EVENTS);
        client.head();
        (client, sending)
    };
    let mut streams: Vec<_> = (0..STREAMS).map(open).collect();
    let before = cpu(&serving);
    for _ in 0..EVENTS_EACH {
        for (_, sending) in &mut streams {
            sending.send_chunk("data: {\"delta\":\"word\"}\n\n");
        }
        for (client, _) in &mut streams {
            client.until("}\n\n");
        }
    }
    cpu(&serving).saturating_sub(before) / (STREAMS * EVENTS_EACH)
}

fn serve(worker: &Worker, modules: &str, settings: &Settings) -> Serving {
    let texts = settings.iter().map(|(name, value)| format!("(name = {name:?}, text = {value:?}), "));
    let config = include_str!("../../worker/bench.capnp")
        .replace("{modules}", modules)
        .replace("{date}", super::date())
        .replace("{bindings}", &texts.collect::<String>());
    let file = worker.folder().join("bench.capnp");
    fs::write(&file, config).expect("the build's folder takes a file");
    let mut workerd = Command::new(&worker.workerd);
    workerd.args(["serve", "--control-fd=1", "--import-path=/"]).arg(&file);
    let process = Process::start(&mut workerd, settings);
    let proxy = process.wait_for(|line| listening(line, "proxy"));
    Serving { process, proxy, watch: proxy }
}

/// The CPU time of all threads so far, as the scheduler counted it.
fn cpu(serving: &Serving) -> Duration {
    let threads = fs::read_dir(format!("/proc/{}/task", serving.process.id())).expect("the process lives");
    let spent = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok());
    let spent = spent.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok());
    Duration::from_nanos(spent.sum())
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.collect();
    times.sort();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn microseconds(time: Duration) -> String {
    format!("{:.1} µs", time.as_secs_f64() * 1e6)
}
