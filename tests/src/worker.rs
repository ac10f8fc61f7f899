//! The deployed wasm in [workerd](https://github.com/cloudflare/workerd), Cloudflare's Workers runtime.

pub mod limits;
pub mod only;
pub mod wrangler;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use sparekey_policy::{Checks, Timestamp, Users};

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
    has_ledger: bool,
    workerd: PathBuf,
}

impl Worker {
    /// Builds into this folder of the crate, with these Cargo features.
    #[must_use]
    pub fn build(folder: &str, features: &[&str]) -> Self {
        let build = [format!("{CRATE}/build.sh"), "--out-dir".into(), folder.into(), "--quiet".into()];
        let features = features.iter().map(|feature| format!("--features={feature}"));
        stdout_of(Command::new(&build[0]).args(&build[1..]).args(features.clone()));
        let tools = stdout_of(Command::new(format!("{CRATE}/tools/install.sh")).args(["npm", HERE]));
        let workerd = Path::new(tools.trim()).join("../@cloudflare/workerd-linux-64/bin/workerd");
        let has_ledger = features.clone().any(|feature| feature == "--features=limits");
        Self { build: Path::new(CRATE).join(folder), has_ledger, workerd }
    }

    /// The same build without the ledger's binding.
    #[must_use]
    pub fn without_ledger(&self) -> Self {
        Self { has_ledger: false, ..self.clone() }
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
        let ledger = self.has_ledger.then(|| Arc::new(LedgerFolder::new()));
        self.serve_on(settings, more, services, ledger)
    }

    /// Starts the Worker with the ledger of another one, which has ended.
    #[must_use]
    pub fn serve_again(&self, settings: &Settings, ledger: &Arc<LedgerFolder>) -> RunningWorker {
        self.serve_on(settings, "", "", Some(Arc::clone(ledger)))
    }

    fn serve_on(
        &self,
        settings: &Settings,
        more: &str,
        services: &str,
        ledger: Option<Arc<LedgerFolder>>,
    ) -> RunningWorker {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let file = self.build.join(format!("{}-{number}.capnp", std::process::id()));
        let config = self.config(settings, more, services, ledger.as_deref());
        fs::write(&file, config).expect("write into the build folder");
        let mut workerd = Command::new(&self.workerd);
        workerd.args(["serve", "--verbose", "--control-fd=1", "--import-path=/"]).arg(&file);
        let process = Process::start(&mut workerd, settings);
        let [proxy, watch] = ["proxy", "watch"].map(|socket| process.wait_for(|line| listening(line, socket)));
        fs::remove_file(&file).expect("remove the file");
        RunningWorker { process, proxy, watch, ledger }
    }

    fn config(&self, settings: &Settings, more: &str, services: &str, ledger: Option<&LedgerFolder>) -> String {
        // The server's ledger is a file.
        let settings = settings.iter().filter(|(name, _)| *name != "LEDGER");
        let texts = settings.map(|(name, value)| format!("(name = {name:?}, text = {value:?})"));
        let mut bindings: Vec<_> = texts.chain([more.to_owned()].into_iter().filter(|more| !more.is_empty())).collect();
        let (mut services, mut objects, mut watch) = (services.to_owned(), "", "watch.js");
        if let Some(LedgerFolder(folder)) = ledger {
            bindings.push(r#"(name = "LEDGER", durableObjectNamespace = "Ledger")"#.into());
            objects = r#"durableObjectNamespaces = [(className = "Ledger", uniqueKey = "ledger", enableSql = true)],
      durableObjectStorage = (localDisk = "disk"),"#;
            let disk = format!(r#"(name = "disk", disk = (path = "{}", writable = true)),"#, folder.display());
            services.push_str(&disk);
            watch = "watch_ledger.js";
        }
        include_str!("../worker/config.capnp")
            .replace("{more}", if ledger.is_some() { MORE_WATCH } else { "" })
            .replace("{watch}", watch)
            .replace("{here}", HERE)
            .replace("{build}", &self.build.display().to_string())
            .replace("{date}", date())
            .replace("{flags}", if ledger.is_some() { FLAGS } else { "" })
            .replace("{bindings}", &bindings.join(", "))
            .replace("{objects}", objects)
            .replace("{services}", &services)
    }
}

/// With a ledger: shows that a client left although nothing was sent to it since.
const FLAGS: &str = r#""enable_request_signal""#;

/// The module that counts the calls of the wasm, where another one is loaded first.
const MORE_WATCH: &str = r#"(name = "watch.js", esModule = embed "{here}/watch.js"),"#;

/// Where the object of a ledger is stored, removed at the end.
#[derive(Debug)]
pub struct LedgerFolder(PathBuf);

impl LedgerFolder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("sparekey-worker-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("create the ledger's folder");
        Self(folder)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Opens the database of the object for reading.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn open(&self) -> rusqlite::Connection {
        let files = fs::read_dir(self.0.join("ledger")).expect("the namespace's folder");
        let mut files = files.map(|file| file.expect("a file").path());
        let is_database = |file: &PathBuf| {
            file.extension().is_some_and(|ending| ending == "sqlite")
                && file.file_stem().is_some_and(|name| name != "metadata")
        };
        let file = files.find(is_database).expect("a database");
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        rusqlite::Connection::open_with_flags(file, flags).expect("open the database")
    }
}

impl Drop for LedgerFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
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
        if self.has_ledger { "worker-limits" } else { "worker" }
    }

    fn start(&self, settings: &Settings) -> Box<dyn Running> {
        let compile = |(name, value): (&String, &String)| {
            let value = if name == "USERS" { compiled(value) } else { value.clone() };
            (name.clone(), value)
        };
        Box::new(self.serve(&settings.iter().map(compile).collect(), ""))
    }

    fn supports(&self, feature: Feature) -> bool {
        use Feature::{Backpressure, Budgets, Cancel, Rates, StreamingUpload, Unbounded, Users, WebSocket};
        if self.has_ledger && [Budgets, Rates].contains(&feature) {
            return true;
        }
        // The runtime implements the other features itself, in its own way; rates and budgets need a ledger.
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
    /// Its ledger, if it has one.
    pub ledger: Option<Arc<LedgerFolder>>,
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
    let users = Users::from_toml(users, Timestamp::default(), &Checks::OWN_RULES);
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
