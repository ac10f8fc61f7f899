//! The deployed wasm in [workerd](https://github.com/cloudflare/workerd), Cloudflare's Workers runtime.

pub mod only;
pub mod wrangler;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use sparekey_policy::{Checks, Timestamp, UserField, Users};

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
    /// Builds into this folder of the crate, with these Cargo features.
    #[must_use]
    pub fn build(folder: &str, features: &[&str]) -> Self {
        let build = [format!("{CRATE}/build.sh"), "--out-dir".into(), folder.into(), "--quiet".into()];
        let features = features.iter().map(|feature| format!("--features={feature}"));
        stdout_of(Command::new(&build[0]).args(&build[1..]).args(features));
        let tools = stdout_of(Command::new(format!("{CRATE}/tools/install.sh")).args(["npm", HERE]));
        let workerd = Path::new(tools.trim()).join("../@cloudflare/workerd-linux-64/bin/workerd");
        Self { build: Path::new(CRATE).join(folder), workerd }
    }

    /// The build folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.build
    }

    /// The path of workerd.
    #[must_use]
    pub fn workerd(&self) -> &Path {
        &self.workerd
    }

    /// Starts the Worker; `more` are bindings other than texts.
    #[must_use]
    pub fn serve(&self, settings: &Settings, more: &str) -> RunningWorker {
        self.serve_with(settings, more, "")
    }

    /// Starts the Worker with a KV namespace that this server implements.
    #[must_use]
    pub fn serve_with_kv(&self, settings: &Settings, name: &str, namespace: SocketAddr) -> RunningWorker {
        let service = format!(r#"(name = "namespace", external = (address = "{namespace}", http = ())),"#);
        self.serve_with(settings, &format!(r#"(name = "{name}", kvNamespace = "namespace")"#), &service)
    }

    fn serve_with(&self, settings: &Settings, more: &str, services: &str) -> RunningWorker {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let file = self.build.join(format!("{}-{number}.capnp", std::process::id()));
        fs::write(&file, self.config(settings, more).replace("{services}", services))
            .expect("write into the build folder");
        let mut workerd = Command::new(&self.workerd);
        workerd.args(["serve", "--verbose", "--control-fd=1", "--import-path=/"]).arg(&file);
        let process = Process::start(&mut workerd, settings);
        let [proxy, watch] = ["proxy", "watch"].map(|socket| process.wait_for(|line| listening(line, socket)));
        fs::remove_file(&file).expect("remove the file");
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

/// The compatibility date of the sample configuration.
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
        let compile = |(name, value): (&String, &String)| {
            let value = if name == "USERS" { compiled(value) } else { value.clone() };
            (name.clone(), value)
        };
        Box::new(self.serve(&settings.iter().map(compile).collect(), ""))
    }

    fn supports(&self, feature: Feature) -> bool {
        use Feature::{Backpressure, Cancel, StreamingUpload, Unbounded, Users, WebSocket};
        // The runtime implements the other features itself, in its own way; rates and budgets need a store.
        [Backpressure, Cancel, StreamingUpload, Unbounded, Users, WebSocket].contains(&feature)
    }
}

/// A running workerd.
pub struct RunningWorker {
    /// The program.
    pub process: Process,
    proxy: SocketAddr,
    /// The address that returns the number of calls into the wasm and the size of its memory in bytes.
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

/// The users file in the form that the Worker reads.
///
/// # Panics
/// If it is invalid.
#[must_use]
pub fn compiled(users: &str) -> String {
    let checks = Checks { user_name: &|_| Ok(()), route: &|_| Ok(()), has_key: &|_| true, enforced: &UserField::ALL };
    let users = Users::from_toml(users, Timestamp::default(), &checks);
    users.expect("the users file is valid").to_json()
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
    String::from_utf8(output.stdout).expect("UTF-8 output")
}
