//! HTTP/2 clients and upstreams ([RFC 9113](https://www.rfc-editor.org/rfc/rfc9113)), driven step by step from blocking
//! tests.

mod client;
pub mod frames;
mod upstream;

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpStream},
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::{runtime::Runtime, sync::mpsc as channel, time::timeout};

pub use client::{Client, PendingResponse};
pub use upstream::{Exchange, Upstream};

use crate::raw_connection::STEP_TIMEOUT;

/// A body that the test sends in pieces; dropping the sender ends it.
pub struct StreamedBody(channel::UnboundedReceiver<io::Result<Frame<Bytes>>>);

/// Sends the pieces of a body.
#[derive(Clone)]
pub struct Sender(channel::UnboundedSender<io::Result<Frame<Bytes>>>);

/// A body and its sender.
#[must_use]
pub fn streamed_body() -> (Sender, StreamedBody) {
    let (sender, receiver) = channel::unbounded_channel();
    (Sender(sender), StreamedBody(receiver))
}

/// A body without bytes.
#[must_use]
pub fn empty() -> StreamedBody {
    streamed_body().1
}

impl Sender {
    /// Sends a piece.
    pub fn send(&self, data: impl Into<Bytes>) {
        let _ = self.0.send(Ok(Frame::data(data.into())));
    }

    /// Sends trailers.
    pub fn trailers(&self, trailers: http::HeaderMap) {
        let _ = self.0.send(Ok(Frame::trailers(trailers)));
    }

    /// Resets the stream.
    pub fn reset(&self) {
        let _ = self.0.send(Err(io::Error::other("reset by the test")));
    }

    /// Whether the receiver still reads.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.0.is_closed()
    }

    /// Waits until the receiver is gone.
    pub fn wait_cancelled(&self) {
        block_on(self.0.closed());
    }
}

impl Body for StreamedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_closed() && self.0.is_empty()
    }
}

/// A body that is received in pieces.
pub struct ReceivedBody(Incoming);

impl ReceivedBody {
    /// Waits for the next non-empty piece; `None` at the regular end, an error if the stream was cut.
    pub fn next_data(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        loop {
            match block_on(self.0.frame())? {
                Ok(frame) if frame.is_data() => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Some(Ok(data)),
                    Err(_) => {}
                },
                Ok(frame) => panic!("unexpected trailers: {frame:?}"),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Waits for the whole body.
    #[must_use]
    pub fn all(mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(piece) = self.next_data() {
            all.extend(piece.expect("the body is complete"));
        }
        all
    }
}

/// Connects a plain socket for a TLS client.
#[must_use]
pub fn socket(address: SocketAddr) -> TcpStream {
    TcpStream::connect_timeout(&address, STEP_TIMEOUT).expect("the connection is accepted")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(async { timeout(STEP_TIMEOUT, future).await.expect("the step ends in time") })
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime starts")
    })
}
