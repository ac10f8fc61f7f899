//! A program under test: its settings, its output and its exit.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};

use crate::{adapter::Settings, raw_connection::STEP_TIMEOUT};

/// How a program is built.
#[derive(Clone, Copy, Debug)]
pub enum Profile {
    /// The development profile.
    Dev,
    /// The release profile.
    Release,
    /// The profile of the Lambda function.
    Function,
}

/// Builds a package of this workspace; returns the path of its binary of the same name.
///
/// # Panics
/// If it can't be built.
#[must_use]
pub fn build(package: &str, profile: Profile) -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // These variables describe this package; inherited, they would make build scripts run again.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    let (profile, folder) = match profile {
        Profile::Dev => ("dev", "debug"),
        Profile::Release => ("release", "release"),
        Profile::Function => ("function", "function"),
    };
    let built = command
        .args(["build", "--quiet", "--profile", profile, "--package", package, "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .stdin(Stdio::null())
        .status();
    assert!(built.is_ok_and(|status| status.success()), "{package} builds");
    // The running test is in a profile's folder, or below it.
    let own = env::current_exe().expect("the path of this program");
    let mut ancestors = own.ancestors();
    let built_in = ancestors.find(|at| at.ends_with("debug") || at.ends_with("release")).expect("a profile's folder");
    built_in.with_file_name(folder).join(package)
}

/// A running program.
pub struct Process {
    child: Child,
    output: Arc<Output>,
    secrets: Vec<String>,
}

/// Everything that a program wrote to standard output and standard error.
#[derive(Default)]
struct Output {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    text: Vec<String>,
    open_streams: usize,
}

impl Process {
    /// Starts a program with these settings and nothing else in its environment.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn start(command: &mut Command, settings: &Settings) -> Self {
        Self::start_with_inherited_env(command.env_clear(), settings)
    }

    /// Starts a program with these settings on top of its environment.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn start_with_inherited_env(command: &mut Command, settings: &Settings) -> Self {
        Self::spawn(command.stdin(Stdio::null()), settings)
    }

    /// [`start`](Self::start) with something as standard input.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn start_with_stdin(command: &mut Command, settings: &Settings, stdin: Stdio) -> Self {
        Self::spawn(command.env_clear().stdin(stdin), settings)
    }

    fn spawn(command: &mut Command, settings: &Settings) -> Self {
        command.envs(settings).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("can't start {command:?}: {error}"));
        let output = Arc::new(Output::default());
        output.lines().open_streams = 2;
        read_lines(child.stdout.take().expect("stdout is piped"), &output);
        read_lines(child.stderr.take().expect("stderr is piped"), &output);
        Self { child, output, secrets: secrets(settings) }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line for which `pick` returns a value.
    ///
    /// # Panics
    /// If the program exits before, or no such line appears in time.
    pub fn wait_for<T>(&self, pick: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + STEP_TIMEOUT;
        let mut lines = self.output.lines();
        loop {
            if let Some(found) = lines.text.iter().find_map(|line| pick(line)) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(lines.open_streams > 0 && !left.is_zero(), "no such line:\n{}", lines.text.join("\n"));
            lines = self.output.changed.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The output so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.lines().text.join("\n")
    }

    /// Whether the program has closed its output streams.
    #[must_use]
    pub fn has_exited(&self) -> bool {
        self.output.lines().open_streams == 0
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal {name} is sent");
    }

    /// Waits for the exit; returns the status and the whole output.
    ///
    /// # Panics
    /// If it does not exit in time.
    pub fn wait(&mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + STEP_TIMEOUT;
        let mut lines = self.output.lines();
        while lines.open_streams > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no exit:\n{}", lines.text.join("\n"));
            lines = self.output.changed.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let text = lines.text.join("\n");
        drop(lines);
        (self.child.wait().expect("a child can be waited for"), text)
    }
}

/// Kills the program, and checks that it printed no secret.
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            return;
        }
        let output = self.output();
        for secret in &self.secrets {
            assert!(!output.contains(secret), "the output contains a secret, {secret:?}:\n{output}");
        }
    }
}

impl Output {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_lines(stream: impl Read + Send + 'static, output: &Arc<Output>) {
    let output = Arc::clone(output);
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            output.lines().text.push(String::from_utf8_lossy(&line).into_owned());
            output.changed.notify_all();
        }
        output.lines().open_streams -= 1;
        output.changed.notify_all();
    });
}

/// Every twelve consecutive characters of the secret settings, so that a part of a key counts as a leak, too. The user
/// name of an access key is not secret.
fn secrets(settings: &Settings) -> Vec<String> {
    let value = |name: &str| {
        let file = settings.get(&format!("{name}_FILE"));
        settings.get(name).cloned().or_else(|| fs::read_to_string(file?).ok()).unwrap_or_default()
    };
    let items = |name: &str| value(name).split([',', '\n', ' ']).map(|item| item.trim().to_owned()).collect::<Vec<_>>();
    let access = items("ACCESS_KEYS").into_iter().filter_map(|item| Some(item.rsplit(['-', ':']).next()?.to_owned()));
    let owners = ["OPENAI_API_KEY", "AI_GATEWAY_TOKEN", "AWS_SECRET_ACCESS_KEY"].into_iter().flat_map(items);
    access
        .chain(owners)
        .flat_map(|secret| secret.as_bytes().windows(12).map(<[u8]>::to_vec).collect::<Vec<_>>())
        .filter_map(|part| String::from_utf8(part).ok())
        .collect()
}
