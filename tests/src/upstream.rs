//! Upstreams for tests: one that does what the test says step by step, and one that answers by itself.

use std::{
    io::ErrorKind,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError, Weak, mpsc},
    thread,
};

use tungstenite::handshake::derive_accept_key;

use crate::raw_connection::{Head, RawConnection, STEP_TIMEOUT, Shared, wait_until};

/// A listening socket; the test takes its connections one by one.
pub struct Upstream(TcpListener);

impl Upstream {
    /// Listens on a free port of the loopback address.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        socket2::SockRef::from(&listener).set_read_timeout(Some(STEP_TIMEOUT)).expect("a socket takes a timeout");
        Self(listener)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("a listener has an address")
    }

    /// Waits for the next connection that the proxy opens.
    #[must_use]
    pub fn accept(&self) -> RawConnection {
        RawConnection::over(self.0.accept().expect("the proxy connects").0)
    }

    /// Whether no connection waits to be accepted.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.try_accept().is_none()
    }

    /// Waits for the next connection, or for what makes it needless.
    #[must_use]
    pub fn accept_unless(&self, needless: impl Fn() -> bool) -> Option<RawConnection> {
        let mut stream = None;
        wait_until("the proxy connects", || {
            stream = self.try_accept();
            stream.is_some() || needless()
        });
        stream.map(RawConnection::over)
    }

    fn try_accept(&self) -> Option<TcpStream> {
        self.0.set_nonblocking(true).expect("a socket takes an option");
        let accepted = self.0.accept();
        self.0.set_nonblocking(false).expect("a socket takes an option");
        match accepted {
            Ok((stream, _)) => Some(stream),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }
}

/// What accepts the sample handshake of RFC 6455, whose key is `dGhlIHNhbXBsZSBub25jZQ==`.
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// An answer that accepts the sample handshake made to accept this one: a runtime may shake hands anew.
#[must_use]
pub fn with_accept_key(mut answer: Vec<u8>, request: &Head) -> Vec<u8> {
    let at = answer.windows(ACCEPT.len()).position(|part| part == ACCEPT);
    if let (Some(at), Some(key)) = (at, request.header("sec-websocket-key")) {
        answer.splice(at..at + ACCEPT.len(), derive_accept_key(key.as_bytes()).into_bytes());
    }
    answer
}

/// A request that reached an upstream.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    /// Its head, with every byte.
    pub head: Head,
    /// Its whole body.
    pub body: Vec<u8>,
}

/// An upstream that answers by itself, over as many connections as come, and keeps every request.
pub struct RespondingUpstream {
    address: SocketAddr,
    received: Arc<Mutex<Vec<ReceivedRequest>>>,
    /// Its connections, of which some have ended; `None` once it has stopped.
    open: Arc<Mutex<Option<Vec<Weak<TcpStream>>>>>,
}

impl RespondingUpstream {
    /// `answer` gives the bytes of an answer; none ends the connection.
    #[must_use]
    pub fn start(answer: impl Fn(&ReceivedRequest) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::conversing(answer, || true)
    }

    /// The same, but each connection is closed after its first answer, when `close` is told so, without a word.
    #[must_use]
    pub fn start_closing(
        answer: impl Fn(&ReceivedRequest) -> Vec<u8> + Send + Sync + 'static,
        close: mpsc::Receiver<()>,
    ) -> Self {
        let close = Mutex::new(close);
        Self::conversing(answer, move || {
            let _ = close.lock().unwrap_or_else(PoisonError::into_inner).recv();
            false
        })
    }

    /// `goes_on` is asked after each answer.
    fn conversing(
        answer: impl Fn(&ReceivedRequest) -> Vec<u8> + Send + Sync + 'static,
        goes_on: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::conversing_at(SocketAddr::from(([127, 0, 0, 1], 0)), answer, goes_on)
    }

    fn conversing_at(
        address: SocketAddr,
        answer: impl Fn(&ReceivedRequest) -> Vec<u8> + Send + Sync + 'static,
        goes_on: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("the port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let received = Arc::new(Mutex::new(Vec::new()));
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let all = Arc::clone(&open);
        let script = Arc::new((Arc::clone(&received), answer, goes_on));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let stream = Arc::new(stream);
                match &mut *all.lock().unwrap_or_else(PoisonError::into_inner) {
                    Some(open) => open.push(Arc::downgrade(&stream)),
                    None => return,
                }
                let script = Arc::clone(&script);
                thread::spawn(move || converse(RawConnection::over(Shared(stream)), &script.0, &script.1, &script.2));
            }
        });
        Self { address, received, open }
    }

    /// Begins anew where another was.
    #[must_use]
    pub fn start_at(address: SocketAddr, answer: impl Fn(&ReceivedRequest) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::conversing_at(address, answer, || true)
    }

    /// Ends all connections, whatever they are at, and takes no more; returns the requests that came.
    #[must_use]
    pub fn stop(&self) -> Vec<ReceivedRequest> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        for stream in open.into_iter().flatten().filter_map(|stream| stream.upgrade()) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // It waits for the next connection, and refuses from then on.
        while TcpStream::connect(self.address).is_ok() {}
        self.take()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far; they are taken away.
    #[must_use]
    pub fn take(&self) -> Vec<ReceivedRequest> {
        std::mem::take(&mut *self.received.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn converse(
    mut connection: RawConnection,
    kept: &Mutex<Vec<ReceivedRequest>>,
    answer: &dyn Fn(&ReceivedRequest) -> Vec<u8>,
    goes_on: &dyn Fn() -> bool,
) {
    while connection.has_more() {
        let head = connection.head();
        let body = connection.body(&head);
        let request = ReceivedRequest { head, body };
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let answer = answer(&request);
        if answer.is_empty() || connection.try_send(answer).is_err() || !goes_on() {
            return;
        }
    }
}
