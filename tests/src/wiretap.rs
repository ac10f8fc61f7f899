//! A wiretap: forwards bytes in both directions between its clients and a target, and stores them.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// A running wiretap.
pub struct Wiretap {
    address: SocketAddr,
    captured: Arc<[Mutex<Vec<u8>>; 2]>,
}

impl Wiretap {
    /// Listens on a free port of the loopback address in front of `target`.
    #[must_use]
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind a free port");
        let address = listener.local_addr().expect("read the listener's address");
        let captured = Arc::<[Mutex<Vec<u8>>; 2]>::default();
        let shared = Arc::clone(&captured);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(target) = TcpStream::connect(target) else { continue };
                for (direction, from, to) in [(0, &client, &target), (1, &target, &client)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || pass(from, to, &shared[direction]));
                }
            }
        });
        Self { address, captured }
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether this text was sent to the target.
    #[must_use]
    pub fn sent_to_target(&self, text: &str) -> bool {
        self.has_captured(0, text)
    }

    /// Whether this text was received from the target.
    #[must_use]
    pub fn received_from_target(&self, text: &str) -> bool {
        self.has_captured(1, text)
    }

    fn has_captured(&self, direction: usize, text: &str) -> bool {
        let captured = self.captured[direction].lock().unwrap_or_else(PoisonError::into_inner);
        captured.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, captured: &Mutex<Vec<u8>>) {
    let _ = to.set_nodelay(true);
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        captured.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..count]);
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
