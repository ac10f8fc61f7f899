//! The access log: one line per request, without keys.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    iter,
    net::{SocketAddr, TcpListener},
    process::Command,
    thread,
};

use super::{Test, admin, forwarded, get, settings_for, start, websocket};
use crate::{
    adapter::Running as _,
    case_files::{API_KEY, KEY},
    raw_connection::RawConnection,
    server::{self, RunningServer},
    upstream::{OWN_ADDRESS, RespondingUpstream},
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("one_line_per_request", line),
    ("rejection_is_logged_with_its_code", rejection),
    ("client_behind_a_trusted_proxy_is_logged", forwarded_for),
    ("key_in_the_path_is_hidden", key_in_path),
    ("key_within_a_path_segment_is_hidden", key_in_segment),
    ("key_in_a_rejected_path_is_hidden", key_in_rejected_path),
    ("json_lines_parse", json),
    ("off_prints_nothing", off),
    ("client_disconnect_is_logged", client_disconnect),
    ("truncated_response_is_logged", truncated),
    ("tunnel_is_logged_at_its_end", tunnel),
    ("request_adds_less_than_a_kibibyte", long_request),
    ("stalled_reader_delays_no_request", stalled_reader),
    ("refused_credentials_are_logged_without_keys", refused_credentials),
    ("failed_request_is_logged_with_its_cause", failed_request),
    ("request_ids_are_logged", request_ids),
    ("upstream_request_id_is_logged", upstream_request_id),
];

fn ok_upstream() -> RespondingUpstream {
    RespondingUpstream::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec())
}

fn exchange(proxy: &RunningServer, head: &str) {
    let mut client = RawConnection::connect(proxy.address());
    client.send(head);
    let head = client.head();
    client.body(&head);
}

fn access_line(proxy: &RunningServer) -> String {
    proxy.process.wait_for(|line| line.contains("sparekey::access").then(|| line.to_owned()))
}

