//! The standalone server as a separate process.

use std::{
    env,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    thread,
};

use crate::{
    adapter::{Adapter, Feature, Running, Settings},
    process::{self, Process, Profile},
};

/// The binary `sparekey`.
#[derive(Clone, Copy, Debug)]
pub struct Server;

impl Adapter for Server {
    fn name(&self) -> &'static str {
        "server"
    }

    fn start(&self, settings: &Settings) -> Box<dyn Running> {
        Box::new(RunningServer::start(settings))
    }

    fn supports(&self, _: Feature) -> bool {
        true
    }
}

/// A running server.
pub struct RunningServer {
    /// The program.
    pub process: Process,
    address: SocketAddr,
}

impl RunningServer {
    /// Starts the server on a free loopback port, with the log level `trace`.
    #[must_use]
    pub fn start(settings: &Settings) -> Self {
        let mut all: Settings = [("LISTEN", "127.0.0.1:0"), ("LOG", "trace")].map(|(n, v)| (n.into(), v.into())).into();
        all.extend(settings.clone());
        Self::start_binary(&binary(), &all)
    }

    /// Starts this binary; the settings include `LISTEN`.
    #[must_use]
    pub fn start_binary(binary: &Path, settings: &Settings) -> Self {
        let process = Process::start(&mut Command::new(binary), settings);
        let address = process.wait_for(listening_on);
        Self { process, address }
    }

    /// Starts the server at an address, without waiting for its log line.
    #[must_use]
    pub fn start_at(settings: &Settings, address: SocketAddr) -> Self {
        let mut all = settings.clone();
        all.insert("LISTEN".into(), address.to_string());
        let process = Process::start(&mut Command::new(binary()), &all);
        while TcpStream::connect(address).is_err() {
            assert!(!process.has_exited(), "it exited: {}", process.output());
            thread::yield_now();
        }
        Self { process, address }
    }
}

impl Running for RunningServer {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process(&self) -> Option<u32> {
        Some(self.process.id())
    }
}

/// The address in the log line of the start.
#[must_use]
pub fn listening_on(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on http")?;
    rest.trim_start_matches(['s', ':', '/']).split(',').next()?.parse().ok()
}

/// The binary that `SPAREKEY` names (a release), or a build of the current sources.
#[must_use]
pub fn program(profile: Profile) -> PathBuf {
    env::var_os("SPAREKEY").map_or_else(|| process::build("sparekey", profile), PathBuf::from)
}

/// [`program`] with the development profile, built once for all tests.
#[must_use]
pub fn binary() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| program(Profile::Dev)).clone()
}
