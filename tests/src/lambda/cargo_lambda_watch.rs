//! The function behind the emulator [`cargo lambda watch`](https://www.cargo-lambda.info/commands/watch.html).

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
pub(super) struct CargoLambdaWatch;

impl Adapter for CargoLambdaWatch {
    fn name(&self) -> &'static str {
        "lambda-watch"
    }

    fn start(&self, settings: &Settings) -> Box<dyn Running> {
        let (address, emulator) = iter::repeat_with(start_emulator).flatten().next().expect("repeat_with is endless");
        let mut all = environment(&format!("http://{address}/.rt"));
        all.insert("AWS_LAMBDA_FUNCTION_NAME".into(), "_".into());
        all.insert("RESPONSE_MODE".into(), "stream".into());
        // Some client tests hold one stream open and send another request.
        all.insert("AWS_LAMBDA_MAX_CONCURRENCY".into(), "8".into());
        all.extend(settings.clone());
        let function = Process::start(&mut Command::new(binary()), &all);
        Box::new(RunningEmulator { address, _function: function, _emulator: emulator })
    }

    fn supports(&self, feature: Feature) -> bool {
        feature == Feature::StreamingResponse
    }
}

/// Starts the emulator, which cannot choose a free port itself; `None` if another process has taken the port meanwhile.
fn start_emulator() -> Option<(SocketAddr, Process)> {
    let free = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let address = free.local_addr().expect("a listener has an address");
    drop(free);
    let port = address.port().to_string();
    let mut watch = Command::new(tools::folder().join("bin/cargo-lambda"));
    watch.args(["lambda", "watch", "--only-lambda-apis", "--disable-cors", "-A", "127.0.0.1", "-P", &port]);
    watch.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../adapter-lambda"));
    let emulator = Process::start_with_inherited_env(&mut watch, &Settings::new());
    emulator.wait_for(|line| line.contains("starting Runtime server").then_some(()));
    // The line is written before it listens. A function that polls earlier cannot connect and exits.
    let deadline = Instant::now() + STEP_TIMEOUT;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "emulator does not listen:\n{}", emulator.output());
        if emulator.has_exited() {
            return None;
        }
        thread::yield_now();
    }
    Some((address, emulator))
}

struct RunningEmulator {
    address: SocketAddr,
    _function: Process,
    _emulator: Process,
}

impl Running for RunningEmulator {
    fn address(&self) -> SocketAddr {
        self.address
    }
}
