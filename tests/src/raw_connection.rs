//! One end of a raw HTTP/1.1 connection, as client or upstream. Every byte is kept, and each step waits for an event,
//! never for a duration.

mod head;

use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

pub use head::Head;

/// The longest wait of a step; a step without a result by then has failed.
pub const STEP_TIMEOUT: Duration = Duration::from_secs(60);

/// Polls until the condition holds, for conditions without an event.
///
/// # Panics
/// If it does not hold in time.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < STEP_TIMEOUT, "timeout: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A byte stream over TCP or TLS.
pub trait Transport: Read + Write + Send {
    /// The underlying socket.
    fn socket(&self) -> &TcpStream;
}

impl Transport for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

/// A socket that another thread may shut down.
pub struct Shared(pub Arc<TcpStream>);

impl Read for Shared {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(bytes)
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Shared {
    fn socket(&self) -> &TcpStream {
        &self.0
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// The peer closed its sending side.
    Closed,
    /// The connection was reset, or failed below HTTP.
    Broken,
}

/// One end of a connection.
pub struct RawConnection {
    transport: Box<dyn Transport>,
    /// Received and not yet read by the test.
    buffer: Vec<u8>,
    ended: Option<End>,
}

impl RawConnection {
    /// Connects as a client.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect_timeout(&address, STEP_TIMEOUT).expect("the connection is accepted"))
    }

    /// Connects as a client to a server that may have ended.
    ///
    /// # Errors
    /// The error of the socket.
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        TcpStream::connect_timeout(&address, STEP_TIMEOUT).map(Self::over)
    }

