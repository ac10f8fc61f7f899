//! Settings from files that change while the server runs.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command, thread};

use super::{Test, admin, files::Files};
use crate::{
    adapter::Running as _,
    case_files::{API_KEY, KEY},
    http2,
    raw_connection::{Head, RawConnection},
    server::RunningServer,
    tls::{self, Authority},
    upstream::Upstream,
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("removed_key_stops_and_its_requests_are_cut", removed_key),
    ("rotated_api_key_is_used_from_the_next_request_on", rotated_api_key),
    ("invalid_file_leaves_the_old_settings", invalid_file),
    ("all_or_nothing", all_or_nothing),
    ("prices_are_read_again", prices),
    ("new_certificate_is_served", new_certificate),
    ("ledger_of_a_file_needs_a_restart", ledger_file),
    ("ledger_of_a_pipe_is_read_once", ledger_pipe),
    ("symbolic_links_of_kubernetes", kubernetes),
];

const ANN: &str = "sk-Ann-abcdefgh12345678";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const EVENTS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

const RESTART: &str = "restart the server to use it";

fn with_keys(keys: &str) -> Files {
    let files = Files::new();
    files.write("keys", keys);
    files.write("api_key", API_KEY);
    files
}

fn get(key: &str, more: &str) -> String {
    format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n{more}\r\n")
}

fn reloaded(proxy: &RunningServer, users: usize) {
    let line = format!("reloaded: users: {users},");
    proxy.process.wait_for(|found| found.contains(&line).then_some(()));
}

/// A client whose request has reached the upstream.
fn forwarded(proxy: &RunningServer, upstream: &Upstream, request: &str) -> (RawConnection, RawConnection, Head) {
    let mut client = RawConnection::connect(proxy.address());
    client.send(request);
    let mut upstream_conn = upstream.accept();
    let head = upstream_conn.head();
    (client, upstream_conn, head)
}

/// By a change of the file, without a signal.
fn removed_key() {
    const WEBSOCKET: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n";
    let files = with_keys(&format!("{KEY}\n{ANN} # Ann's\n"));
    let upstream = Upstream::start();
    let proxy = files.start(&upstream, &[]);

    let (mut waiting, _waiting_conn, _) = forwarded(&proxy, &upstream, &get(KEY, ""));
    let (mut streaming, mut streaming_conn, _) = forwarded(&proxy, &upstream, &get(KEY, ""));
    streaming_conn.send(EVENTS);
    streaming.head();
    let (mut websocket, mut websocket_conn, _) = forwarded(&proxy, &upstream, &get(KEY, WEBSOCKET));
    websocket_conn.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    websocket.head();
    let mut http2_client = http2::Client::connect(proxy.address());
    let http2_waiting = http2_client.send(wire::get("/v1/models"));
    let mut http2_waiting_conn = upstream.accept();
    http2_waiting_conn.head();
    let http2_streaming = http2_client.send(wire::get("/v1/models"));
    let mut http2_conn = upstream.accept();
    http2_conn.head();
    http2_conn.send(EVENTS);
    let (_, mut http2_body) = http2_streaming.response();
    let (mut other, mut other_conn, _) = forwarded(&proxy, &upstream, &get(ANN, ""));
    other_conn.send(EVENTS);
    other.head();
    let mut http2_request = wire::get("/v1/models");
    http2_request.headers_mut().insert("authorization", format!("Bearer {ANN}").parse().unwrap());
    let http2_other = http2_client.send(http2_request);
    let mut http2_other_conn = upstream.accept();
    http2_other_conn.head();
    let mut idle = RawConnection::connect(proxy.address());
    idle.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    idle.until("ok\n");

    files.write("keys", &format!("# Tom's is removed\n{ANN}\n"));
    for client in [&mut waiting, &mut streaming, &mut websocket] {
        client.rest();
    }
    for upstream_conn in [&mut streaming_conn, &mut websocket_conn, &mut http2_conn, &mut http2_waiting_conn] {
        upstream_conn.rest();
    }
    assert!(http2_waiting.is_cut());
    assert!(http2_body.next_data().unwrap().is_err());
    idle.send(get(KEY, ""));
    wire::assert_rejected(&mut idle, 401, "invalid_api_key");

    other_conn.send_chunk("data: 1\n\n");
    other.until("data: 1\n\n");
    http2_other_conn.send(OK);
    assert_eq!(http2_other.response().1.all(), b"ok");
}

