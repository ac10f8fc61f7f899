//! The address of the database, and connections to it.

use std::{fmt, ops::Deref, path::PathBuf, time::Duration};

use tokio::{
    task::{self, AbortHandle},
    time::timeout,
};
use tokio_postgres::{
    Client, Config, NoTls, Socket,
    config::{Host, SslMode},
    tls::MakeTlsConnect,
};

use super::{failure::Failure, passfile, tls::Tls};
use crate::error::LedgerError;

/// A server that is gone is noticed in this time while a statement waits for it.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);

/// An idle connection is kept open through firewalls, and one that is dead is noticed before a call needs it.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Where the database is.
#[derive(Clone)]
pub(super) struct Target {
    config: Config,
    tls: Option<Tls>,
}

/// A connection. It ends when this is dropped, even if a statement runs.
pub(super) struct Connection {
    client: Client,
    task: AbortHandle,
}

impl Target {
    /// Reads an address such as `postgres://sparekey@db.internal/sparekey?sslmode=require`.
    ///
    /// Two parameters of other clients are read here: `sslrootcert`, and the modes of `sslmode` that check a certificate.
    pub(super) fn parse(url: &str) -> Result<Self, LedgerError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut kept, mut root_file) = (Vec::new(), None);
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslrootcert", path)) => root_file = Some(PathBuf::from(path)),
                Some(("sslmode", "verify-ca" | "verify-full")) => kept.push("sslmode=require"),
                _ => kept.push(parameter),
            }
        }
        // The error names a parameter, and never its value.
        let invalid = |error: &dyn fmt::Display| LedgerError::Io(format!("the address of the database: {error}"));
        let config: Config = format!("{base}?{}", kept.join("&")).parse().map_err(|error| invalid(&error))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(invalid(&"it has no host"));
        }
        let is_local = config.get_hostaddrs().is_empty() && config.get_hosts().iter().all(is_socket_folder);
        let has_tls = config.get_ssl_mode() != SslMode::Disable && !is_local;
        let tls = if has_tls { Some(Tls::new(root_file.as_deref())?) } else { None };
        Ok(Self { config, tls })
    }

    /// Connects, and runs the settings of the session.
    pub(super) async fn connect(&self, settings: &str, deadline: Duration) -> Result<Connection, Failure> {
        let mut config = self.config.clone();
        config.tcp_user_timeout(TCP_USER_TIMEOUT).keepalives_idle(KEEPALIVE);
        if config.get_application_name().is_none() {
            config.application_name("sparekey");
        }
        if let Some(password) = passfile::password(&config).map_err(LedgerError::Io)? {
            config.password(password);
        }
        let connect = async {
            let connection = match &self.tls {
                Some(tls) => start(&config, tls.clone()).await?,
                None => start(&config, NoTls).await?,
            };
            connection.batch_execute(settings).await?;
            Ok(connection)
        };
        timeout(deadline, connect).await.unwrap_or(Err(Failure::Deadline))
    }
}

impl Connection {
    pub(super) fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// Checks the address of a database, without connecting.
///
/// # Errors
/// [`LedgerError`]. It has no part of the address.
pub fn check_address(url: &str) -> Result<(), LedgerError> {
    Target::parse(url).map(drop)
}

async fn start<T>(config: &Config, tls: T) -> Result<Connection, Failure>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: 'static,
{
    let (client, connection) = config.connect(tls).await?;
    let run = async move {
        // Its error is that of the statement that waits.
        let _ = connection.await;
    };
    Ok(Connection { client, task: task::spawn_local(run).abort_handle() })
}

fn is_socket_folder(host: &Host) -> bool {
    !matches!(host, Host::Tcp(_))
}

impl Deref for Connection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Without the password.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").finish_non_exhaustive()
    }
}
