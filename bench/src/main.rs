//! Sparekey beside nginx and haproxy, on this machine: `cargo run --release --package bench`.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures to read"
)]

mod case;
mod client;
mod content;
mod cost;
mod growth;
mod load;
mod plot;
mod proxy;
mod upstream;

use std::{env, error::Error, fs, path::PathBuf, process, thread};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use conformance::{process::Profile, server};

use crate::{
    case::{CASES, Case, Found},
    load::Load,
    proxy::{NAMES, Programs, Proxy},
    upstream::{Mode, Upstream},
};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let options = options();
    let scale = *options.get_one::<f64>("scale").expect("it has a default");
    let rounds = *options.get_one::<usize>("rounds").expect("it has a default");
    rlimit::increase_nofile_limit(u64::MAX)?;
    let names: Vec<_> = NAMES.into_iter().filter(|name| *name == "sparekey" || !options.get_flag("alone")).collect();
    if let Some(name) = names.iter().find(|name| **name != "sparekey" && !proxy::is_there(name)) {
        return Err(format!(
            "{name} is not here: apt-get install nginx haproxy, set {}, or use --alone",
            name.to_uppercase()
        )
        .into());
    }
    let folder = env::temp_dir().join(format!("sparekey-bench-{}", process::id()));
    let profile = if cfg!(debug_assertions) { Profile::Dev } else { Profile::Release };
    let programs = Programs { sparekey: server::program(profile), folder: folder.clone() };
    let (upstream, load) = (Upstream::start(), Load::new());
    let cpus = thread::available_parallelism()?.get();

    println!("{rounds} rounds, {cpus} CPUs. Median (least to most); × is the median of each round's ratio to nginx.\n");
    for (title, mode) in Mode::ALL {
        let mut proxies = Vec::new();
        for name in &names {
            match Proxy::start(name, &programs, &upstream, mode, cpus) {
                Ok(proxy) => proxies.push(proxy),
                // Before 1.29.4 nginx speaks no HTTP/2 to upstreams.
                Err(error) if *name != "sparekey" => eprintln!("{title} upstream goes without {name}: {error}"),
                Err(error) => return Err(error.into()),
            }
        }
        let heads = proxies.iter().map(|proxy| proxy.name).collect::<Vec<_>>();
        println!("| {title} upstream | {} |\n|---|{}", heads.join(" | "), "---|".repeat(heads.len()));
        if mode == Mode::Plain {
            row("start to first answer, ms", &proxies, |proxy| proxy.started_in.as_secs_f64() * 1e3);
            row("idle memory, MB", &proxies, |proxy| proxy.memory() as f64 / 1e6);
        }
        for case in CASES.iter().filter(|case| case.in_mode(mode)) {
            report(case, &rounds_of(case, &load, &proxies, rounds, scale)?, &proxies);
        }
        println!();
    }
    let mut panels = growth::panels();
    for name in &names {
        growth::run(&load, name, &programs, &upstream, scale, &mut panels)?;
    }
    for panel in &panels {
        println!("| {}: {} | {} |\n|---|{}", panel.x, panel.y, names.join(" | "), "---|".repeat(names.len()));
        for at in 0..panel.lines[0].points.len() {
            let cells = panel.lines.iter().map(|line| figure(line.points[at].1)).collect::<Vec<_>>();
            println!("| {} | {} |", panel.lines[0].points[at].0, cells.join(" | "));
        }
        println!();
    }
    let plot = options.get_one::<PathBuf>("plot").expect("it has a default");
    fs::write(plot, plot::svg(&panels))?;
    println!("The plot: {}", plot.display());
    Ok(fs::remove_dir_all(folder)?)
}

/// What each proxy showed, round by round.
fn rounds_of(case: &Case, load: &Load, proxies: &[Proxy], rounds: usize, scale: f64) -> Outcome<Vec<Vec<Found>>> {
    let mut found: Vec<Vec<Found>> = proxies.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        // Forwards, then backwards: none always follows the same one.
        for step in 0..proxies.len() {
            let at = if round % 2 == 0 { step } else { proxies.len() - 1 - step };
            let run = case.run(load, &proxies[at], scale);
            found[at].push(run.map_err(|error| format!("{}, {}: {error}", proxies[at].name, case.name))?);
        }
    }
    Ok(found)
}

fn report(case: &Case, found: &[Vec<Found>], proxies: &[Proxy]) {
    let nginx = proxies.iter().position(|proxy| proxy.name == "nginx");
    let line = |what: String, value: &dyn Fn(&Found) -> f64| {
        let cells = found.iter().enumerate().map(|(at, rounds)| {
            let values: Vec<f64> = rounds.iter().map(value).collect();
            let ratio = nginx.filter(|nginx| *nginx != at).map(|nginx| {
                let ratios = rounds.iter().zip(&found[nginx]).map(|(ours, theirs)| value(ours) / value(theirs));
                format!(" **×{:.2}**", median(ratios.collect()))
            });
            let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(l, m), v| (l.min(*v), m.max(*v)));
            format!("{} ({} to {}){}", figure(median(values)), figure(least), figure(most), ratio.unwrap_or_default())
        });
        println!("| {what} | {} |", cells.collect::<Vec<_>>().join(" | "));
    };
    line(format!("{}, {}", case.name, case.unit), &|found| found.cpu);
    if ["json", "refused"].contains(&case.name) {
        line(format!("{}, requests a second", case.name), &|found| found.rate);
    }
    if case.name == "live" {
        for (what, share) in [("p50", 50), ("p99", 99)] {
            line(format!("live, age of a chunk {what}, µs"), &|found| {
                found.ages[(found.ages.len() - 1) * share / 100] as f64 / 1e3
            });
        }
        line("live, memory, MB".to_owned(), &|found| found.memory as f64 / 1e6);
    }
}

fn row(what: &str, proxies: &[Proxy], value: impl Fn(&Proxy) -> f64) {
    println!("| {what} | {} |", proxies.iter().map(|proxy| figure(value(proxy))).collect::<Vec<_>>().join(" | "));
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn figure(value: f64) -> String {
    let digits = usize::from(value < 100.0);
    format!("{value:.digits$}")
}

fn options() -> ArgMatches {
    let option = |name, default, help| Arg::new(name).long(name).default_value(default).help(help);
    Command::new("bench")
        .about("Sparekey beside nginx and haproxy, on this machine")
        .arg(option("rounds", "7", "How often each case runs").value_parser(value_parser!(usize)))
        .arg(option("scale", "1", "How much of each load").value_parser(value_parser!(f64)))
        .arg(option("plot", "growth.svg", "Where the plot goes").value_parser(value_parser!(PathBuf)))
        .arg(Arg::new("alone").long("alone").action(ArgAction::SetTrue).help("Without nginx and haproxy"))
        .get_matches()
}
