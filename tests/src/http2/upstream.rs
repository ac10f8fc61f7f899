//! An upstream over TLS.

use std::{
    convert::Infallible,
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

/// An HTTP/2 upstream over TLS; the test takes its requests one by one.
pub struct Upstream {
    address: SocketAddr,
    requests: Mutex<mpsc::Receiver<Exchange>>,
    connections: Arc<AtomicUsize>,
}

/// A request that waits for its answer.
pub struct Exchange {
    /// The request's head.
    pub head: request::Parts,
    /// The request's body.
    pub body: ReceivedBody,
    answer: oneshot::Sender<Response<StreamedBody>>,
}

impl Upstream {
    /// Listens on a free port of the loopback address.
    #[must_use]
    pub fn start(config: &Arc<ServerConfig>) -> Self {
        Self::start_with(config, 200)
    }

    /// The same, and takes this many requests at once on a connection.
    #[must_use]
    pub fn start_with(config: &Arc<ServerConfig>, max_concurrent_streams: u32) -> Self {
        let (found, requests) = mpsc::channel();
        let listener = block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let acceptor = TlsAcceptor::from(Arc::clone(config));
        let connections = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&connections);
        runtime().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                let _ = stream.set_nodelay(true);
                let (acceptor, found) = (acceptor.clone(), found.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| hand_over(request, found.clone()));
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

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were opened.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Waits for the next request.
    pub fn accept(&self) -> Exchange {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.recv_timeout(STEP_TIMEOUT).expect("a request comes")
    }
}

async fn hand_over(
    request: Request<Incoming>,
    found: mpsc::Sender<Exchange>,
) -> Result<Response<StreamedBody>, Infallible> {
    let (head, body) = request.into_parts();
    let (answer, answered) = oneshot::channel();
    let _ = found.send(Exchange { head, body: ReceivedBody(body), answer });
    match answered.await {
        Ok(answer) => Ok(answer),
        // The test dropped the exchange: the stream stays without an answer.
        Err(_) => std::future::pending().await,
    }
}

impl Exchange {
    /// Sends the answer's head; its body follows by the sender.
    pub fn respond(self, response: response::Builder) -> (Sender, ReceivedBody) {
        let (sender, body) = streamed_body();
        let _ = self.answer.send(response.body(body).expect("a good answer"));
        (sender, self.body)
    }

    /// Waits until the client no longer wants an answer.
    pub fn wait_cancelled(mut self) {
        block_on(self.answer.closed());
    }
}
