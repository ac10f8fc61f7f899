//! TLS to clients and upstreams.

use std::{fs, net::TcpListener, process::Command};

use super::{Test, get, start};
use crate::{
    adapter::Running as _,
    http2,
    process::Process,
    raw_connection::RawConnection,
    server::{Server, binary},
    tls::{self, Authority},
    upstream::RespondingUpstream,
    wire::{self, error_code},
};

pub(super) const TESTS: &[Test] = &[
    ("https_with_http1_and_http2", https),
    ("upstream_with_an_untrusted_certificate_is_unreachable", untrusted),
    ("upstream_with_another_hosts_certificate_is_unreachable", other_host),
    ("invalid_certificate_files_are_reported", invalid_certificate),
    ("certificate_files_may_have_a_byte_order_mark", byte_order_mark),
    ("invalid_authority_files_are_reported", invalid_authority),
    ("plain_upstream_needs_no_authority", plain_upstream),
    ("many_short_http2_responses_keep_the_connection", many_short_responses),
    ("http2_requests_share_a_connection", sharing),
    ("other_protocol_is_logged_once_a_minute", other_protocol),
];

fn https() {
    let authority = Authority::new();
    let (cert, key) = authority.files("localhost");
    let upstream = RespondingUpstream::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec());
    let proxy = start(upstream.address(), &[("TLS_CERT", &cert), ("TLS_KEY", &key)]);
    assert!(proxy.process.output().contains("listening on https://"));

    let config = authority.client(&["http/1.1"]);
    let mut client = tls::connect(http2::socket(proxy.address()), &config).unwrap();
    client.send(get("/v1/models"));
    client.until("\r\n\r\nok");
    let mut client = http2::Client::connect_tls(proxy.address(), &authority.client(&["h2", "http/1.1"]));
    assert_eq!(client.request(wire::get("/v1/models")).1.all(), b"ok");
}

