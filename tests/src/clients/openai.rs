//! The stand-in at OpenAI's own address: an outbound proxy that connects every tunnel to it, behind TLS.

use std::{io, net::SocketAddr, sync::Arc, thread};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::tls::Authority;

/// `API_BASE` of OpenAI.
pub(super) const API_BASE: &str = "https://api.openai.com/v1";

/// A running outbound proxy, with the certificate of OpenAI's host.
pub(super) struct OpenAi {
    address: SocketAddr,
    authority: Authority,
}

impl OpenAi {
    /// Listens on a free loopback port; `target` speaks plain HTTP.
    pub(super) fn start(target: SocketAddr) -> Self {
        let authority = Authority::new();
        let acceptor = TlsAcceptor::from(authority.server("api.openai.com", &[]));
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("bind a free port");
        listener.set_nonblocking(true).expect("set the socket option");
        let address = listener.local_addr().expect("read the listener's address");
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime starts").block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener can be polled");
                let acceptor = Arc::new(acceptor);
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(tunnel(client, Arc::clone(&acceptor), target));
                }
            });
        });
        Self { address, authority }
    }

    /// The settings of a proxy in front of it.
    pub(super) fn settings(&self) -> [(&'static str, String); 3] {
        [
            ("API_BASE", API_BASE.to_owned()),
            ("ALL_PROXY", format!("http://{}", self.address)),
            ("SSL_CERT_FILE", self.authority.file()),
        ]
    }
}

async fn tunnel(mut client: TcpStream, acceptor: Arc<TlsAcceptor>, target: SocketAddr) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    assert!(head.starts_with(b"CONNECT api.openai.com:443 "), "{}", String::from_utf8_lossy(&head));
    client.set_nodelay(true)?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    let mut client = acceptor.accept(client).await?;
    let mut target = TcpStream::connect(target).await?;
    target.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut target).await.map(drop)
}
