//! Runs the Python and Node clients, OpenAI's SDKs and others, against an adapter in front of the stand-in.

mod openai;

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use libtest_mimic::{Failed, Trial};
use sha2::{Digest as _, Sha256};

use self::openai::OpenAi;
use crate::{
    adapter::{Adapter, Feature},
    case_files::{self, API_KEY, KEY},
    stand_in::{RecordedRequest, StandIn},
    wire,
    wiretap::Wiretap,
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");

/// Where the stand-in is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// At an address of its own, as a service that is compatible with OpenAI.
    Loopback,
    /// At OpenAI's address: some edits of bodies are for OpenAI only.
    OpenAi,
}

/// One trial per language, and for budgets one at OpenAI.
#[must_use]
pub fn trials(adapter: &Arc<dyn Adapter>) -> Vec<Trial> {
    let trial = |name: &str,
                 place: Place,
                 run: fn(&mut Command) -> Result<String, Failed>,
                 prepare: fn() -> Result<Command, Failed>| {
        let adapter = Arc::clone(adapter);
        let name = format!("{}::clients::{name}", adapter.name());
        Trial::test(name, move || run_clients(&*adapter, place, prepare()?, run))
    };
    let mut trials =
        vec![trial("python", Place::Loopback, pytest, python), trial("node", Place::Loopback, node_test, node)];
    if [Feature::Budgets, Feature::PrivateAuthority].iter().all(|feature| adapter.supports(*feature)) {
        trials.push(trial("python_at_openai", Place::OpenAi, pytest, python));
    }
    trials
}

/// Runs a language's tests, then checks the bytes on both sides of the proxy for keys.
fn run_clients(
    adapter: &dyn Adapter,
    place: Place,
    mut command: Command,
    run: fn(&mut Command) -> Result<String, Failed>,
) -> Result<(), Failed> {
    let stand_in = StandIn::start(API_KEY);
    let upstream_tap = Wiretap::start(stand_in.address());
    let has_limits = [Feature::Users, Feature::Rates].iter().all(|feature| adapter.supports(*feature));
    let has_budgets = adapter.supports(Feature::Budgets);
    let users = users(has_budgets);
    let ledger = Ledger::new();
    let mut settings = Vec::new();
    if has_limits {
        settings.push(("USERS", &*users));
    }
    if has_budgets {
        settings.push(("LEDGER", ledger.0.to_str().expect("a UTF-8 path")));
    }
    let openai = (place == Place::OpenAi).then(|| OpenAi::start(upstream_tap.address()));
    let at_openai = openai.as_ref().map(OpenAi::settings);
    settings.extend(at_openai.iter().flatten().map(|(name, value)| (*name, &**value)));
    let proxy = wire::start(adapter, upstream_tap.address(), &settings);
    let client_tap = Wiretap::start(proxy.address());
    command
        .env("BASE_URL", format!("http://{}/v1", client_tap.address()))
        .env("ACCESS_KEY", KEY)
        .env("API_KEY", API_KEY)
        .env("LIMITS", if has_limits { "yes" } else { "no" })
        .env("BUDGETS", if has_budgets { "yes" } else { "no" })
        .env("PRICES", prices()?)
        .env("AT_OPENAI", if place == Place::OpenAi { "yes" } else { "no" })
        .env("STAND_IN", format!("http://{}", stand_in.address()))
        .env("WEBSOCKETS", if adapter.supports(Feature::WebSocket) { "yes" } else { "no" });
    let output = run(&mut command)?;
    println!("{}: {}", adapter.name(), output.trim_end());

    let parts = |key: &'static str| key.as_bytes().windows(12).filter_map(|part| std::str::from_utf8(part).ok());
    let secret = KEY.rsplit('-').next().unwrap_or(KEY);
    if parts(secret).any(|part| upstream_tap.sent_to_target(part)) {
        return Err("an access key reached the upstream".into());
    }
    if parts(API_KEY).any(|part| client_tap.received_from_target(part)) {
        return Err("the API key reached a client".into());
    }
    if !upstream_tap.sent_to_target(API_KEY)
        || !upstream_tap.received_from_target(API_KEY)
        || !client_tap.sent_to_target(KEY)
    {
        return Err("the wiretaps captured too little".into());
    }
    let bearer = format!("Bearer {API_KEY}");
    let authorizations = |request: &RecordedRequest| {
        let values = request.headers.iter().filter(|(name, _)| name == "authorization").map(|(_, value)| value);
        values.cloned().collect::<Vec<_>>()
    };
    match stand_in.requests().iter().find(|request| authorizations(request) != [bearer.as_str()]) {
        Some(request) => Err(format!("not exactly one authorization with the API key: {request:?}").into()),
        None => Ok(()),
    }
}

