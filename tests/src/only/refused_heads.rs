//! Requests that the HTTP layer refuses: an error envelope, CORS, a line in the access log, a metric.

use super::{Test, start};
use crate::{
    adapter::Running as _,
    case_files::KEY,
    http2,
    raw_connection::RawConnection,
    upstream::{RespondingUpstream, Upstream},
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("envelope_log_and_metric_over_http1", over_http1),
    ("envelope_over_http2", over_http2),
    ("two_hundred_and_fifty_six_headers_pass", many_headers),
    ("conflicting_framing_is_rejected_in_any_split", conflicting_framing),
    ("http2_data_beyond_content_length_is_an_error", http2_content_length),
    ("two_lengths_over_http2_are_rejected", two_http2_lengths),
    ("empty_response_of_the_upstream_is_not_replaced", empty_response),
];

/// The bytes, the status, the code.
const ROWS: [(&str, u16, &str); 6] = [
    ("GET /v1/models HTTP/1.1\r\nhost : x\r\n\r\n", 400, "malformed_request"),
    ("\u{16}\u{3}\u{1}\u{2}\r\n\r\n", 400, "malformed_request"),
    ("GET /v1/models HTTP/1.1\r\nhost: x\r\nx: {70000}\r\n\r\n", 431, "headers_too_large"),
    ("GET /v1/models HTTP/1.1\r\nhost: x\r\n{lines}\r\n", 431, "headers_too_large"),
    ("GET /v1/{65600} HTTP/1.1\r\nhost: x\r\n\r\n", 414, "uri_too_long"),
    (
        "POST /v1/a HTTP/1.1\r\nhost: x\r\norigin: https://x.example\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "conflicting_framing",
    ),
];

fn over_http1() {
    for (bytes, status, code) in ROWS {
        // The longest target of a URI is longer than the default of MAX_HEAD.
        let max_head = if status == 414 { "100000" } else { "65536" };
        let proxy = start(Upstream::start().address(), &[("METRICS_LISTEN", "127.0.0.1:0"), ("MAX_HEAD", max_head)]);
        let lines = (0..300).map(|number| format!("x-{number}: x\r\n")).collect::<Vec<_>>().concat();
        let bytes = bytes.replace("{lines}", &lines);
        let bytes = bytes.replace("{70000}", &"x".repeat(70_000)).replace("{65600}", &"x".repeat(65_600));
        let mut client = RawConnection::connect(proxy.address());
        let _ = client.try_send(&bytes);
        let head = client.head();
        let body = client.body(&head);
        assert_eq!(head.status(), status, "{code}");
        assert_eq!((head.status(), wire::error_code(&body).as_str()), (status, code));
        assert!(body.ends_with(b"}\n"), "{code}");
        assert_eq!(head.header("content-type"), Some("application/json"));
        assert_eq!(head.header("x-should-retry"), Some("false"));
        assert_eq!(head.header("access-control-allow-origin"), Some("*"));
        client.rest();
        let line = proxy.process.wait_for(|line| line.contains("sparekey::access").then(|| line.to_owned()));
        for part in [format!("status={status}"), format!("code=\"{code}\""), "client=127.0.0.1".to_owned()] {
            assert!(line.contains(&part), "{part} is missing in {line}");
        }
        super::admin::wait_for(
            super::admin::address(&proxy),
            &format!("sparekey_rejections_total{{user=\"\",code=\"{code}\"}} 1"),
        );
    }
}

fn over_http2() {
    let proxy = start(Upstream::start().address(), &[("METRICS_LISTEN", "127.0.0.1:0")]);
    let mut client = http2::Client::connect(proxy.address());
    let mut request = wire::get("/v1/models");
    request.headers_mut().insert("origin", "https://chat.example.com".parse().unwrap());
    request.headers_mut().insert("x-large", "x".repeat(70_000).parse().unwrap());
    let (head, body) = client.request(request);
    assert_eq!((head.status.as_u16(), wire::error_code(&body.all()).as_str()), (431, "headers_too_large"));
    assert_eq!(head.headers["access-control-allow-origin"], "*");
    let line = proxy.process.wait_for(|line| line.contains("sparekey::access").then(|| line.to_owned()));
    assert!(line.contains("status=431") && line.contains("client=127.0.0.1"), "{line}");
    super::admin::wait_for(
        super::admin::address(&proxy),
        "sparekey_rejections_total{user=\"\",code=\"headers_too_large\"} 1",
    );
    assert_eq!(client.request(wire::get("/healthz")).0.status, 200, "other streams of the connection continue");
}

