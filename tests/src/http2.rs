//! HTTP/2 ends of connections, driven step by step from blocking tests.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::{SocketAddr, TcpStream},
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, request, response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::{
    body::Incoming,
    client::conn::http2::{SendRequest, handshake},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, ServerConfig, pki_types::ServerName};
use tokio::{
    runtime::Runtime,
    sync::{mpsc as channel, oneshot},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::peer::GUARD;

/// A body that the test sends piece by piece; dropping the sender ends it.
pub struct Pieces(channel::UnboundedReceiver<io::Result<Frame<Bytes>>>);

/// Sends the pieces of a body.
#[derive(Clone)]
pub struct Sender(channel::UnboundedSender<io::Result<Frame<Bytes>>>);

/// A body and its sender.
#[must_use]
pub fn pieces() -> (Sender, Pieces) {
    let (sender, receiver) = channel::unbounded_channel();
    (Sender(sender), Pieces(receiver))
}

/// A body without bytes.
#[must_use]
pub fn empty() -> Pieces {
    pieces().1
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

    /// Breaks the stream, which resets it.
    pub fn reset(&self) {
        let _ = self.0.send(Err(io::Error::other("reset by the test")));
    }

    /// Whether somebody still wants more.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        !self.0.is_closed()
    }

    /// Waits until nobody wants more.
    pub fn wait_unwanted(&self) {
        block_on(self.0.closed());
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_closed() && self.0.is_empty()
    }
}

/// A body that is received piece by piece.
pub struct Received(Incoming);

impl Received {
    /// Waits for the next piece with bytes; `None` at the good end, an error where the stream was cut.
    pub fn piece(&mut self) -> Option<Result<Bytes, hyper::Error>> {
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
        while let Some(piece) = self.piece() {
            all.extend(piece.expect("the body is whole"));
        }
        all
    }
}

/// A client's connection.
#[derive(Clone)]
pub struct Client(SendRequest<Pieces>);

impl Client {
    /// Connects with prior knowledge.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await.expect("a connection is taken");
            stream.set_nodelay(true).expect("a socket takes an option");
            Self::over(stream).await
        })
    }

    /// Connects over TLS to `localhost`; the protocol is agreed on by ALPN.
    #[must_use]
    pub fn connect_tls(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await.expect("a connection is taken");
            stream.set_nodelay(true).expect("a socket takes an option");
            let name = ServerName::try_from("localhost").expect("a good name");
            let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await.expect("TLS is agreed on");
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
            Self::over(stream).await
        })
    }

    async fn over(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static) -> Self {
        let (client, connection) =
            handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2 is spoken");
        tokio::spawn(connection);
        Self(client)
    }

    /// Sends a request; the answer is waited for elsewhere.
    pub fn send(&mut self, request: Request<Pieces>) -> Waiting {
        let answer = self.0.send_request(request);
        Waiting(runtime().spawn(answer))
    }

    /// Sends a request and waits for its answer.
    pub fn ask(&mut self, request: Request<Pieces>) -> (response::Parts, Received) {
        self.send(request).answer()
    }

    /// Whether the other end took leave.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Waits until the other end takes no more requests.
    pub fn wait_closed(&mut self) {
        block_on(async {
            while self.0.ready().await.is_ok() {
                tokio::task::yield_now().await;
            }
        });
    }
}

/// A request whose answer is to come; dropping it resets the stream.
pub struct Waiting(tokio::task::JoinHandle<hyper::Result<Response<Incoming>>>);

impl Waiting {
    /// Waits for the answer.
    #[must_use]
    pub fn answer(mut self) -> (response::Parts, Received) {
        let (head, body) = block_on(&mut self.0).expect("no panic").expect("an answer").into_parts();
        (head, Received(body))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

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
    pub body: Received,
    answer: oneshot::Sender<Response<Pieces>>,
}

impl Upstream {
    /// Listens on a free port of the loopback address.
    #[must_use]
    pub fn start(config: &Arc<ServerConfig>) -> Self {
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
        requests.recv_timeout(GUARD).expect("a request comes")
    }
}

async fn hand_over(request: Request<Incoming>, found: mpsc::Sender<Exchange>) -> Result<Response<Pieces>, Infallible> {
    let (head, body) = request.into_parts();
    let (answer, answered) = oneshot::channel();
    let _ = found.send(Exchange { head, body: Received(body), answer });
    match answered.await {
        Ok(answer) => Ok(answer),
        // The test dropped the exchange: the stream stays without an answer.
        Err(_) => std::future::pending().await,
    }
}

impl Exchange {
    /// Sends the answer's head; its body follows by the sender.
    pub fn answer(self, response: response::Builder) -> (Sender, Received) {
        let (sender, body) = pieces();
        let _ = self.answer.send(response.body(body).expect("a good answer"));
        (sender, self.body)
    }

    /// Waits until the client no longer wants an answer.
    pub fn wait_unwanted(mut self) {
        block_on(self.answer.closed());
    }
}

/// A plain socket's address for a client of TLS.
#[must_use]
pub fn socket(address: SocketAddr) -> TcpStream {
    TcpStream::connect_timeout(&address, GUARD).expect("a connection is taken")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(async { timeout(GUARD, future).await.expect("it happens in time") })
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime starts")
    })
}
