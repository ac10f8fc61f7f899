//! The password file of PostgreSQL's clients
//! ([libpq](https://www.postgresql.org/docs/current/libpq-pgpass.html)): lines of
//! `hostname:port:database:username:password`, of which the first one that matches counts.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tokio_postgres::{Config, config::Host};

/// The name of the file in the user's home.
const NAME: &str = ".pgpass";

/// In a line, it matches any value.
const ANY: &str = "*";

const DEFAULT_PORT: u16 = 5432;

/// What a line is compared with.
struct Wanted {
    host: String,
    port: String,
    database: String,
    user: String,
}

/// Returns the password of an address that has none, if a line of the file matches. It is read for each connection, so that a
/// new password needs no restart.
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
    of_all_hosts(&read(&path)?, config)
}

/// A connection has one password for all hosts, and no host must get that of another one.
fn of_all_hosts(text: &str, config: &Config) -> Result<Option<String>, String> {
    let wanted = wanted(config);
    let mut found = wanted.iter().filter_map(|wanted| find(text, wanted));
    let first = found.next();
    if found.any(|other| first.as_ref() != Some(&other)) {
        return Err(
            "PGPASSFILE has different passwords for the hosts of the address: give them the same one".to_owned()
        );
    }
    Ok(first)
}

fn read(path: &Path) -> Result<String, String> {
    let failed = |error| format!("PGPASSFILE {} cannot be read: {error}", path.display());
    let metadata = fs::metadata(path).map_err(failed)?;
    if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
        return Err(format!("PGPASSFILE {} can be read by other users: chmod 0600 it", path.display()));
    }
    fs::read_to_string(path).map_err(failed)
}

/// Each host of the address. A folder of sockets is `localhost`.
fn wanted(config: &Config) -> Vec<Wanted> {
    let user = config.get_user().unwrap_or_default();
    let ports = config.get_ports();
    let host = |(index, host): (usize, &Host)| {
        let host = match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(_) => "localhost".to_owned(),
        };
        let port = ports.get(index).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
        let database = config.get_dbname().unwrap_or(user).to_owned();
        Wanted { host, port: port.to_string(), database, user: user.to_owned() }
    };
    config.get_hosts().iter().enumerate().map(host).collect()
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
        of_all_hosts(text, &address.parse().unwrap()).unwrap()
    }

    #[test]
    fn no_host_gets_the_password_of_another() {
        let text = "a:*:*:*:one\nb:*:*:*:two\nc:*:*:*:two";
        let of = |hosts: &str| of_all_hosts(text, &format!("postgres://sparekey@{hosts}/sparekey").parse().unwrap());
        assert!(of("a,b").unwrap_err().contains("different passwords"));
        assert_eq!(of("b,c"), Ok(Some("two".to_owned())));
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
            ("postgres://sparekey@gone,other/sparekey", Some("one")),
        ] {
            assert_eq!(passwords(address, text).as_deref(), password, "{address}");
        }
    }
}
