//! The trusted roots for the upstream's certificate.

use std::{io, sync::Arc};

use rustls::ClientConfig;

/// Creates the TLS configuration for the upstream. It trusts the certificates in `SSL_CERT_FILE` and `SSL_CERT_DIR` if
/// one of them is set, otherwise Mozilla's, which are built in so that an empty container works too.
///
/// # Errors
/// The variables name no usable certificate.
pub fn client_tls() -> io::Result<Arc<ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    if ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty())) {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let reason = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
            return Err(io::Error::other(format!("SSL_CERT_FILE or SSL_CERT_DIR has no usable certificate{reason}")));
        }
    } else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}
