//! Upstreams for tests: one that the test drives step by step, and one that responds on its own.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak, mpsc},
    thread,
};

use tungstenite::handshake::derive_accept_key;

use crate::raw_connection::{Head, RawConnection, STEP_TIMEOUT, Shared, wait_until};

/// For a test that takes a port twice: other tests, on 127.0.0.1, cannot take it meanwhile
/// ([RFC 6890](https://www.rfc-editor.org/rfc/rfc6890#section-2.2.2): all of 127.0.0.0/8 is loopback).
pub const OWN_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 0);

/// A listening socket; the test accepts its connections one by one.
pub struct Upstream(TcpListener);

impl Upstream {
    /// Listens on a free port of the loopback address.
    #[must_use]
    pub fn start() -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST)
    }

    /// Listens on a free port of this address.
    #[must_use]
    pub fn start_on(address: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((address, 0)).expect("bind a free port");
        socket2::SockRef::from(&listener).set_read_timeout(Some(STEP_TIMEOUT)).expect("set the socket timeout");
        Self(listener)
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("read the listener's address")
    }

    /// Waits for the next connection that the proxy opens.
    #[must_use]
    pub fn accept(&self) -> RawConnection {
        RawConnection::over(self.0.accept().expect("the proxy connects").0)
    }

    /// Whether no connection is waiting to be accepted.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.try_accept().is_none()
    }

    /// Waits for the next connection, or until `stop` returns true.
    #[must_use]
    pub fn accept_unless(&self, stop: impl Fn() -> bool) -> Option<RawConnection> {
        let mut stream = None;
        wait_until("the proxy connects", || {
            stream = self.try_accept();
            stream.is_some() || stop()
        });
        stream.map(RawConnection::over)
    }

    fn try_accept(&self) -> Option<TcpStream> {
        self.0.set_nonblocking(true).expect("set the socket option");
        let accepted = self.0.accept();
        self.0.set_nonblocking(false).expect("set the socket option");
        match accepted {
            Ok((stream, _)) => Some(stream),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }
}

/// The `Sec-WebSocket-Accept` of the sample handshake of [RFC 6455
/// §1.3](https://www.rfc-editor.org/rfc/rfc6455#section-1.3), with the key `dGhlIHNhbXBsZSBub25jZQ==`.
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Replaces the sample accept value by the one for this request: a runtime may send a handshake of its own.
#[must_use]
pub fn with_accept_key(mut response: Vec<u8>, request: &Head) -> Vec<u8> {
    let at = response.windows(ACCEPT.len()).position(|part| part == ACCEPT);
    if let (Some(at), Some(key)) = (at, request.header("sec-websocket-key")) {
        response.splice(at..at + ACCEPT.len(), derive_accept_key(key.as_bytes()).into_bytes());
    }
    response
}

/// A request that reached an upstream.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    /// The head, byte for byte.
    pub head: Head,
    /// The whole body.
    pub body: Vec<u8>,
}

/// An upstream that responds on its own, over any number of connections, and stores every request.
pub struct RespondingUpstream {
    address: SocketAddr,
    received: Arc<Mutex<Vec<ReceivedRequest>>>,
    /// Its connections, including closed ones; `None` once it has stopped.
    open: Arc<Mutex<Option<Vec<Open>>>>,
}

/// A connection that may be closed by now.
struct Open {
    stream: Weak<TcpStream>,
    lost: Arc<OnceLock<Lost>>,
}

/// What becomes of requests on a connection that was lost without a packet to the client: they never arrive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lost {
    /// Their bytes are acknowledged, and get no response.
    Silent,
    /// They get a reset, as from a host that no longer has the connection
    /// ([RFC 9293 §3.5.2](https://www.rfc-editor.org/rfc/rfc9293#section-3.5.2)).
    Reset,
}

impl RespondingUpstream {
    /// `respond` returns the bytes of a response; an empty one closes the connection.
    #[must_use]
    pub fn start(respond: impl Fn(&ReceivedRequest) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start_with(respond, || true)
    }

