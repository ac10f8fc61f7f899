//! One client's connection: TLS, the protocol, and its end.

use std::{fmt::Display, future::Future, io, pin::Pin, sync::Arc, time::Duration};

use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sparekey::{aside::Aside, stream::Stream};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    activity::{Activity, Bounds},
    proxy::Proxy,
    socket::Socket,
};

/// How long a connection that is being closed may take to say so.
const FAREWELL: Duration = Duration::from_secs(1);

/// How a client begins that knows of HTTP/2 here ([RFC 9113 §3.4](https://www.rfc-editor.org/rfc/rfc9113#section-3.4)).
const PREFACE: &[u8; 4] = b"PRI ";
/// The wait for the rest of what may become that.
const PREFACE_PAUSE: Duration = Duration::from_millis(10);

/// How connections are served.
#[derive(Clone)]
pub(crate) struct Protocol {
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) bounds: Bounds,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

/// Who talks to the client, and for how long.
pub(crate) struct Client {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) activity: Arc<Activity>,
    /// Turns true when no further request is taken.
    pub(crate) draining: watch::Receiver<bool>,
}

impl Protocol {
    pub(crate) fn new(tls: Option<TlsAcceptor>, bounds: Bounds, max_head: usize) -> Self {
        let (mut http1, mut http2) = (http1::Builder::new(), http2::Builder::new(TokioExecutor::new()));
        http1.max_buf_size(max_head);
        http2.max_header_list_size(u32::try_from(max_head).unwrap_or(u32::MAX));
        Self { tls, bounds, http1, http2 }
    }

    /// Serves a connection to its end.
    pub(crate) async fn serve(self, stream: TcpStream, mut client: Client) {
        let begun = match &self.tls {
            None => begin_plain(stream, &mut client).await,
            // Apart, so that plain connections don't carry what TLS needs.
            Some(tls) => Box::pin(self.begin_tls(tls, stream)).await,
        };
        match begun {
            Ok(Some((stream, http2))) => self.speak(stream, http2, client),
            Ok(None) => {}
            Err(error) => tracing::debug!("connection ended: {error}"),
        }
    }

    async fn begin_tls(&self, tls: &TlsAcceptor, stream: TcpStream) -> io::Result<Option<(Stream, bool)>> {
        let stream = timeout(self.bounds.head, tls.accept(stream)).await.map_err(io::Error::from)??;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Some((Stream::Tls(Box::new(stream.into())), http2)))
    }

    /// Goes on in a task of its own, which holds nothing of how the connection began.
    fn speak(&self, stream: Stream, http2: bool, client: Client) {
        let socket = TokioIo::new(Socket::new(stream, Arc::clone(&client.activity)));
        let (proxy, activity) = (Arc::clone(&client.proxy), Arc::clone(&client.activity));
        let service = service_fn(move |request| Arc::clone(&proxy).serve(request, &activity));
        if http2 {
            let connection = Box::pin(self.http2.serve_connection(socket, service));
            tokio::spawn(client.see_to_its_end(connection, http2::Connection::graceful_shutdown));
        } else {
            let connection = Box::pin(self.http1.serve_connection(socket, service).with_upgrades());
            tokio::spawn(client.see_to_its_end(connection, http1::UpgradeableConnection::graceful_shutdown));
        }
    }
}

/// Finds the protocol; `None` where the client said nothing in time.
async fn begin_plain(stream: TcpStream, client: &mut Client) -> io::Result<Option<(Stream, bool)>> {
    let http2 = tokio::select! {
        http2 = begins_http2(&stream) => http2?,
        () = client.ended() => return Ok(None),
    };
    Ok(Some((Stream::Plain(stream), http2)))
}

/// Whether the client speaks HTTP/2 without having asked.
async fn begins_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut begin = [0; PREFACE.len()];
    loop {
        let count = stream.peek(&mut begin).await?;
        if count == PREFACE.len() || count == 0 || begin[..count] != PREFACE[..count] {
            return Ok(begin == *PREFACE);
        }
        sleep(PREFACE_PAUSE).await;
    }
}

impl Client {
    /// Returns once it has said nothing for too long, or no further request is taken.
    async fn ended(&mut self) {
        tokio::select! {
            () = self.activity.expired() => {}
            _ = self.draining.wait_for(|draining| *draining) => {}
        }
    }

    /// Of a thousand connections that stream, each is far from the processor when its turn comes: the less of it is looked
    /// at, the better. What seldom moves is boxed.
    async fn see_to_its_end<C, E>(mut self, mut connection: Pin<Box<C>>, say_goodbye: impl FnOnce(Pin<&mut C>))
    where
        C: Future<Output = Result<(), E>> + ?Sized,
        E: Display,
    {
        let mut ended = {
            let watch = Box::pin(self.ended());
            tokio::select! {
                biased;
                ended = &mut connection => Some(ended),
                () = Aside::new(watch) => None,
            }
        };
        if ended.is_none() {
            say_goodbye(connection.as_mut());
            let overdue = Box::pin(async {
                sleep(FAREWELL).await;
                self.activity.expired().await;
            });
            ended = tokio::select! {
                ended = &mut connection => Some(ended),
                () = overdue => None,
            };
        }
        if let Some(Err(error)) = ended {
            tracing::debug!("connection ended: {error}");
        }
    }
}
