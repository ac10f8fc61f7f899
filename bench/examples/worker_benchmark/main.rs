//! Compares the Worker with one in plain JavaScript in the same workerd: `cargo run --release --package bench --example
//! worker_benchmark`.
//!
//! One client, keep-alive, on loopback. CPU is user and system time of the workerd process; each figure is the median
//! of the rounds, with the minimum and the maximum. workerd loads a module before it listens, so a fresh isolate costs the
//! load, which contains the start of workerd itself, and the first request.

mod users;

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use conformance::{
    adapter::Settings,
    case_files::{API_KEY, KEY},
    process::Process,
    procfs,
    raw_connection::RawConnection,
    upstream::{RespondingUpstream, Upstream},
    worker::{Worker, listening},
};

/// Rounds per figure; an odd number has a middle one as the median.
const ROUNDS: usize = 7;
/// The same for new isolates, which take a fraction of a second each.
const NEW_ROUNDS: usize = 21;
/// How long the CPU time of workerd must not grow until its threads count as idle.
const IDLE: Duration = Duration::from_millis(40);
/// Requests per round and for the warm-up.
const REQUESTS: u32 = 2000;
/// Concurrent streams, and events on each.
const STREAMS: usize = 300;
const EVENTS: usize = 40;
const PLAIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/worker/older.js");
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: r\r\ncontent-length: 2\r\n\r\n{}";

fn main() {
    let worker = Worker::build("build", &[]);
    let with_limits = Worker::build("build-limits", &["limits"]);
    let plain = format!(r#"(name = "index.js", esModule = embed "{PLAIN}")"#);
    let modules = [modules(&worker), modules(&with_limits), plain];
    println!("{:48}{:>24}{:>24}{:>24}", "", "gate", "gate with limits", "plain JavaScript");
    for (what, rounds, measure) in [
        ("load in a new workerd, CPU, µs", NEW_ROUNDS, load as fn(&Worker, &str) -> Duration),
        ("first request, 1 key, CPU, µs", NEW_ROUNDS, |worker, modules| first(worker, modules, 1)),
        ("first request, 100 keys, CPU, µs", NEW_ROUNDS, |worker, modules| first(worker, modules, 100)),
        ("small request, latency, µs", ROUNDS, latency),
        ("small request, CPU, µs", ROUNDS, cpu),
        ("a streamed event of 300 streams, CPU, µs", ROUNDS, streamed),
    ] {
        let mut all = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            // Alternates, so that other load on the machine affects all.
            for (modules, all) in modules.iter().zip(&mut all) {
                all.push(measure(&worker, modules));
            }
        }
        let [gate, with_limits, plain] = all.map(summary);
        println!("{what:48}{gate:>24}{with_limits:>24}{plain:>24}");
    }
    users::compare(&with_limits);
}

fn modules(worker: &Worker) -> String {
    let build = worker.folder().display();
    format!(
        r#"(name = "index.js", esModule = embed "{build}/index.js"), (name = "index_bg.wasm", wasm = embed "{build}/index_bg.wasm")"#
    )
}

fn summary(mut all: Vec<Duration>) -> String {
    all.sort();
    let micros = |at: usize| all[at].as_secs_f64() * 1e6;
    format!("{:.0} ({:.0}–{:.0})", micros(all.len() / 2), micros(0), micros(all.len() - 1))
}

/// An upstream that no request is sent to.
const UNUSED: ([u8; 4], u16) = ([127, 0, 0, 1], 1);

struct Running {
    process: Process,
    address: SocketAddr,
}

/// Starts a Worker with this number of access keys.
fn start(worker: &Worker, modules: &str, keys: usize, upstream: SocketAddr) -> Running {
    let others = (1..keys).map(|number| format!("sk-User{number}-abcdefghijklmnopqrstuv,"));
    let keys = others.chain([KEY.to_owned()]).collect::<String>();
    let config = format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (modules = [{modules}], compatibilityDate = "2026-11-01", bindings = [
      (name = "OPENAI_API_KEY", text = "{API_KEY}"), (name = "ACCESS_KEYS", text = "{keys}"),
      (name = "API_BASE", text = "http://{upstream}/v1")])),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "proxy", address = "127.0.0.1:0", http = (), service = "main")],
);"#
    );
    let file = PathBuf::from(worker.folder()).join(format!("{}-benchmark.capnp", std::process::id()));
    fs::write(&file, config).expect("write into the build folder");
    let mut command = Command::new(worker.workerd());
    command.args(["serve", "--control-fd=1", "--import-path=/"]).arg(&file);
    let process = Process::start(&mut command, &Settings::new());
    let address = process.wait_for(|line| listening(line, "proxy"));
    fs::remove_file(file).expect("remove the file");
    Running { process, address }
}

