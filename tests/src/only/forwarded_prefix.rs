//! The base URL for clients: `X-Forwarded-Prefix` of trusted reverse proxies, and the server's own TLS.

use super::{Test, start};
use crate::{
    adapter::Running as _,
    http2,
    raw_connection::RawConnection,
    server::RunningServer,
    tls::{self, Authority},
    upstream::{RespondingUpstream, Upstream},
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("trusted_prefix_is_in_locations_and_on_the_front_page", trusted),
    ("prefix_of_other_peers_is_ignored", untrusted),
    ("invalid_prefix_is_ignored", invalid),
    ("front_page_of_a_server_with_tls_has_https", https),
];

/// The `location` of a response of the upstream, and the text of the front page.
fn seen(proxy: &RunningServer, more: &str) -> (String, String) {
    let mut client = RawConnection::connect(proxy.address());
    client.send(wire::request("POST", "/v1/realtime/calls", &format!("content-length: 0\r\n{more}")));
    let head = client.head();
    assert_eq!(head.status(), 201);
    client.body(&head);
    client.send(wire::request("GET", "/", more));
    let front_page = client.head();
    let text = String::from_utf8(client.body(&front_page)).expect("UTF-8 text");
    (head.header("location").expect("the upstream sends it").to_owned(), text)
}

/// An upstream that creates something below the API base.
fn upstream() -> RespondingUpstream {
    RespondingUpstream::start(|request| {
        assert_eq!(request.head.header("x-forwarded-prefix"), None);
        b"HTTP/1.1 201 Created\r\nlocation: /v1/realtime/calls/rtc_1\r\ncontent-length: 0\r\n\r\n".to_vec()
    })
}

#[track_caller]
fn assert_prefix(settings: &[(&str, &str)], more: &str, prefix: &str) {
    let upstream = upstream();
    let (location, front_page) = seen(&start(upstream.address(), settings), more);
    assert_eq!(location, format!("{prefix}/v1/realtime/calls/rtc_1"), "{more}");
    assert!(front_page.contains(&format!("\"http://proxy{prefix}/v1\"")), "{more}: {front_page}");
}

fn trusted() {
    assert_prefix(&[], "x-forwarded-prefix: /openai\r\n", "/openai");
    assert_prefix(&[("TRUSTED_PROXIES", "127.0.0.1")], "X-Forwarded-Prefix: /tools/openai/\r\n", "/tools/openai");
}

fn untrusted() {
    assert_prefix(&[("TRUSTED_PROXIES", "192.0.2.1")], "x-forwarded-prefix: /openai\r\n", "");
}

fn invalid() {
    for value in
        ["//evil.example", "https://evil.example", "/a\"><b>", "/a/../b", "/a, /b", "/a\r\nx-forwarded-prefix: /b"]
    {
        assert_prefix(&[], &format!("x-forwarded-prefix: {value}\r\n"), "");
    }
}

fn https() {
    let authority = Authority::new();
    let (cert, key) = authority.files("localhost");
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("TLS_CERT", &cert), ("TLS_KEY", &key)]);
    let mut client = tls::connect(http2::socket(proxy.address()), &authority.client(&["http/1.1"])).unwrap();
    for target in ["/", "/v1", "/v1/"] {
        client.send(format!("GET {target} HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\n\r\n"));
        client.until("\"https://localhost/v1\"");
        client.until("</html>\n");
    }
    let mut client = http2::Client::connect_tls(proxy.address(), &authority.client(&["h2"]));
    let request = http::Request::get("https://localhost/").body(http2::empty()).expect("a valid request");
    let front_page = String::from_utf8(client.request(request).1.all()).expect("UTF-8 text");
    assert!(front_page.contains("\"https://localhost/v1\""), "{front_page}");
}
