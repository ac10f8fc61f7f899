//! A network path to the upstream that dies without a packet, in a network namespace.
//!
//! Each test takes a minute, the time that the server gives the kernel to notice it, and needs root and `ip netns`:
//! `cargo test --package conformance --test server -- --ignored server::dead_path`.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use libtest_mimic::{Completion, Failed, Trial};

use super::{get, upgrade};
use crate::{
    clients::succeed,
    process::Process,
    programs::on_path,
    raw_connection::RawConnection,
    upstream::Upstream,
    wire::{self, EVENTS, assert_rejected},
};

/// The server's keepalive and `TCP_USER_TIMEOUT` take 60 s. Without them, the kernel takes a quarter of an hour.
const NOTICED: Duration = Duration::from_secs(90);

type Test = (&'static str, fn(&Path) -> Result<(), Failed>);

const TESTS: [Test; 2] = [("ends_a_silent_stream", silent_stream), ("ends_a_request_that_is_not_acknowledged", upload)];

/// The tests, which run with `--ignored` only.
pub(super) fn trials() -> impl Iterator<Item = Trial> {
    TESTS.into_iter().map(|(name, run)| {
        let test = move || match tool() {
            Some(ip) => run(&ip).map(|()| Completion::Completed),
            None => Ok(Completion::ignored_with("needs root and network namespaces (ip netns)")),
        };
        Trial::ignorable_test(format!("server::dead_path::{name}"), test).with_ignored_flag(true)
    })
}

/// `ip`, if this process may create network namespaces with it.
fn tool() -> Option<PathBuf> {
    let ip = on_path("ip")?;
    let probe = format!("sparekey-probe-{}-{}", process::id(), number());
    succeed(Command::new(&ip).args(["netns", "add", &probe])).ok()?;
    succeed(Command::new(&ip).args(["netns", "delete", &probe])).ok()?;
    Some(ip)
}

/// A different number at each call.
fn number() -> u8 {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A namespace for the server, and its path to this process.
struct Namespace<'a> {
    ip: &'a Path,
    name: String,
    /// The near end of the path.
    interface: String,
    near: Ipv4Addr,
}

impl<'a> Namespace<'a> {
    fn create(ip: &'a Path) -> Result<Self, Failed> {
        let number = number();
        // The network for measurements (https://www.rfc-editor.org/rfc/rfc2544).
        let [near, far] = [1, 2].map(|host| Ipv4Addr::new(198, 18, number, host));
        let (name, interface) =
            (format!("sparekey-{}-{number}", process::id()), format!("sk{}-{number}", process::id()));
        let namespace = Self { ip, name, interface, near };
        let (name, interface) = (&*namespace.name, &*namespace.interface);
        for arguments in [
            format!("netns add {name}"),
            format!("link add {interface} type veth peer name eth0 netns {name}"),
            format!("address add {near}/30 dev {interface}"),
            format!("link set {interface} up"),
            format!("-netns {name} address add {far}/30 dev eth0"),
            format!("-netns {name} link set eth0 up"),
        ] {
            namespace.run(&arguments)?;
        }
        Ok(namespace)
    }

    /// From now on, no packet arrives, and nothing reports that.
    fn cut(&self) -> Result<(), Failed> {
        self.run(&format!("link set {} down", self.interface))
    }

    fn run(&self, arguments: &str) -> Result<(), Failed> {
        succeed(Command::new(self.ip).args(arguments.split(' '))).map(drop)
    }

    /// Sends a request to a server in the namespace, which listens outside of it, and waits for its head at the upstream.
    fn forwarded(&self, request: &str) -> (Process, RawConnection, RawConnection) {
        let upstream = Upstream::start_on(self.near);
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let mut shell = Command::new(self.ip);
        shell.args(["netns", "exec", &self.name, "/bin/sh"]);
        let server =
            upgrade::start_by(shell, &listener, &wire::settings(&format!("http://{}", upstream.address()), &[]));
        let mut client = RawConnection::connect(listener.local_addr().expect("read the listener's address"));
        client.send(request);
        let mut upstream_conn = upstream.accept();
        upstream_conn.head();
        client.socket().set_read_timeout(Some(NOTICED)).expect("set the socket timeout");
        (server, client, upstream_conn)
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        let _ = self.run(&format!("link delete {}", self.interface));
        let _ = self.run(&format!("netns delete {}", self.name));
    }
}

fn silent_stream(ip: &Path) -> Result<(), Failed> {
    let namespace = Namespace::create(ip)?;
    let (_server, mut client, mut upstream_conn) = namespace.forwarded(&get("/v1/responses"));
    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk("data: 1\n\n");
    client.until("data: 1\n\n");
    namespace.cut()?;
    assert!(!client.rest().0.ends_with(b"0\r\n\r\n"), "a truncated body must not look complete");
    Ok(())
}

fn upload(ip: &Path) -> Result<(), Failed> {
    let namespace = Namespace::create(ip)?;
    let head = wire::request("POST", "/v1/files", "transfer-encoding: chunked\r\n");
    let (_server, mut client, mut upstream_conn) = namespace.forwarded(&head);
    client.send_chunk("one");
    upstream_conn.until("one");
    namespace.cut()?;
    client.send_chunk("two");
    assert_rejected(&mut client, 502, "upstream_failed");
    Ok(())
}
