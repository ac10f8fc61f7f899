//! A wire tap: passes bytes both ways between its callers and a target, and keeps them all.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// A running tap.
pub struct Wiretap {
    address: SocketAddr,
    heard: Arc<[Mutex<Vec<u8>>; 2]>,
}

impl Wiretap {
    /// Listens on a free port of the loopback address in front of `target`.
    #[must_use]
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let heard = Arc::<[Mutex<Vec<u8>>; 2]>::default();
        let kept = Arc::clone(&heard);
        thread::spawn(move || {
            for caller in listener.incoming().map_while(Result::ok) {
                let Ok(target) = TcpStream::connect(target) else { continue };
                for (way, from, to) in [(0, &caller, &target), (1, &target, &caller)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                    let kept = Arc::clone(&kept);
                    thread::spawn(move || pass(from, to, &kept[way]));
                }
            }
        });
        Self { address, heard }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether this text was output to the target.
    #[must_use]
    pub fn sent_to_target(&self, text: &str) -> bool {
        self.heard(0, text)
    }

    /// Whether this text was output by the target.
    #[must_use]
    pub fn received_from_target(&self, text: &str) -> bool {
        self.heard(1, text)
    }

    fn heard(&self, way: usize, text: &str) -> bool {
        let heard = self.heard[way].lock().unwrap_or_else(PoisonError::into_inner);
        heard.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, kept: &Mutex<Vec<u8>>) {
    let _ = to.set_nodelay(true);
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..count]);
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
