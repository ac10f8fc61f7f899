//! Changes of users while the server runs.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{reload, send, with_users};
use crate::{
    adapter::Running as _,
    case_files::{API_KEY, KEY},
    only::{Test, files::Files, get, open_websocket},
    raw_connection::{RawConnection, wait_until},
    server::RunningServer,
    upstream::Upstream,
    wire::assert_rejected,
};

pub(crate) const TESTS: &[Test] = &[
    ("changed_rate_keeps_what_was_used", changed_rate),
    ("disabled_user_is_cut", disabled_user),
    ("lost_entry_is_logged", lost_entry),
    ("expiry_cuts_websockets_only", expiry),
    ("file_of_an_upstream_key_is_read_again", upstream_key_file),
    ("missing_file_of_an_upstream_key_is_waited_for", late_key_file),
    ("removed_key_stops_although_its_entry_stays", removed_key),
    ("misspelled_name_leaves_the_old_limits", misspelled_name),
];

const EVENTS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

fn changed_rate() {
    let upstream = Upstream::start();
    let (files, proxy) = with_users(&upstream, "[users.Tom]\nrequests_per_minute = 1");
    let pass = || {
        let mut client = RawConnection::connect(proxy.address());
        client.send(get("/v1/models"));
        let mut upstream_conn = upstream.accept();
        upstream_conn.head();
        upstream_conn.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
        client.head()
    };
    assert_eq!(pass().status(), 200);
    assert_eq!(send(&proxy, &get("/v1/models")).0.status(), 429);
    // One of three was used.
    reload(&files, &proxy, "[users.Tom]\nrequests_per_minute = 3");
    assert_eq!(pass().header("x-ratelimit-remaining-requests"), Some("1"));
    reload(&files, &proxy, "[users.Tom]");
    assert_eq!(pass().header("x-ratelimit-limit-requests"), None);
    reload(&files, &proxy, "[users.Tom]\nrequests_per_minute = 2");
    assert_eq!(send(&proxy, &get("/v1/models")).0.status(), 429);
    reload(&files, &proxy, "[users.Tom]\nrequests_per_minute = 1000000");
    assert_eq!(pass().header("x-ratelimit-limit-requests"), Some("1000000"));
}