    /// Connects as a client with a receive buffer of this size, so that unread bytes wait in the server.
    ///
    /// # Panics
    /// If the connection cannot be made.
    #[must_use]
    pub fn connect_with_buffer(address: SocketAddr, bytes: usize) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)
            .expect("create a socket");
        socket.set_recv_buffer_size(bytes).expect("set the socket option");
        socket.connect(&address.into()).expect("the connection is accepted");
        Self::over(TcpStream::from(socket))
    }

    /// Uses an existing connection.
    #[must_use]
    pub fn over(transport: impl Transport + 'static) -> Self {
        transport.socket().set_read_timeout(Some(STEP_TIMEOUT)).expect("set the socket timeout");
        transport.socket().set_write_timeout(Some(STEP_TIMEOUT)).expect("set the socket timeout");
        transport.socket().set_nodelay(true).expect("set the socket option");
        Self { transport: Box::new(transport), buffer: Vec::new(), ended: None }
    }

    /// Sends bytes unchanged.
    ///
    /// # Panics
    /// If the peer does not accept them.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the peer accepts bytes");
    }

    /// Sends bytes; the peer may have closed the connection.
    ///
    /// # Errors
    /// The error of the socket.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.transport.write_all(bytes.as_ref())?;
        self.transport.flush()
    }

    /// Sends one chunk of a chunked body.
    pub fn send_chunk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.send([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat());
    }

    /// Waits for a head.
    pub fn head(&mut self) -> Head {
        Head::parse(self.until("\r\n\r\n"))
    }

    /// Waits for a head; `None` if the connection ends before.
    pub fn try_head(&mut self) -> Option<Head> {
        while !self.buffer.windows(4).any(|window| window == b"\r\n\r\n") {
            if !self.receive() {
                return None;
            }
        }
        Some(self.head())
    }

    /// Waits for these bytes; returns everything up to and including them.
    ///
    /// # Panics
    /// If the connection ends before.
    pub fn until(&mut self, needle: impl AsRef<[u8]>) -> Vec<u8> {
        let needle = needle.as_ref();
        let mut searched = 0;
        loop {
            let from = usize::saturating_sub(searched, needle.len());
            if let Some(at) = self.buffer[from..].windows(needle.len()).position(|window| window == needle) {
                let rest = self.buffer.split_off(from + at + needle.len());
                return std::mem::replace(&mut self.buffer, rest);
            }
            searched = self.buffer.len();
            assert!(self.receive(), "{:?} did not arrive; {}", String::from_utf8_lossy(needle), self.unread());
        }
    }

    /// Waits for this many bytes.
    ///
    /// # Panics
    /// If the connection ends before.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        self.try_bytes(count).unwrap_or_else(|| panic!("{count} bytes did not arrive; {}", self.unread()))
    }

    /// Waits for this many bytes; `None` if the connection ends before.
    pub fn try_bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < count {
            if !self.receive() {
                return None;
            }
        }
        let rest = self.buffer.split_off(count);
        Some(std::mem::replace(&mut self.buffer, rest))
    }

    /// Waits for one chunk of a chunked body; the last one is empty and consumes the trailers.
    pub fn chunk(&mut self) -> Vec<u8> {
        let line = self.until("\r\n");
        let size = std::str::from_utf8(&line).ok().and_then(|line| line.trim_end().split(';').next());
        let size = size.and_then(|size| usize::from_str_radix(size, 16).ok()).expect("a chunk has a size");
        let chunk = self.bytes(size);
        let end = self.until("\r\n");
        assert!(end == b"\r\n" || size == 0, "a chunk has the announced size");
        chunk
    }

    /// Waits for the whole body that belongs to a head.
    pub fn body(&mut self, head: &Head) -> Vec<u8> {
        if !head.is_chunked() {
            return self.bytes(head.content_length().unwrap_or(0));
        }
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk();
            if chunk.is_empty() {
                return body;
            }
            body.extend(chunk);
        }
    }

    /// Waits for the end of the connection; returns what arrived before.
    pub fn rest(&mut self) -> (Vec<u8>, End) {
        while self.receive() {}
        (std::mem::take(&mut self.buffer), self.ended.expect("the connection has ended"))
    }

    /// Waits for the next byte without a timeout; `false` at the end of the connection.
    pub fn has_more(&mut self) -> bool {
        self.transport.socket().set_read_timeout(None).expect("set the socket timeout");
        let more = !self.buffer.is_empty() || self.receive();
        self.transport.socket().set_read_timeout(Some(STEP_TIMEOUT)).expect("set the socket timeout");
        more
    }

    /// Whether unread bytes have arrived.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        let socket = self.transport.socket();
        socket.set_nonblocking(true).expect("set the socket option");
        let readable = socket.peek(&mut [0]).is_ok();
        socket.set_nonblocking(false).expect("set the socket option");
        readable || !self.buffer.is_empty()
    }

    /// Closes the sending side and keeps the receiving side open.
    pub fn finish(&mut self) {
        let _ = self.transport.flush();
        let _ = self.transport.socket().shutdown(Shutdown::Write);
    }

    /// Closes, and returns once the peer's kernel has acknowledged it: anything the peer sends later is sent after it.
    ///
    /// # Panics
    /// If the peer does not acknowledge it in time.
    pub fn close(mut self) {
        self.finish();
        wait_until("FIN is acknowledged", || self.is_finish_acknowledged());
    }

    /// Reads from `/proc/net/tcp` whether the connection has left `FIN_WAIT1` (04) and `LAST_ACK` (09).
    fn is_finish_acknowledged(&self) -> bool {
        let ends = [self.socket().local_addr(), self.socket().peer_addr()];
        let [Ok(near), Ok(far)] = ends.map(|end| end.map(|end| format!(":{:04X}", end.port()))) else { return true };
        let connections = fs::read_to_string("/proc/net/tcp").expect("read /proc/net/tcp");
        let mut fields = connections.lines().map(|line| line.split_whitespace().skip(1));
        fields.all(|mut fields| {
            let (local, remote, state) = (fields.next(), fields.next(), fields.next());
            let is_this =
                local.is_some_and(|end| end.ends_with(&near)) && remote.is_some_and(|end| end.ends_with(&far));
            !is_this || state.is_some_and(|state| !["04", "09"].contains(&state))
        })
    }

    /// Resets the connection.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(self.transport.socket());
        socket.set_linger(Some(Duration::ZERO)).expect("set the socket option");
    }

    /// The underlying socket.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        self.transport.socket()
    }

    /// Waits for more bytes; `false` at the end.
    fn receive(&mut self) -> bool {
        if self.ended.is_some() {
            return false;
        }
        let mut bytes = [0; 16 * 1024];
        loop {
            match self.transport.read(&mut bytes) {
                Ok(0) => self.ended = Some(End::Closed),
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                    panic!("nothing arrived in {STEP_TIMEOUT:?}; {}", self.unread());
                }
                Err(_) => self.ended = Some(End::Broken),
            }
            return self.ended.is_none();
        }
    }

    fn unread(&self) -> String {
        let tail = &self.buffer[self.buffer.len().saturating_sub(2000)..];
        format!("the connection is {:?}, unread: {:?}", self.ended, String::from_utf8_lossy(tail))
    }
}
