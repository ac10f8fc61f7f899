//! `sparekey health`: asks a running server whether it serves, for a container's health check.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use clap::ArgMatches;
use http::{Request, StatusCode};
use http_body_util::Empty;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use sparekey_upstream::{Error, ErrorKind, Reply, Timeouts, Upgrade, Upstream};

use crate::config::{
    settings::Settings,
    sources::{Sources, read_bytes},
};

/// The wait for a connection and for the response.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks the server of these settings for `/healthz`.
///
/// # Errors
/// Why it does not serve.
pub(crate) async fn ask(flags: ArgMatches) -> Result<(), String> {
    // Secrets are not needed, so a health check may run where they cannot be read.
    let values = Sources::new(Some(flags)).values();
    let own = ["LISTEN", "TLS_CERT", "TLS_KEY"].into_iter();
    let mut problems: Vec<_> = own.filter_map(|name| values.problem(name)).map(str::to_owned).collect();
    let settings = Settings::read(&values, &mut problems);
    if !problems.is_empty() {
        return Err(problems.join("; "));
    }
    let address = settings.listen.first().copied().map(reachable).ok_or("LISTEN has no address")?;
    let tls = settings.tls.as_ref().map(|(cert, _)| pinned(cert)).transpose()?;
    let url = format!("{}://{address}/healthz", if tls.is_some() { "https" } else { "http" });
    let timeouts = Timeouts { response_head: TIMEOUT, body_idle: TIMEOUT };
    let upstream = Upstream::new(tls.as_ref(), None, timeouts);
    let request = Request::get(&url).body(()).map_err(|error| error.to_string())?;
    let sending = upstream.send(Box::new(request.into_parts().0), Empty::<Bytes>::new(), Upgrade::Forbidden);
    match tokio::time::timeout(TIMEOUT, sending).await {
        Ok(Ok(Reply::Response(response))) if response.status() == StatusCode::OK => Ok(()),
        Ok(Ok(Reply::Response(response))) => Err(format!("{url}: status {}", response.status().as_u16())),
        Ok(Ok(Reply::Upgraded(_))) => Err(format!("{url}: not an HTTP response")),
        Ok(Err(error)) => Err(format!("{url}: {}", failure(&error))),
        Err(_) => Err(format!("{url}: no response within {} s", TIMEOUT.as_secs())),
    }
}

/// Why the server does not respond. It is no upstream, which the error's own text names.
fn failure(error: &Error) -> String {
    let causes = error.causes();
    match error.kind() {
        ErrorKind::NotSent => format!("no connection to a server, with the LISTEN of these settings: {causes}"),
        _ => format!("no valid response: {causes}"),
    }
}

/// The address at which this machine reaches a listener on all interfaces.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let address = match listen.ip() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    SocketAddr::new(address, listen.port())
}

/// Trusts the certificate in this file only, whatever its names are: the request is to the address, not to a name.
fn pinned(cert: &Path) -> Result<ClientConfig, String> {
    let certificate = read_bytes(cert).ok().and_then(|pem| CertificateDer::from_pem_slice(&pem).ok());
    let certificate = certificate.ok_or_else(|| format!("TLS_CERT {} has no PEM certificate", cert.display()))?;
    let provider = Arc::new(ring::default_provider());
    let verifier = Pinned { certificate, provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?.dangerous();
    Ok(config.with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

struct Pinned {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pinned")
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let is_pinned = *certificate == self.certificate;
        if is_pinned { Ok(ServerCertVerified::assertion()) } else { Err(CertificateError::UnknownIssuer.into()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_on_all_interfaces() {
        for (listen, expected) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), expected);
        }
    }
}
