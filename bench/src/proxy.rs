//! The proxies: how each is told to do the same job, and how it is started and ended.

use std::{
    env, fs, io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    content::json,
    cost,
    load::{Load, request},
    upstream::{Mode, REAL, Upstream},
};

/// How many keys open each proxy. The one that is used is the last.
const KEYS: usize = 1000;
/// Longer than any of them needs to start.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) const NAMES: [&str; 3] = ["sparekey", "nginx", "haproxy"];

/// Where to find the programs, and how many workers each has.
#[derive(Clone)]
pub(crate) struct Programs {
    pub(crate) sparekey: PathBuf,
    /// Keeps files of the run.
    pub(crate) folder: PathBuf,
}

/// A proxy that has served its first request.
pub(crate) struct Proxy {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) started_in: Duration,
    child: Child,
}

pub(crate) fn key(number: usize) -> String {
    format!("sk-user{number}-abcdefghijklmnopqrstuvwx")
}

/// The key of the load.
pub(crate) fn good_key() -> String {
    key(KEYS - 1)
}

/// The words that start a program: of the variable of that name in capitals, or its name.
pub(crate) fn words(name: &str) -> Vec<String> {
    let words = env::var(name.to_uppercase()).unwrap_or_else(|_| name.to_owned());
    words.split_whitespace().map(str::to_owned).collect()
}

