//! The Lambda function as a process, behind stand-ins for the Runtime API and for each event source.

mod cargo_lambda_watch;
mod deployment;
mod event;
pub mod figures;
mod invoker;
mod only;
mod oracle;
mod runtime_api;
mod table;
mod tools;
mod unsupported;

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    sync::{Arc, OnceLock},
    time::Duration,
};

use libtest_mimic::Trial;

use self::table::Moto;
pub use self::{
    event::EventSource,
    runtime_api::{Report, RuntimeApi},
};
use crate::{
    adapter::{Adapter, Feature, Running, Settings},
    cases, clients,
    process::{self, Process, Profile},
    procfs,
    raw_connection::wait_until,
    wire,
};

/// The binary `sparekey-lambda` behind an event source.
#[derive(Clone, Copy, Debug)]
pub struct Lambda {
    /// The prefix of each test name.
    pub name: &'static str,
    /// What sends the events.
    pub source: EventSource,
    /// `RESPONSE_MODE`.
    pub mode: &'static str,
    /// The longest invocation.
    pub timeout: Duration,
}

impl Lambda {
    /// A function behind this event source, with Lambda's longest timeout.
    #[must_use]
    pub const fn new(name: &'static str, source: EventSource, mode: &'static str) -> Self {
        Self { name, source, mode, timeout: Duration::from_secs(900) }
    }

    /// Starts the function and its stand-ins.
    #[must_use]
    pub fn start_function(&self, settings: &Settings) -> RunningFunction {
        let api = RuntimeApi::start(self.timeout);
        let mut all = environment(&api.address().to_string());
        all.insert("RESPONSE_MODE".into(), self.mode.into());
        all.extend(settings.clone());
        let process = Process::start(&mut Command::new(binary()), &all);
        let address = invoker::start(self.source, api.queue());
        RunningFunction { process, api, address }
    }
}

/// The environment variables that Lambda sets.
#[must_use]
pub fn environment(runtime_api: &str) -> Settings {
    let settings = [
        ("AWS_LAMBDA_RUNTIME_API", runtime_api),
        ("AWS_LAMBDA_FUNCTION_NAME", "sparekey"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("LOG", "trace"),
    ];
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Every case runs behind each of these.
const FUNCTIONS: [Lambda; 4] = [
    Lambda::new("lambda-url", EventSource::FunctionUrl, "stream"),
    Lambda::new("lambda-rest", EventSource::RestApi, "stream"),
    Lambda::new("lambda-http", EventSource::HttpApi, "buffer"),
    Lambda::new("lambda-alb", EventSource::Balancer, "buffer"),
];

/// Every test of the function.
#[must_use]
pub fn trials() -> Vec<Trial> {
    let shared = |function: Lambda| {
        let function: Arc<dyn Adapter> = Arc::new(function);
        [cases::trials, wire::trials].into_iter().flat_map(move |trials| trials(&function))
    };
    let emulated: Arc<dyn Adapter> = Arc::new(cargo_lambda_watch::CargoLambdaWatch);
    let only =
        only::trials().into_iter().chain([unsupported::trial()]).chain(oracle::trials()).chain(deployment::trials());
    FUNCTIONS.into_iter().flat_map(shared).chain(clients::trials(&emulated)).chain(only).collect()
}

impl Adapter for Lambda {
    fn name(&self) -> &'static str {
        self.name
    }

    fn start(&self, settings: &Settings) -> Box<dyn Running> {
        let mut all = settings.clone();
        if settings.contains_key("USERS") {
            let table = Moto::shared().create_table().settings();
            all.extend(table.into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        Box::new(self.start_function(&all))
    }

    /// A function receives whole requests and cannot see that a client has disconnected.
    fn supports(&self, feature: Feature) -> bool {
        match feature {
            Feature::StreamingResponse | Feature::Backpressure => self.mode == "stream",
            // `unsupported` lists the cases whose field lines, targets or methods an event source changes.
            Feature::FieldLines
            | Feature::RawTarget
            | Feature::AnyMethod
            | Feature::Pool
            | Feature::ConnectErrors
            | Feature::Users
            | Feature::Rates
            | Feature::PrivateAuthority => true,
            // Budgets need a table: `only/limits` runs their tests.
            Feature::WebSocket
            | Feature::Budgets
            | Feature::Http2
            | Feature::StreamingUpload
            | Feature::Continue
            | Feature::Unbounded
            | Feature::Cancel
            | Feature::SilentClose
            | Feature::Handshake => false,
        }
    }

    fn unsupported_reason(&self, file: &str, name: &str) -> Option<&'static str> {
        unsupported::reason(self.name, file, name)
    }
}

/// A function that receives events.
pub struct RunningFunction {
    /// The process.
    pub process: Process,
    /// Its Runtime API.
    pub api: RuntimeApi,
    address: SocketAddr,
}

impl RunningFunction {
    /// Kills the process. Its invocations fail.
    pub fn kill(&self) {
        self.process.signal("KILL");
        self.api.fail_waiting();
    }

    /// Stops the process, as Lambda does between two events, until [`resume`](Self::resume).
    pub fn freeze(&self) {
        self.process.signal("STOP");
        wait_until("the process is stopped", || procfs::is_stopped(self.process.id()));
    }

    /// Ends a freeze.
    pub fn resume(&self) {
        self.process.signal("CONT");
    }

    /// Invokes the function with this event; returns what a client receives.
    #[must_use]
    pub fn invoke(&self, event: &str) -> Vec<u8> {
        invoker::invoke(event, &self.api.queue())
    }
}

impl Running for RunningFunction {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process(&self) -> Option<u32> {
        Some(self.process.id())
    }
}

/// The binary as it is deployed, built from the current sources.
#[must_use]
pub fn binary() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| process::build("sparekey-lambda", Profile::Function)).clone()
}
