//! The Lambda function as a program of its own, behind a stand-in for what invokes it.

mod event;
mod excuses;
pub mod figures;
mod front;
mod own;
mod runtime_api;
mod shipping;
mod tools;
mod watched;

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    sync::{Arc, OnceLock},
    time::Duration,
};

use libtest_mimic::Trial;

pub use self::{
    event::Kind,
    runtime_api::{Report, RuntimeApi},
};
use crate::{
    adapter::{Adapter, Feature, Running, Settings},
    cases, clients,
    process::{self, Process, Profile},
    wire,
};

/// The binary `sparekey-lambda` behind a front.
#[derive(Clone, Copy, Debug)]
pub struct Lambda {
    /// The name that stands before each test.
    pub name: &'static str,
    /// The front.
    pub kind: Kind,
    /// `RESPONSE_MODE`.
    pub mode: &'static str,
    /// How long an invocation may last.
    pub timeout: Duration,
}

impl Lambda {
    /// Behind this front; an invocation may last as long as Lambda's longest.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind, mode: &'static str) -> Self {
        Self { name, kind, mode, timeout: Duration::from_secs(900) }
    }

    /// Starts the function, and what invokes it.
    #[must_use]
    pub fn invoked(&self, settings: &Settings) -> Invoked {
        let api = RuntimeApi::start(self.timeout);
        let mut all = environment(&api.address().to_string());
        all.insert("RESPONSE_MODE".into(), self.mode.into());
        all.extend(settings.clone());
        let process = Process::start(&mut Command::new(binary()), &all);
        let address = front::start(self.kind, api.queue());
        Invoked { process, api, address }
    }
}

/// What Lambda puts into a function's environment.
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

/// Every front; each has every case.
const FRONTS: [Lambda; 4] = [
    Lambda::new("lambda-url", Kind::FunctionUrl, "stream"),
    Lambda::new("lambda-rest", Kind::RestApi, "stream"),
    Lambda::new("lambda-http", Kind::HttpApi, "buffer"),
    Lambda::new("lambda-alb", Kind::Balancer, "buffer"),
];

/// Every test of the function.
#[must_use]
pub fn trials() -> Vec<Trial> {
    let shared = |front: Lambda| {
        let front: Arc<dyn Adapter> = Arc::new(front);
        [cases::trials, wire::trials].into_iter().flat_map(move |trials| trials(&front))
    };
    let watched: Arc<dyn Adapter> = Arc::new(watched::Watched);
    let own = own::trials().into_iter().chain([excuses::trial()]).chain(shipping::trials());
    FRONTS.into_iter().flat_map(shared).chain(clients::trials(&watched)).chain(own).collect()
}

impl Adapter for Lambda {
    fn name(&self) -> &'static str {
        self.name
    }

    fn start(&self, settings: &Settings) -> Box<dyn Running> {
        Box::new(self.invoked(settings))
    }

    /// A function gets whole requests as events, and is not told when a client leaves.
    fn supports(&self, feature: Feature) -> bool {
        match feature {
            Feature::StreamingResponse | Feature::Backpressure => self.mode == "stream",
            // Of field lines, targets and methods, what a front takes away is said case by case.
            Feature::FieldLines
            | Feature::RawTarget
            | Feature::AnyMethod
            | Feature::Pool
            | Feature::PrivateAuthority => true,
            Feature::WebSocket
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
        excuses::of(self.name, file, name)
    }
}

/// A function that takes events.
pub struct Invoked {
    /// The program.
    pub process: Process,
    /// What invokes it.
    pub api: RuntimeApi,
    address: SocketAddr,
}

impl Invoked {
    /// Has this event answered; returns what the front says.
    #[must_use]
    pub fn invoke(&self, event: &str) -> Vec<u8> {
        front::invoke(event, &self.api.queue())
    }
}

impl Running for Invoked {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process(&self) -> Option<u32> {
        Some(self.process.id())
    }
}

/// The release binary as the sources are now.
#[must_use]
pub fn binary() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| process::build("sparekey-lambda", Profile::Release)).clone()
}