fn many_headers() {
    let upstream = RespondingUpstream::start(|_| "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".into());
    let proxy = start(upstream.address(), &[]);
    let names: Vec<_> = (0..254).map(|number| format!("x-stainless-{number}")).collect();
    let mut client = RawConnection::connect(proxy.address());
    let lines = names.iter().map(|name| format!("{name}: x\r\n")).collect::<Vec<_>>().concat();
    // With `host` and `authorization`.
    client.send(wire::request("GET", "/v1/models", &lines));
    assert_eq!(client.head().status(), 200);
    let mut client = http2::Client::connect(proxy.address());
    let mut request = wire::get("/v1/models");
    for name in &names {
        request.headers_mut().insert(http::HeaderName::try_from(name).unwrap(), http::HeaderValue::from_static("x"));
    }
    assert_eq!(client.request(request).0.status, 200);
    for received in upstream.take() {
        assert!(names.iter().all(|name| received.head.header(name).is_some()));
    }
}

fn conflicting_framing() {
    let upstream = RespondingUpstream::start(|_| "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".into());
    let proxy = start(upstream.address(), &[]);
    let line = "Content-LENGTH: 3\r\n";
    let head = format!(
        "POST /v1/a HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ntransfer-encoding: chunked\r\n{line}\r\n"
    );
    let at = head.find(line).unwrap();
    for split in at..at + line.len() {
        let mut client = RawConnection::connect(proxy.address());
        client.send(&head[..split]);
        // The server has read the first part once it has served another client.
        let mut other = RawConnection::connect(proxy.address());
        other.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
        other.until("ok\n");
        client.send(&head[split..]);
        wire::assert_rejected(&mut client, 400, "conflicting_framing");
    }
    // The length of an earlier request does not count.
    let mut client = RawConnection::connect(proxy.address());
    let length = wire::request("POST", "/v1/a", "content-length: 1\r\n") + "x";
    let chunked = wire::request("POST", "/v1/b", "transfer-encoding: chunked\r\n") + "0\r\n\r\n";
    client.send(length);
    for next in [&*chunked, &chunked, ""] {
        let head = client.head();
        assert_eq!((head.status(), client.body(&head)), (200, b"ok".to_vec()));
        client.send(next);
    }
    // Heads that arrive together are not seen, so the second one may have both: the connection closes after it.
    let mut client = RawConnection::connect(proxy.address());
    client.send(wire::request("GET", "/v1/a", "") + &chunked + &chunked);
    for _ in 0..2 {
        let head = client.head();
        assert_eq!((head.status(), client.body(&head)), (200, b"ok".to_vec()));
    }
    assert!(client.rest().0.is_empty());
    assert_eq!(upstream.take().len(), 5);
}

fn http2_content_length() {
    use http2::frames::{
        Frames, Outcome, block,
        flag::{END_HEADERS, END_STREAM},
        frame,
        kind::{DATA, HEADERS},
    };
    let authorization = format!("Bearer {KEY}");
    for length in ["0", "1"] {
        let proxy = start(Upstream::start().address(), &[]);
        let mut client = Frames::client(RawConnection::connect(proxy.address()));
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "x"),
            (":path", "/v1/responses"),
            ("authorization", &*authorization),
            ("content-length", length),
        ];
        let request = frame(HEADERS, END_HEADERS, 1, &block(fields));
        let data = frame(DATA, END_STREAM, 1, b"more than the length");
        client.send([request, data].concat()).unwrap();
        let outcome = client.outcome(1);
        assert!(matches!(outcome, Outcome::Reset(_)), "content-length: {length}: {outcome:?}");
    }
}

fn two_http2_lengths() {
    let upstream = RespondingUpstream::start(|_| "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".into());
    let proxy = start(upstream.address(), &[]);
    let mut client = http2::Client::connect(proxy.address());
    let mut request = wire::get("/v1/models");
    for _ in 0..2 {
        request.headers_mut().append("content-length", "0".parse().unwrap());
    }
    let (head, body) = client.request(request);
    assert_eq!((head.status.as_u16(), wire::error_code(&body.all()).as_str()), (400, "malformed_request"));
    assert!(upstream.take().is_empty());
}

/// It looks like one of hyper's own.
fn empty_response() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[]);
    for more in ["\r\n".to_owned(), wire::request("GET", "/v1/models", "")] {
        let mut client = RawConnection::connect(proxy.address());
        client.send(wire::request("GET", "/v1/models/none", ""));
        let mut upstream_conn = upstream.accept();
        upstream_conn.head();
        client.send(more);
        upstream_conn.send("HTTP/1.1 404 Not Found\r\nx-upstream: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let head = client.head();
        assert_eq!((head.status(), head.header("x-upstream")), (404, Some("1")));
    }
}