/// A response that has begun: the client's and the upstream's connection.
fn open_stream(proxy: &RunningServer, upstream: &Upstream) -> (RawConnection, RawConnection) {
    let mut client = RawConnection::connect(proxy.address());
    client.send(get("/v1/models"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send(EVENTS);
    client.head();
    (client, upstream_conn)
}

fn disabled_user() {
    let upstream = Upstream::start();
    let (files, proxy) = with_users(&upstream, "[users.Tom]");
    let (mut client, mut upstream_conn) = open_stream(&proxy, &upstream);
    reload(&files, &proxy, "[users.Tom]\ndisabled = true");
    upstream_conn.rest();
    client.rest();
    let mut next = RawConnection::connect(proxy.address());
    next.send(get("/v1/models"));
    assert_rejected(&mut next, 401, "invalid_api_key");
    reload(&files, &proxy, "[users.Tom]");
    next = RawConnection::connect(proxy.address());
    next.send(get("/v1/models"));
    upstream.accept().head();
}

fn lost_entry() {
    let upstream = Upstream::start();
    let (files, proxy) = with_users(&upstream, "[users.Tom]\nmodels = [\"gpt-5\"]");
    reload(&files, &proxy, "timezone = \"Europe/Berlin\"");
    let line = proxy.process.wait_for(|line| line.contains("user Tom").then(|| line.to_owned()));
    assert!(line.contains("WARN") && line.contains("ACCESS_KEYS"), "{line}");
    // An invalid file changes nothing, and names its line.
    files.write("users", "[users.Tom]\nmodels = []");
    let line = proxy.process.wait_for(|line| line.contains("reload failed").then(|| line.to_owned()));
    assert!(line.contains("USERS_FILE") && line.contains("line 2"), "{line}");
}

fn expiry() {
    let upstream = Upstream::start();
    let (files, proxy) = with_users(&upstream, "[users.Tom]\nexpires = 2100-01-01");
    let (mut stream, mut stream_upstream) = open_stream(&proxy, &upstream);
    let (mut socket, mut socket_upstream) = open_websocket(&proxy, &upstream, "/v1/realtime?model=gpt-realtime");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right").as_secs();
    reload(&files, &proxy, &format!("[users.Tom]\nexpires = {}", time_of_day(now + 1)));
    socket.rest();
    socket_upstream.rest();
    let mut next = RawConnection::connect(proxy.address());
    next.send(get("/v1/models"));
    assert_rejected(&mut next, 401, "expired_api_key");
    stream_upstream.send_chunk("still open");
    assert_eq!(stream.chunk(), b"still open");
}

/// A Unix time as TOML writes it.
fn time_of_day(seconds: u64) -> String {
    sparekey_policy::Timestamp::from_seconds(seconds.try_into().expect("a time")).to_string().replace(" UTC", "Z")
}

fn upstream_key_file() {
    let upstream = Upstream::start();
    let files = Files::new();
    files.write("keys", KEY);
    files.write("api_key", API_KEY);
    files.write("tom.key", "sk-proj-first-of-tom\n");
    files.write("users", "[users.Tom]\nopenai_api_key = \"file:tom.key\"");
    let mut settings = files.settings(&upstream, &[]);
    settings.insert("USERS_FILE".to_owned(), files.path("users").to_str().expect("a UTF-8 path").to_owned());
    let proxy = RunningServer::start(&settings);
    let sent = || {
        let mut client = RawConnection::connect(proxy.address());
        client.send(get("/v1/models"));
        upstream.accept().head().header("authorization").map(str::to_owned)
    };
    assert_eq!(sent().as_deref(), Some("Bearer sk-proj-first-of-tom"));
    files.write("tom.key", "sk-proj-second-of-tom\n");
    proxy.process.wait_for(|line| line.contains("reloaded: ").then_some(()));
    assert_eq!(sent().as_deref(), Some("Bearer sk-proj-second-of-tom"));
    // So is a file that a reload names first.
    files.write("other.key", "sk-proj-third-of-tom\n");
    reload(&files, &proxy, "[users.Tom]\nopenai_api_key = \"file:other.key\"");
    assert_eq!(sent().as_deref(), Some("Bearer sk-proj-third-of-tom"));
    let before = proxy.process.output().matches("reloaded: ").count();
    files.write("other.key", "sk-proj-fourth-of-tom\n");
    wait_until("the file is read again", || proxy.process.output().matches("reloaded: ").count() > before);
    assert_eq!(sent().as_deref(), Some("Bearer sk-proj-fourth-of-tom"));
}

fn late_key_file() {
    let upstream = Upstream::start();
    let (files, proxy) = with_users(&upstream, "[users.Tom]");
    files.write("users", "[users.Tom]\nopenai_api_key = \"file:late.key\"");
    proxy.process.wait_for(|line| line.contains("reload failed").then_some(()));
    files.write("late.key", "sk-proj-late-of-tom\n");
    proxy.process.wait_for(|line| line.contains("reloaded: ").then_some(()));
    let mut client = RawConnection::connect(proxy.address());
    client.send(get("/v1/models"));
    assert_eq!(upstream.accept().head().header("authorization"), Some("Bearer sk-proj-late-of-tom"));
    assert_eq!(proxy.process.output().matches("reload failed").count(), 1, "the same failure is logged once");
}

/// It is a new user without a key, and the user that was meant would have no limits.
fn misspelled_name() {
    let upstream = Upstream::start();
    let (files, proxy) = with_users(&upstream, "[users.Tom]\nmodels = [\"gpt-5\"]");
    files.write("users", "[users.tom]\nmodels = [\"gpt-5\"]");
    let line = proxy.process.wait_for(|line| line.contains("reload failed").then(|| line.to_owned()));
    assert!(line.contains("line 1: users.tom has no key"), "{line}");
    assert_eq!(send(&proxy, &get("/v1/models/o3")).0.status(), 403);
}

fn removed_key() {
    let upstream = Upstream::start();
    let (files, proxy) = with_users(&upstream, "[users.Tom]\nmodels = [\"gpt-5\"]");
    files.write("keys", "sk-Ann-abcdefgh12345678");
    let line = proxy.process.wait_for(|line| line.contains("user Tom").then(|| line.to_owned()));
    assert!(line.contains("WARN") && line.contains("has no key"), "{line}");
    let mut client = RawConnection::connect(proxy.address());
    client.send(get("/v1/models/gpt-5"));
    assert_rejected(&mut client, 401, "invalid_api_key");
}
