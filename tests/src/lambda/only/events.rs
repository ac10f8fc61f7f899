//! Invalid events, bodies, paths and settings.

use super::{BUFFERING, EventSource, Lambda, OK, STREAMING, Test, assert_error, read_response, start};
use crate::{
    adapter::Running as _,
    lambda::Report,
    raw_connection::RawConnection,
    upstream::{RespondingUpstream, Upstream},
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("invalid_event_is_an_error_and_the_next_is_served", invalid_event),
    ("bodies_are_unchanged", bodies),
    ("chunked_upload_is_complete", chunks),
    ("invalid_target_is_escaped_or_rejected", invalid_target),
    ("proxy_that_is_not_used_is_named_in_the_log", unused_proxy),
    ("invalid_settings_are_named_in_the_log", misconfigured),
];

fn invalid_event() {
    let upstream = RespondingUpstream::start(|_| OK.into());
    let function = start(STREAMING, upstream.address(), &[]);
    let bad =
        ["{}", "null", r#"{"rawPath":"/v1/models"}"#, r#"{"rawPath":"/","requestContext":{"http":{"method":"G T"}}}"#];
    let key = crate::case_files::KEY;
    let bad_body = |head: &str| {
        format!(r#"{{"path":"/v1/files","httpMethod":"POST","body":"?","isBase64Encoded":true,"headers":{{{head}}}}}"#)
    };
    let with_bad_body = bad_body(&format!(r#""authorization":"Bearer {key}""#));
    let with_key =
        format!(r#"{{"path":"/","httpMethod":"GET","multiValueHeaders":{{"authorization":"Bearer {key}"}}}}"#);
    let bad = [&bad[..], &[&with_bad_body, &with_key]].concat();
    for event in &bad {
        assert!(function.invoke(event).starts_with(b"HTTP/1.1 502"), "{event}");
    }
    assert_eq!(function.api.reports(), vec![Report::Failed("Event.NotHttp".into()); bad.len()]);
    // Without a valid key, the body is not even decoded.
    assert!(function.invoke(&bad_body("")).starts_with(b"HTTP/1.1 401"));
    function.process.wait_for(|line| line.contains("not an event").then_some(()));
    let output = function.process.output();
    assert!(!output.contains(key), "{output}");
    let mut client = RawConnection::connect(function.address());
    client.send(super::get("/v1/models"));
    assert_eq!(read_response(&mut client).1, b"ok");
    assert_eq!(upstream.take().len(), 1);
}

fn bodies() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let bodies =
        [("application/json", &b"{\"a\":\"caf\xc3\xa9\"}"[..]), ("application/json", b"\xff"), ("text/plain", b"")];
    let bodies = bodies.into_iter().chain([("image/png", every_byte.as_slice())]);
    let upstream = RespondingUpstream::start(|_| OK.into());
    let functions = [
        EventSource::FunctionUrl,
        EventSource::HttpApi,
        EventSource::RestApi,
        EventSource::Balancer,
        EventSource::PlainBalancer,
    ]
    .map(|source| start(Lambda { source, ..BUFFERING }, upstream.address(), &[]));
    for (kind, body) in bodies {
        for function in &functions {
            let mut client = RawConnection::connect(function.address());
            let more = format!("content-type: {kind}\r\ncontent-length: {}\r\n", body.len());
            client.send([wire::request("POST", "/v1/files", &more).as_bytes(), body].concat());
            assert_eq!(read_response(&mut client).0.status(), 200);
            let received = upstream.take().remove(0);
            assert_eq!((received.body.as_slice(), received.head.header("content-type")), (body, Some(kind)));
            assert_eq!(received.head.content_length(), Some(body.len()));
        }
    }
}

fn chunks() {
    let upstream = RespondingUpstream::start(|_| OK.into());
    let function = start(STREAMING, upstream.address(), &[]);
    let mut client = RawConnection::connect(function.address());
    client.send(wire::request("POST", "/v1/files", "transfer-encoding: chunked\r\n"));
    client.send_chunk("one");
    client.send_chunk("two");
    client.send("0\r\n\r\n");
    assert_eq!(read_response(&mut client).0.status(), 200);
    assert_eq!(upstream.take().remove(0).body, b"onetwo");
}

fn invalid_target() {
    let upstream = RespondingUpstream::start(|_| OK.into());
    let function = start(STREAMING, upstream.address(), &[]);
    let event = |path: &str, query: &str| {
        format!(
            r#"{{"rawPath":"{path}","rawQueryString":"{query}","headers":{{"authorization":"Bearer {}"}},
                "requestContext":{{"http":{{"method":"GET"}}}}}}"#,
            crate::case_files::KEY
        )
    };
    assert!(function.invoke(&event("/v1/a b?c", "d=e f<\\u0001")).starts_with(b"HTTP/1.1 200"));
    assert_eq!(upstream.take().remove(0).head.word(1), "/v1/a%20b%3Fc?d=e%20f%3C%01");
    for path in ["/v1/\\u0000", "/v1/../x"] {
        assert!(function.invoke(&event(path, "")).starts_with(b"HTTP/1.1 400"), "{path}");
    }
}

/// The function connects directly, and logs that it does not use a proxy.
fn unused_proxy() {
    let upstream = RespondingUpstream::start(|_| OK.into());
    for name in ["HTTPS_PROXY", "all_proxy", "HTTP_PROXY"] {
        let function = start(STREAMING, upstream.address(), &[(name, "http://tom:password@127.0.0.1:1")]);
        let mut client = RawConnection::connect(function.address());
        client.send(super::get("/v1/models"));
        assert_eq!(read_response(&mut client).0.status(), 200);
        let warning = format!("{name} is set, but this function connects to the upstream without a proxy");
        let line = function.process.wait_for(|line| line.contains(&warning).then(|| line.to_owned()));
        assert!(line.contains("WARN") && !line.contains("password"), "{line}");
    }
}

fn misconfigured() {
    let upstream = Upstream::start();
    for (more, word) in [
        (("ACCESS_KEYS", "sk-Tom-short"), "ACCESS_KEYS item 1"),
        (("OPENAI_API_KEY", " "), "OPENAI_API_KEY and AI_GATEWAY_TOKEN are not set"),
        (("RESPONSE_MODE", "sometimes"), "RESPONSE_MODE must be stream or buffer"),
        (("UPSTREAM_TIMEOUT", "soon"), "UPSTREAM_TIMEOUT must be a number of seconds"),
    ] {
        let function = start(BUFFERING, upstream.address(), &[more]);
        let mut client = RawConnection::connect(function.address());
        for _ in 0..2 {
            client.send(super::get("/v1/models"));
            let (head, body) = read_response(&mut client);
            assert_eq!(head.status(), 500);
            assert_eq!(wire::error_code(&body), "misconfigured");
            let text = String::from_utf8_lossy(&body).into_owned();
            assert!(!text.contains(word) && text.contains("log"), "{text}");
            let line = function.process.wait_for(|line| line.contains(word).then(|| line.to_owned()));
            assert!(!line.contains("short"), "{line}");
        }
        client.send(super::get("/v1/models"));
        assert_error(&mut client, 500, "misconfigured");
    }
    assert!(upstream.is_untouched());
}
