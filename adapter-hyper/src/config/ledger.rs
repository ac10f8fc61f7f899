//! Where the ledger is.

use std::{
    fmt,
    fs::{DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use sparekey_core::Places;
use sparekey_ledger::{dynamodb, postgres};

use super::sources::{Values, environment};

const SETTING: &str = "LEDGER";

/// Before the name of a DynamoDB table.
const TABLE: &str = "dynamodb:";

/// Files of variables, such as Docker's, have no comments behind a value. A new file of this name would be a ledger in which
/// nothing is spent.
const COMMENT: &str = " #";

/// The name of the file in the folder of the state.
const FILE: &str = "sparekey.db";

/// The ledger has the users' names, and what they spent. So have files beside it.
pub(crate) const FOLDER_MODE: u32 = 0o700;
pub(crate) const FILE_MODE: u32 = 0o600;

/// Linux follows so many symbolic links
/// ([path_resolution(7)](https://man7.org/linux/man-pages/man7/path_resolution.7.html)).
const LINKS_MAX: usize = 40;

/// The folder of the systemd unit, and of the container. It is the default of a process without a home too.
const SERVICE_FOLDER: &str = "/var/lib/sparekey";

/// Where a ledger is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Location {
    /// Where servers can have it.
    Server(ServerLedger),
    /// The DynamoDB table of a Lambda function, by its name. Commands use it.
    DynamoDb(String),
}

/// The ledger of a server, or of several.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ServerLedger {
    /// An SQLite file.
    File(PathBuf),
    /// A PostgreSQL database.
    Postgres(Address),
}

/// The address of a database, which may contain a password.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Address(String);

impl Address {
    /// Returns the address with its password.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address")
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(ledger) => ledger.fmt(f),
            Self::DynamoDb(name) => write!(f, "{TABLE}{name}"),
        }
    }
}

impl fmt::Display for ServerLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Postgres(_) => f.write_str("in PostgreSQL"),
        }
    }
}

impl From<ServerLedger> for Location {
    fn from(ledger: ServerLedger) -> Self {
        Self::Server(ledger)
    }
}

impl Location {
    /// Reads the path of a file, the address of a database, or the name of a table. `name` is that of the setting.
    ///
    /// # Errors
    /// A sentence without the value.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, String> {
        let Some(table) = text.strip_prefix(TABLE) else { return ServerLedger::parse(name, text).map(Self::Server) };
        dynamodb::check_name(table).map_err(|error| format!("{name} must be {TABLE}TABLE: {error}"))?;
        Ok(Self::DynamoDb(table.to_owned()))
    }
}

impl ServerLedger {
    /// Reads the path of a file or the address of a database. `name` is that of the setting or argument.
    ///
    /// # Errors
    /// A sentence without the value.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, String> {
        if ["postgres:", "postgresql:"].iter().any(|scheme| text.starts_with(scheme)) {
            // An error names a parameter, and never a value.
            postgres::check_address(text)
                .map_err(|error| format!("{name} is not the address of a database: {error}"))?;
            return Ok(Self::Postgres(Address(text.to_owned())));
        }
        let forms = || {
            format!(
                "{name} must be the path of an SQLite file, such as {SERVICE_FOLDER}/{FILE}, or the address of a PostgreSQL \
                 database, such as postgres://sparekey@db.internal/sparekey"
            )
        };
        if text.starts_with(TABLE) {
            return Err(format!(
                "{}; a DynamoDB table is the ledger of a Lambda function: commands such as `sparekey usage` read it, but it \
                 cannot be that of a server, and cannot be copied, because functions change it at any time",
                forms()
            ));
        }
        if has_parameters(text) {
            return Err(format!("{}; a list of parameters such as host=… is not read", forms()));
        }
        if text.contains(COMMENT) {
            return Err(format!("{name} has a comment behind the path, which would be a part of it; remove it"));
        }
        // SQLite's names of databases in memory begin with a colon.
        if text.contains("://") || text.starts_with(':') {
            return Err(forms());
        }
        Ok(Self::File(PathBuf::from(text)))
    }

    /// Returns where requests are counted: the servers of a database share its users' limits.
    pub(crate) fn places(&self) -> Places {
        match self {
            Self::File(_) => Places::Memory,
            Self::Postgres(_) => Places::Ledger,
        }
    }
}