/// Asserts a 502 where the upstream presents a certificate of `issuer` and the proxy trusts `trusted`.
fn assert_untrusted(issuer: &Authority, host: &str, trusted: &Authority) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let proxy = wire::start_tls(&Server, trusted, listener.local_addr().unwrap(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(get("/v1/models"));
    let config = issuer.server(host, &["http/1.1"]);
    assert!(
        tls::accept(listener.accept().unwrap().0, &config)
            .map(|mut connection| connection.rest().0)
            .unwrap_or_default()
            .is_empty()
    );
    let head = client.head();
    assert_eq!(head.status(), 502);
    assert_eq!(error_code(&client.body(&head)), "upstream_unreachable");
}

fn untrusted() {
    assert_untrusted(&Authority::new(), "localhost", &Authority::new());
}

fn other_host() {
    let authority = Authority::new();
    assert_untrusted(&authority, "other.example", &authority);
}

fn invalid_certificate() {
    let authority = Authority::new();
    let (cert, key) = authority.files("localhost");
    let other = Authority::new();
    let (_, other_key) = other.files("localhost");
    let garbage = authority.file().replace("authority.pem", "garbage");
    fs::write(&garbage, "no certificate").unwrap();
    let one_line = authority.file().replace("authority.pem", "one-line");
    let key_text = fs::read_to_string(&key).unwrap();
    fs::write(&one_line, key_text.replace('\n', "") + "\n").unwrap();
    let secret = key_text.lines().nth(1).unwrap();
    // Errors may print bytes as text or as numbers.
    let numbers = secret.bytes().take(8).map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
    for (cert, key, reason) in [
        (garbage.as_str(), key.as_str(), "TLS_CERT /"),
        (&cert, &one_line, "has no PEM private key: invalid PEM"),
        (&one_line, &key, "has no PEM certificates: invalid PEM"),
        (&cert, &garbage, "TLS_KEY /"),
        ("/not/there", &key, "TLS_CERT /"),
        (&cert, "/not/there", "TLS_KEY /"),
        (&cert, &cert, "TLS_KEY /"),
        (&cert, &other_key, "TLS_CERT and TLS_KEY do not match"),
        (&cert, "", "TLS_CERT is set, but TLS_KEY is not"),
        ("", &key, "TLS_KEY is set, but TLS_CERT is not"),
    ] {
        let settings = wire::settings("http://127.0.0.1:1", &[("TLS_CERT", cert), ("TLS_KEY", key)]);
        let (status, output) = Process::start(Command::new(binary()).arg("check"), &settings).wait();
        assert!(!output.contains(&secret[..8]) && !output.contains(&numbers), "{output}");
        assert!(status.code() == Some(2) && output.contains(reason), "{output}");
    }
}

fn byte_order_mark() {
    let authority = Authority::new();
    let (cert, key) = authority.files("localhost");
    for file in [&cert, &key] {
        fs::write(file, format!("\u{feff}{}", fs::read_to_string(file).unwrap())).unwrap();
    }
    let upstream = RespondingUpstream::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec());
    let proxy = start(upstream.address(), &[("TLS_CERT", &cert), ("TLS_KEY", &key)]);
    let mut health = Command::new(binary());
    let listen = proxy.address().to_string();
    let health = health.arg("health").env_clear().envs([("LISTEN", &listen), ("TLS_CERT", &cert), ("TLS_KEY", &key)]);
    let output = health.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn invalid_authority() {
    let authority = Authority::new();
    let file = |name: &str, text: &str| {
        let path = authority.file().replace("authority.pem", name);
        fs::write(&path, text).unwrap();
        path
    };
    for path in [file("garbage", "no certificate"), file("nothing", ""), "/not/there".to_owned()] {
        let settings = wire::settings("https://127.0.0.1:1", &[("SSL_CERT_FILE", &path)]);
        let (status, output) = Process::start(&mut Command::new(binary()), &settings).wait();
        assert!(status.code() == Some(2) && output.contains("SSL_CERT_FILE"), "{output}");
    }
}

fn plain_upstream() {
    let upstream = RespondingUpstream::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec());
    let proxy = start(upstream.address(), &[("SSL_CERT_FILE", "/not/there")]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(get("/v1/models"));
    client.until("\r\n\r\nok");
}

/// The proxy reads a complete body up to `END_STREAM`. After many resets, an upstream would close the connection.
fn many_short_responses() {
    let authority = Authority::new();
    let upstream = http2::Upstream::start(&authority.server("localhost", &["h2"]));
    let proxy = wire::start_tls(&Server, &authority, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    let mut unended = Vec::new();
    for number in 0..1500 {
        client.send(get("/v1/models"));
        let (sender, _body) = upstream.accept().respond(http::Response::builder().header("content-length", "2"));
        sender.send("ok");
        client.until("\r\n\r\nok");
        // The first three streams end late; a reset of them would arrive before the later requests.
        if number < 3 {
            unended.push(sender);
        }
        if number == 10 {
            assert!(unended.drain(..).all(|sender| sender.is_open()), "a complete body is not reset");
        }
    }
    assert_eq!(upstream.connections(), 1);
}

fn sharing() {
    let authority = Authority::new();
    let upstream = http2::Upstream::start(&authority.server("localhost", &["h2"]));
    let proxy = wire::start_tls(&Server, &authority, upstream.address(), &[]);
    let mut client = http2::Client::connect(proxy.address());
    // The first request opens the connection.
    let first = client.send(wire::get("/v1/models"));
    upstream.accept().respond(http::Response::builder());
    drop(first.response());
    let pending: Vec<_> = (0..50).map(|_| client.send(wire::get("/v1/models"))).collect();
    let exchanges: Vec<_> = (0..50).map(|_| upstream.accept()).collect();
    assert_eq!(upstream.connections(), 1);
    drop(exchanges.into_iter().map(|exchange| exchange.respond(http::Response::builder())).collect::<Vec<_>>());
    assert!(pending.into_iter().all(|pending| pending.response().0.status == 200));
}

fn other_protocol() {
    let authority = Authority::new();
    let (cert, key) = authority.files("localhost");
    let upstream = RespondingUpstream::start(|_| Vec::new());
    let with_tls = start(upstream.address(), &[("TLS_CERT", &cert), ("TLS_KEY", &key)]);
    let plain = start(upstream.address(), &[]);
    for _ in 0..3 {
        let mut client = RawConnection::connect(with_tls.address());
        client.send(get("/v1/models"));
        client.rest();
        tls::connect(http2::socket(plain.address()), &authority.client(&["http/1.1"])).err().expect("no TLS");
    }
    for (proxy, spoken) in [(&with_tls, "speaks HTTP"), (&plain, "speaks TLS")] {
        proxy.process.wait_for(|line| line.contains(spoken).then_some(()));
        let output = proxy.process.output();
        assert_eq!(output.lines().filter(|line| line.contains("WARN") && line.contains(spoken)).count(), 1, "{output}");
    }
}
