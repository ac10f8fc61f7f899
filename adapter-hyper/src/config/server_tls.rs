//! The server's certificate.

use std::{fmt, path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
};
use tokio_rustls::TlsAcceptor;
use x509_cert::{Certificate, der::Decode as _};

use super::sources::read_bytes;

/// The server's side of TLS.
pub(crate) struct ServerTls {
    pub(crate) acceptor: TlsAcceptor,
    /// When the certificate expires, in seconds since 1970.
    pub(crate) expires: i64,
}

impl ServerTls {
    /// Reads the certificate chain and its private key.
    ///
    /// # Errors
    /// A sentence that begins with the name of the setting.
    pub(crate) fn read(cert: &Path, key: &Path) -> Result<Self, String> {
        let (cert_file, key_file) = (cert.display(), key.display());
        let chain = read(cert).and_then(|pem| CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>());
        let chain =
            chain.map_err(|error| format!("TLS_CERT {cert_file} has no PEM certificates: {}", reason(error)))?;
        if chain.is_empty() {
            return Err(format!("TLS_CERT {cert_file} has no PEM certificates"));
        }
        let expires = expiry(&chain).ok_or_else(|| format!("TLS_CERT {cert_file} has an invalid certificate"))?;
        let key = read(key).and_then(|pem| PrivateKeyDer::from_pem_slice(&pem));
        let key = key.map_err(|error| format!("TLS_KEY {key_file} has no PEM private key: {}", reason(error)))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(|error| format!("TLS_CERT and TLS_KEY do not match: {error}"))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), expires })
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("expires", &self.expires).finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, pem::Error> {
    read_bytes(path).map_err(pem::Error::Io)
}

/// When the first certificate expires.
fn expiry(chain: &[CertificateDer<'_>]) -> Option<i64> {
    let certificate = Certificate::from_der(chain.first()?).ok()?;
    let not_after = certificate.tbs_certificate().validity().not_after;
    i64::try_from(not_after.to_unix_duration().as_secs()).ok()
}

/// The reason without the content of the file: the `Display` of other errors prints lines, which may be the key.
fn reason(error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "it has none".to_owned(),
        _ => "invalid PEM; check its line breaks".to_owned(),
    }
}
