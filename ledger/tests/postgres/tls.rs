//! TLS to the database.

use std::{fs, net::TcpListener};

use rcgen::{BasicConstraints, CertificateParams, CertifiedKey, IsCa, KeyPair, generate_simple_self_signed};
use sparekey_ledger::{
    LedgerError,
    postgres::{Options, Postgres},
};

use crate::support::Server;

/// The test's own server has no TLS.
pub(crate) fn certificate_is_checked(plain: &mut Server) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Server::start_with_tls(port, &cert.pem(), &signing_key.serialize_pem()).unwrap();
    let root = std::env::temp_dir().join(format!("sparekey-root-{}.pem", std::process::id()));
    fs::write(&root, cert.pem()).unwrap();
    let open = |host: &str, query: &str| {
        let address = format!("postgres://test@{host}:{port}/postgres?hostaddr=127.0.0.1&{query}");
        Postgres::open(&address, Options::default())
    };
    let trusted = format!("sslrootcert={}", root.display());
    for mode in ["require", "verify-full", "prefer"] {
        let ledger = open("localhost", &format!("sslmode={mode}&{trusted}")).unwrap().ledger;
        let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                         WHERE application_name = 'sparekey'";
        assert_eq!(server.sql("postgres", encrypted), "t", "{mode}");
        assert_eq!(ledger.close(), 0);
    }
    for (host, query) in [("localhost", "sslmode=require"), ("example.org", &format!("sslmode=require&{trusted}"))] {
        let error = open(host, query).unwrap_err();
        assert!(matches!(&error, LedgerError::Unreachable(text) if text.contains("certificate")), "{error}");
    }
    let address = plain.address("postgres");
    assert!(Postgres::open(&format!("{address}?sslmode=require"), Options::default()).is_err());
    fs::remove_file(root).unwrap();
}

/// What `openssl req -x509` makes, if nothing else is asked for.
pub(crate) fn certificate_of_an_authority(_: &mut Server) {
    let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap().pem();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _server = Server::start_with_tls(port, &certificate, &key.serialize_pem()).unwrap();
    let root = std::env::temp_dir().join(format!("sparekey-authority-{}.pem", std::process::id()));
    fs::write(&root, certificate).unwrap();
    let address =
        format!("postgres://test@localhost:{port}/postgres?hostaddr=127.0.0.1&sslrootcert={}", root.display());
    let error = Postgres::open(&address, Options::default()).unwrap_err().to_string();
    assert!(error.contains("create one with basicConstraints=CA:FALSE"), "{error}");
    fs::remove_file(root).unwrap();
}
