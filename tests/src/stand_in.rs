//! A stand-in for OpenAI that real clients can use: it accepts only the API key, and records every request.

mod api;
mod body;
mod form;
mod media;
mod realtime;
mod shapes;

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::{net::TcpListener, sync::watch};

use body::Body;

/// A request that reached the stand-in.
#[derive(Clone, Debug, Serialize)]
pub struct RecordedRequest {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// In the order received within a name; bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The body's `model`, if it is JSON and has one.
    pub model: Option<String>,
    /// The body, if it is JSON.
    pub json: Option<serde_json::Value>,
    /// The body's length.
    pub body_len: usize,
    /// The body's SHA-256, in hexadecimal.
    pub body_sha256: String,
}

/// A running stand-in; it stops with the process.
pub struct StandIn {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    api_key: String,
    requests: Mutex<Vec<RecordedRequest>>,
    /// Gates of streams that wait until their gate is opened.
    gates: Mutex<HashMap<String, watch::Sender<bool>>>,
}

impl StandIn {
    /// Starts on a free loopback port; `api_key` is the only accepted key.
    #[must_use]
    pub fn start(api_key: &str) -> Self {
        let state = State { api_key: api_key.to_owned(), requests: Mutex::default(), gates: Mutex::default() };
        let state = Arc::new(state);
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("bind a free port");
        listener.set_nonblocking(true).expect("set the socket option");
        let address = listener.local_addr().expect("read the listener's address");
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime starts").block_on(serve(listener, shared));
        });
        Self { address, state }
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request to the API so far.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state.requests().clone()
    }
}

impl State {
    fn requests(&self) -> std::sync::MutexGuard<'_, Vec<RecordedRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of requests with this behaviour, including the current one.
    fn count(&self, behaviour: &str) -> usize {
        let has_it =
            |request: &&RecordedRequest| request.json.as_ref().is_some_and(|json| api::behaviour(json) == behaviour);
        self.requests().iter().filter(has_it).count()
    }

    fn gate(&self, name: &str) -> watch::Sender<bool> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.entry(name.to_owned()).or_insert_with(|| watch::channel(false).0).clone()
    }
}

async fn serve(listener: std::net::TcpListener, state: Arc<State>) {
    let listener = TcpListener::from_std(listener).expect("a listener can be polled");
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        let service = service_fn(move |request| respond(request, Arc::clone(&state)));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades());
    }
}

async fn respond(mut request: Request<Incoming>, state: Arc<State>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    // For the tests themselves, not through the proxy.
    if path == "/_requests" {
        return Ok(body::json(StatusCode::OK, &serde_json::json!(*state.requests())));
    }
    if let Some(gate) = path.strip_prefix("/_open/") {
        state.gate(gate).send_replace(true);
        return Ok(body::json(StatusCode::OK, &serde_json::json!({})));
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let (head, incoming) = request.into_parts();
    let Ok(sent) = incoming.collect().await else { return Ok(body::teapot("the body is incomplete")) };
    let sent: Bytes = sent.to_bytes();
    let parsed: Option<serde_json::Value> = serde_json::from_slice(&sent).ok();
    let json = parsed.clone().unwrap_or_default();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    state.requests().push(RecordedRequest {
        method: head.method.to_string(),
        target: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        model: json["model"].as_str().map(str::to_owned),
        json: parsed,
        body_len: sent.len(),
        body_sha256: body::digest(&sent),
    });
    let bearer = format!("Bearer {}", state.api_key);
    // A status that OpenAI never sends: only the API key may arrive here.
    if !head.headers.get_all(header::AUTHORIZATION).iter().eq([bearer.as_str()]) {
        return Ok(body::teapot("this is not the API key"));
    }
    if head.method == Method::GET && head.headers.contains_key(header::UPGRADE) {
        return Ok(realtime::open(&head, upgrade));
    }
    Ok(api::respond(&head, &sent, &json, &state))
}
