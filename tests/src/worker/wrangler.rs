//! Wrangler as an owner runs it: `deploy --dry-run` and `dev`
//! (<https://developers.cloudflare.com/workers/wrangler/commands/>).

use std::{
    env, fs,
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{CRATE, HERE, stdout_of};
use crate::{
    adapter::{Adapter, Feature, Running, Settings},
    process::Process,
};

const SAMPLE: &str = include_str!("../../../adapter-worker/wrangler.toml.sample");

/// Wrangler on Node, both from the pinned tools.
fn wrangler(arguments: &[&str]) -> Command {
    let tools = stdout_of(Command::new(format!("{CRATE}/tools/install.sh")).args(["npm", HERE]));
    let tools = PathBuf::from(tools.trim());
    let mut command = Command::new(tools.join("node"));
    command.arg(tools.join("wrangler")).args(arguments).current_dir(CRATE);
    command
}

/// A copy of the sample configuration with a build folder and a state folder of its own. In a shared state folder, a
/// second workerd that starts ends with `SQLITE_BUSY`.
struct Configuration(PathBuf);

/// How the lines of the sample begin that an owner with limits uncomments.
const LIMITS: [&str; 8] = [
    "compatibility_flags",
    "LEDGER_LOCATION",
    "[[durable_objects.bindings]]",
    "name = \"LEDGER\"",
    "class_name",
    "[[migrations]]",
    "tag",
    "new_sqlite_classes",
];

/// The sample for limits, but for the command.
fn with_limits() -> String {
    let uncomment = |line: &'static str| match line.strip_prefix("# ") {
        Some(text) if LIMITS.iter().any(|start| text.starts_with(start)) => text,
        _ => line,
    };
    SAMPLE.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

impl Configuration {
    fn write(sample: &str, build: &str, command: &str) -> Self {
        static WRITTEN: AtomicUsize = AtomicUsize::new(0);
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let file = PathBuf::from(CRATE).join(format!("wrangler.suite-{}-{number}.toml", std::process::id()));
        let text = sample.replace("build/index.js", &format!("{build}/index.js"));
        let text = text.replace("./build.sh", command);
        fs::write(&file, text).expect("write into the crate's folder");
        Self(file)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }

    fn state(&self) -> PathBuf {
        self.0.with_extension("state")
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
        let _ = fs::remove_dir_all(self.state());
    }
}

/// Builds and bundles with `wrangler deploy --dry-run`, with limits or without; returns the wasm that it would upload.
///
/// # Panics
/// If that fails.
#[must_use]
pub fn deployed(has_limits: bool) -> Vec<u8> {
    let limited = with_limits();
    let (sample, build, features, outdir) = if has_limits {
        (&*limited, "build-deployed-limits", " --features limits", ".wrangler/suite-limits")
    } else {
        (SAMPLE, "build-deployed", "", ".wrangler/suite")
    };
    let configuration = Configuration::write(sample, build, &format!("./build.sh --out-dir {build}{features}"));
    let folder = PathBuf::from(CRATE).join(outdir);
    let _ = fs::remove_dir_all(&folder);
    let arguments = ["deploy", "--dry-run", "--config", configuration.path(), "--outdir", outdir];
    let output = stdout_of(wrangler(&arguments).env("WRANGLER_SEND_METRICS", "false"));
    println!("{output}");
    assert_eq!(output.contains("env.LEDGER (Ledger"), has_limits, "the binding");
    let script = fs::read_to_string(folder.join("index.js")).expect("read the script");
    assert_eq!(script.contains("as Ledger"), has_limits, "the object's class is exported");
    assert_eq!(script.matches("/src/streams.js\":").count(), usize::from(has_limits), "no key is there twice");
    let files = fs::read_dir(folder).expect("the bundle exists").map(|file| file.expect("a listed file").path());
    let wasm: Vec<_> = files.filter(|file| file.extension().is_some_and(|ending| ending == "wasm")).collect();
    assert_eq!(wasm.len(), 1, "one wasm module");
    fs::read(&wasm[0]).expect("read the wasm")
}

/// The Worker under `wrangler dev`.
#[derive(Clone, Copy, Debug)]
pub struct Dev;

impl Adapter for Dev {
    fn name(&self) -> &'static str {
        "wrangler dev"
    }

    fn start(&self, settings: &Settings) -> Box<dyn Running> {
        // Uses the existing build: a second build in parallel to the other tests would exceed the timeouts.
        let configuration = Configuration::write(SAMPLE, "build", "true");
        let secrets = configuration.0.with_extension("vars");
        let lines: Vec<_> = settings.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        fs::write(&secrets, lines.join("\n")).expect("write into the crate's folder");
        let base = format!("API_BASE:{}", settings["API_BASE"]);
        let secrets = secrets.to_str().expect("a path in UTF-8");
        let arguments = ["dev", "--config", configuration.path(), "--env-file", secrets, "--var", &base];
        let mut command = wrangler(&arguments);
        command.args(["--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0", "--log-level", "log"]);
        command.arg("--persist-to").arg(configuration.state());
        // Wrangler needs the environment of the suite.
        let mut environment: Settings = env::vars().collect();
        environment.extend([("WRANGLER_SEND_METRICS", "false"), ("CI", "true")].map(|(n, v)| (n.into(), v.into())));
        let process = Process::start(command.stdin(Stdio::null()), &environment);
        let address = process.wait_for(ready_on);
        let _ = fs::remove_file(secrets);
        Box::new(RunningDev { process, address, _configuration: configuration })
    }

    fn supports(&self, feature: Feature) -> bool {
        feature == Feature::WebSocket
    }
}

/// `Ready on http://127.0.0.1:1234`
fn ready_on(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("Ready on http://")?;
    rest.split_whitespace().next()?.parse().ok()
}

struct RunningDev {
    process: Process,
    address: SocketAddr,
    _configuration: Configuration,
}

impl Running for RunningDev {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process(&self) -> Option<u32> {
        Some(self.process.id())
    }
}

/// Stops wrangler by SIGTERM: after SIGKILL, its workerd would keep running.
impl Drop for RunningDev {
    fn drop(&mut self) {
        self.process.signal("TERM");
        self.process.wait();
    }
}
