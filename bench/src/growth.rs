//! CPU time and memory by the number of streams, connections, bytes and CPUs.

use std::io;

use crate::{
    load::{Expected, LoadGenerator, Workload, request},
    payload::json,
    plot::{Line, Panel},
    proxy::{Programs, ProxyProcess, valid_key},
    scenario::{download, measure, single, streams},
    upstream::{Upstream, UpstreamProtocol},
};

const MB: f64 = 1e6;

/// Measures one proxy and adds a line to each panel.
pub(crate) fn run(
    load: &LoadGenerator,
    name: &'static str,
    programs: &Programs,
    upstream: &Upstream,
    scale: f64,
    panels: &mut [Panel; 4],
) -> io::Result<()> {
    let powers_of_ten = |top: usize| {
        (0..).map(|power| 10_usize.pow(power)).take_while(move |n| *n as f64 <= (top as f64 * scale).max(10.0))
    };
    let cpus = std::thread::available_parallelism()?.get();
    let start = |cpus| ProxyProcess::start(name, programs, upstream, UpstreamProtocol::Plain, cpus);
    let small_request = || request("POST", "/v1/json/1024", &valid_key(), b"{}");

    let mut lines: [Line; 4] = [(); 4].map(|()| Line { name, points: Vec::new() });
    let proxy = start(cpus)?;
    for count in powers_of_ten(1000) {
        let workload = Workload { clients: count, requests: count, ..streams(25, 500) };
        lines[0].points.push((count as f64, measure(load, &proxy, &workload, 25)?.cpu_us));
    }
    for count in powers_of_ten(10_000) {
        let bytes = load.idle(proxy.address, &small_request(), count, || proxy.memory())?;
        lines[1].points.push((count as f64, bytes as f64 / MB));
    }
    for size in (3..=8).map(|power| 10_u64.pow(power)).take_while(|size| *size as f64 <= (1e8 * scale).max(1e5)) {
        let requests = usize::try_from(20_000_000 / size).unwrap_or(1).clamp(2, 1000);
        let workload = Workload { clients: 2, requests, ..download(size) };
        lines[2].points.push((size as f64, measure(load, &proxy, &workload, 1)?.cpu_us));
    }
    drop(proxy);
    for cpus in 1..=cpus.min(2) {
        let proxy = start(cpus)?;
        let mut expected = crate::payload::Checksum::EMPTY;
        expected.update(json(1024).as_bytes());
        let requests = ((6000.0 * scale) as usize).max(100);
        let workload = Workload { clients: 16, requests, ..single(small_request(), Expected::Body(expected)) };
        lines[3].points.push((cpus as f64, measure(load, &proxy, &workload, 1)?.cpu_us));
    }
    for (panel, line) in panels.iter_mut().zip(lines) {
        panel.lines.push(line);
    }
    Ok(())
}

/// Returns the panels without lines.
pub(crate) fn panels() -> [Panel; 4] {
    [
        ("open streams", "CPU µs per chunk"),
        ("idle connections", "memory, MB"),
        ("response bytes", "CPU µs per request"),
        ("CPUs", "CPU µs per request"),
    ]
    .map(|(x, y)| Panel { x, y, lines: Vec::new() })
}