/// Users with one limit each, and a key that the clients know.
fn users(with_budgets: bool) -> String {
    const BUDGETS: [(&str, &str); 4] = [
        ("budgeted", "budgets = [{ usd = 1000, per = \"month\" }]\nconcurrent_requests = 32"),
        ("metered", "metered = true"),
        // One request without a cap holds all of it.
        ("tight", "budgets = [{ usd = \"0.012\", per = \"total\" }]"),
        ("poor", "budgets = [{ usd = \"0.0001\", per = \"total\" }]"),
    ];
    let limits = [
        ("expired", "expires = 2020-01-01"),
        ("disabled", "disabled = true"),
        ("elsewhere", "networks = [\"203.0.113.0/24\"]"),
        ("student", "models = [\"gpt-one\", \"gated-*\"]"),
        ("rated", "requests_per_minute = 60"),
        ("single", "concurrent_requests = 1"),
        ("single_node", "concurrent_requests = 1"),
    ];
    let entry = |(user, limit): (&str, &str)| {
        let digest = case_files::digest(&format!("sk-{user}-limited0limited0"));
        format!("[users.{user}]\nkeys = [\"{digest}\"]\n{limit}\n")
    };
    limits.into_iter().chain(BUDGETS.into_iter().filter(|_| with_budgets)).map(entry).collect()
}

/// The shipped prices of these models, as JSON: the clients compute what they should be charged.
fn prices() -> Result<String, Failed> {
    const SHIPPED: &str = include_str!("../../policy/prices.toml");
    const MODELS: [&str; 6] =
        ["gpt-5.4-mini", "text-embedding-3-small", "gpt-image-1.5", "gpt-4o-transcribe", "whisper-1", "tts-1"];
    let shipped: toml::Table = SHIPPED.parse()?;
    let listed = MODELS.into_iter().map(|name| (name.to_owned(), shipped["models"][name].clone()));
    let models: toml::Table = listed.chain([("tools".to_owned(), shipped["tools"].clone())]).collect();
    Ok(serde_json::to_string(&models)?)
}

/// The path of a ledger, removed at the end.
struct Ledger(PathBuf);