fn line() {
    let upstream = ok_upstream();
    let proxy = start(upstream.address(), &[("LOG", "info")]);
    exchange(&proxy, &get("/v1/models?private=query"));
    let line = access_line(&proxy);
    let parts = ["user=\"Tom\"", "method=GET", "path=\"/v1/models\"", "status=200", "client=127.0.0.1", "bytes=2"];
    for part in parts.iter().chain(&["head_ms=", "total_ms="]) {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
    let output = proxy.process.output();
    assert!(!output.contains("private"), "{output}");
    assert_eq!(output.lines().filter(|line| line.contains("sparekey::access")).count(), 1);
    let start = format!("listening on http://{}, upstream http://{}/v1", proxy.address(), upstream.address());
    assert!(output.contains(&start), "{output}");
}

fn rejection() {
    let proxy = start(ok_upstream().address(), &[]);
    exchange(&proxy, "GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-Tom-wrongwrong\r\n\r\n");
    let line = access_line(&proxy);
    for part in ["user=\"-\"", "status=401", "code=\"invalid_api_key\""] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
    assert!(!proxy.process.output().contains("wrongwrong"));
}

fn forwarded_for() {
    let request = "GET /v1/models HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 6.6.6.6, 203.0.113.7\r\n\r\n";
    for (trusted, client) in [("127.0.0.1", "client=203.0.113.7"), ("10.0.0.1", "client=127.0.0.1")] {
        let proxy = start(ok_upstream().address(), &[("TRUSTED_PROXIES", trusted)]);
        exchange(&proxy, request);
        let line = access_line(&proxy);
        assert!(line.contains(client), "{client} is missing in {line}");
    }
}

/// [`Process`](crate::process::Process) searches the log for the keys.
fn key_in_path() {
    let proxy = start(ok_upstream().address(), &[]);
    let encoded = |key: &str| key.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    // A distinct method for each request, because lines of several threads have no order.
    for (method, part) in [
        ("GET", KEY.to_owned()),
        ("POST", API_KEY.to_owned()),
        ("PUT", encoded(KEY)),
        ("PATCH", encoded(API_KEY)),
        ("DELETE", format!("{API_KEY}{KEY}")),
        ("HEAD", "sk-proj-anotherowners".to_owned()),
    ] {
        let mut client = RawConnection::connect(proxy.address());
        client.send(wire::request(method, &format!("/v1/{part}/models"), ""));
        client.head();
        let line = proxy.process.wait_for(|line| line.contains(&format!("method={method} ")).then(|| line.to_owned()));
        assert!(line.contains("hidden"), "{line}");
    }
    let output = proxy.process.output();
    for part in [encoded(KEY), encoded(API_KEY), "anotherowners".to_owned()] {
        assert!(!output.contains(&part), "{output}");
    }
}

/// A key in the path of a rejected request.
fn key_in_rejected_path() {
    let proxy = start(ok_upstream().address(), &[]);
    exchange(&proxy, &format!("GET /v1/{API_KEY} HTTP/1.1\r\nhost: x\r\n\r\n"));
    let line = access_line(&proxy);
    assert!(line.contains("hidden") && line.contains("status=400"), "{line}");
}

/// A key within a longer path segment.
fn key_in_segment() {
    for around in [("", ""), ("x", ""), ("1", "x"), ("a-", "_b"), ("%78", "")] {
        let proxy = start(ok_upstream().address(), &[]);
        exchange(&proxy, &get(&format!("/v1/{}{KEY}{}/models", around.0, around.1)));
        assert!(access_line(&proxy).contains("hidden"), "{around:?}");
    }
}

fn json() {
    let proxy = start(ok_upstream().address(), &[("LOG_FORMAT", "json"), ("LOG", "debug")]);
    exchange(&proxy, &get("/v1/models"));
    let line = access_line(&proxy);
    let output = proxy.process.output();
    for line in output.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    for (field, value) in [("user", "Tom"), ("method", "GET"), ("path", "/v1/models"), ("end", "complete")] {
        assert_eq!(line[field], value, "{line}");
    }
    assert!(line["status"] == 200 && line["bytes"] == 2 && line["head_ms"].is_u64() && line["total_ms"].is_u64());
}

fn off() {
    let upstream = ok_upstream();
    // The start line is off, too.
    let port = TcpListener::bind(OWN_ADDRESS).unwrap().local_addr().unwrap();
    let settings = wire::settings(&format!("http://{}", upstream.address()), &[("LOG", "off")]);
    let proxy = RunningServer::start_at(&settings, port);
    exchange(&proxy, &get("/v1/models"));
    assert_eq!(proxy.process.output(), "");
}

fn client_disconnect() {
    let (proxy, client, mut upstream_conn) = forwarded(&[], &get("/v1/models"));
    drop(client);
    upstream_conn.rest();
    let line = access_line(&proxy);
    assert!(line.contains("end=\"client left\"") && line.contains("user=\"Tom\""), "{line}");
}

fn truncated() {
    let (proxy, mut client, mut upstream_conn) = forwarded(&[], &get("/v1/responses"));
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    client.until("half");
    drop(upstream_conn);
    let line = access_line(&proxy);
    for part in ["status=200", "bytes=4", "end=\"cut\""] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
}

fn tunnel() {
    let (proxy, mut client, mut upstream_conn) = websocket(&[], "/v1/realtime?private=query");
    client.send("up");
    upstream_conn.until("up");
    upstream_conn.send("down");
    client.until("down");
    assert!(!proxy.process.output().contains("sparekey::access"), "the tunnel is still open");
    drop(client);
    upstream_conn.rest();
    drop(upstream_conn);
    let line = access_line(&proxy);
    for part in ["user=\"Tom\"", "path=\"/v1/realtime\"", "status=101", "bytes=6", "end=\"complete\""] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
}

fn long_request() {
    for format in ["text", "json"] {
        let users = "[users.Tom]\nmodels = [\"gpt-5\"]";
        let proxy = start(ok_upstream().address(), &[("LOG", "info"), ("LOG_FORMAT", format), ("USERS", users)]);
        let path = format!("/v1/models/{}", "\"".repeat(3000));
        for method in ["GET", "X".repeat(60).as_str()] {
            exchange(&proxy, &wire::request(method, &path, "x-long-header: x\r\nx-other-header: x\r\n"));
        }
        // In the path and as the model.
        exchange(&proxy, &get(&format!("/v1/models/{}", "x".repeat(512))));
        proxy.process.wait_for(|line| line.contains("model_not_found").then_some(()));
        proxy.process.wait_for(|line| line.contains("405").then_some(()));
        let output = proxy.process.output();
        let longest = output.lines().map(str::len).max();
        assert!(longest < Some(1024), "{longest:?} in {output}");
        assert!(output.len() < 4 * 1024, "{output}");
    }
}

/// Standard error is no longer read once the server has started.
fn stalled_reader() {
    const REQUESTS: usize = 10_000;
    let upstream = ok_upstream();
    let api_base = format!("http://{}", upstream.address());
    let mut settings = settings_for(&api_base, &[("METRICS_LISTEN", "127.0.0.1:0"), ("LOG", "info")]);
    settings.insert("LISTEN".into(), "127.0.0.1:0".into());
    let (reader, writer) = io::pipe().unwrap();
    let mut child = Command::new(server::binary()).env_clear().envs(&settings).stderr(writer).spawn().unwrap();
    let mut reader = BufReader::with_capacity(1, reader);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line
    };
    let find = |line: &mut dyn FnMut() -> String, find: fn(&str) -> Option<SocketAddr>| {
        iter::repeat_with(line).find_map(|line| find(line.trim_end())).unwrap()
    };
    let metrics = find(&mut line, admin::listening_on);
    let address = find(&mut line, server::listening_on);

    let mut client = RawConnection::connect(address);
    let mut sender = client.socket().try_clone().unwrap();
    let sending = thread::spawn(move || {
        sender.write_all("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n".repeat(REQUESTS).as_bytes()).unwrap();
    });
    for _ in 0..REQUESTS {
        let head = client.head();
        client.body(&head);
    }
    sending.join().unwrap();
    let text = admin::wait_for(metrics, "# TYPE sparekey_log_lines_dropped_total counter");
    let dropped = text.lines().find_map(|line| line.strip_prefix("sparekey_log_lines_dropped_total ")).unwrap();
    assert_ne!(dropped, "0");
    child.kill().unwrap();
    child.wait().unwrap();
}