fn rotated_api_key() {
    const NEW: &str = "sk-proj-rotated0123456789";
    let files = with_keys(KEY);
    let upstream = Upstream::start();
    let proxy = files.start(&upstream, &[]);
    let (mut client, mut before, head) = forwarded(&proxy, &upstream, &get(KEY, ""));
    assert_eq!(head.header("authorization"), Some(&*format!("Bearer {API_KEY}")));
    files.write("api_key", NEW);
    proxy.process.signal("HUP");
    reloaded(&proxy, 1);
    let (_second, _after, head) = forwarded(&proxy, &upstream, &get(KEY, ""));
    assert_eq!(head.header("authorization"), Some(&*format!("Bearer {NEW}")));
    // The response is still searched for the key that was sent.
    before.send(format!("HTTP/1.1 200 OK\r\nx-old: {API_KEY}\r\nx-other: {NEW}x\r\ncontent-length: 2\r\n\r\nok"));
    let head = client.head();
    assert_eq!((head.status(), head.header("x-old")), (200, None));
}

fn invalid_file() {
    let files = with_keys(KEY);
    let upstream = Upstream::start();
    let proxy = files.start(&upstream, &[]);
    let metrics = admin::address(&proxy);
    admin::wait_for(metrics, "sparekey_last_reload_successful 1");
    files.write("keys", &format!("{KEY}\n\nsk-Ann-short\n"));
    let line = proxy.process.wait_for(|line| line.contains("reload failed").then(|| line.to_owned()));
    let path = files.path("keys");
    let expected = format!(
        "ERROR sparekey::reload: reload failed, the old settings stay in force: ACCESS_KEYS_FILE {} item 2 (line 3): the random part",
        path.display()
    );
    assert!(line.contains(&expected), "{line}");
    admin::wait_for(metrics, "sparekey_last_reload_successful 0");
    let (_client, _conn, _) = forwarded(&proxy, &upstream, &get(KEY, ""));
    fs::remove_file(&path).unwrap();
    proxy.process.wait_for(|line| line.contains("which cannot be read").then_some(()));
    files.write("keys", &format!("{KEY},{ANN}"));
    reloaded(&proxy, 2);
    let text = admin::wait_for(metrics, "sparekey_last_reload_successful 1");
    assert!(text.contains("\nsparekey_last_reload_success_timestamp_seconds 1"), "{text}");
}

fn all_or_nothing() {
    let files = with_keys(KEY);
    let upstream = Upstream::start();
    let proxy = files.start(&upstream, &[]);
    fs::write(files.path("keys"), ANN).unwrap();
    fs::write(files.path("api_key"), "two words").unwrap();
    proxy.process.signal("HUP");
    proxy.process.wait_for(|line| line.contains("reload failed").then_some(()));
    let (_client, _conn, head) = forwarded(&proxy, &upstream, &get(KEY, ""));
    assert_eq!(head.header("authorization"), Some(&*format!("Bearer {API_KEY}")));
    let mut client = RawConnection::connect(proxy.address());
    client.send(get(ANN, ""));
    wire::assert_rejected(&mut client, 401, "invalid_api_key");
}

