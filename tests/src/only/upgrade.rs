//! A new process takes over without a lost connection.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{Test, admin, start};
use crate::{
    adapter::{Running as _, Settings},
    process::Process,
    raw_connection::RawConnection,
    server::{RunningServer, binary, listening_on},
    upstream::{RespondingUpstream, Upstream},
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("inherited_socket_loses_no_connection", inherited_socket),
    ("reuse_port_lets_a_second_process_listen", reuse_port),
    ("shutdown_delay_serves_on_without_being_ready", shutdown_delay),
];

/// Starts a server with a socket as file descriptor 3, as systemd does.
fn start_with(listener: &TcpListener, settings: &Settings) -> Process {
    start_by(Command::new("/bin/sh"), listener, settings)
}

/// The same by a command that runs a shell.
pub(super) fn start_by(mut command: Command, listener: &TcpListener, settings: &Settings) -> Process {
    let script = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" 3<&0 </dev/null";
    command.args(["-c", script]).arg(binary());
    let socket: OwnedFd = listener.try_clone().unwrap().into();
    let process = Process::start_with_stdin(&mut command, settings, Stdio::from(socket));
    process.wait_for(listening_on);
    process
}

fn request(address: SocketAddr) -> std::io::Result<String> {
    let mut client = TcpStream::connect(address)?;
    client.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    let mut response = String::new();
    client.read_to_string(&mut response)?;
    Ok(response)
}

fn inherited_socket() {
    const CONNECTIONS: usize = 1000;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let upstream = Upstream::start();
    let settings = wire::settings(&format!("http://{}", upstream.address()), &[]);
    let mut old = start_with(&listener, &settings);
    let (done, lost) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let mut new = None;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while done.fetch_add(1, Ordering::Relaxed) < CONNECTIONS {
                    let response = request(address);
                    if !response.as_ref().is_ok_and(|response| response.starts_with("HTTP/1.1 200")) {
                        lost.lock().unwrap().push(response);
                    }
                }
            });
        }
        while done.load(Ordering::Relaxed) < CONNECTIONS / 3 {
            thread::yield_now();
        }
        old.signal("TERM");
        assert_eq!(old.wait().0.code(), Some(0));
        // Until here, connections wait in the socket.
        // It runs until all threads have ended.
        new = Some(start_with(&listener, &settings));
    });
    drop(new);
    let lost = lost.into_inner().unwrap();
    assert!(lost.is_empty(), "{lost:?}");
}

fn reuse_port() {
    let upstream = RespondingUpstream::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec());
    let first = start(upstream.address(), &[("REUSE_PORT", "yes")]);
    let address = first.address();
    let listen = address.to_string();
    let base = format!("http://{}", upstream.address());
    let second = RunningServer::start(&wire::settings(&base, &[("REUSE_PORT", "yes"), ("LISTEN", &listen)]));
    assert_eq!(second.address(), address);
    drop(first);
    assert!(request(address).unwrap().starts_with("HTTP/1.1 200"));
    let settings = wire::settings(&base, &[("LISTEN", &listen)]);
    let (status, output) = Process::start(&mut Command::new(binary()), &settings).wait();
    assert!(!status.success() && output.contains("cannot listen on"), "{output}");
}

fn shutdown_delay() {
    let settings = [("SHUTDOWN_DELAY", "3000"), ("METRICS_LISTEN", "127.0.0.1:0")];
    let mut proxy = start(Upstream::start().address(), &settings);
    let readiness = || {
        let mut client = RawConnection::connect(admin::address(&proxy));
        client.send("GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n");
        client.head().status()
    };
    assert_eq!(readiness(), 200);
    proxy.process.signal("TERM");
    proxy.process.wait_for(|line| line.contains("draining in").then_some(()));
    assert_eq!(readiness(), 503);
    assert!(request(proxy.address()).unwrap().starts_with("HTTP/1.1 200"), "it serves on");
    proxy.process.signal("TERM");
    assert_eq!(proxy.process.wait().0.code(), Some(1));
}
