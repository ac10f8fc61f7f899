//! A PostgreSQL server of a test's own, in a folder that is removed with it.

use std::{
    env, fs,
    io::Write as _,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

/// PostgreSQL refuses to run as root, so root runs it as the account without rights.
const UNPRIVILEGED: u32 = 65_534;

/// Runs the server until its standard input ends, also if the test is killed, and removes the folder.
const WATCH: &str = r#"
programs=$1 folder=$2; shift 2
"$programs/postgres" -D "$folder" -k "$folder" -c listen_addresses= -c fsync=off -c max_connections=500 -c shared_buffers=32MB \
    -c max_wal_size=256MB "$@" >> "$folder/log" 2>&1 & pid=$!
read -r end
kill -CONT $pid; kill -QUIT $pid; wait $pid
[ "$end" = keep ] || rm -rf "$folder"
"#;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A server. Its connections are by a Unix socket.
pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    watch: Child,
    arguments: Vec<String>,
    port: String,
}

impl Server {
    /// Starts a server, if PostgreSQL is installed.
    pub fn start() -> Option<Self> {
        Self::start_with(Vec::new(), |_| {})
    }

    /// Starts a server that has TLS on a port of the loopback interface too, with this certificate and its key.
    pub fn start_with_tls(port: u16, certificate: &str, key: &str) -> Option<Self> {
        let settings = ["listen_addresses=127.0.0.1".to_owned(), format!("port={port}"), "ssl=on".to_owned()];
        let arguments = settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]);
        Self::start_with(arguments.collect(), |folder| {
            for (name, text) in [("server.crt", certificate), ("server.key", key)] {
                let file = folder.join(name);
                fs::write(&file, text).unwrap();
                fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
                if is_root(Path::new("/proc/self")) {
                    chown(&file, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).unwrap();
                }
            }
        })
    }

    fn start_with(arguments: Vec<String>, prepare: impl FnOnce(&Path)) -> Option<Self> {
        let programs = programs()?;
        let name = format!("sparekey-postgres-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        if is_root(&folder) {
            chown(&folder, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).unwrap();
        }
        let mut initdb = unprivileged(&programs.join("initdb"), &folder);
        initdb.arg("-D").arg(&folder).args(["-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        let output = initdb.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        prepare(&folder);
        let watch = watch(&programs, &folder, &arguments);
        let port = arguments.iter().find_map(|argument| argument.strip_prefix("port=")).unwrap_or("5432").to_owned();
        let this = Self { programs, folder, watch, arguments, port };
        this.wait();
        Some(this)
    }

    /// The server that all tests of this process share.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// Creates a database, and returns its address.
    pub fn create_database(&self) -> String {
        let name = format!("ledger{}", NEXT.fetch_add(1, Ordering::Relaxed));
        // Copies of the template are serial.
        self.sql("postgres", &format!("CREATE DATABASE {name} STRATEGY wal_log"));
        self.address(&name)
    }

    pub fn address(&self, database: &str) -> String {
        let folder = self.folder.to_str().unwrap().replace('/', "%2F");
        format!("postgres://test@{folder}/{database}")
    }

    /// From now on this role connects with its password.
    pub fn require_password(&self, role: &str) {
        let rules = format!("local all {role} scram-sha-256\nlocal all all trust\n");
        fs::write(self.folder.join("pg_hba.conf"), rules).unwrap();
        self.sql("postgres", "SELECT pg_reload_conf()");
    }

    /// Runs statements, and returns the values of their rows.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.sql_of("test", database, sql)
    }

    /// The same as another role.
    pub fn sql_of(&self, role: &str, database: &str, sql: &str) -> String {
        let output = self.psql(role, database, sql);
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn psql(&self, role: &str, database: &str, sql: &str) -> process::Output {
        let mut psql = command(&self.programs.join("psql"));
        psql.arg("-h").arg(&self.folder).args([
            "-p",
            &self.port,
            "-U",
            role,
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            database,
        ]);
        psql.args(["-c", sql]).output().unwrap()
    }

    /// Kills the server and its sessions without a word, as a power cut of its machine does.
    pub fn kill(&self) {
        // A session that is just started is found by the next look.
        for _ in 0..100 {
            let processes = self.processes();
            if processes.is_empty() {
                return;
            }
            Self::signal("-KILL", &processes);
            thread::sleep(Duration::from_millis(10));
        }
        panic!("PostgreSQL cannot be killed");
    }

    /// Starts it again.
    pub fn restart(&mut self) {
        self.watch.stdin.take().unwrap().write_all(b"keep\n").unwrap();
        self.watch.wait().unwrap();
        // Of a server that was killed.
        let _ = fs::remove_file(self.folder.join("postmaster.pid"));
        self.watch = watch(&self.programs, &self.folder, &self.arguments);
    }

    /// The server and all its sessions stop, and do not respond.
    pub fn stop(&self) {
        Self::signal("-STOP", &self.processes());
    }

    pub fn proceed(&self) {
        Self::signal("-CONT", &self.processes());
    }

    /// Waits until it takes connections.
    pub fn wait(&self) {
        for _ in 0..600 {
            if self.psql("test", "postgres", "SELECT 1").status.success() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("PostgreSQL does not start: {log}");
    }

    /// Sends a signal to processes by their ids.
    pub fn signal(signal: &str, processes: &[String]) {
        // One may have ended by itself.
        let _ = Command::new("kill").arg(signal).args(processes).stderr(Stdio::null()).status();
    }

    /// The server's processes, also those that outlive it for a moment: all work in its folder.
    fn processes(&self) -> Vec<String> {
        let is_ours = |process: &PathBuf| {
            fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() == "postgres")
                && fs::read_link(process.join("cwd")).is_ok_and(|folder| folder == self.folder)
        };
        let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path())).filter(is_ours);
        processes.filter_map(|process| Some(process.file_name()?.to_str()?.to_owned())).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input is the end of the server.
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
    }
}

fn watch(programs: &Path, folder: &Path, arguments: &[String]) -> Child {
    let mut command = unprivileged(Path::new("/bin/sh"), folder);
    command.args(["-c", WATCH, "sh"]).arg(programs).arg(folder).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().unwrap()
}

fn unprivileged(program: &Path, folder: &Path) -> Command {
    let mut command = command(program);
    command.current_dir(folder);
    if is_root(Path::new("/proc/self")) {
        command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
    }
    command
}

/// A program with its libraries: those of `PGLIBRARIES`, or the system's.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C");
    if let Some(libraries) = env::var_os("PGLIBRARIES") {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command
}

fn is_root(path: &Path) -> bool {
    fs::metadata(path).unwrap().uid() == 0
}

/// The folder of `postgres`: `PGBIN` if it is set, else Debian's, or one of `PATH`.
fn programs() -> Option<PathBuf> {
    let is_complete = |folder: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).is_file());
    if let Some(folder) = env::var_os("PGBIN") {
        return Some(PathBuf::from(folder)).filter(is_complete);
    }
    let debian =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    debian.chain(env::split_paths(&path)).find(is_complete)
}