/// Whether the text is the other form of libpq's
/// [connection strings](https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE). It may have a
/// password.
fn has_parameters(text: &str) -> bool {
    const NAMES: [&str; 8] = ["host", "hostaddr", "port", "dbname", "user", "password", "service", "sslmode"];
    let is_name = |word: &str| NAMES.contains(&word);
    text.split('=').rev().skip(1).any(|before| before.split_whitespace().next_back().is_some_and(is_name))
}

/// The file of the systemd unit, and of the container.
pub(crate) fn service_file() -> PathBuf {
    Path::new(SERVICE_FOLDER).join(FILE)
}

/// Returns the ledger of a command: what `LEDGER` or the file of `LEDGER_FILE` names, or the default.
///
/// # Errors
/// A sentence. It does not have the value: a database's address may contain a password.
pub(crate) fn location(values: &Values) -> Result<Location, String> {
    read(values, Location::parse)
}

/// Returns the ledger of this server, by the same settings.
///
/// # Errors
/// A sentence without the value.
pub(crate) fn of_server(values: &Values) -> Result<ServerLedger, String> {
    read(values, ServerLedger::parse)
}

fn read<T: From<ServerLedger>>(values: &Values, parse: impl Fn(&str, &str) -> Result<T, String>) -> Result<T, String> {
    if let Some(problem) = values.problem(SETTING) {
        return Err(problem.to_owned());
    }
    match values.get(SETTING) {
        Some(text) => parse(SETTING, text).map_err(|problem| values.with_file(&problem)),
        None => Ok(ServerLedger::File(default_path(environment)).into()),
    }
}

/// The path of another file beside the default ledger.
pub(crate) fn state_file(name: &str) -> PathBuf {
    default_path(environment).with_file_name(name)
}

/// Creates the folder of the default path. Another one must exist: with a wrong path, all counters would start at zero. Behind a
/// symbolic link to a file that does not exist it creates an empty one, which becomes the ledger: SQLite does not.
///
/// # Errors
/// Those of the file system.
pub(crate) fn prepare_file(path: &Path) -> io::Result<()> {
    create_default_folder(path, environment)?;
    if path.is_symlink() && !path.exists() {
        OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(link_target(path)?)?;
    }
    Ok(())
}

/// Returns the file that a symbolic link stands for, whether it exists or not; `path` itself if it is none.
///
/// # Errors
/// Too many links, as in a loop.
pub(crate) fn link_target(path: &Path) -> io::Result<PathBuf> {
    let mut file = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(target) = file.read_link() else { return Ok(file) };
        file = file.parent().map_or_else(|| target.clone(), |folder| folder.join(&target));
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Whether it is the default file, whose folder the server creates.
pub(crate) fn is_default(path: &Path) -> bool {
    path == default_path(environment)
}

fn create_default_folder(path: &Path, environment: impl Fn(&str) -> Option<String>) -> io::Result<()> {
    match path.parent() {
        Some(folder) if path == default_path(environment) => {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)
        }
        _ => Ok(()),
    }
}