fn prices() {
    let files = with_keys(KEY);
    files.write("prices", "[models.\"my-model\"]\nstandard = { input = \"1\", output = \"2\" }\n");
    let path = files.path("prices").to_str().unwrap().to_owned();
    let proxy = files.start(&Upstream::start(), &[("PRICES_FILE", &path)]);
    files.write("prices", "[models.a]\nstandard = { input = 1.5, output = 2 }\nbatch = 1\n");
    let line = proxy.process.wait_for(|line| line.contains("reload failed").then(|| line.to_owned()));
    for problem in ["line 2: models.a.standard.input must be in quotes", "line 3: models.a.batch must"] {
        assert!(line.contains(&format!("PRICES_FILE {path} {problem}")), "{line}");
    }
    files.write("prices", "");
    let empty = format!("PRICES_FILE names {path}, which is empty");
    proxy.process.wait_for(|line| line.contains(&empty).then_some(()));
    files.write("prices", "# None.\n");
    reloaded(&proxy, 1);
}

fn new_certificate() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = with_keys(KEY);
    let copy = |authority: &Authority| {
        let (cert, key) = authority.files("localhost");
        files.write("cert.pem", &fs::read_to_string(cert).unwrap());
        files.write("key.pem", &fs::read_to_string(key).unwrap());
    };
    copy(&old);
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| files.path(name).to_str().unwrap().to_owned());
    let proxy = files.start(&Upstream::start(), &[("TLS_CERT", &cert), ("TLS_KEY", &key)]);
    let is_trusted =
        |authority: &Authority| tls::connect(http2::socket(proxy.address()), &authority.client(&["http/1.1"])).is_ok();
    assert!(is_trusted(&old) && !is_trusted(&new));
    copy(&new);
    reloaded(&proxy, 1);
    assert!(is_trusted(&new) && !is_trusted(&old));
    let text = admin::wait_for(admin::address(&proxy), "sparekey_last_reload_successful 1");
    assert!(text.contains("\nsparekey_certificate_expiry_timestamp_seconds "), "{text}");
}

/// A mounted secret: `keys` links to `..data/keys`, and `..data` to a folder, which is replaced.
fn kubernetes() {
    let files = with_keys(KEY);
    let version = |name: &str, keys: &str| {
        fs::create_dir(files.path(name)).unwrap();
        fs::write(files.path(name).join("keys"), keys).unwrap();
        symlink(name, files.path("..tmp")).unwrap();
        fs::rename(files.path("..tmp"), files.path("..data")).unwrap();
    };
    version("..1", KEY);
    fs::remove_file(files.path("keys")).unwrap();
    symlink(Path::new("..data").join("keys"), files.path("keys")).unwrap();
    let upstream = Upstream::start();
    let proxy = files.start(&upstream, &[]);
    version("..2", &format!("{KEY},{ANN}"));
    reloaded(&proxy, 2);
    let (_client, _conn, _) = forwarded(&proxy, &upstream, &get(ANN, ""));
}

fn ledger_file() {
    let files = with_keys(KEY);
    files.write("ledger", "/nowhere/one.db\n");
    let upstream = Upstream::start();
    let mut settings = files.settings(&upstream, &[]);
    settings.remove("LEDGER");
    settings.insert("LEDGER_FILE".to_owned(), files.path("ledger").to_str().unwrap().to_owned());
    let proxy = RunningServer::start(&settings);
    proxy.process.signal("HUP");
    reloaded(&proxy, 1);
    assert!(!proxy.process.output().contains(RESTART), "it is the same one");
    files.write("ledger", "/nowhere/two.db\n");
    proxy.process.wait_for(|found| found.contains(RESTART).then_some(()));
}

/// A second read of the pipe would wait for a writer.
fn ledger_pipe() {
    let files = with_keys(KEY);
    let pipe = files.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let upstream = Upstream::start();
    let mut settings = files.settings(&upstream, &[]);
    settings.remove("LEDGER");
    settings.insert("LEDGER_FILE".to_owned(), pipe.to_str().unwrap().to_owned());
    let writer = thread::spawn(move || fs::write(pipe, "/nowhere/one.db\n"));
    let proxy = RunningServer::start(&settings);
    writer.join().unwrap().unwrap();
    files.write("keys", &format!("{KEY},{ANN}"));
    reloaded(&proxy, 2);
    assert!(!proxy.process.output().contains(RESTART), "it is the same one");
}
