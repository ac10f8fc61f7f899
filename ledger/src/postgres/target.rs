//! The address of the database, and connections to it.

use std::{error::Error as _, fmt, io, ops::Deref, path::PathBuf, time::Duration};

use tokio::{
    net::lookup_host,
    task::{self, AbortHandle, JoinSet},
    time::timeout,
};
use tokio_postgres::{
    Client, Config, NoTls, Socket,
    config::{Host, SslMode, TargetSessionAttrs},
    tls::MakeTlsConnect,
};

use super::{
    failure::Failure,
    host::{self, port},
    passfile,
    tls::Tls,
};
use crate::error::LedgerError;

/// A server that is gone is noticed in this time while a statement waits for it.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);

/// An idle connection is kept open through firewalls, and one that is dead is noticed before a call needs it.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// From one host or address to the next. Four of them fit into the deadline of a step, also if those before the last hang.
const STAGGER: Duration = Duration::from_millis(50);

/// What each session needs, whatever the default of the database or the role is: with a stricter level a statement that waited
/// for another one fails instead of running on what that one stored.
const ISOLATION: &str = "SET default_transaction_isolation = 'read committed'";

/// Where the database is.
#[derive(Clone)]
pub(super) struct Target {
    /// One for each host of the address.
    hosts: Vec<Config>,
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
        let mut config: Config =
            format!("{base}?{}", kept.join("&")).parse().map_err(|error| invalid(&named(&error)))?;
        config.tcp_user_timeout(TCP_USER_TIMEOUT).keepalives_idle(KEEPALIVE);
        if config.get_application_name().is_none() {
            config.application_name("sparekey");
        }
        let hosts = host::each(&config).map_err(|error| invalid(&error))?;
        // Sessions on several databases would each count alone.
        if hosts.len() > 1 && config.get_target_session_attrs() != TargetSessionAttrs::ReadWrite {
            return Err(invalid(&"several hosts need target_session_attrs=read-write"));
        }
        let is_local = config.get_hostaddrs().is_empty() && config.get_hosts().iter().all(is_socket_folder);
        let has_tls = config.get_ssl_mode() != SslMode::Disable && !is_local;
        let tls = if has_tls { Some(Tls::new(root_file.as_deref())?) } else { None };
        Ok(Self { hosts, tls })
    }

    /// Connects to the first host that takes a connection, and runs the settings of the session.
    pub(super) async fn connect(&self, settings: &str, deadline: Duration) -> Result<Connection, Failure> {
        let mut tries = Vec::with_capacity(self.hosts.len());
        for host in &self.hosts {
            let mut config = host.clone();
            if let Some(password) = passfile::password(host).map_err(LedgerError::Io)? {
                config.password(password);
            }
            tries.push(to_host(config, self.tls.clone()));
        }
        let connect = async {
            let connection = first(tries).await?;
            connection.batch_execute(&format!("{ISOLATION}; {settings}")).await?;
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

/// Names the parameter that is invalid. Other reasons may have a part of the address.
fn named(error: &tokio_postgres::Error) -> String {
    let source = error.source().map(ToString::to_string);
    let source = source.filter(|source| source.starts_with("invalid value for option"));
    source.map_or_else(|| error.to_string(), |source| format!("{error}, {source}"))
}

/// Runs tries in their order, and returns the first connection. One that hangs delays the next one for a moment only: after a
/// failover the machine of the old primary may be gone.
async fn first<F>(tries: impl IntoIterator<Item = F>) -> Result<Connection, Failure>
where
    F: Future<Output = Result<Connection, Failure>> + 'static,
{
    let (mut running, mut failure) = (JoinSet::new(), None);
    let mut tries = tries.into_iter();
    loop {
        let next = tries.next();
        let is_last = next.is_none();
        if let Some(next) = next {
            running.spawn_local(next);
        }
        let ended = if is_last { Ok(running.join_next().await) } else { timeout(STAGGER, running.join_next()).await };
        match ended {
            Ok(Some(Ok(Ok(connection)))) => return Ok(connection),
            Ok(Some(Ok(Err(error)))) => failure = Some(error),
            Ok(None) => return Err(failure.unwrap_or(Failure::Deadline)),
            // The next one starts.
            Ok(Some(Err(_))) | Err(_) => {}
        }
    }
}

/// Connects to one host, by each address of its name.
async fn to_host(config: Config, tls: Option<Tls>) -> Result<Connection, Failure> {
    let (Some(Host::Tcp(name)), []) = (config.get_hosts().first(), config.get_hostaddrs()) else {
        return to_address(config, tls).await;
    };
    let failed = |error: io::Error| LedgerError::Unreachable(format!("the address of {name} cannot be found: {error}"));
    let addresses = lookup_host((&**name, port(&config))).await.map_err(failed)?;
    let tries = addresses.map(|address| {
        let mut config = config.clone();
        config.hostaddr(address.ip());
        to_address(config, tls.clone())
    });
    first(tries).await
}

async fn to_address(config: Config, tls: Option<Tls>) -> Result<Connection, Failure> {
    match tls {
        Some(tls) => start(&config, tls).await,
        None => start(&config, NoTls).await,
    }
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
