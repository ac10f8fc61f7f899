//! A stand-in for OpenAI inside the server's process, so that Sparekey can be tried without an OpenAI key.
//!
//! **In scope:** models, chat completions and responses, whole and streamed, in the shapes that OpenAI's SDKs
//! parse; its error envelope. **Out of scope:** every other path, tools, WebSockets, conversations that are
//! remembered, connections from any other host.

mod body;
mod chat;
mod models;
mod refusal;
mod responses;
mod turn;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use body::Body;
use refusal::Refusal;

/// Starts the stand-in on the current tokio runtime, and returns where it listens: a free port of 127.0.0.1, plain
/// HTTP/1.1, the API under `/v1`. It runs until the runtime ends, and takes no key but `real_key`.
///
/// # Errors
/// What binding the port failed with.
///
/// # Panics
/// Outside a tokio runtime that has IO and time enabled.
pub async fn start(real_key: &str) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let demo = Demo { authorization: format!("Bearer {real_key}"), requests: AtomicU64::new(0) };
    tokio::spawn(accept(listener, Arc::new(demo)));
    Ok(address)
}

struct Demo {
    authorization: String,
    requests: AtomicU64,
}

async fn accept(listener: TcpListener, demo: Arc<Demo>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, Arc::clone(&demo)))),
            // Most likely no file descriptor is left: an immediate retry would spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve(stream: TcpStream, demo: Arc<Demo>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| async { Ok::<_, Infallible>(demo.answer(request).await) });
    // An error is a client that left: nobody is there to be told.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Demo {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let started = Instant::now();
        let id = format!("demo{}", self.requests.fetch_add(1, Ordering::Relaxed));
        let mut response = self.route(request, &id).await.unwrap_or_else(|refusal| refusal.to_response());
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::try_from(format!("req_{id}")) {
            headers.insert("x-request-id", value);
        }
        if let Ok(value) = HeaderValue::try_from(started.elapsed().as_millis().to_string()) {
            headers.insert("openai-processing-ms", value);
        }
        headers.insert("openai-version", HeaderValue::from_static("2020-10-01"));
        response
    }

    async fn route(&self, request: Request<Incoming>, id: &str) -> Result<Response<Body>, Refusal> {
        let (head, incoming) = request.into_parts();
        // Read before anything is refused: the end of a connection with unread bytes is a reset, in which the
        // refusal may be lost.
        let bytes = body::read(incoming).await;
        if !self.is_authorized(&head.headers) {
            return Err(Refusal::wrong_key());
        }
        match (&head.method, head.uri.path()) {
            (&Method::GET, "/v1/models") => Ok(body::json(&models::list())),
            (&Method::POST, "/v1/chat/completions") => chat::answer(id, &body::parse(&bytes?)?),
            (&Method::POST, "/v1/responses") => responses::answer(id, &body::parse(&bytes?)?),
            (method, path) => match path.strip_prefix("/v1/models/") {
                Some(model) if method == Method::GET => models::one(model).map(|model| body::json(&model)),
                _ => Err(Refusal::unknown_url(method, path)),
            },
        }
    }

    fn is_authorized(&self, headers: &HeaderMap) -> bool {
        headers.get(AUTHORIZATION).is_some_and(|value| value == self.authorization.as_str())
    }
}
