//! The reverse proxies of the README, with its own configurations, in front of the server.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Command,
};

use http::Request;

use super::{Test, start};
use crate::{
    adapter::{Running as _, Settings},
    case_files::KEY,
    clients::succeed,
    http2,
    process::Process,
    programs::ProgramTest,
    raw_connection::RawConnection,
    server::RunningServer,
    tls::{self, Authority},
    upstream::Upstream,
    wire::{self, EVENTS},
};

pub(super) const TESTS: &[Test] = &[("nginx_waits_longer_than_the_server", timeouts)];

pub(super) const PROGRAM_TESTS: &[ProgramTest] = &[
    ("caddy_passes_each_event_at_once", "caddy", |caddy| passes_events(&Front::start(caddy, &CADDY))),
    ("caddy_cancels_if_the_client_leaves", "caddy", |caddy| cancels(&Front::start(caddy, &CADDY))),
    ("nginx_passes_each_event_at_once", "nginx", |nginx| passes_events(&Front::start(nginx, &NGINX))),
    ("nginx_cancels_if_the_client_leaves", "nginx", |nginx| cancels(&Front::start(nginx, &NGINX))),
];

const README: &str = include_str!("../../../README.md");

/// How a reverse proxy is run. Its file is the last argument.
struct Recipe {
    /// Completes the README's configuration by that of a test.
    config: fn(&Place) -> String,
    check: &'static [&'static str],
    run: &'static [&'static str],
    /// In the log line after it listens.
    ready: &'static str,
}

/// What differs between tests and the README.
struct Place {
    proxy: SocketAddr,
    port: u16,
    folder: String,
    certificate: String,
    key: String,
}

const CADDY: Recipe = Recipe {
    config: caddy_config,
    check: &["validate", "--adapter=caddyfile", "--config"],
    run: &["run", "--adapter=caddyfile", "--config"],
    ready: "serving initial configuration",
};

/// In nginx's log line after it listens.
pub(super) const NGINX_READY: &str = "using the \"";

const NGINX: Recipe = Recipe { config: nginx_config, check: &["-t", "-c"], run: &["-c"], ready: NGINX_READY };

fn caddy_config(Place { proxy, port, folder, certificate, key }: &Place) -> String {
    let site = replace(&code_block("**Behind Caddy**"), "127.0.0.1:8080", &proxy.to_string());
    let site = replace(&site, "proxy.example.com {", &format!("localhost {{\n\ttls {certificate} {key}"));
    let options = ["admin off", "auto_https disable_redirects", "default_bind 127.0.0.1"].join("\n\t");
    format!("{{\n\t{options}\n\thttps_port {port}\n\tstorage file_system {folder}\n}}\n\n{site}")
}

fn nginx_config(Place { proxy, port, folder, certificate, key }: &Place) -> String {
    let mut site = code_block("**Behind nginx**");
    for (readme, test) in [
        ("127.0.0.1:8080", &proxy.to_string()),
        ("listen 443 ", &format!("listen 127.0.0.1:{port} ")),
        ("proxy.example.com", &"localhost".to_owned()),
        ("/etc/ssl/proxy.pem", certificate),
        ("/etc/ssl/proxy.key", key),
    ] {
        site = replace(&site, readme, test);
    }
    nginx_file(folder, &site)
}

/// A whole file of nginx with this content of its `http` block.
pub(super) fn nginx_file(folder: &str, site: &str) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|name| format!("{name}_temp_path {folder}/{name};\n")).concat();
    // One process, so that none outlives the test.
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr notice;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}{site}}}\n"
    )
}

/// The first code block of the README after a text.
fn code_block(after: &str) -> String {
    let (_, rest) = README.split_once(after).expect("the README has the text");
    rest.split("```").nth(1).and_then(|block| block.split_once('\n')).expect("a code block").1.to_owned()
}

/// Replaces a text that occurs once.
pub(super) fn replace(config: &str, from: &str, to: &str) -> String {
    assert_eq!(config.matches(from).count(), 1, "{from} in {config}");
    config.replace(from, to)
}

/// The server behind a reverse proxy.
struct Front {
    upstream: Upstream,
    authority: Authority,
    address: SocketAddr,
    _running: Process,
    _proxy: RunningServer,
}

impl Front {
    fn start(program: &Path, recipe: &Recipe) -> Self {
        let upstream = Upstream::start();
        let proxy = start(upstream.address(), &[]);
        let authority = Authority::new();
        let (certificate, key) = authority.files("localhost");
        let folder = Path::new(&certificate).parent().expect("a folder").to_str().expect("a UTF-8 path").to_owned();
        let file = Path::new(&folder).join("config");
        let mut place = Place { proxy: proxy.address(), port: 0, folder, certificate, key };
        let (running, address) = on_free_port(recipe.ready, |address| {
            place.port = address.port();
            fs::write(&file, (recipe.config)(&place)).expect("write a file");
            let checked = succeed(Command::new(program).args(recipe.check).arg(&file).env("HOME", &place.folder));
            checked.unwrap_or_else(|error| panic!("{}", error.message().unwrap_or_default()));
            let mut command = Command::new(program);
            command.args(recipe.run).arg(&file);
            (command, Settings::from([("HOME".to_owned(), place.folder.clone())]))
        });
        Self { upstream, authority, address, _running: running, _proxy: proxy }
    }