    /// [`Self::start`], but each connection is closed after its first response, once `close` receives a message.
    #[must_use]
    pub fn start_closing(
        respond: impl Fn(&ReceivedRequest) -> Vec<u8> + Send + Sync + 'static,
        close: mpsc::Receiver<()>,
    ) -> Self {
        let close = Mutex::new(close);
        Self::start_with(respond, move || {
            let _ = close.lock().unwrap_or_else(PoisonError::into_inner).recv();
            false
        })
    }

    /// `keep_open` is called after each response.
    fn start_with(
        respond: impl Fn(&ReceivedRequest) -> Vec<u8> + Send + Sync + 'static,
        keep_open: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::start_with_at(SocketAddr::from(([127, 0, 0, 1], 0)), respond, keep_open)
    }

    fn start_with_at(
        address: SocketAddr,
        respond: impl Fn(&ReceivedRequest) -> Vec<u8> + Send + Sync + 'static,
        keep_open: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("the port is free");
        let address = listener.local_addr().expect("read the listener's address");
        let received = Arc::new(Mutex::new(Vec::new()));
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let all = Arc::clone(&open);
        let shared = Arc::new((Arc::clone(&received), respond, keep_open));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (stream, lost) = (Arc::new(stream), Arc::default());
                match &mut *all.lock().unwrap_or_else(PoisonError::into_inner) {
                    Some(open) => open.push(Open { stream: Arc::downgrade(&stream), lost: Arc::clone(&lost) }),
                    None => return,
                }
                let shared = Arc::clone(&shared);
                let connection = RawConnection::over(Shared(stream));
                thread::spawn(move || serve(connection, &lost, &shared.0, &shared.1, &shared.2));
            }
        });
        Self { address, received, open }
    }

    /// Starts at [`OWN_ADDRESS`], or at the address of a stopped one there.
    #[must_use]
    pub fn start_at(
        address: SocketAddr,
        respond: impl Fn(&ReceivedRequest) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::start_with_at(address, respond, || true)
    }

    /// Closes all connections at once and accepts no more; returns the requests received.
    #[must_use]
    pub fn stop(&self) -> Vec<ReceivedRequest> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        for stream in open.into_iter().flatten().filter_map(|open| open.stream.upgrade()) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // The listener stops at the next connection.
        while TcpStream::connect(self.address).is_ok() {}
        self.take()
    }

    /// Closes its connections, as [`RawConnection::close`]; accepts others. Returns how many there were.
    #[must_use]
    pub fn close_connections(&self) -> usize {
        let close = |(stream, _)| RawConnection::over(Shared(stream)).close();
        self.open().into_iter().map(close).count()
    }

    /// Loses its connections; accepts others. Returns how many there were.
    #[must_use]
    pub fn lose_connections(&self, how: Lost) -> usize {
        self.open().iter().filter(|(_, lost)| lost.set(how).is_ok()).count()
    }

    /// The number of open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.open().len()
    }

    /// The open connections, but for lost ones.
    fn open(&self) -> Vec<(Arc<TcpStream>, Arc<OnceLock<Lost>>)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.iter().flatten().filter(|open| open.lost.get().is_none());
        open.filter_map(|open| Some((open.stream.upgrade()?, Arc::clone(&open.lost)))).collect()
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes the requests received so far.
    #[must_use]
    pub fn take(&self) -> Vec<ReceivedRequest> {
        std::mem::take(&mut *self.received.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn serve(
    mut connection: RawConnection,
    lost: &OnceLock<Lost>,
    received: &Mutex<Vec<ReceivedRequest>>,
    respond: &dyn Fn(&ReceivedRequest) -> Vec<u8>,
    keep_open: &dyn Fn() -> bool,
) {
    while connection.has_more() {
        match lost.get() {
            Some(Lost::Silent) => return drop(connection.rest()),
            Some(Lost::Reset) => return connection.reset(),
            None => {}
        }
        let head = connection.head();
        let body = connection.body(&head);
        let request = ReceivedRequest { head, body };
        received.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let response = respond(&request);
        if response.is_empty() || connection.try_send(response).is_err() || !keep_open() {
            return;
        }
    }
}
