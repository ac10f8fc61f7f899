//! The event source: accepts plain HTTP, invokes the function and forwards the response.

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
        EventSource,
        runtime_api::{Invocation, Queue},
    },
    raw_connection::RawConnection,
};

/// [Lambda's limit](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html) for an event, in bytes.
const MAX_REQUEST: usize = 6 * 1024 * 1024;

/// Listens on a free loopback port; returns its address.
///
/// # Panics
/// If no port is free.
#[must_use]
pub(super) fn start(source: EventSource, queue: Queue) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let queue = queue.clone();
            thread::spawn(move || serve(RawConnection::over(stream), source, &queue));
        }
    });
    address
}

fn serve(mut client: RawConnection, source: EventSource, queue: &Queue) {
    while client.has_more() {
        let head = client.head();
        if head.header("expect").is_some() {
            client.send("HTTP/1.1 100 Continue\r\n\r\n");
        }
        if head.content_length().is_some_and(|length| length > MAX_REQUEST) {
            client.send("HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            return;
        }
        let body = client.body(&head);
        let (back, done) = mpsc::channel();
        let reply = Reply { bodiless: head.word(0) == "HEAD", client, broken: false };
        queue.push(Invocation { event: source.event(&head, &body), reply, back });
        // The connection does not come back if the response was truncated.
        let Ok(connection) = done.recv() else { return };
        client = connection;
    }
}

/// Invokes the function with an event that no request made; returns what a client receives.
pub(super) fn invoke(event: &str, queue: &Queue) -> Vec<u8> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let mut outer = RawConnection::connect(listener.local_addr().expect("a listener has an address"));
    let client = RawConnection::over(listener.accept().expect("a connection comes").0);
    let (back, done) = mpsc::channel();
    queue.push(Invocation { event: event.to_owned(), reply: Reply { client, bodiless: false, broken: false }, back });
    drop(done.recv());
    outer.rest().0
}

/// The response to the client of an invocation.
pub struct Reply {
    client: RawConnection,
    /// The response to HEAD, or a 204 or 304: no body follows.
    bodiless: bool,
    /// The client has disconnected, which a function cannot see.
    broken: bool,
}

impl Reply {
    fn send(&mut self, bytes: &[u8]) {
        self.broken = self.broken || self.client.try_send(bytes).is_err();
    }

    /// Forwards the head of a streamed response.
    pub fn begin(&mut self, prelude: &Value) {
        let status = status(prelude);
        self.bodiless = self.bodiless || [204, 304].contains(&status);
        let mut lines = lines(prelude, status);
        // A streamed body is chunked. Without a body, `content-length` may stay:
        // <https://www.rfc-editor.org/rfc/rfc9110#section-8.6>.
        if !self.bodiless {
            lines.retain(|line| !line.to_lowercase().starts_with("content-length:"));
            lines.push("transfer-encoding: chunked".to_owned());
        }
        self.send(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes());
    }

    /// Forwards a chunk.
    pub fn chunk(&mut self, chunk: &[u8]) {
        if !self.bodiless && !chunk.is_empty() {
            self.send(&[format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
    }

    /// Ends a streamed response.
    #[must_use]
    pub fn end(mut self) -> RawConnection {
        if !self.bodiless {
            self.send(b"0\r\n\r\n");
        }
        self.client
    }

    /// Forwards a buffered response.
    #[must_use]
    pub fn buffered(mut self, response: &Value) -> RawConnection {
        let status = status(response);
        let text = response["body"].as_str().unwrap_or_default();
        let body =
            if response["isBase64Encoded"] == true { Base64::decode_vec(text) } else { Ok(text.as_bytes().to_vec()) };
        let body = body.expect("a Base64 body is valid");
        let mut lines = lines(response, status);
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

    /// Responds as AWS does if the function failed.
    #[must_use]
    pub fn failed(mut self) -> RawConnection {
        self.send(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 21\r\n\r\nInternal Server Error");
        self.client
    }
}

fn status(response: &Value) -> u16 {
    let status = response["statusCode"].as_u64().expect("a response has a status");
    u16::try_from(status).expect("a status has three digits")
}

fn lines(response: &Value, status: u16) -> Vec<String> {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    let mut lines = vec![format!("HTTP/1.1 {status} {reason}")];
    let text = |value: &Value| value.as_str().expect("a header value is text").to_owned();
    for (name, value) in response["headers"].as_object().into_iter().flatten() {
        lines.push(format!("{name}: {}", text(value)));
    }
    for (name, values) in response["multiValueHeaders"].as_object().into_iter().flatten() {
        lines.extend(values.as_array().into_iter().flatten().map(|value| format!("{name}: {}", text(value))));
    }
    lines
}
