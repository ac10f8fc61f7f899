//! A stand-in for the API, on its own thread.
//!
//! | request | response |
//! |---|---|
//! | `POST /v1/json/{bytes}` | JSON |
//! | `POST /v1/chat/completions` | JSON, 1024 bytes |
//! | `POST /v1/chat/completions?{events}/{pause in ms}` | a chat completion as events, with its usage if the request asks for it |
//! | `POST /v1/stream/{events}/{pause in ms}` | events; without a pause all at once |
//! | `GET /v1/bytes/{bytes}` | a body of that size |
//! | `POST /v1/upload` | size and hash of the request body |
//!
//! Without the API key the response is 403, which no scenario expects.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    thread,
    time::Duration,
};

use bytes::Bytes;
use conformance::tls::Authority;
use http::{Request, Response, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    time::{Interval, interval},
};
use tokio_rustls::TlsAcceptor;

use crate::payload::{self, Checksum};

/// The key that a proxy must send.
pub(crate) const API_KEY: &str = "sk-real-abcdefghijklmnopqrstuvwxyz";

/// The protocol between a proxy and the upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum UpstreamProtocol {
    Plain,
    Tls,
    Http2,
}

impl UpstreamProtocol {
    pub(crate) const ALL: [(&'static str, Self); 3] = [("plain", Self::Plain), ("tls", Self::Tls), ("h2", Self::Http2)];
}

pub(crate) struct Upstream {
    addresses: [SocketAddr; 3],
    authority: Authority,
}

impl Upstream {
    /// Starts the server, which runs until the process ends.
    pub(crate) fn start() -> Self {
        let authority = Authority::new();
        let listeners = UpstreamProtocol::ALL.map(|(_, protocol)| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            listener.set_nonblocking(true).expect("a local socket");
            let protocol = match protocol {
                UpstreamProtocol::Plain => None,
                UpstreamProtocol::Tls => Some("http/1.1"),
                UpstreamProtocol::Http2 => Some("h2"),
            };
            (listener, protocol.map(|protocol| TlsAcceptor::from(authority.server("localhost", &[protocol]))))
        });
        let addresses = listeners.each_ref().map(|(listener, _)| listener.local_addr().expect("it is bound"));
        thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                for (listener, tls) in listeners {
                    let listener = TcpListener::from_std(listener).expect("a listener");
                    tokio::spawn(listen(listener, tls));
                }
                std::future::pending::<()>().await;
            });
        });
        Self { addresses, authority }
    }

    pub(crate) fn port(&self, protocol: UpstreamProtocol) -> u16 {
        self.addresses[protocol as usize].port()
    }

    /// Returns the file with the certificate of the CA that issued the upstream's certificate.
    pub(crate) fn ca_file(&self) -> String {
        self.authority.file()
    }
}

async fn listen(listener: TcpListener, tls: Option<TlsAcceptor>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let _ = socket.set_nodelay(true);
        let tls = tls.clone();
        tokio::spawn(async move {
            match tls {
                None => serve(socket).await,
                Some(tls) => {
                    if let Ok(socket) = tls.accept(socket).await {
                        serve(socket).await;
                    }
                }
            }
        });
    }
}

async fn serve(socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service_fn(respond)).await;
}

async fn respond(request: Request<Incoming>) -> Result<Response<ResponseBody>, Infallible> {
    let (head, mut body) = request.into_parts();
    let (mut received, mut text) = (Checksum::EMPTY, Vec::new());
    while let Some(Ok(frame)) = body.frame().await {
        let data = frame.data_ref().map_or(&[][..], |data| data);
        received.update(data);
        if head.uri.query().is_some() {
            text.extend_from_slice(data);
        }
    }
    let authorized = head.headers.get(header::AUTHORIZATION).is_some_and(|value| value == &format!("Bearer {API_KEY}"));
    if !authorized {
        return Ok(Response::builder().status(403).body(ResponseBody::whole(String::new())).expect("a good head"));
    }
    let parts: Vec<&str> = head.uri.path().split('/').skip(2).collect();
    let number = |text: &str| text.parse().unwrap_or(0);
    let pause = |text: &str| Duration::from_millis(number(text) as u64);
    let mut content_type = "application/json";
    let body = match parts[..] {
        // A route of OpenAI's API, for users with limits.
        ["chat", "completions"] => match head.uri.query().and_then(|query| query.split_once('/')) {
            None => ResponseBody::whole(payload::json(1024)),
            Some((events, milliseconds)) => {
                content_type = "text/event-stream";
                let has_usage = String::from_utf8_lossy(&text).contains(r#""include_usage":true"#);
                ResponseBody::stream(number(events), pause(milliseconds), Some(has_usage))
            }
        },
        ["json", size] => ResponseBody::whole(payload::json(number(size))),
        ["stream", events, milliseconds] => ResponseBody::stream(number(events), pause(milliseconds), None),
        ["bytes", size] => ResponseBody::Blocks {
            remaining: number(size) as u64,
            blocks: Box::new(payload::blocks(number(size) as u64)),
        },
        _ => ResponseBody::whole(received.to_json()),
    };
    // OpenAI's responses have about as many headers.
    let response = (0..12).fold(Response::builder(), |response, at| {
        response.header(format!("x-ratelimit-kind-{at}"), "30000000").header("x-request-id", "req_0123456789abcdef")
    });
    Ok(response.header(header::CONTENT_TYPE, content_type).body(body).expect("a good head"))
}

enum ResponseBody {
    Whole(Full<Bytes>),
    Stream {
        next: usize,
        events: usize,
        pause: Option<Interval>,
        /// Whether a chat completion has usage; `None` for a stream without an end.
        has_usage: Option<bool>,
    },
    Blocks {
        remaining: u64,
        blocks: Box<dyn Iterator<Item = Bytes> + Send>,
    },
}

impl ResponseBody {
    fn whole(text: String) -> Self {
        Self::Whole(Full::from(text))
    }

    fn stream(events: usize, pause: Duration, has_usage: Option<bool>) -> Self {
        Self::Stream { next: 0, events, pause: (!pause.is_zero()).then(|| interval(pause)), has_usage }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut *self {
            Self::Whole(whole) => return Pin::new(whole).poll_frame(context),
            Self::Stream { next, events, has_usage, .. } if next == events => {
                has_usage.take().map(|has_usage| payload::last_events(has_usage).into())
            }
            Self::Stream { next, pause, has_usage, .. } => {
                if let Some(pause) = pause {
                    ready!(pause.poll_tick(context));
                }
                *next += 1;
                Some(payload::event(*next - 1, *has_usage == Some(true)).into())
            }
            Self::Blocks { remaining, blocks } => {
                let block = blocks.next();
                *remaining -= block.as_ref().map_or(0, |block| block.len() as u64);
                block
            }
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Stream { .. } => http_body::SizeHint::default(),
            Self::Blocks { remaining, .. } => http_body::SizeHint::with_exact(*remaining),
        }
    }
}
