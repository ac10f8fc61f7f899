//! Where the value of a setting comes from: its flag, its environment variable, or a file named by either.

use std::{collections::HashMap, env, fs, io, path::Path};

use clap::ArgMatches;
use sparekey_core::{ConfigProblem, KeyringError, SETTINGS};

use super::table::{SERVER_SETTINGS, Source, flag_name};

/// Where the settings come from. They can be read again.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    flags: Option<ArgMatches>,
    /// Values that are not read, by the names of their settings.
    fixed: HashMap<&'static str, String>,
    /// Settings without a value.
    ignored: Vec<&'static str>,
}

/// Values by the names of the settings. A blank value counts as not set.
#[derive(Debug, Default)]
pub(crate) struct Values {
    by_name: HashMap<&'static str, String>,
    secret_files: Vec<SecretFile>,
    /// Why settings have no value although they are set, one sentence each.
    problems: Vec<(&'static str, String)>,
}

/// A file with the value of a setting.
#[derive(Clone, Debug)]
pub(crate) struct SecretFile {
    /// The setting that has the value.
    pub(crate) setting: &'static str,
    pub(crate) path: String,
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads a variable. A value that is not UTF-8 gets replacement characters, which no setting accepts, so that it is reported.
pub(crate) fn environment(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// Reads a text of the settings, without its byte order mark.
///
/// # Errors
/// Those of the file system, and of text that is not UTF-8.
pub(crate) fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    String::from_utf8(read_bytes(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
}

/// Reads a file of the settings. Editors of Windows put a byte order mark in front, which is no part of the text.
///
/// # Errors
/// Those of the file system.
pub(crate) fn read_bytes(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let bytes = fs::read(path)?;
    Ok(match bytes.strip_prefix(BYTE_ORDER_MARK) {
        Some(text) => text.to_vec(),
        None => bytes,
    })
}

/// Whether a value is in quotes: Docker's `--env-file` and units of systemd's older versions pass them on.
fn is_quoted(value: &str) -> bool {
    let value = value.trim();
    ['"', '\''].iter().any(|quote| value.len() > 1 && value.starts_with(*quote) && value.ends_with(*quote))
}

/// The sentence of [`ConfigProblem::Quoted`], which is for names known at compile time.
fn quoted(name: &str) -> String {
    format!("{name} is in quotes, which would be a part of it; remove them")
}

impl Sources {
    pub(crate) fn new(flags: Option<ArgMatches>) -> Self {
        Self { flags, ..Self::default() }
    }

    /// Gives a setting a value that does not change any more.
    pub(crate) fn fix(&mut self, setting: &'static str, value: String) {
        self.fixed.insert(setting, value);
    }

    /// Ignores whatever is set.
    pub(crate) fn ignore(&mut self, setting: &'static str) {
        self.ignored.push(setting);
    }

    /// Returns the path of the file that has the value of a setting, whether it exists or not.
    ///
    /// # Errors
    /// A sentence, for a path in quotes.
    pub(crate) fn file(&self, setting: &str) -> Result<Option<String>, String> {
        let name = format!("{setting}_FILE");
        let is_set = |path: &String| !path.trim().is_empty();
        match self.flag(&name).filter(is_set).or_else(|| environment(&name).filter(is_set)) {
            Some(path) if is_quoted(&path) => Err(quoted(&name)),
            path => Ok(path.map(|path| path.trim().to_owned())),
        }
    }

    /// The flag of a setting, after the subcommand or before it.
    fn flag(&self, name: &str) -> Option<String> {
        let flags = self.flags.as_ref()?;
        // A subcommand does not have all flags.
        let value = |flags: &ArgMatches| flags.try_get_one::<String>(&flag_name(name)).ok().flatten().cloned();
        flags.subcommand().and_then(|(_, flags)| value(flags)).or_else(|| value(flags))
    }

    /// Reads the values of all settings.
    pub(crate) fn values(&self) -> Values {
        self.values_with(environment)
    }

    fn values_with(&self, environment: impl Fn(&str) -> Option<String>) -> Values {
        let is_set = |value: &String| !value.trim().is_empty();
        let flag = |name: &str| self.flag(name).filter(is_set);
        let environment = |name: &str| environment(name).filter(is_set);
        let core = SETTINGS.iter().map(|s| (s.name, if s.is_secret { Source::File } else { Source::Flag }));
        let settings = core.chain(SERVER_SETTINGS.iter().map(|setting| (setting.name, setting.source)));
        let is_read = |name: &str| !self.fixed.contains_key(name) && !self.ignored.contains(&name);
        let mut values = Values::default();
        for (name, source) in settings.filter(|(name, _)| is_read(name)) {
            let file_name = format!("{name}_FILE");
            let (value, file) = match (flag(name), flag(&file_name)) {
                (None, None) => (environment(name), environment(&file_name)),
                by_flag => by_flag,
            };
            match (value, file.filter(|_| source != Source::Flag)) {
                (Some(_), Some(_)) => {
                    values.problems.push((name, format!("{name} and {file_name} are both set; keep one")));
                }
                (Some(value), None) => values.accept(name, name, value),
                (None, Some(path)) => values.read_secret(name, path.trim()),
                (None, None) => {}
            }
        }
        // Cloud Run, Heroku and Render choose the port.
        if let Some(port) = environment("PORT").filter(|_| !values.is_set("LISTEN")) {
            values.accept("LISTEN", "PORT", port);
        }
        values.by_name.extend(self.fixed.iter().map(|(name, value)| (*name, value.clone())));
        values
    }
}

impl Values {
    /// Stores a value that `source` has, unless it is in quotes.
    fn accept(&mut self, setting: &'static str, source: &str, value: String) {
        // A users file may begin and end with a quoted text.
        if is_quoted(&value) && setting != "USERS" {
            self.problems.push((setting, quoted(source)));
        } else {
            self.set(setting, value);
        }
    }

    fn read_secret(&mut self, setting: &'static str, path: &str) {
        let name = format!("{setting}_FILE");
        if is_quoted(path) {
            self.problems.push((setting, quoted(&name)));
            return;
        }
        let problem = match read_text(path) {
            // All keys may be in the users file. If not, it is reported that there is none.
            Ok(value) if value.trim().is_empty() && setting != "ACCESS_KEYS" => {
                format!("{name} names {path}, which is empty")
            }
            Ok(value) => {
                self.accept(setting, &format!("{name} {path}"), value);
                self.secret_files.push(SecretFile { setting, path: path.to_owned() });
                return;
            }
            Err(error) => {
                // The path may be the secret itself by mistake: a key, or an address with a password.
                let path = if ["sk-", "://"].iter().any(|mark| path.contains(mark)) { "a file" } else { path };
                format!("{name} names {path}, which cannot be read: {error}")
            }
        };
        self.problems.push((setting, problem));
    }

    /// Why settings have no value although they are set, one sentence each.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &str> {
        self.problems.iter().map(|(_, problem)| &**problem)
    }

    /// Why this setting has no value although it is set.
    pub(crate) fn problem(&self, name: &str) -> Option<&str> {
        self.problems.iter().find(|(setting, _)| *setting == name).map(|(_, problem)| &**problem)
    }

    /// Whether a problem is only the consequence of a setting that has no value although it is set.
    pub(crate) fn explains(&self, problem: &ConfigProblem) -> bool {
        let is_unreadable = |name| self.problem(name).is_some();
        match problem {
            ConfigProblem::TokenWithoutGateway => is_unreadable("API_BASE"),
            ConfigProblem::NoApiKey => is_unreadable("OPENAI_API_KEY") || is_unreadable("AI_GATEWAY_TOKEN"),
            ConfigProblem::AccessKeys(KeyringError::Empty) => is_unreadable("ACCESS_KEYS") || is_unreadable("USERS"),
            ConfigProblem::Users(sentence) => is_unreadable("ACCESS_KEYS") && sentence.contains(" has no key"),
            _ => false,
        }
    }

    /// Names the file in a sentence that begins with the name of a setting.
    pub(crate) fn with_file(&self, sentence: &str) -> String {
        let file = self
            .secret_files
            .iter()
            .find(|file| sentence.strip_prefix(file.setting).is_some_and(|rest| rest.starts_with(' ')));
        file.map_or_else(
            || sentence.to_owned(),
            |SecretFile { setting, path }| format!("{setting}_FILE {path}{}", &sentence[setting.len()..]),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// Whether a setting is set, even if its value cannot be read, or its file is empty.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some() || self.problem(name).is_some() || self.secret_file(name).is_some()
    }

    pub(crate) fn set(&mut self, name: &'static str, value: String) {
        self.by_name.insert(name, value);
    }

    /// The file with the value of a setting.
    pub(crate) fn secret_file(&self, setting: &str) -> Option<&str> {
        self.secret_files.iter().find(|file| file.setting == setting).map(|file| &*file.path)
    }

    /// The files with secrets that were read.
    pub(crate) fn secret_files(&self) -> &[SecretFile] {
        &self.secret_files
    }

    #[cfg(test)]
    pub(crate) fn of(values: &[(&'static str, &'static str)]) -> Self {
        let by_name = values.iter().map(|&(name, value)| (name, value.to_owned())).collect();
        Self { by_name, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::command_line, *};

    fn read(arguments: &[&str], environment: &[(&str, &str)]) -> Values {
        let flags = command_line::command().get_matches_from([&["sparekey"], arguments].concat());
        let get = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Sources::new(Some(flags)).values_with(get)
    }

    fn problems(values: &Values) -> Vec<&str> {
        values.problems().collect()
    }

    #[test]
    fn flags_come_first_and_blank_is_unset() {
        let environment = [("LISTEN", "127.0.0.1:1"), ("API_BASE", " "), ("OPENAI_API_KEY", "sk-api")];
        let values = read(&["--listen", "127.0.0.1:2"], &environment);
        assert_eq!(problems(&values), [""; 0]);
        assert_eq!(values.get("LISTEN"), Some("127.0.0.1:2"));
        assert_eq!(values.get("API_BASE"), None);
        assert_eq!(values.get("OPENAI_API_KEY"), Some("sk-api"));
    }

    #[test]
    fn flags_stand_before_or_after_a_command() {
        for arguments in [&["check", "--listen", "127.0.0.1:2"][..], &["--listen", "127.0.0.1:2", "check"]] {
            assert_eq!(read(arguments, &[("LISTEN", "127.0.0.1:1")]).get("LISTEN"), Some("127.0.0.1:2"));
        }
        let values = read(&["users", "set", "Tom", "--routes", "data"], &[]);
        assert_eq!(values.get("ROUTES"), None, "they are Tom's");
    }

    #[test]
    fn unreadable_file_is_named_unless_it_may_be_the_secret() {
        let environment = [
            ("OPENAI_API_KEY_FILE", "/run/missing"),
            ("ACCESS_KEYS_FILE", "sk-Tom-abc"),
            ("LEDGER_FILE", "postgres://me:secret@host/db"),
        ];
        let values = read(&[], &environment);
        assert_eq!(
            problems(&values),
            [
                "OPENAI_API_KEY_FILE names /run/missing, which cannot be read: No such file or directory (os error 2)",
                "ACCESS_KEYS_FILE names a file, which cannot be read: No such file or directory (os error 2)",
                "LEDGER_FILE names a file, which cannot be read: No such file or directory (os error 2)",
            ]
        );
        assert!(
            values.explains(&ConfigProblem::NoApiKey)
                && values.explains(&ConfigProblem::AccessKeys(KeyringError::Empty))
        );
    }

    #[test]
    fn fixed_and_ignored_values() {
        let mut sources = Sources::default();
        sources.fix("ACCESS_KEYS", "fixed".to_owned());
        sources.ignore("API_BASE");
        let values = sources.values_with(|name| (!name.ends_with("_FILE")).then(|| format!("{name}'s")));
        assert_eq!((values.get("ACCESS_KEYS"), values.get("API_BASE")), (Some("fixed"), None));
        assert_eq!(values.get("LISTEN"), Some("LISTEN's"));
    }

    #[test]
    fn two_sources_are_a_problem_unless_one_is_a_flag() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for (arguments, name) in [(["--access-keys-file", file], "ACCESS_KEYS"), (["--ledger", file], "LEDGER")] {
            let file_name = format!("{name}_FILE");
            let environment = [(name, "x"), (&file_name, "y")];
            let values = read(&[], &environment);
            assert_eq!(problems(&values), [format!("{name} and {file_name} are both set; keep one")]);
            let values = read(&arguments, &environment);
            assert!(problems(&values).is_empty() && values.is_set(name), "{values:?}");
        }
    }

    #[test]
    fn quotes_are_a_problem_of_any_setting() {
        let own = SERVER_SETTINGS.iter().map(|setting| (setting.name, setting.source != Source::Flag));
        for (name, has_file) in SETTINGS.iter().map(|setting| (setting.name, setting.is_secret)).chain(own) {
            let file_name = format!("{name}_FILE");
            for name in [Some(name), Some(&*file_name).filter(|_| has_file)].into_iter().flatten() {
                let expected = [format!("{name} is in quotes, which would be a part of it; remove them")];
                for value in ["\"x\"", " 'x'\r"] {
                    let values = read(&[], &[(name, value)]);
                    // A users file may begin and end with a quoted text.
                    assert_eq!(problems(&values), expected[..usize::from(name != "USERS")], "{name}");
                    assert_eq!(values.get(name), (name == "USERS").then(|| value.trim()));
                }
            }
        }
        let values = read(&["--ledger", "'x.db'"], &[("PORT", "\"80\"")]);
        let of = |name| format!("{name} is in quotes, which would be a part of it; remove them");
        assert_eq!(problems(&values), [of("LEDGER"), of("PORT")]);
        for value in ["\"", "'a", "a'", "'a\""] {
            assert_eq!(read(&[], &[("OPERATIONS_PASSWORD", value)]).get("OPERATIONS_PASSWORD"), Some(value));
        }
    }

    #[test]
    fn files_of_windows() {
        let folder = env::temp_dir().join(format!("sparekey-sources-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("keys").display().to_string();
        let get = |text: &str| {
            fs::write(&path, text).unwrap();
            let values = read(&[], &[("ACCESS_KEYS_FILE", &format!(" {path} \r"))]);
            let found = (values.get("ACCESS_KEYS").map(str::to_owned), values.problems().map(str::to_owned).collect());
            assert_eq!(values.secret_file("ACCESS_KEYS"), Some(&*path), "it is watched");
            assert!(values.is_set("ACCESS_KEYS"));
            found
        };
        assert_eq!(get("\u{feff}sk-Tom-abcdefgh\r\n"), (Some("sk-Tom-abcdefgh".to_owned()), vec![]));
        assert_eq!(get("\u{feff}\r\n"), (None, vec![]));
        let problem = format!("ACCESS_KEYS_FILE {path} is in quotes, which would be a part of it; remove them");
        assert_eq!(get("'sk-Tom-abcdefgh'\n"), (None, vec![problem]));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_setting_that_is_no_secret_has_no_file() {
        assert!(!read(&[], &[("LISTEN_FILE", "/run/missing")]).is_set("LISTEN"));
    }
}