impl Ledger {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("sparekey-clients-{}-{number}", process::id()));
        fs::create_dir_all(&folder).expect("a folder can be made");
        Self(folder.join("ledger.db"))
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if let Some(folder) = self.0.parent() {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// The timeout of a single test, longer than any needs: a stalled stream fails in its own test.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

fn pytest(command: &mut Command) -> Result<String, Failed> {
    let guard = format!("faulthandler_timeout={}", TEST_TIMEOUT.as_secs());
    let command = command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", &guard]);
    // Without this, pytest reads the configuration of an enclosing project.
    let command = command.args(["-c", "/dev/null", "--rootdir", "."]);
    let command = command.args(["-o", "faulthandler_exit_on_timeout=true"]).arg("python").current_dir(FOLDER);
    summary(command, |line| line.contains(" passed"))
}

fn node_test(command: &mut Command) -> Result<String, Failed> {
    let guard = format!("--test-timeout={}", TEST_TIMEOUT.as_millis());
    // Node 20 and Node 22 interpret a folder argument differently, so this sets the working folder.
    let command = command.args(["--test", "--test-reporter=tap", &guard]).current_dir(Path::new(FOLDER).join("node"));
    summary(command, |line| line.starts_with("# pass ") || line.starts_with("# skipped "))
}

/// The runner's summary lines; a run without a line that counts passes is a failure.
fn summary(command: &mut Command, is_summary: impl Fn(&str) -> bool) -> Result<String, Failed> {
    let output = succeed(command)?;
    let lines: Vec<&str> = output.lines().filter(|line| is_summary(line)).collect();
    if lines.is_empty() || lines.contains(&"# pass 0") {
        return Err(format!("no test passed\n{output}").into());
    }
    Ok(lines.join(", "))
}

/// Runs a program that must succeed; returns its output.
pub(crate) fn succeed(command: &mut Command) -> Result<String, Failed> {
    let output = command.output().map_err(|error| format!("can't run {command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(text) } else { Err(format!("{command:?}: {}\n{text}", output.status).into()) }
}

/// Python with the packages of `requirements.txt`.
fn python() -> Result<Command, Failed> {
    let home = python_with("python", &Path::new(FOLDER).join("python/requirements.txt"))?;
    let mut command = with_clean_env(home.join("bin/python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// A cached virtual environment with the packages of this requirements file.
///
/// # Errors
/// If it can't be created.
pub(crate) fn python_with(name: &str, requirements: &Path) -> Result<PathBuf, Failed> {
    installed(name, requirements, |home| {
        succeed(Command::new("python3").args(["-m", "venv", "--copies"]).arg(home))?;
        let mut pip = Command::new(home.join("bin/python"));
        succeed(pip.args(["-m", "pip", "install", "--no-input", "--requirement"]).arg(requirements)).map(drop)
    })
}

/// Node with the packages of `package-lock.json`.
fn node() -> Result<Command, Failed> {
    let modules = node_modules("node", &Path::new(FOLDER).join("node"))?;
    let mut command = with_clean_env("node");
    command.env("NODE_MODULES", modules);
    Ok(command)
}

/// A cached folder with the packages of the lock file in this folder.
///
/// # Errors
/// If they can't be installed.
pub(crate) fn node_modules(name: &str, sources: &Path) -> Result<PathBuf, Failed> {
    let home = installed(name, &sources.join("package-lock.json"), |home| {
        fs::create_dir_all(home)?;
        for name in ["package.json", "package-lock.json"] {
            fs::copy(sources.join(name), home.join(name))?;
        }
        succeed(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(home)).map(drop)
    })?;
    Ok(home.join("node_modules"))
}

/// A program without environment variables that would change the tests: options of the SDKs and runners, and an
/// outbound proxy, which can't reach loopback addresses. (Installation keeps the proxy.)
fn with_clean_env(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let upper = name.to_string_lossy().to_uppercase();
        let starts = ["LANGCHAIN_", "LANGSMITH_", "NODE_", "OPENAI_", "PYTEST_", "PYTHON"];
        if upper.ends_with("_PROXY") || starts.iter().any(|start| upper.starts_with(start)) {
            command.env_remove(name);
        }
    }
    // The system configuration may name a proxy, too; this variable overrides it.
    command.env("NO_PROXY", "*");
    command
}

/// A cached folder for exactly this lock file, created once.
pub(crate) fn installed(
    name: &str,
    lock: &Path,
    install: impl FnOnce(&Path) -> Result<(), Failed>,
) -> Result<PathBuf, Failed> {
    let digest = base16ct::lower::encode_string(&Sha256::digest(fs::read(lock)?));
    let home = cache().join(format!("{name}-{}", &digest[..16]));
    if !home.exists() {
        // Concurrent runs each install into a folder of their own; the first complete one is renamed. Python locates
        // its packages relative to its interpreter; only its scripts can't be moved, and they are not used here.
        let draft = home.with_extension(process::id().to_string());
        let _ = fs::remove_dir_all(&draft);
        install(&draft)?;
        if let Err(error) = fs::rename(&draft, &home) {
            fs::remove_dir_all(&draft)?;
            if !home.exists() {
                return Err(format!("{}: {error}", home.display()).into());
            }
        }
    }
    Ok(home)
}

/// The folder for installed programs and packages.
pub(crate) fn cache() -> PathBuf {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = || variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    variable("SPAREKEY_CACHE").unwrap_or_else(|| caches().unwrap_or_else(env::temp_dir).join("sparekey"))
}
