//! The Worker in workerd, the runtime that Cloudflare runs: the wasm that is deployed, and nothing in front.

pub mod only;
pub mod wrangler;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{
    adapter::{Adapter, Feature, Running, Settings},
    process::Process,
};

const CRATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../adapter-worker");
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/worker");

/// A build of the Worker.
#[derive(Clone, Debug)]
pub struct Worker {
    build: PathBuf,
    workerd: PathBuf,
}

impl Worker {
    /// Builds into this folder of the crate, with these features.
    #[must_use]
    pub fn build(folder: &str, features: &[&str]) -> Self {
        let build = [format!("{CRATE}/build.sh"), "--out-dir".into(), folder.into(), "--quiet".into()];
        let features = features.iter().map(|feature| format!("--features={feature}"));
        stdout_of(Command::new(&build[0]).args(&build[1..]).args(features));
        let tools = stdout_of(Command::new(format!("{CRATE}/tools/install.sh")).args(["npm", HERE]));
        let workerd = Path::new(tools.trim()).join("../@cloudflare/workerd-linux-64/bin/workerd");
        Self { build: Path::new(CRATE).join(folder), workerd }
    }

    /// The folder that holds what is deployed.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.build
    }

    /// The runtime's program.
    #[must_use]
    pub fn workerd(&self) -> &Path {
        &self.workerd
    }

    /// Starts it; `more` are bindings that are no texts.
    #[must_use]
    pub fn serve(&self, settings: &Settings, more: &str) -> RunningWorker {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let file = self.build.join(format!("{}-{number}.capnp", std::process::id()));
        fs::write(&file, self.config(settings, more)).expect("the build's folder takes a file");
        let mut workerd = Command::new(&self.workerd);
        workerd.args(["serve", "--verbose", "--control-fd=1", "--import-path=/"]).arg(&file);
        let process = Process::start(&mut workerd, settings);
        let [proxy, watch] = ["proxy", "watch"].map(|socket| process.wait_for(|line| listening(line, socket)));
        fs::remove_file(&file).expect("a file that was written can be removed");
        RunningWorker { process, proxy, watch }
    }

    fn config(&self, settings: &Settings, more: &str) -> String {
        let texts = settings.iter().map(|(name, value)| format!("(name = {name:?}, text = {value:?}), "));
        include_str!("../worker/config.capnp")
            .replace("{here}", HERE)
            .replace("{build}", &self.build.display().to_string())
            .replace("{date}", date())
            .replace("{bindings}", &(texts.collect::<String>() + more))
    }
}

/// The compatibility date that a user deploys with.
fn date() -> &'static str {
    let sample = include_str!("../../adapter-worker/wrangler.toml.sample");
    let line = sample.lines().find_map(|line| line.strip_prefix("compatibility_date = "));
    line.expect("the sample has a date").trim_matches('"')
}

impl Adapter for Worker {
    fn name(&self) -> &'static str {
        "worker"
    }

    fn start(&self, settings: &Settings) -> Box<dyn Running> {
        Box::new(self.serve(settings, ""))
    }

    fn supports(&self, feature: Feature) -> bool {
        use Feature::{Backpressure, Cancel, StreamingUpload, Unbounded, WebSocket};
        // The rest is the runtime's own to do, and it does it in its own way.
        [Backpressure, Cancel, StreamingUpload, Unbounded, WebSocket].contains(&feature)
    }
}

/// A workerd that takes connections.
pub struct RunningWorker {
    /// The program.
    pub process: Process,
    proxy: SocketAddr,
    /// Where it tells how often its wasm was called, and the bytes of its memory.
    pub watch: SocketAddr,
}

impl Running for RunningWorker {
    fn address(&self) -> SocketAddr {
        self.proxy
    }

    fn process(&self) -> Option<u32> {
        Some(self.process.id())
    }
}

/// Reads a line such as `{"event":"listen","socket":"proxy","port":1234}`.
#[must_use]
pub fn listening(line: &str, socket: &str) -> Option<SocketAddr> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    let port = event["port"].as_u64().filter(|_| event["socket"] == socket)?;
    Some((Ipv4Addr::LOCALHOST, u16::try_from(port).ok()?).into())
}

fn stdout_of(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|error| panic!("can't start {command:?}: {error}"));
    assert!(output.status.success(), "{command:?} fails");
    String::from_utf8(output.stdout).expect("a tool writes UTF-8")
}
