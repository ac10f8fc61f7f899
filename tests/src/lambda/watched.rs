//! The function behind `cargo lambda watch`, the emulator that developers use.

use std::{
    iter,
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    thread,
    time::Instant,
};

use super::{binary, environment, tools};
use crate::{
    adapter::{Adapter, Feature, Running, Settings},
    process::Process,
    raw_connection::STEP_TIMEOUT,
};

/// The binary `sparekey-lambda` behind the emulator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched;

impl Adapter for Watched {
    fn name(&self) -> &'static str {
        "lambda-watch"
    }

    fn start(&self, settings: &Settings) -> Box<dyn Running> {
        let (address, emulator) = iter::repeat_with(emulator).flatten().next().expect("it never ends");
        let mut all = environment(&format!("http://{address}/.rt"));
        all.insert("AWS_LAMBDA_FUNCTION_NAME".into(), "_".into());
        all.insert("RESPONSE_MODE".into(), "stream".into());
        // Clients of these tests hold one stream open while they ask for another.
        all.insert("AWS_LAMBDA_MAX_CONCURRENCY".into(), "8".into());
        all.extend(settings.clone());
        let function = Process::start(&mut Command::new(binary()), &all);
        Box::new(Watching { address, _function: function, _emulator: emulator })
    }

    fn supports(&self, feature: Feature) -> bool {
        feature == Feature::StreamingResponse
    }
}

/// Starts the emulator, which wants its port from outside; `None` where somebody else took that meanwhile.
fn emulator() -> Option<(SocketAddr, Process)> {
    let free = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let address = free.local_addr().expect("a listener has an address");
    drop(free);
    let port = address.port().to_string();
    let mut watch = Command::new(tools::folder().join("bin/cargo-lambda"));
    watch.args(["lambda", "watch", "--only-lambda-apis", "--disable-cors", "-A", "127.0.0.1", "-P", &port]);
    watch.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../adapter-lambda"));
    let emulator = Process::start_with_inherited_env(&mut watch, &Settings::new());
    emulator.wait_for(|line| line.contains("starting Runtime server").then_some(()));
    // It says so before it listens; a function that polls earlier is refused, and ends.
    let deadline = Instant::now() + STEP_TIMEOUT;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "it does not listen:\n{}", emulator.output());
        if emulator.has_exited() {
            return None;
        }
        thread::yield_now();
    }
    Some((address, emulator))
}

struct Watching {
    address: SocketAddr,
    _function: Process,
    _emulator: Process,
}

impl Running for Watching {
    fn address(&self) -> SocketAddr {
        self.address
    }
}
