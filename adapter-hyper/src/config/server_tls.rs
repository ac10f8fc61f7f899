//! The server's certificate.

use std::{path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
};
use tokio_rustls::TlsAcceptor;

/// Reads the certificate chain and its private key.
///
/// # Errors
/// A sentence that begins with the name of the setting.
pub(crate) fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor, String> {
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| format!("TLS_CERT names a file without PEM certificates: {}", reason(error)))?;
    if chain.is_empty() {
        return Err("TLS_CERT names a file without PEM certificates".to_owned());
    }
    let key = PrivateKeyDer::from_pem_file(key);
    let key = key.map_err(|error| format!("TLS_KEY names a file without a PEM private key: {}", reason(error)))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(|error| format!("TLS_CERT and TLS_KEY do not match: {error}"))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The reason without the content of the file: the `Display` of other errors prints lines, which may be the key.
fn reason(error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "it has none".to_owned(),
        _ => "invalid PEM; check its line breaks".to_owned(),
    }
}