fn request(target: &str) -> String {
    format!(
        "POST {target} HTTP/1.1\r\nhost: proxy\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n\
         accept: application/json\r\nuser-agent: OpenAI/Python 2.0\r\nx-stainless-lang: python\r\n\
         x-stainless-package-version: 2.0\r\nx-stainless-os: Linux\r\nx-stainless-arch: x64\r\n\
         x-stainless-retry-count: 0\r\ncontent-length: 2\r\n\r\n{{}}"
    )
}

fn exchange(client: &mut RawConnection) {
    client.send(request("/v1/responses"));
    let head = client.head();
    assert_eq!(head.status(), 200);
    client.body(&head);
}

fn load(worker: &Worker, modules: &str) -> Duration {
    idle_cpu(start(worker, modules, 1, UNUSED.into()).process.id())
}

fn first(worker: &Worker, modules: &str, keys: usize) -> Duration {
    let upstream = RespondingUpstream::start(|_| OK.into());
    let running = start(worker, modules, keys, upstream.address());
    let before = idle_cpu(running.process.id());
    let mut client = RawConnection::connect(running.address);
    exchange(&mut client);
    idle_cpu(running.process.id()).saturating_sub(before)
}

/// The CPU time when all threads are idle: some compile in the background.
fn idle_cpu(process: u32) -> Duration {
    let mut last = Duration::ZERO;
    loop {
        let now = procfs::thread_cpu(process);
        if now == last {
            return now;
        }
        last = now;
        thread::sleep(IDLE);
    }
}

/// A warmed-up Worker with its upstream and client.
fn warm(worker: &Worker, modules: &str) -> (RespondingUpstream, Running, RawConnection) {
    let upstream = RespondingUpstream::start(|_| OK.into());
    let running = start(worker, modules, 1, upstream.address());
    let mut client = RawConnection::connect(running.address);
    for _ in 0..REQUESTS {
        exchange(&mut client);
    }
    (upstream, running, client)
}

fn latency(worker: &Worker, modules: &str) -> Duration {
    let (_upstream, _running, mut client) = warm(worker, modules);
    let timed = |_| {
        let start = Instant::now();
        exchange(&mut client);
        start.elapsed()
    };
    let mut all: Vec<_> = (0..REQUESTS).map(timed).collect();
    all.sort();
    all[all.len() / 2]
}

fn cpu(worker: &Worker, modules: &str) -> Duration {
    let (_upstream, running, mut client) = warm(worker, modules);
    let before = procfs::thread_cpu(running.process.id());
    for _ in 0..REQUESTS {
        exchange(&mut client);
    }
    procfs::thread_cpu(running.process.id()).saturating_sub(before) / REQUESTS
}

fn streamed(worker: &Worker, modules: &str) -> Duration {
    let upstream = Upstream::start();
    let running = start(worker, modules, 1, upstream.address());
    let requests = (0..STREAMS).map(|_| request("/v1/responses"));
    let event = |number| format!("data: {{\"delta\":{number}}}\n\n");
    stream(running.address, running.process.id(), &upstream, requests, event)
}

/// Opens a stream per request, and returns the CPU time of the process per event.
fn stream(
    proxy: SocketAddr,
    process: u32,
    upstream: &Upstream,
    requests: impl Iterator<Item = String>,
    event: impl Fn(usize) -> String,
) -> Duration {
    let open = |request| {
        let mut client = RawConnection::connect(proxy);
        client.send(request);
        let mut upstream_conn = upstream.accept();
        let head = upstream_conn.head();
        upstream_conn.body(&head);
        upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
        client.head();
        (client, upstream_conn)
    };
    let mut streams: Vec<_> = requests.map(open).collect();
    let before = procfs::thread_cpu(process);
    for number in 0..EVENTS {
        let event = event(number);
        for (_, upstream_conn) in &mut streams {
            upstream_conn.send_chunk(&event);
        }
        for (client, _) in &mut streams {
            // The end of the event, of which a field may have been removed.
            client.until("\n\n");
        }
    }
    let used = procfs::thread_cpu(process).saturating_sub(before);
    used / u32::try_from(STREAMS * EVENTS).expect("a small number")
}
