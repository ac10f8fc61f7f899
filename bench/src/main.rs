//! Compares Sparekey with nginx and haproxy on this machine: `cargo run --release --package bench`.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "approximate figures"
)]

mod client;
mod growth;
mod load;
mod many;
mod metered;
mod payload;
mod plot;
mod procfs;
mod proxy;
mod scenario;
mod upstream;

use std::{env, error::Error, fs, path::PathBuf, process, thread};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use conformance::{process::Profile, server};

use crate::{
    load::LoadGenerator,
    proxy::{NAMES, Programs, ProxyProcess},
    scenario::{Measurement, SCENARIOS, Scenario},
    upstream::{Upstream, UpstreamProtocol},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let options = parse_options();
    let scale = *options.get_one::<f64>("scale").expect("it has a default");
    let rounds = *options.get_one::<usize>("rounds").expect("it has a default");
    rlimit::increase_nofile_limit(u64::MAX)?;
    let (is_budgets_only, is_many_only) = (options.get_flag("budgets"), options.get_flag("many"));
    let names: Vec<_> = NAMES
        .into_iter()
        .filter(|name| *name == "sparekey" || !(options.get_flag("alone") || is_budgets_only || is_many_only))
        .collect();
    if let Some(name) = names.iter().find(|name| **name != "sparekey" && !proxy::is_installed(name)) {
        return Err(format!(
            "{name} is not installed: apt-get install nginx haproxy, set {}, or use --alone",
            name.to_uppercase()
        )
        .into());
    }
    let folder = env::temp_dir().join(format!("sparekey-bench-{}", process::id()));
    let profile = if cfg!(debug_assertions) { Profile::Dev } else { Profile::Release };
    let ledger = options.get_one::<String>("ledger").cloned();
    let programs = Programs { sparekey: server::program(profile), folder: folder.clone(), ledger };
    let (upstream, load) = (Upstream::start(), LoadGenerator::new());
    let cpus = thread::available_parallelism()?.get();

    if is_budgets_only {
        metered::report(&load, &programs, &upstream, rounds, scale)?;
        return Ok(fs::remove_dir_all(folder)?);
    }
    if is_many_only {
        many::report(&load, &programs, &upstream, rounds, scale)?;
        return Ok(fs::remove_dir_all(folder)?);
    }
    println!(
        "{rounds} rounds, {cpus} CPUs. Median (minimum to maximum); × is the median of the rounds' ratios to nginx.\n"
    );
    for (title, protocol) in UpstreamProtocol::ALL {
        let mut proxies = Vec::new();
        for name in &names {
            match ProxyProcess::start(name, &programs, &upstream, protocol, cpus) {
                Ok(proxy) => proxies.push(proxy),
                // nginx sends HTTP/2 to upstreams from version 1.29.4 on.
                Err(error) if *name != "sparekey" => eprintln!("{title} upstream: {name} is left out: {error}"),
                Err(error) => return Err(error.into()),
            }
        }
        let headings = proxies.iter().map(|proxy| proxy.name).collect::<Vec<_>>();
        println!("| {title} upstream | {} |\n|---|{}", headings.join(" | "), "---|".repeat(headings.len()));
        if protocol == UpstreamProtocol::Plain {
            print_row("start to first response, ms", &proxies, |proxy| proxy.startup_time.as_secs_f64() * 1e3);
            print_row("idle memory, MB", &proxies, |proxy| proxy.memory() as f64 / 1e6);
        }
        for scenario in SCENARIOS.iter().filter(|scenario| scenario.runs_over(protocol)) {
            report(scenario, &run_rounds(scenario, &load, &proxies, rounds, scale)?, &proxies);
        }
        println!();
    }
    metered::report(&load, &programs, &upstream, rounds, scale)?;
    many::report(&load, &programs, &upstream, rounds, scale)?;
    let mut panels = growth::panels();
    for name in &names {
        growth::run(&load, name, &programs, &upstream, scale, &mut panels)?;
    }
    for panel in &panels {
        println!("| {}: {} | {} |\n|---|{}", panel.x, panel.y, names.join(" | "), "---|".repeat(names.len()));
        for at in 0..panel.lines[0].points.len() {
            let cells = panel.lines.iter().map(|line| format_figure(line.points[at].1)).collect::<Vec<_>>();
            println!("| {} | {} |", panel.lines[0].points[at].0, cells.join(" | "));
        }
        println!();
    }
    let plot = options.get_one::<PathBuf>("plot").expect("it has a default");
    fs::write(plot, plot::svg(&panels))?;
    println!("Plot: {}", plot.display());
    Ok(fs::remove_dir_all(folder)?)
}

