//! A proxy on the way to the upstream.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::mpsc::{Receiver, channel},
    thread,
};

use super::{Test, get};
use crate::{
    adapter::Running as _,
    http2::{self, Upstream},
    process::Process,
    raw_connection::RawConnection,
    server::{RunningServer, binary},
    tls::Authority,
    upstream::RespondingUpstream,
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("connect_with_credentials", connect),
    ("socks5_with_credentials_resolves_at_the_proxy", socks5),
    ("excluded_host_has_no_proxy", excluded),
    ("refusing_proxy_is_named", refused),
    ("invalid_proxy_is_reported", invalid),
];

/// A proxy for one connection, and what it was asked for.
fn proxy(handshake: fn(&mut TcpStream) -> (String, u16)) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (tx, rx) = channel();
    thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        let (asked, port) = handshake(&mut client);
        tx.send(asked).unwrap();
        let upstream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
        thread::spawn(move || io::copy(&mut from, &mut to));
        let _ = io::copy(&mut &upstream, &mut &client);
    });
    (address, rx)
}

fn read<const N: usize>(client: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).unwrap();
    bytes
}

fn text(client: &mut TcpStream) -> String {
    let [length] = read(client);
    let mut bytes = vec![0; length.into()];
    client.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn http_handshake(client: &mut TcpStream) -> (String, u16) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(read::<1>(client));
    }
    let head = String::from_utf8(head).unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let target = head.split(' ').nth(1).unwrap();
    let port = target.rsplit_once(':').unwrap().1.parse().unwrap();
    (head, port)
}

/// [RFC 1928](https://www.rfc-editor.org/rfc/rfc1928) and [RFC 1929](https://www.rfc-editor.org/rfc/rfc1929).
fn socks_handshake(client: &mut TcpStream) -> (String, u16) {
    let [version, methods] = read(client);
    let mut offered = vec![0; methods.into()];
    client.read_exact(&mut offered).unwrap();
    assert!(version == 5 && offered.contains(&2), "{offered:?}");
    client.write_all(&[5, 2]).unwrap();
    assert_eq!(read(client), [1]);
    let login = format!("{}:{}", text(client), text(client));
    client.write_all(&[1, 0]).unwrap();
    assert_eq!(read(client), [5, 1, 0, 3], "CONNECT to a name");
    let host = text(client);
    let port = u16::from_be_bytes(read(client));
    client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).unwrap();
    (format!("{login}@{host}"), port)
}

/// TLS to the upstream passes through the proxy.
fn assert_tunnelled(variable: &str, url: &str) {
    let authority = Authority::new();
    let upstream = Upstream::start_with(&authority.server("localhost", &["h2"]), 100);
    let (file, base) = (authority.file(), format!("https://localhost:{}", upstream.address().port()));
    let settings = wire::settings(&base, &[("SSL_CERT_FILE", &file), (variable, url)]);
    let server = RunningServer::start(&settings);
    let mut client = http2::Client::connect(server.address());
    let pending = client.send(wire::get("/v1/models"));
    drop(upstream.accept().respond(http::Response::builder()));
    assert_eq!(pending.response().0.status, 200);
    let output = server.process.output();
    assert!(!output.contains("secret"), "{output}");
}

fn connect() {
    let (address, asked) = proxy(http_handshake);
    assert_tunnelled("https_proxy", &format!("http://tom:secret@{address}"));
    let head = asked.recv().unwrap();
    assert!(head.starts_with("CONNECT localhost:"), "{head}");
    assert!(head.to_ascii_lowercase().contains("\r\nproxy-authorization: basic dg9tonnly3jlda==\r\n"), "{head}");
}

fn socks5() {
    let (address, asked) = proxy(socks_handshake);
    assert_tunnelled("ALL_PROXY", &format!("socks5h://tom:secret@{address}"));
    assert_eq!(asked.recv().unwrap(), "tom:secret@localhost");
}

fn excluded() {
    let upstream = RespondingUpstream::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec());
    let proxy = [("ALL_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", "localhost,127.0.0.1")];
    let server = super::start(upstream.address(), &proxy);
    let mut client = RawConnection::connect(server.address());
    client.send(get("/v1/models"));
    assert_eq!(client.head().status(), 200);
}

fn refused() {
    let proxy = RespondingUpstream::start(|_| {
        b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n".to_vec()
    });
    let variable = [("ALL_PROXY", &*format!("http://{}", proxy.address()))];
    let server = super::start("127.0.0.1:1".parse().unwrap(), &variable);
    let mut client = RawConnection::connect(server.address());
    client.send(get("/v1/models"));
    wire::assert_rejected(&mut client, 502, "upstream_unreachable");
    let line = server.process.wait_for(|line| line.contains("not sent").then(|| line.to_owned()));
    assert!(line.contains(&format!("outbound proxy http://{}", proxy.address())), "{line}");
    let settings = wire::settings("https://api.openai.com", &[("HTTPS_PROXY", variable[0].1)]);
    let mut check = Command::new(binary());
    let (status, output) = Process::start(check.args(["check", "--online"]), &settings).wait();
    assert!(status.code() == Some(1) && output.contains("; this is the proxy of HTTPS_PROXY"), "{output}");
}

fn invalid() {
    let settings = wire::settings("https://api.openai.com", &[("HTTPS_PROXY", "https://tom:secret@proxy:1")]);
    let (status, output) = Process::start(Command::new(binary()).arg("check"), &settings).wait();
    assert!(status.code() == Some(2) && output.contains("HTTPS_PROXY is not the URL"), "{output}");
    assert!(!output.contains("secret"), "{output}");
}
