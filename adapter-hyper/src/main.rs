//! The standalone server.
//!
//! **In scope:** settings from flags, environment and files; listeners; signals; metrics.
//!
//! **Out of scope:** decisions about heads (`sparekey-core`), the steps of a request (`sparekey-proxy`), the upstream
//! (`sparekey-upstream`).

mod admin;
mod alerts;
mod app;
mod commands;
mod config;
mod health;
mod ledger;
mod ledger_copy;
mod listen;
mod metrics;
mod outbound;
mod prices;
mod reconcile;
mod reload;
mod rlimits;
mod shutdown;
mod usage;
mod users;

use std::{fmt, process::ExitCode};

use clap::ArgMatches;
use mimalloc::MiMalloc;
use sparekey_proxy::online_check::Finding;

use crate::{app::App, commands::next_step::with_next_step, config::command_line};

/// musl's allocator took 40 % of the CPU time of a static build. After 1,000 streams, glibc's left 28 MB, this one 23 MB.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The exit code for invalid settings: that of clap for invalid flags.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    rlimits::set();
    let arguments = command_line::parse();
    // This thread serves requests too, besides signals, the demo and the admin address.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    // Before any file is written, by commands too.
    if let Err(error) = rlimits::survive_file_size(&runtime) {
        return fail(&error);
    }
    if let Some(code) = arguments.as_ref().and_then(run_without_server) {
        return code;
    }
    if let Some(flags) = arguments.clone().filter(|flags| flags.subcommand_matches("health").is_some()) {
        return runtime.block_on(health::ask(flags)).map_or_else(|reason| fail(&reason), |()| ExitCode::SUCCESS);
    }
    let check = arguments.as_ref().and_then(|flags| flags.subcommand_matches("check"));
    let (is_check, is_online) = (check.is_some(), check.is_some_and(|check| check.get_flag("online")));
    let app = match runtime.block_on(App::load(arguments)) {
        Ok(app) => app,
        Err(problems) => {
            eprintln!("sparekey: invalid settings:\n  {}", problems.join("\n  "));
            return ExitCode::from(EXIT_USAGE);
        }
    };
    if is_check {
        println!("{}", app.summary());
        let ledger = commands::finish(app.check_ledger(is_online));
        let online = if is_online { report(runtime.block_on(app.check_online())) } else { ExitCode::SUCCESS };
        return if online == ExitCode::SUCCESS { ledger } else { online };
    }
    let ledger = app.ledger();
    // Until the end of this function, so that the last lines are written.
    let (access_log, log) = app.start_log();
    let result = runtime.block_on(app.run(access_log, &log));
    // Dropping the runtime would wait for name lookups.
    runtime.shutdown_background();
    // Requests that were cut are settled until here.
    ledger::close(&ledger);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Runs a subcommand that needs no runtime; `None` for others.
fn run_without_server(arguments: &ArgMatches) -> Option<ExitCode> {
    let (name, own) = arguments.subcommand()?;
    Some(match name {
        "users" => users::run(arguments.clone(), own),
        "usage" => usage::run(arguments.clone(), own),
        "ledger" => ledger_copy::run(own),
        "reconcile" => reconcile::run(arguments.clone(), own),
        "prices" => prices::run(arguments.clone(), own),
        "keygen" => keygen::command_line::run(own),
        "completions" => {
            command_line::print_completions(*own.get_one("shell")?);
            ExitCode::SUCCESS
        }
        "man" => command_line::print_man_page().map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS),
        _ => return None,
    })
}

fn report(findings: Vec<Finding>) -> ExitCode {
    let is_ok = findings.iter().all(Result::is_ok);
    for finding in findings {
        match finding {
            Ok(text) => println!("  online          {text}"),
            Err(text) => eprintln!("sparekey: {}", with_next_step(&text)),
        }
    }
    if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fail(error: &dyn fmt::Display) -> ExitCode {
    eprintln!("sparekey: {}", with_next_step(&error.to_string()));
    ExitCode::FAILURE
}
