//! The password file of PostgreSQL's clients
//! ([libpq](https://www.postgresql.org/docs/current/libpq-pgpass.html)): lines of
//! `hostname:port:database:username:password`, of which the first one that matches counts.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tokio_postgres::{Config, config::Host};

use super::host::port;

/// The name of the file in the user's home.
const NAME: &str = ".pgpass";

/// In a line, it matches any value.
const ANY: &str = "*";

/// What a line is compared with.
struct Wanted {
    host: String,
    port: String,
    database: String,
    user: String,
}

/// Returns the password of an address with one host, if it has none and a line of the file matches. It is read for each
/// connection, so that a new password needs no restart.
///
/// # Errors
/// A sentence, if the file can be read by others, or cannot be read.
pub(super) fn password(config: &Config) -> Result<Option<String>, String> {
    if config.get_password().is_some() {
        return Ok(None);
    }
    let (path, is_named) = match env::var_os("PGPASSFILE") {
        Some(path) => (PathBuf::from(path), true),
        None => match env::var_os("HOME") {
            Some(home) => (Path::new(&home).join(NAME), false),
            None => return Ok(None),
        },
    };
    if !is_named && !path.exists() {
        return Ok(None);
    }
    Ok(find(&read(&path)?, &wanted(config)))
}

fn read(path: &Path) -> Result<String, String> {
    let failed = |error| format!("PGPASSFILE {} cannot be read: {error}", path.display());
    let metadata = fs::metadata(path).map_err(failed)?;
    if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
        return Err(format!("PGPASSFILE {} can be read by other users: chmod 0600 it", path.display()));
    }
    fs::read_to_string(path).map_err(failed)
}

/// A folder of sockets is `localhost`.
fn wanted(config: &Config) -> Wanted {
    let user = config.get_user().unwrap_or_default().to_owned();
    let host = match (config.get_hosts().first(), config.get_hostaddrs().first()) {
        (Some(Host::Tcp(name)), _) => name.clone(),
        (Some(Host::Unix(_)), _) => "localhost".to_owned(),
        (None, address) => address.map(ToString::to_string).unwrap_or_default(),
    };
    let database = config.get_dbname().unwrap_or(&user).to_owned();
    Wanted { host, port: port(config).to_string(), database, user }
}

fn find(text: &str, wanted: &Wanted) -> Option<String> {
    let Wanted { host, port, database, user } = wanted;
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let [of_host, of_port, of_database, of_user, password] = fields.as_slice() else { return None };
        let pairs = [(of_host, host), (of_port, port), (of_database, database), (of_user, user)];
        pairs.iter().all(|(pattern, value)| *pattern == ANY || pattern == value).then(|| password.clone())
    })
}

/// Splits a line at its colons. A backslash escapes a colon or a backslash.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let literal = match character {
            ':' => {
                fields.push(String::new());
                continue;
            }
            '\\' => characters.next().unwrap_or('\\'),
            other => other,
        };
        if let Some(field) = fields.last_mut() {
            field.push(literal);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(address: &str, text: &str) -> Option<String> {
        find(text, &wanted(&address.parse().unwrap()))
    }

    #[test]
    fn first_line_that_matches() {
        let text = "# db:5432:sparekey:sparekey:no\n\
                    other:5432:sparekey:sparekey:one\n\
                    db:5433:*:sparekey:two\n\
                    db:*:sparekey:spare\\:key:th\\:r\\\\ee\n\
                    localhost:*:*:sparekey:four\n\
                    too:few\n\
                    *:*:*:Tom:five";
        for (address, password) in [
            ("postgres://sparekey@other/sparekey", Some("one")),
            ("postgres://sparekey@db:5433/sparekey", Some("two")),
            ("postgres://sparekey@db/sparekey", None),
            ("postgres://spare%3Akey@db:5999/sparekey", Some("th:r\\ee")),
            ("postgres://sparekey@%2Frun%2Fpostgresql/sparekey", Some("four")),
            ("postgres://Tom@anywhere", Some("five")),
        ] {
            assert_eq!(passwords(address, text).as_deref(), password, "{address}");
        }
    }
}
