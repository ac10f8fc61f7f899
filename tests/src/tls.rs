//! Certificates for tests, and TLS connections.

use std::{
    fs, io,
    net::TcpStream,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, ServerName},
};

use crate::raw_connection::{RawConnection, Transport};

/// The validity of certificates by default, from the first year to the second.
const YEARS: (i32, i32) = (1975, 4096);

/// A private certificate authority, with its files in a temporary folder.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
    folder: PathBuf,
}

impl Authority {
    /// Creates an authority.
    #[must_use]
    pub fn new() -> Self {
        static CREATED: AtomicUsize = AtomicUsize::new(0);
        let number = CREATED.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("sparekey-test-{}-{number}", process::id()));
        fs::create_dir_all(&folder).expect("create a temporary folder");
        let mut params = CertificateParams::new(Vec::new()).expect("an empty list of names is valid");
        // OpenSSL treats a certificate as self-signed if its name equals the issuer's.
        params.distinguished_name.push(DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("generate a key");
        let certificate = params.self_signed(&key).expect("sign the certificate");
        fs::write(folder.join("authority.pem"), certificate.pem()).expect("write a file");
        Self { issuer: Issuer::new(params, key), certificate, folder }
    }

    /// The file for `SSL_CERT_FILE`.
    #[must_use]
    pub fn file(&self) -> String {
        path_text(&self.folder.join("authority.pem"))
    }

    /// Files for `TLS_CERT` and `TLS_KEY` of a host.
    #[must_use]
    pub fn files(&self, host: &str) -> (String, String) {
        self.files_of(&self.sign(host, YEARS))
    }

    /// [`Self::files`] with a certificate that ends in some time.
    #[must_use]
    pub fn files_ending_in(&self, host: &str, time: Duration) -> (String, String) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is set");
        let end = date_time_ymd(1970, 1, 1) + now + time;
        self.files_of(&self.sign_with(host, |params| params.not_after = end))
    }

    fn files_of(&self, (certificate, key): &(rcgen::Certificate, KeyPair)) -> (String, String) {
        let (cert_file, key_file) = (self.folder.join("cert.pem"), self.folder.join("key.pem"));
        fs::write(&cert_file, certificate.pem()).expect("write a file");
        fs::write(&key_file, key.serialize_pem()).expect("write a file");
        (path_text(&cert_file), path_text(&key_file))
    }

    /// A server configuration for a host, with these ALPN protocols.
    #[must_use]
    pub fn server(&self, host: &str, protocols: &[&str]) -> Arc<ServerConfig> {
        self.server_in(host, protocols, YEARS)
    }

    /// [`Self::server`] with a certificate that is valid from the start of one year to the start of another.
    #[must_use]
    pub fn server_in(&self, host: &str, protocols: &[&str], years: (i32, i32)) -> Arc<ServerConfig> {
        let (certificate, key) = self.sign(host, years);
        server_config(&certificate, &key, protocols)
    }

    /// A server configuration with a self-signed certificate.
    #[must_use]
    pub fn self_signed(host: &str, protocols: &[&str]) -> Arc<ServerConfig> {
        let key = KeyPair::generate().expect("generate a key");
        let params = CertificateParams::new(vec![host.to_owned()]).expect("a valid name");
        server_config(&params.self_signed(&key).expect("sign the certificate"), &key, protocols)
    }

    /// A client configuration that trusts only this authority, with these ALPN protocols.
    #[must_use]
    pub fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).expect("a valid authority");
        let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let mut config = config.expect("default protocol versions").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    fn sign(&self, host: &str, (from, to): (i32, i32)) -> (rcgen::Certificate, KeyPair) {
        self.sign_with(host, |params| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
        })
    }

    fn sign_with(&self, host: &str, set: impl FnOnce(&mut CertificateParams)) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("generate a key");
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("a valid name");
        set(&mut params);
        (params.signed_by(&key, &self.issuer).expect("sign the certificate"), key)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Transport for StreamOwned<ServerConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

impl Transport for StreamOwned<ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

/// Accepts a connection as a TLS server.
///
/// # Errors
/// If the handshake fails; the client may have rejected the certificate.
pub fn accept(socket: TcpStream, config: &Arc<ServerConfig>) -> io::Result<RawConnection> {
    let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(RawConnection::over(stream))
}

/// Connects as a TLS client to `localhost`.
///
/// # Errors
/// If the handshake fails.
pub fn connect(socket: TcpStream, config: &Arc<ClientConfig>) -> io::Result<RawConnection> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(RawConnection::over(stream))
}

fn server_config(certificate: &rcgen::Certificate, key: &KeyPair, protocols: &[&str]) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = config.expect("default protocol versions").with_no_client_auth();
    let mut config =
        config.with_single_cert(vec![certificate.der().clone()], key).expect("the certificate matches the key");
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn path_text(path: &Path) -> String {
    path.to_str().expect("the temporary folder has a UTF-8 path").to_owned()
}