/// The folder of systemd's `StateDirectory=`, or that of the
/// [XDG specification](https://specifications.freedesktop.org/basedir-spec/latest/#variables).
fn default_path(environment: impl Fn(&str) -> Option<String>) -> PathBuf {
    let folder = |name: &str| environment(name).filter(|value| Path::new(value).is_absolute()).map(PathBuf::from);
    // Several folders have colons between them.
    let state = environment("STATE_DIRECTORY").and_then(|list| list.split(':').next().map(PathBuf::from));
    let state = state.filter(|folder| folder.is_absolute());
    let xdg = || folder("XDG_STATE_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/state")));
    let folder = state.or_else(|| xdg().map(|xdg| xdg.join("sparekey")));
    folder.map_or_else(service_file, |folder| folder.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_paths() {
        for (environment, expected) in [
            (&[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), ("HOME", "/home/a")][..], "/var/lib/a/sparekey.db"),
            (&[("XDG_STATE_HOME", "/state"), ("HOME", "/home/a")], "/state/sparekey/sparekey.db"),
            (&[("XDG_STATE_HOME", "relative"), ("HOME", "/home/a")], "/home/a/.local/state/sparekey/sparekey.db"),
            (&[("STATE_DIRECTORY", ""), ("HOME", "/home/a")], "/home/a/.local/state/sparekey/sparekey.db"),
            (&[], "/var/lib/sparekey/sparekey.db"),
        ] {
            let get = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(default_path(get), Path::new(expected), "{environment:?}");
        }
    }

    #[test]
    fn folder_of_the_default_path_is_created() {
        let home = std::env::temp_dir().join(format!("sparekey-home-{}", std::process::id()));
        let environment = |name: &str| (name == "HOME").then(|| home.to_str().unwrap().to_owned());
        create_default_folder(&home.join("other/sparekey.db"), environment).unwrap();
        assert!(!home.exists());
        create_default_folder(&default_path(environment), environment).unwrap();
        assert!(home.join(".local/state/sparekey").is_dir());
        std::fs::remove_dir_all(home).unwrap();
    }

    #[test]
    fn paths_and_addresses() {
        let parse = |text: &str| Location::parse(SETTING, text);
        for text in ["ledger.db", "/a b/c.db", "./postgres.db", "/user=me/port = 1.db"] {
            assert_eq!(parse(text), Ok(ServerLedger::File(PathBuf::from(text)).into()));
        }
        let address = parse("postgres://me:secret@host/db?sslmode=require").unwrap();
        assert!(!format!("{address} {address:?}").contains("secret"), "{address:?}");
        let Location::Server(ServerLedger::Postgres(address)) = address else { panic!("{address}") };
        assert!(address.expose().contains("secret"));
        assert_eq!(parse("dynamodb:spare-key"), Ok(Location::DynamoDb("spare-key".to_owned())));
        for (text, expected) in [
            ("postgres://me:secret@host/db?sslmode=secret", "is not the address of a database"),
            ("postgres://me:secret@host:secret/db", "is not the address of a database"),
            ("postgresql:///db", "it has no host"),
            ("sqlite:///ledger.db", "must be the path of an SQLite file"),
            (":memory:", "must be the path of an SQLite file"),
            ("host=db user=me password=secret", "such as postgres://sparekey@db.internal/sparekey; a list of"),
            ("dbname=db password = secret", "such as postgres://sparekey@db.internal/sparekey; a list of"),
            ("user=me password ='secret'", "such as postgres://sparekey@db.internal/sparekey; a list of"),
            ("postgres://me:secret@host/db?sslmode=allow", "invalid value for option `sslmode`"),
            ("postgres://me:secret@host:99999/db", "invalid value for option `port`"),
            ("postgres://me:secret@host/db?secret=1", "invalid connection string"),
            ("dynamodb://secret", "must be dynamodb:TABLE"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.starts_with("LEDGER ") && problem.contains(expected), "{problem}");
            assert!(!problem.contains("secret"), "{problem}");
        }
    }

    #[test]
    fn no_server_has_a_table() {
        for (name, text) in [("LEDGER", "dynamodb:secret"), ("LEDGER_FILE", "dynamodb:secret/"), ("FROM", "dynamodb:")]
        {
            let problem = ServerLedger::parse(name, text).unwrap_err();
            let expected =
                format!("{name} must be the path of an SQLite file, such as /var/lib/sparekey/sparekey.db, or ");
            assert!(problem.starts_with(&expected), "{problem}");
            assert!(problem.contains("; a DynamoDB table is the ledger of a Lambda function: "), "{problem}");
            assert!(!problem.contains("secret"), "{problem}");
        }
    }
}
