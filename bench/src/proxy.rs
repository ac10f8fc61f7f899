//! The proxies' configurations, start and stop. All have the same task.

use std::{
    env, fs, io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    load::{LoadGenerator, request},
    payload::json,
    procfs,
    upstream::{API_KEY, Upstream, UpstreamProtocol},
};

/// Access keys of each proxy. The load uses the last one.
const KEYS: usize = 1000;
/// Time limit for start and for stop, more than any of the three needs.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// The first request, whose user may have limits.
const CHAT: &[u8] = br#"{"model":"gpt-5-mini","messages":[]}"#;

pub(crate) const NAMES: [&str; 3] = ["sparekey", "nginx", "haproxy"];

/// Paths of a run.
#[derive(Clone)]
pub(crate) struct Programs {
    pub(crate) sparekey: PathBuf,
    /// Folder for configuration files and logs.
    pub(crate) folder: PathBuf,
    /// The address of an empty database; a file without it.
    pub(crate) ledger: Option<String>,
}

/// A running proxy that has served a first request. Stops on drop.
pub(crate) struct ProxyProcess {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) startup_time: Duration,
    child: Child,
}

pub(crate) fn key(number: usize) -> String {
    format!("sk-user{number}-abcdefghijklmnopqrstuvwx")
}

/// The access key of the load.
pub(crate) fn valid_key() -> String {
    key(KEYS - 1)
}

/// The access key of a user with limits that depend on earlier requests.
pub(crate) fn rates_key() -> String {
    key(0)
}

/// The access key of a user who may use some models only.
pub(crate) fn models_key() -> String {
    key(1)
}

/// Users with a budget. Each may have 64 open requests, so 1,000 streams need 16.
const METERED: std::ops::Range<usize> = 2..18;

/// The access keys of the users with a budget.
pub(crate) fn metered_keys() -> Vec<String> {
    METERED.map(key).collect()
}

/// Sparekey's access keys and users.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// Access keys, one per user.
    pub(crate) keys: usize,
    pub(crate) limited: Limited,
}

/// Which users have limits. No load reaches them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Limited {
    /// Two: [`rates_key`] and [`models_key`].
    Two,
    /// These two, and the users of [`metered_keys`]. They need a ledger.
    Metered,
    /// All have rates.
    All,
}

impl Setup {
    /// The task that all proxies have.
    pub(crate) const COMMON: Self = Self { keys: KEYS, limited: Limited::Two };

    /// Returns the users file.
    fn users(self) -> String {
        const RATES: &str = "requests_per_minute = 1000000\nconcurrent_requests = 64\n";
        let with_rates = |number| format!("[users.user{number}]\n{RATES}");
        if self.limited == Limited::All {
            return (0..self.keys).map(with_rates).collect();
        }
        let metered = METERED.filter(|_| self.limited == Limited::Metered).map(|number| {
            format!(
                "[users.user{number}]\nbudgets = [{{ usd = 1000000, per = \"month\" }}]\nconcurrent_requests = 64\n"
            )
        });
        let models = "[users.user1]\nmodels = [\"gpt-5*\", \"text-embedding-3-*\"]\n";
        metered.fold(with_rates(0) + models, |users, user| users + &user)
    }
}

/// Returns the command of a program: the variable `NGINX` or `HAPROXY`, or its name.
pub(crate) fn command_line(name: &str) -> Vec<String> {
    let words = env::var(name.to_uppercase()).unwrap_or_else(|_| name.to_owned());
    words.split_whitespace().map(str::to_owned).collect()
}