    /// A request over HTTP/1.1 that has reached the upstream. Its body is chunked: after one with `Content-Length`, Caddy's
    /// client looks for more bytes, and cuts a response that has begun before
    /// ([golang/go#40747](https://github.com/golang/go/issues/40747)). The end of a chunked body shows that it is done.
    fn request(&self) -> (RawConnection, RawConnection) {
        let config = self.authority.client(&["http/1.1"]);
        let mut client = tls::connect(http2::socket(self.address), &config).expect("the TLS handshake succeeds");
        let body = "{\"stream\":true}";
        let head = wire::request("POST", "/v1/responses", "transfer-encoding: chunked\r\n");
        client.send(replace(&head, "host: proxy", "host: localhost"));
        client.send_chunk(body);
        client.send_chunk("");
        let mut upstream_conn = self.upstream.accept();
        let head = upstream_conn.head();
        assert_eq!(upstream_conn.body(&head), body.as_bytes());
        (client, upstream_conn)
    }

    /// The same over HTTP/2; without the client, its connection closes.
    fn http2_request(&self) -> (http2::Client, http2::PendingResponse, RawConnection) {
        let mut client = http2::Client::connect_tls(self.address, &self.authority.client(&["h2"]));
        let request = Request::get(format!("https://localhost:{}/v1/responses/1", self.address.port()));
        let request = request.header("authorization", format!("Bearer {KEY}")).body(http2::empty());
        let pending = client.send(request.expect("a valid request"));
        let mut upstream_conn = self.upstream.accept();
        upstream_conn.head();
        (client, pending, upstream_conn)
    }
}

/// Starts a reverse proxy on a free port. `ready` is in the log line after it listens.
pub(super) fn on_free_port(
    ready: &str,
    mut command: impl FnMut(SocketAddr) -> (Command, Settings),
) -> (Process, SocketAddr) {
    loop {
        let address = free_address();
        let (mut command, settings) = command(address);
        let front = Process::start(&mut command, &settings);
        // Another process may have taken the port meanwhile.
        let is_ready = front.wait_for(|line| match line.to_ascii_lowercase() {
            line if line.contains(ready) => Some(true),
            line => line.contains("address already in use").then_some(false),
        });
        if is_ready {
            return (front, address);
        }
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("read the listener's address")
}

fn passes_events(front: &Front) {
    let (mut client, mut upstream_conn) = front.request();
    upstream_conn.send(EVENTS);
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        upstream_conn.send_chunk(event);
        client.until(event);
    }
    drop((client, upstream_conn));

    let (_client, pending, mut upstream_conn) = front.http2_request();
    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk("data: 1\n\n");
    // nginx sends the head with the first event.
    let (_, mut body) = pending.response();
    assert_eq!(body.next_data().expect("the body goes on").expect("no reset"), "data: 1\n\n");
    upstream_conn.send_chunk("data: 2\n\n");
    assert_eq!(body.next_data().expect("the body goes on").expect("no reset"), "data: 2\n\n");
}

/// The upstream sends nothing more, so that only the reverse proxy can see that the client has left.
fn cancels(front: &Front) {
    let (client, mut upstream_conn) = front.request();
    drop(client);
    assert!(upstream_conn.rest().0.is_empty());

    let (mut client, mut upstream_conn) = front.request();
    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk("data: 1\n\n");
    client.until("data: 1\n\n");
    drop(client);
    assert!(upstream_conn.rest().0.is_empty());

    let (_client, pending, mut upstream_conn) = front.http2_request();
    drop(pending);
    assert!(upstream_conn.rest().0.is_empty());

    let (_client, pending, mut upstream_conn) = front.http2_request();
    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk("data: 1\n\n");
    drop(pending.response().1);
    assert!(upstream_conn.rest().0.is_empty());
}

/// Otherwise clients get nginx's 504 in place of the server's error, which they must not repeat.
fn timeouts() {
    let config = code_block("**Behind nginx**");
    let number = |text: &str, before: &str| {
        let (_, rest) = text.split_once(before).expect("the README has the text");
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        digits.parse::<u64>().expect("a number")
    };
    let nginx = number(&config, "proxy_read_timeout ");
    for setting in ["UPSTREAM_TIMEOUT", "UPSTREAM_IDLE_TIMEOUT"] {
        assert!(nginx > number(README, &format!("| `{setting}` | `")), "{setting}");
    }
}
