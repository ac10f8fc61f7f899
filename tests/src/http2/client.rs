//! A client's connection.

use std::{net::SocketAddr, sync::Arc};

use http::{Request, Response, response};
use hyper::{
    body::Incoming,
    client::conn::http2::{SendRequest, handshake},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio_rustls::TlsConnector;

use super::{ReceivedBody, StreamedBody, block_on, runtime};

/// A client's connection.
#[derive(Clone)]
pub struct Client(SendRequest<StreamedBody>);

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
    pub fn send(&mut self, request: Request<StreamedBody>) -> PendingResponse {
        let answer = self.0.send_request(request);
        PendingResponse(runtime().spawn(answer))
    }

    /// Sends a request and waits for its answer.
    pub fn request(&mut self, request: Request<StreamedBody>) -> (response::Parts, ReceivedBody) {
        self.send(request).response()
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
pub struct PendingResponse(tokio::task::JoinHandle<hyper::Result<Response<Incoming>>>);

impl PendingResponse {
    /// Waits for the answer.
    #[must_use]
    pub fn response(mut self) -> (response::Parts, ReceivedBody) {
        let (head, body) = block_on(&mut self.0).expect("no panic").expect("an answer").into_parts();
        (head, ReceivedBody(body))
    }
}

impl Drop for PendingResponse {
    fn drop(&mut self) {
        self.0.abort();
    }
}
