//! How cost grows with what a proxy has to carry.

use std::io;

use crate::{
    case::{download, job, measure, streams},
    content::json,
    load::{Job, Load, Right, request},
    plot::{Line, Panel},
    proxy::{Programs, Proxy, good_key},
    upstream::{Mode, Upstream},
};

const MB: f64 = 1e6;

/// Runs everything with this proxy; gives one line for each panel of the plot.
pub(crate) fn run(
    load: &Load,
    name: &'static str,
    programs: &Programs,
    upstream: &Upstream,
    scale: f64,
    panels: &mut [Panel; 4],
) -> io::Result<()> {
    let most = |top: usize| {
        (0..).map(|power| 10_usize.pow(power)).take_while(move |n| *n as f64 <= (top as f64 * scale).max(10.0))
    };
    let cpus = std::thread::available_parallelism()?.get();
    let start = |cpus| Proxy::start(name, programs, upstream, Mode::Plain, cpus);
    let small = || request("POST", "/v1/json/1024", &good_key(), b"{}");

    let mut lines: [Line; 4] = [(); 4].map(|()| Line { name, points: Vec::new() });
    let proxy = start(cpus)?;
    for count in most(1000) {
        let job = Job { clients: count, times: count, ..streams(25, 500) };
        lines[0].points.push((count as f64, measure(load, &proxy, &job, 25)?.cpu));
    }
    for count in most(10_000) {
        let bytes = load.idle(proxy.address, &small(), count, || proxy.memory())?;
        lines[1].points.push((count as f64, bytes as f64 / MB));
    }
    for size in (3..=8).map(|power| 10_u64.pow(power)).take_while(|size| *size as f64 <= (1e8 * scale).max(1e5)) {
        let times = usize::try_from(20_000_000 / size).unwrap_or(1).clamp(2, 1000);
        let job = Job { clients: 2, times, ..download(size) };
        lines[2].points.push((size as f64, measure(load, &proxy, &job, 1)?.cpu));
    }
    drop(proxy);
    for cpus in 1..=cpus.min(2) {
        let proxy = start(cpus)?;
        let mut expected = crate::content::Sum::EMPTY;
        expected.add(json(1024).as_bytes());
        let times = ((6000.0 * scale) as usize).max(100);
        let job = Job { clients: 16, times, ..job(small(), Right::Body(expected)) };
        lines[3].points.push((cpus as f64, measure(load, &proxy, &job, 1)?.cpu));
    }
    for (panel, line) in panels.iter_mut().zip(lines) {
        panel.lines.push(line);
    }
    Ok(())
}

/// The panels, without lines yet.
pub(crate) fn panels() -> [Panel; 4] {
    [
        ("open streams", "CPU µs a chunk"),
        ("idle connections", "memory, MB"),
        ("bytes of an answer", "CPU µs a request"),
        ("CPUs", "CPU µs a request"),
    ]
    .map(|(x, y)| Panel { x, y, lines: Vec::new() })
}