/// Returns the measurements of each proxy, by round.
fn run_rounds(
    scenario: &Scenario,
    load: &LoadGenerator,
    proxies: &[ProxyProcess],
    rounds: usize,
    scale: f64,
) -> Result<Vec<Vec<Measurement>>> {
    let mut results: Vec<Vec<Measurement>> = proxies.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        // Reverses the order each round, so that no proxy always runs after the same one.
        for step in 0..proxies.len() {
            let at = if round % 2 == 0 { step } else { proxies.len() - 1 - step };
            let run = scenario.run(load, &proxies[at], scale);
            results[at].push(run.map_err(|error| format!("{}, {}: {error}", proxies[at].name, scenario.name))?);
        }
    }
    Ok(results)
}

fn report(scenario: &Scenario, results: &[Vec<Measurement>], proxies: &[ProxyProcess]) {
    let nginx = proxies.iter().position(|proxy| proxy.name == "nginx");
    let print_line = |label: String, value: &dyn Fn(&Measurement) -> f64| {
        let cells = results.iter().enumerate().map(|(at, rounds)| {
            let values: Vec<f64> = rounds.iter().map(value).collect();
            let ratio = nginx.filter(|nginx| *nginx != at).map(|nginx| {
                let ratios = rounds.iter().zip(&results[nginx]).map(|(ours, theirs)| value(ours) / value(theirs));
                format!(" **×{:.2}**", median(ratios.collect()))
            });
            let (min, max) = values.iter().fold((f64::MAX, f64::MIN), |(l, m), v| (l.min(*v), m.max(*v)));
            format!(
                "{} ({} to {}){}",
                format_figure(median(values)),
                format_figure(min),
                format_figure(max),
                ratio.unwrap_or_default()
            )
        });
        println!("| {label} | {} |", cells.collect::<Vec<_>>().join(" | "));
    };
    print_line(format!("{}, {}", scenario.name, scenario.unit), &|result| result.cpu_us);
    if ["json", "refused"].contains(&scenario.name) {
        print_line(format!("{}, requests per second", scenario.name), &|result| result.requests_per_second);
    }
    if scenario.name == "live" {
        for percentile in [50, 99] {
            print_line(format!("live, chunk latency p{percentile}, µs"), &|result| result.latency_us(percentile));
        }
        print_line("live, memory, MB".to_owned(), &|result| result.memory_bytes as f64 / 1e6);
    }
}

fn print_row(label: &str, proxies: &[ProxyProcess], value: impl Fn(&ProxyProcess) -> f64) {
    println!(
        "| {label} | {} |",
        proxies.iter().map(|proxy| format_figure(value(proxy))).collect::<Vec<_>>().join(" | ")
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn format_figure(value: f64) -> String {
    let digits = usize::from(value < 100.0);
    format!("{value:.digits$}")
}

fn parse_options() -> ArgMatches {
    let option = |name, default, help| Arg::new(name).long(name).default_value(default).help(help);
    Command::new("bench")
        .about("Compares Sparekey with nginx and haproxy on this machine")
        .arg(option("rounds", "7", "Rounds per scenario").value_parser(value_parser!(usize)))
        .arg(option("scale", "1", "Factor of each load").value_parser(value_parser!(f64)))
        .arg(option("plot", "growth.svg", "File for the plot").value_parser(value_parser!(PathBuf)))
        .arg(Arg::new("alone").long("alone").action(ArgAction::SetTrue).help("Without nginx and haproxy"))
        .arg(Arg::new("budgets").long("budgets").action(ArgAction::SetTrue).help("Only users with a budget"))
        .arg(Arg::new("many").long("many").action(ArgAction::SetTrue).help("Only many keys, users and connections"))
        .arg(
            Arg::new("ledger")
                .long("ledger")
                .help("The address of an empty database for the ledger, in place of a file"),
        )
        .get_matches()
}