/// Whether a program can be run.
pub(crate) fn is_installed(name: &str) -> bool {
    let words = command_line(name);
    Command::new(&words[0]).args(&words[1..]).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

impl ProxyProcess {
    /// Starts a proxy on the first `cpus` CPUs, waits for its first correct response and checks that it rejects a wrong
    /// key.
    pub(crate) fn start(
        name: &'static str,
        programs: &Programs,
        upstream: &Upstream,
        protocol: UpstreamProtocol,
        cpus: usize,
    ) -> io::Result<Self> {
        Self::start_with(name, programs, upstream, protocol, cpus, Setup::COMMON)
    }

    /// Starts Sparekey with these keys and users.
    pub(crate) fn start_sparekey(programs: &Programs, upstream: &Upstream, setup: Setup) -> io::Result<Self> {
        let cpus = thread::available_parallelism()?.get();
        Self::start_with("sparekey", programs, upstream, UpstreamProtocol::Plain, cpus, setup)
    }

    fn start_with(
        name: &'static str,
        programs: &Programs,
        upstream: &Upstream,
        protocol: UpstreamProtocol,
        cpus: usize,
        setup: Setup,
    ) -> io::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = programs.folder.join(format!("{name}-{}", address.port()));
        fs::create_dir_all(&folder)?;
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &format!("0-{}", cpus - 1)]);
        let config = ProxyConfig { port: address.port(), upstream, protocol, cpus, folder: &folder };
        match name {
            "sparekey" => config.sparekey(&mut command, programs, setup)?,
            "nginx" => config.nginx(&mut command)?,
            _ => config.haproxy(&mut command)?,
        }
        let started = Instant::now();
        let log = fs::File::create(folder.join("log"))?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut proxy = Self { name, address, startup_time: Duration::ZERO, child };
        let expected = json(1024);
        let load = LoadGenerator::new();
        loop {
            let request = request("POST", "/v1/chat/completions", &key(setup.keys - 1), CHAT);
            match load.once(address, &request) {
                Ok((200, body)) if body == expected.as_bytes() => break,
                _ if started.elapsed() < START_TIMEOUT && proxy.child.try_wait()?.is_none() => {
                    thread::sleep(Duration::from_micros(200));
                }
                other => {
                    let output = fs::read_to_string(folder.join("log"))?;
                    return Err(io::Error::other(format!("{name} does not start: {other:?}\n{output}")));
                }
            }
        }
        proxy.startup_time = started.elapsed();
        match load.once(address, &request("POST", "/v1/chat/completions", &key(setup.keys), CHAT))? {
            (401, _) => Ok(proxy),
            (status, _) => Err(io::Error::other(format!("{name} accepts a wrong key: status {status}"))),
        }
    }

    pub(crate) fn cpu(&self) -> Duration {
        procfs::cpu_time(self.child.id())
    }

    pub(crate) fn memory(&self) -> u64 {
        procfs::pss(self.child.id())
    }
}

