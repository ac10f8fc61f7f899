//! The front: takes plain HTTP, has the function invoked, and passes the answer on.

use std::{
    net::{SocketAddr, TcpListener},
    sync::mpsc,
    thread,
};

use base64ct::{Base64, Encoding as _};
use http::StatusCode;
use serde_json::Value;

use crate::{
    lambda::{
        Kind,
        runtime_api::{Invocation, Queue},
    },
    raw_connection::RawConnection,
};

/// What a function may be sent.
const REQUEST_MAX: usize = 6 * 1024 * 1024;

/// Listens on a free port of the loopback address; returns which.
///
/// # Panics
/// Where no port is free.
#[must_use]
pub(super) fn start(kind: Kind, queue: Queue) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let queue = queue.clone();
            thread::spawn(move || serve(RawConnection::over(stream), kind, &queue));
        }
    });
    address
}

fn serve(mut client: RawConnection, kind: Kind, queue: &Queue) {
    while client.has_more() {
        let head = client.head();
        if head.header("expect").is_some() {
            client.send("HTTP/1.1 100 Continue\r\n\r\n");
        }
        if head.content_length().is_some_and(|length| length > REQUEST_MAX) {
            client.send("HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            return;
        }
        let body = client.body(&head);
        let (back, done) = mpsc::channel();
        let reply = Reply { bodiless: head.word(0) == "HEAD", client, broken: false };
        queue.push(Invocation { event: kind.event(&head, &body), reply, back });
        // Nothing comes back where the answer broke off.
        let Ok(peer) = done.recv() else { return };
        client = peer;
    }
}

/// Has an event answered that no request made; returns what a client would get.
pub(super) fn invoke(event: &str, queue: &Queue) -> Vec<u8> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let mut far = RawConnection::connect(listener.local_addr().expect("a listener has an address"));
    let client = RawConnection::over(listener.accept().expect("a connection comes").0);
    let (back, done) = mpsc::channel();
    queue.push(Invocation { event: event.to_owned(), reply: Reply { client, bodiless: false, broken: false }, back });
    drop(done.recv());
    far.rest().0
}

/// The client's end of an invocation.
pub struct Reply {
    client: RawConnection,
    /// Whether no body may follow the head.
    bodiless: bool,
    /// Whether the client has gone; a function is not told.
    broken: bool,
}

impl Reply {
    fn send(&mut self, bytes: &[u8]) {
        self.broken = self.broken || self.client.try_send(bytes).is_err();
    }

    /// Passes on the head of an answer that comes in pieces.
    pub fn begin(&mut self, prelude: &Value) {
        let status = status(prelude);
        self.bodiless = self.bodiless || [204, 304].contains(&status);
        let mut lines = lines(prelude, status);
        // Whoever streams says no length, but where nothing follows it tells of what would have.
        if !self.bodiless {
            lines.retain(|line| !line.to_lowercase().starts_with("content-length:"));
            lines.push("transfer-encoding: chunked".to_owned());
        }
        self.send(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes());
    }

    /// Passes on a piece.
    pub fn piece(&mut self, piece: &[u8]) {
        if !self.bodiless && !piece.is_empty() {
            self.send(&[format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
        }
    }

    /// Ends an answer that came whole.
    #[must_use]
    pub fn end(mut self) -> RawConnection {
        if !self.bodiless {
            self.send(b"0\r\n\r\n");
        }
        self.client
    }

    /// Passes on an answer in one piece.
    #[must_use]
    pub fn whole(mut self, answer: &Value) -> RawConnection {
        let status = status(answer);
        let text = answer["body"].as_str().unwrap_or_default();
        let body =
            if answer["isBase64Encoded"] == true { Base64::decode_vec(text) } else { Ok(text.as_bytes().to_vec()) };
        let body = body.expect("a body in Base64 is Base64");
        let mut lines = lines(answer, status);
        if !self.bodiless && ![204, 304].contains(&status) {
            lines.retain(|line| !line.to_lowercase().starts_with("content-length:"));
            lines.push(format!("content-length: {}", body.len()));
        }
        self.send(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes());
        if !self.bodiless {
            self.send(&body);
        }
        self.client
    }

    /// Answers in the function's place.
    #[must_use]
    pub fn failed(mut self) -> RawConnection {
        self.send(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 21\r\n\r\nInternal Server Error");
        self.client
    }
}

fn status(answer: &Value) -> u16 {
    let status = answer["statusCode"].as_u64().expect("an answer has a status");
    u16::try_from(status).expect("a status has three digits")
}

fn lines(answer: &Value, status: u16) -> Vec<String> {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    let mut lines = vec![format!("HTTP/1.1 {status} {reason}")];
    let text = |value: &Value| value.as_str().expect("a header's value is text").to_owned();
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        lines.push(format!("{name}: {}", text(value)));
    }
    for (name, values) in answer["multiValueHeaders"].as_object().into_iter().flatten() {
        lines.extend(values.as_array().into_iter().flatten().map(|value| format!("{name}: {}", text(value))));
    }
    lines
}
