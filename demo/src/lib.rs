//! A stand-in for OpenAI's API, so that Sparekey can be tried without an OpenAI key.
//!
//! **In scope:** models, chat completions and responses, whole and streamed; the error envelope; [`shapes`], which the
//! stand-ins of the test suite and the benchmark use too.
//!
//! **Out of scope:** all other routes, tools, WebSockets, stored conversations, connections from other hosts.

mod refusal;
mod request;
mod response;
pub mod shapes;
mod turn;

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderValue, Method, Request, Response, header::AUTHORIZATION};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

use self::{
    refusal::Refusal,
    response::Body,
    shapes::{Generation, chat, models, responses},
    turn::Turn,
};

/// The models in the list. A request may name any other model too.
const MODELS: [&str; 3] = ["gpt-demo", "gpt-5.4-mini", "gpt-4o-mini"];

struct Demo {
    authorization: String,
    requests: AtomicU64,
}

/// Starts the stand-in on the current tokio runtime and returns its address: a free port of 127.0.0.1, plain HTTP/1.1,
/// the API under `/v1`. It runs until the runtime ends, and accepts only `api_key`.
///
/// # Errors
/// Those of binding the port.
///
/// # Panics
/// Outside a tokio runtime with I/O and time enabled.
pub async fn start(api_key: &str) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let demo = Demo { authorization: format!("Bearer {api_key}"), requests: AtomicU64::new(0) };
    tokio::spawn(accept(listener, Arc::new(demo)));
    Ok(address)
}

async fn accept(listener: TcpListener, demo: Arc<Demo>) {
    loop {
        let (stream, _) = sparekey_net::accept(std::slice::from_ref(&listener)).await;
        tokio::spawn(serve(stream, Arc::clone(&demo)));
    }
}

async fn serve(stream: TcpStream, demo: Arc<Demo>) {
    let service = service_fn(|request| async { Ok::<_, Infallible>(demo.respond(request).await) });
    // An error means that the client has closed the connection.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Demo {
    async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
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
        // Read first: closing a connection with unread bytes resets it, and the error response may be lost
        // (https://www.rfc-editor.org/rfc/rfc9112#section-9.6).
        let body = request::read(incoming).await;
        if !self.is_authorized(&head.headers) {
            return Err(Refusal::wrong_key());
        }
        match (&head.method, head.uri.path()) {
            (&Method::GET, "/v1/models") => Ok(response::json(&models::list(&MODELS))),
            (&Method::POST, "/v1/chat/completions") => {
                let request = request::parse(&body?)?;
                let include_usage = request["stream_options"]["include_usage"] == true;
                generate(id, &request, "messages", chat::completion, |generation| {
                    chat::events(generation, include_usage)
                })
            }
            (&Method::POST, "/v1/responses") => {
                generate(id, &request::parse(&body?)?, "input", responses::completed, responses::events)
            }
            (method, path) => match path.strip_prefix("/v1/models/") {
                Some(id) if method == Method::GET && MODELS.contains(&id) => Ok(response::json(&models::model(id))),
                Some(id) if method == Method::GET => Err(Refusal::unknown_model(id)),
                _ => Err(Refusal::unknown_url(method, path)),
            },
        }
    }

    fn is_authorized(&self, headers: &HeaderMap) -> bool {
        headers.get(AUTHORIZATION).is_some_and(|value| value == self.authorization.as_str())
    }
}

/// Generates a text, in one of two shapes.
fn generate(
    id: &str,
    request: &Value,
    messages: &'static str,
    whole: impl Fn(&Generation<'_>) -> Value,
    streamed: impl Fn(&Generation<'_>) -> Vec<String>,
) -> Result<Response<Body>, Refusal> {
    let Turn { model, text, input_tokens } = Turn::parse(request, messages)?;
    let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let generation = Generation { id, created, model, text: &text, input_tokens, ..Generation::default() };
    Ok(if request["stream"] == true {
        response::events(streamed(&generation))
    } else {
        response::json(&whole(&generation))
    })
}
