//! One end of a raw HTTP/1.1 connection, a client's or an upstream's: every byte is kept, and each step waits
//! for what it is about, never for a time.

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

/// No step waits longer: what has not come by then never will.
pub const STEP_TIMEOUT: Duration = Duration::from_secs(60);

/// Waits for what has no event of its own.
///
/// # Panics
/// Where it does not come.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < STEP_TIMEOUT, "it is not so: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Bytes both ways, over TCP or TLS.
pub trait Transport: Read + Write + Send {
    /// The socket below.
    fn socket(&self) -> &TcpStream;
}

impl Transport for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

/// A socket that somebody else may shut down.
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
    /// The other end output that nothing more comes.
    Closed,
    /// The connection was reset, or broke below HTTP.
    Broken,
}

/// One end of a connection.
pub struct RawConnection {
    wire: Box<dyn Transport>,
    /// ReceivedRequest, and not yet asked for.
    buffer: Vec<u8>,
    ended: Option<End>,
}

impl RawConnection {
    /// Connects as a client.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect_timeout(&address, STEP_TIMEOUT).expect("a connection is taken"))
    }

    /// Speaks over a connection that is there.
    #[must_use]
    pub fn over(wire: impl Transport + 'static) -> Self {
        wire.socket().set_read_timeout(Some(STEP_TIMEOUT)).expect("a socket takes a timeout");
        wire.socket().set_write_timeout(Some(STEP_TIMEOUT)).expect("a socket takes a timeout");
        wire.socket().set_nodelay(true).expect("a socket takes an option");
        Self { wire: Box::new(wire), buffer: Vec::new(), ended: None }
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// Where the other end does not take them.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the other end takes bytes");
    }

    /// Sends bytes to an end that may be gone.
    ///
    /// # Errors
    /// The socket's.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.wire.write_all(bytes.as_ref())?;
        self.wire.flush()
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

    /// Waits for these bytes; returns all up to their end.
    ///
    /// # Panics
    /// Where the connection ends before.
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
            assert!(self.receive(), "{:?} did not come; {}", String::from_utf8_lossy(needle), self.left());
        }
    }

    /// Waits for this many bytes.
    ///
    /// # Panics
    /// Where the connection ends before.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        self.try_bytes(count).unwrap_or_else(|| panic!("{count} bytes did not come; {}", self.left()))
    }

    /// Waits for this many bytes; `None` where the connection ends before.
    pub fn try_bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < count {
            if !self.receive() {
                return None;
            }
        }
        let rest = self.buffer.split_off(count);
        Some(std::mem::replace(&mut self.buffer, rest))
    }

    /// Waits for one chunk of a chunked body; the last one is empty and takes the trailers along.
    pub fn chunk(&mut self) -> Vec<u8> {
        let line = self.until("\r\n");
        let size = std::str::from_utf8(&line).ok().and_then(|line| line.trim_end().split(';').next());
        let size = size.and_then(|size| usize::from_str_radix(size, 16).ok()).expect("a chunk has a size");
        let chunk = self.bytes(size);
        let end = self.until("\r\n");
        assert!(end == b"\r\n" || size == 0, "a chunk is as long as it says");
        chunk
    }

    /// Waits for the whole body that a head promises.
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

    /// Waits for the connection's end; returns what came before.
    pub fn rest(&mut self) -> (Vec<u8>, End) {
        while self.receive() {}
        (std::mem::take(&mut self.buffer), self.ended.expect("the connection has ended"))
    }

    /// Waits for the next byte, however long the other end has nothing to say; `false` at the connection's end.
    pub fn has_more(&mut self) -> bool {
        self.wire.socket().set_read_timeout(None).expect("a socket takes a timeout");
        let more = !self.buffer.is_empty() || self.receive();
        self.wire.socket().set_read_timeout(Some(STEP_TIMEOUT)).expect("a socket takes a timeout");
        more
    }

    /// Whether something has come that was not asked for yet.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        let socket = self.wire.socket();
        socket.set_nonblocking(true).expect("a socket takes an option");
        let come = socket.peek(&mut [0]).is_ok();
        socket.set_nonblocking(false).expect("a socket takes an option");
        come || !self.buffer.is_empty()
    }

    /// Says that nothing more comes, and goes on listening.
    pub fn finish(&mut self) {
        let _ = self.wire.flush();
        let _ = self.wire.socket().shutdown(Shutdown::Write);
    }

    /// Closes, and returns once the other end's kernel knows: whatever it is sent from then on, it is sent later.
    ///
    /// # Panics
    /// Where the other end does not take the news.
    pub fn close(mut self) {
        self.finish();
        wait_until("the end is acknowledged", || self.is_finish_acknowledged());
    }

    /// What Linux tells of the connection: whether it is past `FIN_WAIT1`, and past `LAST_ACK`.
    fn is_finish_acknowledged(&self) -> bool {
        let ends = [self.socket().local_addr(), self.socket().peer_addr()];
        let [Ok(near), Ok(far)] = ends.map(|end| end.map(|end| format!(":{:04X}", end.port()))) else { return true };
        let connections = fs::read_to_string("/proc/net/tcp").expect("Linux tells of connections");
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
        let socket = socket2::SockRef::from(self.wire.socket());
        socket.set_linger(Some(Duration::ZERO)).expect("a socket takes an option");
    }

    /// The socket below.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        self.wire.socket()
    }

    /// Waits for more bytes; `false` at the end.
    fn receive(&mut self) -> bool {
        if self.ended.is_some() {
            return false;
        }
        let mut bytes = [0; 16 * 1024];
        loop {
            match self.wire.read(&mut bytes) {
                Ok(0) => self.ended = Some(End::Closed),
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                    panic!("nothing came in {STEP_TIMEOUT:?}; {}", self.left());
                }
                Err(_) => self.ended = Some(End::Broken),
            }
            return self.ended.is_none();
        }
    }

    fn left(&self) -> String {
        let tail = &self.buffer[self.buffer.len().saturating_sub(2000)..];
        format!("the connection is {:?}, unread: {:?}", self.ended, String::from_utf8_lossy(tail))
    }
}
