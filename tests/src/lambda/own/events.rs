//! Events that are none, and what the fronts make of paths and bodies.

use super::{BUFFERED, Kind, Lambda, OK, STREAMED, Test, answer, is_error, start};
use crate::{
    adapter::Running as _,
    lambda::Report,
    raw_connection::RawConnection,
    upstream::{RespondingUpstream, Upstream},
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("what_is_no_request_is_an_error_and_the_next_is_served", no_request),
    ("bodies_arrive_as_they_were_sent", bodies),
    ("an_upload_in_chunks_arrives_whole", chunks),
    ("a_query_that_is_no_uri_is_an_answer", odd_query),
    ("wrong_settings_are_told_by_name", misconfigured),
];

fn no_request() {
    let upstream = RespondingUpstream::start(|_| OK.into());
    let function = start(STREAMED, upstream.address(), &[]);
    let bad = [
        "{}",
        "null",
        r#"{"rawPath":"/v1/models"}"#,
        r#"{"rawPath":"/","requestContext":{"http":{"method":"G T"}}}"#,
        r#"{"path":"/","httpMethod":"POST","body":"?","isBase64Encoded":true}"#,
    ];
    for event in bad {
        assert!(function.invoke(event).starts_with(b"HTTP/1.1 502"), "{event}");
    }
    assert_eq!(function.api.reports(), vec![Report::Failed("Event.NotHttp".into()); bad.len()]);
    let mut client = RawConnection::connect(function.address());
    client.send(super::get("/v1/models"));
    assert_eq!(answer(&mut client).1, b"ok");
    assert_eq!(upstream.take().len(), 1);
}

fn bodies() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let bodies =
        [("application/json", &b"{\"a\":\"caf\xc3\xa9\"}"[..]), ("application/json", b"\xff"), ("text/plain", b"")];
    let bodies = bodies.into_iter().chain([("image/png", every_byte.as_slice())]);
    let upstream = RespondingUpstream::start(|_| OK.into());
    let functions = [Kind::FunctionUrl, Kind::HttpApi, Kind::RestApi, Kind::Balancer, Kind::PlainBalancer]
        .map(|kind| start(Lambda { kind, ..BUFFERED }, upstream.address(), &[]));
    for (kind, body) in bodies {
        for function in &functions {
            let mut client = RawConnection::connect(function.address());
            let more = format!("content-type: {kind}\r\ncontent-length: {}\r\n", body.len());
            client.send([wire::request("POST", "/v1/files", &more).as_bytes(), body].concat());
            assert_eq!(answer(&mut client).0.status(), 200);
            let received = upstream.take().remove(0);
            assert_eq!((received.body.as_slice(), received.head.header("content-type")), (body, Some(kind)));
            assert_eq!(received.head.content_length(), Some(body.len()));
        }
    }
}

fn chunks() {
    let upstream = RespondingUpstream::start(|_| OK.into());
    let function = start(STREAMED, upstream.address(), &[]);
    let mut client = RawConnection::connect(function.address());
    client.send(wire::request("POST", "/v1/files", "transfer-encoding: chunked\r\n"));
    client.send_chunk("one");
    client.send_chunk("two");
    client.send("0\r\n\r\n");
    assert_eq!(answer(&mut client).0.status(), 200);
    assert_eq!(upstream.take().remove(0).body, b"onetwo");
}

fn odd_query() {
    let upstream = RespondingUpstream::start(|_| OK.into());
    let function = start(STREAMED, upstream.address(), &[]);
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

fn misconfigured() {
    let upstream = Upstream::start();
    for (more, word) in [
        (("ACCESS_KEYS", "sk-Tom-short"), "ACCESS_KEYS item 1"),
        (("OPENAI_API_KEY", " "), "OPENAI_API_KEY is not set"),
        (("RESPONSE_MODE", "sometimes"), "RESPONSE_MODE must be stream or buffer"),
        (("UPSTREAM_TIMEOUT", "soon"), "UPSTREAM_TIMEOUT must be a number of seconds"),
    ] {
        let function = start(BUFFERED, upstream.address(), &[more]);
        let mut client = RawConnection::connect(function.address());
        for _ in 0..2 {
            client.send(super::get("/v1/models"));
            let (head, body) = answer(&mut client);
            assert_eq!(head.status(), 500);
            assert_eq!(wire::error_code(&body), "misconfigured");
            let said = String::from_utf8_lossy(&body).into_owned();
            assert!(said.contains(word) && !said.contains("short"), "{said}");
        }
        client.send(super::get("/v1/models"));
        is_error(&mut client, 500, "misconfigured");
    }
    assert!(upstream.is_untouched());
}