/// Whether a peer can be started here.
pub(crate) fn is_there(name: &str) -> bool {
    let words = words(name);
    Command::new(&words[0]).args(&words[1..]).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

impl Proxy {
    /// Starts a proxy on these CPUs, waits for its first right answer, and sees it refuse a wrong key.
    pub(crate) fn start(
        name: &'static str,
        programs: &Programs,
        upstream: &Upstream,
        mode: Mode,
        cpus: usize,
    ) -> io::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = programs.folder.join(format!("{name}-{}", address.port()));
        fs::create_dir_all(&folder)?;
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &format!("0-{}", cpus - 1)]);
        let site = Site { port: address.port(), upstream, mode, cpus, folder: &folder };
        match name {
            "sparekey" => site.sparekey(&mut command, &programs.sparekey),
            "nginx" => site.nginx(&mut command)?,
            _ => site.haproxy(&mut command)?,
        }
        let begun = Instant::now();
        let log = fs::File::create(folder.join("log"))?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut proxy = Self { name, address, started_in: Duration::ZERO, child };
        let expected = json(100);
        let load = Load::new();
        loop {
            let right = request("POST", "/v1/json/100", &good_key(), b"{}");
            match load.once(address, &right) {
                Ok((200, body)) if body == expected.as_bytes() => break,
                _ if begun.elapsed() < PATIENCE && proxy.child.try_wait()?.is_none() => {
                    thread::sleep(Duration::from_micros(200));
                }
                odd => {
                    let said = fs::read_to_string(folder.join("log"))?;
                    return Err(io::Error::other(format!("{name} gives no right answer: {odd:?}\n{said}")));
                }
            }
        }
        proxy.started_in = begun.elapsed();
        match load.once(address, &request("POST", "/v1/json/100", &key(KEYS), b"{}"))? {
            (401, _) => Ok(proxy),
            (status, _) => Err(io::Error::other(format!("{name} answers a wrong key with {status}"))),
        }
    }

    pub(crate) fn cpu(&self) -> Duration {
        cost::cpu(self.child.id())
    }

    pub(crate) fn memory(&self) -> u64 {
        cost::memory(self.child.id())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let all = cost::tree(self.child.id());
        let _ = Command::new("kill").args(all.iter().map(ToString::to_string)).stderr(Stdio::null()).status();
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begun.elapsed() > PATIENCE {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What one proxy is told.
struct Site<'a> {
    port: u16,
    upstream: &'a Upstream,
    mode: Mode,
    cpus: usize,
    folder: &'a Path,
}

impl Site<'_> {
    fn sparekey(&self, command: &mut Command, binary: &Path) {
        let scheme = if self.mode == Mode::Plain { "http" } else { "https" };
        let keys: Vec<_> = (0..KEYS).map(key).collect();
        command.arg(binary).env_clear().env("PATH", env::var_os("PATH").unwrap_or_default()).envs([
            ("LISTEN", format!("127.0.0.1:{}", self.port)),
            ("OPENAI_API_KEY", REAL.to_owned()),
            ("ACCESS_KEYS", keys.join(",")),
            ("API_BASE", format!("{scheme}://localhost:{}/v1", self.upstream.port(self.mode))),
            ("SSL_CERT_FILE", self.upstream.authority()),
            ("MAX_CONNECTIONS", "20000".to_owned()),
            ("LOG", "off".to_owned()),
        ]);
    }

    fn nginx(&self, command: &mut Command) -> io::Result<()> {
        let keys = (0..KEYS).map(|number| format!("\"Bearer {}\" 1;", key(number))).collect::<Vec<_>>().join(" ");
        let folder = self.folder.display();
        let (scheme, version) = match self.mode {
            Mode::Plain => ("http", "1.1"),
            Mode::Tls => ("https", "1.1"),
            Mode::Http2 => ("https", "2"),
        };
        let config = format!(
            r#"daemon off; worker_processes {cpus}; pid {folder}/pid; error_log stderr error;
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests 1000000000; tcp_nodelay on;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  map_hash_bucket_size 128; map_hash_max_size 8192;
  map $http_authorization $known {{ default 0; {keys} }}
  upstream api {{ server 127.0.0.1:{upstream}; keepalive 2048; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096; client_max_body_size 0;
    location / {{
      if ($known = 0) {{ return 401; }}
      proxy_pass {scheme}://api; proxy_http_version {version};
      proxy_set_header Connection ""; proxy_set_header Host localhost;
      proxy_set_header Authorization "Bearer {REAL}";
      proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 600s;
      proxy_ssl_verify on; proxy_ssl_trusted_certificate {authority};
      proxy_ssl_name localhost; proxy_ssl_server_name on;
    }}
  }}
}}
"#,
            cpus = self.cpus,
            upstream = self.upstream.port(self.mode),
            port = self.port,
            authority = self.upstream.authority(),
        );
        let file = self.write("nginx.conf", &config)?;
        command.args(words("nginx")).args(["-e", "stderr", "-p"]).arg(self.folder).arg("-c").arg(file);
        Ok(())
    }

    fn haproxy(&self, command: &mut Command) -> io::Result<()> {
        let keys = (0..KEYS).map(|number| format!("{} 1\n", key(number))).collect::<Vec<_>>().concat();
        let keys = self.write("keys", &keys)?;
        let alpn = if self.mode == Mode::Http2 { "h2" } else { "http/1.1" };
        let tls = format!(" ssl verify required ca-file {} sni str(localhost) alpn {alpn}", self.upstream.authority());
        let config = format!(
            "global\n  maxconn 12000\n  no strict-limits\n  nbthread {}\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 600s\n  \
             timeout server 600s\n  option http-no-delay\nfrontend f\n  bind 127.0.0.1:{} backlog 4096\n  \
             http-request deny deny_status 401 unless {{ req.hdr(authorization),word(2,' '),map_str({},0) -m str 1 }}\n  \
             http-request set-header Authorization \"Bearer {REAL}\"\n  http-request set-header Host localhost\n  \
             default_backend b\nbackend b\n  http-reuse always\n  server u 127.0.0.1:{}{} pool-max-conn -1\n",
            self.cpus,
            self.port,
            keys.display(),
            self.upstream.port(self.mode),
            if self.mode == Mode::Plain { "" } else { &tls },
        );
        let file = self.write("haproxy.cfg", &config)?;
        command.args(words("haproxy")).args(["-db", "-q", "-f"]).arg(file);
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let file = self.folder.join(name);
        fs::write(&file, text)?;
        Ok(file)
    }
}
