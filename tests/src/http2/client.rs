//! An HTTP/2 client connection.

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

/// An HTTP/2 client connection.
#[derive(Clone)]
pub struct Client(SendRequest<StreamedBody>);

impl Client {
    /// Connects with prior knowledge ([RFC 9113 §3.3](https://www.rfc-editor.org/rfc/rfc9113#section-3.3)).
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await.expect("the connection is accepted");
            stream.set_nodelay(true).expect("set the socket option");
            Self::over(stream).await
        })
    }

    /// Connects over TLS to `localhost`; ALPN must select `h2`.
    #[must_use]
    pub fn connect_tls(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await.expect("the connection is accepted");
            stream.set_nodelay(true).expect("set the socket option");
            let name = ServerName::try_from("localhost").expect("a valid name");
            let stream =
                TlsConnector::from(Arc::clone(config)).connect(name, stream).await.expect("the TLS handshake succeeds");
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
            Self::over(stream).await
        })
    }

    async fn over(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static) -> Self {
        let (client, connection) =
            handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("the HTTP/2 handshake succeeds");
        tokio::spawn(connection);
        Self(client)
    }

    /// Sends a request without waiting for its response.
    pub fn send(&mut self, request: Request<StreamedBody>) -> PendingResponse {
        let response = self.0.send_request(request);
        PendingResponse(runtime().spawn(response))
    }

    /// Sends a request and waits for its response.
    pub fn request(&mut self, request: Request<StreamedBody>) -> (response::Parts, ReceivedBody) {
        self.send(request).response()
    }

    /// Whether the server closed the connection or sent GOAWAY.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Waits until the server accepts no more requests.
    pub fn wait_closed(&mut self) {
        block_on(async {
            while self.0.ready().await.is_ok() {
                tokio::task::yield_now().await;
            }
        });
    }
}

/// A request without its response; dropping it resets the stream.
pub struct PendingResponse(tokio::task::JoinHandle<hyper::Result<Response<Incoming>>>);

impl PendingResponse {
    /// Waits for the response.
    #[must_use]
    pub fn response(mut self) -> (response::Parts, ReceivedBody) {
        let (head, body) = block_on(&mut self.0).expect("no panic").expect("a response").into_parts();
        (head, ReceivedBody(body))
    }

    /// Waits for the end of the request; whether it has no response.
    #[must_use]
    pub fn is_cut(mut self) -> bool {
        block_on(&mut self.0).expect("no panic").is_err()
    }
}

impl Drop for PendingResponse {
    fn drop(&mut self) {
        self.0.abort();
    }
}
