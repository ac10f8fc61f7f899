//! The conformance suite that every adapter passes.

pub mod adapter;
mod browser;
pub mod case;
pub mod case_files;
pub mod cases;
mod chat;
pub mod clients;
pub mod core;
pub mod expectations;
pub mod http2;
pub mod lambda;
pub mod load;
pub mod only;
pub mod process;
pub mod procfs;
mod programs;
pub mod raw_connection;
pub mod server;
pub mod stand_in;
pub mod tls;
pub mod upstream;
pub mod wire;
pub mod wiretap;
pub mod worker;

use std::{process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Trial};

use crate::adapter::Adapter;

/// Runs the suite against an adapter; `only` holds the tests of this adapter alone.
#[must_use]
pub fn run(adapter: impl Adapter, only: Vec<Trial>) -> ExitCode {
    let adapter: Arc<dyn Adapter> = Arc::new(adapter);
    let shared = [cases::trials, wire::trials, clients::trials].into_iter().flat_map(|trials| trials(&adapter));
    let trials = only.into_iter().chain(shared).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