fn refused_credentials() {
    let body = format!(
        r#"{{"error":{{"message":"Missing scopes: api.files.write. Key sk-proj-***2LmC, {API_KEY}.","type":"x","param":null,"code":"missing_scope"}}}}"#
    );
    let response = format!("HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let upstream = RespondingUpstream::start(move |_| response.clone().into());
    let proxy = start(upstream.address(), &[("LOG", "info")]);
    for _ in 0..3 {
        exchange(&proxy, &get("/v1/files"));
    }
    exchange(&proxy, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    proxy.process.wait_for(|line| line.contains("/healthz").then_some(()));
    let output = proxy.process.output();
    let lines: Vec<_> = output.lines().filter(|line| line.contains("refused the owner's credentials")).collect();
    assert_eq!(lines.len(), 1, "{output}");
    for part in
        ["ERROR", "code missing_scope", "user=\"Tom\" request_id=", "Missing scopes: api.files.write. Key sk-…, …."]
    {
        assert!(lines[0].contains(part), "{part} is missing in {}", lines[0]);
    }
    assert!(!output.contains("2LmC") && !output.contains(API_KEY), "{output}");
}

fn failed_request() {
    for (response, cause) in [
        ("", "connection closed before the response headers"),
        ("220 mail\r\n\r\n", "malformed status line"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "invalid Content-Length"),
    ] {
        let (proxy, mut client, mut upstream_conn) = forwarded(&[("LOG", "info")], &get("/v1/models"));
        upstream_conn.send(response);
        drop(upstream_conn);
        client.head();
        let line = proxy.process.wait_for(|line| line.contains("WARN").then(|| line.to_owned()));
        assert!(line.contains(cause) && line.contains(" user=\"Tom\" "), "{cause} is missing in {line}");
        assert_eq!(request_id(&line), request_id(&access_line(&proxy)));
    }
}

fn request_ids() {
    let proxy = start(ok_upstream().address(), &[("LOG", "info")]);
    for path in ["/v1/models", "/v1/files"] {
        exchange(&proxy, &get(path));
    }
    exchange(&proxy, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    let access_line = |path| proxy.process.wait_for(|line: &str| line.contains(path).then(|| line.to_owned()));
    let lines = ["/v1/models", "/v1/files"].map(access_line);
    assert_ne!(request_id(&lines[0]), request_id(&lines[1]));
    // Without a key, a client can cause many lines.
    let line = access_line("/healthz");
    assert!(!line.contains("request_id"), "{line}");
}

fn request_id(line: &str) -> &str {
    let (_, rest) = line.split_once(" request_id=").expect("a request id");
    rest.split(' ').next().unwrap_or_default()
}

/// A secret in the upstream's id reaches neither the log nor the client.
fn upstream_request_id() {
    for (id, is_logged) in [("req_12\"3", true), (API_KEY, false)] {
        let response = format!("HTTP/1.1 200 OK\r\nx-request-id: {id}\r\ncontent-length: 0\r\n\r\n");
        let upstream = RespondingUpstream::start(move |_| response.clone().into());
        let proxy = start(upstream.address(), &[("LOG", "info")]);
        exchange(&proxy, &get("/v1/models"));
        let line = access_line(&proxy);
        assert_eq!(line.contains(&format!(" upstream_request_id={id:?} ")), is_logged, "{line}");
    }
}
