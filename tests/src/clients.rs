//! OpenAI's own SDKs, for Python and for Node, against an adapter in front of the stand-in.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::Arc,
    time::Duration,
};

use libtest_mimic::{Failed, Trial};
use sha2::{Digest as _, Sha256};

use crate::{
    adapter::{Adapter, Feature},
    case_files::{API_KEY, KEY},
    stand_in::{RecordedRequest, StandIn},
    wire,
    wiretap::Wiretap,
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");

/// One trial a language.
#[must_use]
pub fn trials(adapter: &Arc<dyn Adapter>) -> Vec<Trial> {
    let trial =
        |language: &str, run: fn(&mut Command) -> Result<String, Failed>, prepare: fn() -> Result<Command, Failed>| {
            let adapter = Arc::clone(adapter);
            Trial::test(format!("{}::clients::{language}", adapter.name()), move || meet(&*adapter, prepare()?, run))
        };
    vec![trial("python", pytest, python), trial("node", node_test, node)]
}

/// Runs a language's tests, then looks at what reached the upstream.
fn meet(
    adapter: &dyn Adapter,
    mut command: Command,
    run: fn(&mut Command) -> Result<String, Failed>,
) -> Result<(), Failed> {
    let stand_in = StandIn::start(API_KEY);
    let behind = Wiretap::start(stand_in.address());
    let proxy = wire::start(adapter, behind.address(), &[]);
    let before = Wiretap::start(proxy.address());
    command
        .env("BASE_URL", format!("http://{}/v1", before.address()))
        .env("ACCESS_KEY", KEY)
        .env("STAND_IN", format!("http://{}", stand_in.address()))
        .env("WEBSOCKETS", if adapter.supports(Feature::WebSocket) { "yes" } else { "no" });
    let output = run(&mut command)?;
    println!("{}: {}", adapter.name(), output.trim_end());

    let parts = |key: &'static str| key.as_bytes().windows(12).filter_map(|part| std::str::from_utf8(part).ok());
    let secret = KEY.rsplit('-').next().unwrap_or(KEY);
    if parts(secret).any(|part| behind.sent_to_target(part)) {
        return Err("an access key reached the upstream".into());
    }
    if parts(API_KEY).any(|part| before.received_from_target(part)) {
        return Err("the real key reached a client".into());
    }
    if !behind.sent_to_target(API_KEY) || !behind.received_from_target(API_KEY) || !before.sent_to_target(KEY) {
        return Err("the taps heard too little to judge".into());
    }
    let bearer = format!("Bearer {API_KEY}");
    let authorizations = |seen: &RecordedRequest| {
        let values = seen.headers.iter().filter(|(name, _)| name == "authorization").map(|(_, value)| value);
        values.cloned().collect::<Vec<_>>()
    };
    match stand_in.seen().iter().find(|seen| authorizations(seen) != [bearer.as_str()]) {
        Some(seen) => Err(format!("not exactly one authorization with the real key: {seen:?}").into()),
        None => Ok(()),
    }
}

/// Longer than any single test takes, so that a stream which never goes on fails where it stands.
const STEP_TIMEOUT: Duration = Duration::from_secs(60);

fn pytest(command: &mut Command) -> Result<String, Failed> {
    let guard = format!("faulthandler_timeout={}", STEP_TIMEOUT.as_secs());
    let command = command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", &guard]);
    // No settings but these: pytest would take those of any project that this one lies in.
    let command = command.args(["-c", "/dev/null", "--rootdir", "."]);
    let command = command.args(["-o", "faulthandler_exit_on_timeout=true"]).arg("python").current_dir(FOLDER);
    finish(command, |line| line.contains(" passed"))
}

fn node_test(command: &mut Command) -> Result<String, Failed> {
    let guard = format!("--test-timeout={}", STEP_TIMEOUT.as_millis());
    // A folder as an argument means one thing to Node 20 and another from Node 22 on; the working folder means the same.
    let command = command.args(["--test", "--test-reporter=tap", &guard]).current_dir(Path::new(FOLDER).join("node"));
    finish(command, |line| line.starts_with("# pass ") || line.starts_with("# skipped "))
}

/// The runner's closing lines; a run without one that counts passes counts as failed.
fn finish(command: &mut Command, closes: impl Fn(&str) -> bool) -> Result<String, Failed> {
    let output = succeed(command)?;
    let closing: Vec<&str> = output.lines().filter(|line| closes(line)).collect();
    if closing.is_empty() || closing.contains(&"# pass 0") {
        return Err(format!("no test passed\n{output}").into());
    }
    Ok(closing.join(", "))
}

/// Runs a program to its good end; returns everything that it output.
pub(crate) fn succeed(command: &mut Command) -> Result<String, Failed> {
    let output = command.output().map_err(|error| format!("can't run {command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(text) } else { Err(format!("{command:?}: {}\n{text}", output.status).into()) }
}

/// Python with what `requirements.txt` pins.
fn python() -> Result<Command, Failed> {
    let home = python_with("python", &Path::new(FOLDER).join("python/requirements.txt"))?;
    let mut command = undisturbed(home.join("bin/python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// A folder in the cache with a Python that has what this file pins.
///
/// # Errors
/// Where it can't be made.
pub(crate) fn python_with(name: &str, requirements: &Path) -> Result<PathBuf, Failed> {
    installed(name, requirements, |home| {
        succeed(Command::new("python3").args(["-m", "venv", "--copies"]).arg(home))?;
        let mut pip = Command::new(home.join("bin/python"));
        succeed(pip.args(["-m", "pip", "install", "--no-input", "--requirement"]).arg(requirements)).map(drop)
    })
}

/// Node with what `package-lock.json` pins.
fn node() -> Result<Command, Failed> {
    let sources = Path::new(FOLDER).join("node");
    let home = installed("node", &sources.join("package-lock.json"), |home| {
        fs::create_dir_all(home)?;
        for name in ["package.json", "package-lock.json"] {
            fs::copy(sources.join(name), home.join(name))?;
        }
        succeed(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(home)).map(drop)
    })?;
    let mut command = undisturbed("node");
    command.env("NODE_MODULES", home.join("node_modules"));
    Ok(command)
}

/// A program without what would reach into the tests from outside: headers for the SDKs, options for the runners, a
/// proxy, which would be asked for addresses that only this machine has. (Installing needs the proxy, and has it.)
fn undisturbed(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let upper = name.to_string_lossy().to_uppercase();
        let starts = ["NODE_", "OPENAI_", "PYTEST_", "PYTHON"];
        if upper.ends_with("_PROXY") || starts.iter().any(|start| upper.starts_with(start)) {
            command.env_remove(name);
        }
    }
    // The system's own settings may name a proxy too; they give way to a variable.
    command.env("NO_PROXY", "*");
    command
}

/// A folder in the cache that belongs to exactly this lock file; made once.
fn installed(name: &str, lock: &Path, install: impl FnOnce(&Path) -> Result<(), Failed>) -> Result<PathBuf, Failed> {
    let digest = base16ct::lower::encode_string(&Sha256::digest(fs::read(lock)?));
    let home = cache().join(format!("{name}-{}", &digest[..16]));
    if !home.exists() {
        // Another run may be at the same: each makes its own, and the first whole one takes the name. Python finds its
        // packages from where its interpreter stands; only the scripts beside it, which nobody runs here, can't move.
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

fn cache() -> PathBuf {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = || variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    variable("SPAREKEY_CACHE").unwrap_or_else(|| caches().unwrap_or_else(env::temp_dir).join("sparekey"))
}