impl Drop for ProxyProcess {
    fn drop(&mut self) {
        let processes = procfs::descendants(self.child.id());
        let _ = Command::new("kill").args(processes.iter().map(ToString::to_string)).stderr(Stdio::null()).status();
        let started = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if started.elapsed() > START_TIMEOUT {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The configuration of one proxy.
struct ProxyConfig<'a> {
    port: u16,
    upstream: &'a Upstream,
    protocol: UpstreamProtocol,
    cpus: usize,
    folder: &'a Path,
}

impl ProxyConfig<'_> {
    fn sparekey(&self, command: &mut Command, programs: &Programs, setup: Setup) -> io::Result<()> {
        let scheme = if self.protocol == UpstreamProtocol::Plain { "http" } else { "https" };
        // Files, because the kernel passes at most 128 KiB in a variable.
        let keys = self.write("keys", &(0..setup.keys).map(|number| key(number) + "\n").collect::<String>())?;
        let users = self.write("users.toml", &setup.users())?;
        command.arg(&programs.sparekey).env_clear().env("PATH", env::var_os("PATH").unwrap_or_default()).envs([
            ("LISTEN", format!("127.0.0.1:{}", self.port)),
            ("OPENAI_API_KEY", API_KEY.to_owned()),
            ("ACCESS_KEYS_FILE", keys.display().to_string()),
            ("API_BASE", format!("{scheme}://localhost:{}/v1", self.upstream.port(self.protocol))),
            ("SSL_CERT_FILE", self.upstream.ca_file()),
            ("MAX_CONNECTIONS", "20000".to_owned()),
            ("LOG", "off".to_owned()),
            // The upstream's routes are not those of OpenAI's API.
            ("ROUTES", "all".to_owned()),
            ("USERS_FILE", users.display().to_string()),
            (
                "LEDGER",
                programs.ledger.clone().unwrap_or_else(|| self.folder.join("sparekey.db").display().to_string()),
            ),
        ]);
        Ok(())
    }

    fn nginx(&self, command: &mut Command) -> io::Result<()> {
        let keys = (0..KEYS).map(|number| format!("\"Bearer {}\" 1;", key(number))).collect::<Vec<_>>().join(" ");
        let folder = self.folder.display();
        let (scheme, version) = match self.protocol {
            UpstreamProtocol::Plain => ("http", "1.1"),
            UpstreamProtocol::Tls => ("https", "1.1"),
            UpstreamProtocol::Http2 => ("https", "2"),
        };
        let config = format!(
            r#"daemon off; worker_processes {cpus}; pid {folder}/pid; error_log stderr error;
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests 1000000000; tcp_nodelay on;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  map_hash_bucket_size 128; map_hash_max_size 8192;
  map $http_authorization $is_valid {{ default 0; {keys} }}
  upstream api {{ server 127.0.0.1:{upstream}; keepalive 2048; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096; client_max_body_size 0;
    location / {{
      if ($is_valid = 0) {{ return 401; }}
      proxy_pass {scheme}://api; proxy_http_version {version};
      proxy_set_header Connection ""; proxy_set_header Host localhost;
      proxy_set_header Authorization "Bearer {API_KEY}";
      proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 600s;
      proxy_ssl_verify on; proxy_ssl_trusted_certificate {authority};
      proxy_ssl_name localhost; proxy_ssl_server_name on;
    }}
  }}
}}
"#,
            cpus = self.cpus,
            upstream = self.upstream.port(self.protocol),
            port = self.port,
            authority = self.upstream.ca_file(),
        );
        let file = self.write("nginx.conf", &config)?;
        command.args(command_line("nginx")).args(["-e", "stderr", "-p"]).arg(self.folder).arg("-c").arg(file);
        Ok(())
    }

    fn haproxy(&self, command: &mut Command) -> io::Result<()> {
        let keys = (0..KEYS).map(|number| format!("{} 1\n", key(number))).collect::<Vec<_>>().concat();
        let keys = self.write("keys", &keys)?;
        let alpn = if self.protocol == UpstreamProtocol::Http2 { "h2" } else { "http/1.1" };
        let tls = format!(" ssl verify required ca-file {} sni str(localhost) alpn {alpn}", self.upstream.ca_file());
        let config = format!(
            "global\n  maxconn 12000\n  no strict-limits\n  nbthread {}\ndefaults\n  protocol http\n  timeout connect 5s\n  timeout client 600s\n  \
             timeout server 600s\n  option http-no-delay\nfrontend f\n  bind 127.0.0.1:{} backlog 4096\n  \
             http-request deny deny_status 401 unless {{ req.hdr(authorization),word(2,' '),map_str({},0) -m str 1 }}\n  \
             http-request set-header Authorization \"Bearer {API_KEY}\"\n  http-request set-header Host localhost\n  \
             default_backend b\nbackend b\n  http-reuse always\n  server u 127.0.0.1:{}{} pool-max-conn -1\n",
            self.cpus,
            self.port,
            keys.display(),
            self.upstream.port(self.protocol),
            if self.protocol == UpstreamProtocol::Plain { "" } else { &tls },
        );
        let file = self.write("haproxy.cfg", &config)?;
        command.args(command_line("haproxy")).args(["-db", "-q", "-f"]).arg(file);
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let file = self.folder.join(name);
        fs::write(&file, text)?;
        Ok(file)
    }
}
