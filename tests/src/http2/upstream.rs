//! An HTTP/2 upstream over TLS.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use http::{Request, Response, request, response};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::{ReceivedBody, Sender, StreamedBody, block_on, runtime, streamed_body};
use crate::raw_connection::STEP_TIMEOUT;

/// An HTTP/2 upstream over TLS; the test accepts its requests one by one.
pub struct Upstream {
    address: SocketAddr,
    requests: Mutex<mpsc::Receiver<Exchange>>,
    connections: Arc<AtomicUsize>,
}

/// A request that waits for its response.
pub struct Exchange {
    /// The request's head.
    pub head: request::Parts,
    /// The request's body.
    pub body: ReceivedBody,
    response_tx: oneshot::Sender<Result<Response<StreamedBody>, h2::Error>>,
}

impl Upstream {
    /// Listens on a free port of the loopback address.
    #[must_use]
    pub fn start(config: &Arc<ServerConfig>) -> Self {
        Self::start_with(config, 200)
    }

    /// Like [`Self::start`], with this `SETTINGS_MAX_CONCURRENT_STREAMS`.
    #[must_use]
    pub fn start_with(config: &Arc<ServerConfig>, max_concurrent_streams: u32) -> Self {
        let (tx, requests) = mpsc::channel();
        let listener = block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).expect("bind a free port");
        let address = listener.local_addr().expect("read the listener's address");
        let acceptor = TlsAcceptor::from(Arc::clone(config));
        let connections = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&connections);
        runtime().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                let _ = stream.set_nodelay(true);
                let (acceptor, tx) = (acceptor.clone(), tx.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| hand_over(request, tx.clone()));
                    let _ = http2::Builder::new(TokioExecutor::new())
                        .max_local_error_reset_streams(Some(1024))
                        .max_concurrent_streams(max_concurrent_streams)
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, requests: Mutex::new(requests), connections }
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of accepted connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Waits for the next request.
    pub fn accept(&self) -> Exchange {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.recv_timeout(STEP_TIMEOUT).expect("a request arrives")
    }
}

async fn hand_over(
    request: Request<Incoming>,
    tx: mpsc::Sender<Exchange>,
) -> Result<Response<StreamedBody>, h2::Error> {
    let (head, body) = request.into_parts();
    let (response_tx, response_rx) = oneshot::channel();
    let _ = tx.send(Exchange { head, body: ReceivedBody(body), response_tx });
    match response_rx.await {
        Ok(result) => result,
        // The test dropped the exchange: the stream stays open without a response.
        Err(_) => std::future::pending().await,
    }
}

impl Exchange {
    /// Sends the response head; the sender sends its body.
    pub fn respond(self, response: response::Builder) -> (Sender, ReceivedBody) {
        let (sender, body) = streamed_body();
        let _ = self.response_tx.send(Ok(response.body(body).expect("a valid response")));
        (sender, self.body)
    }

    /// Resets the stream without a response.
    pub fn reset(self, reason: h2::Reason) {
        let _ = self.response_tx.send(Err(reason.into()));
    }

    /// Waits until the client cancels the request.
    pub fn wait_cancelled(mut self) {
        block_on(self.response_tx.closed());
    }
}
