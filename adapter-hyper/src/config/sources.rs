//! Where the value of a setting comes from: its flag, its environment variable, or a file named by either.

use std::{collections::HashMap, fs};

use clap::ArgMatches;
use sparekey_core::SETTINGS;

use super::table::{SERVER_SETTINGS, flag_name};

/// Values by the names of the settings. A blank value counts as not set.
#[derive(Debug, Default)]
pub(crate) struct Values {
    by_name: HashMap<&'static str, String>,
    /// The settings that name a file with a secret, and its path.
    secret_files: Vec<(String, String)>,
}

impl Values {
    /// Reads the values of all settings; a value that cannot be read is added to `problems`.
    pub(crate) fn read(
        flags: Option<&ArgMatches>,
        environment: impl Fn(&str) -> Option<String>,
        problems: &mut Vec<String>,
    ) -> Self {
        let flag = |name: &str| flags?.get_one::<String>(&flag_name(name)).cloned();
        let from =
            |source: &dyn Fn(&str) -> Option<String>, name: &str| source(name).filter(|value| !value.trim().is_empty());
        let mut values = Self::default();
        let public = SETTINGS.iter().filter(|setting| !setting.secret).map(|setting| setting.name);
        for name in SERVER_SETTINGS.iter().map(|setting| setting.name).chain(public) {
            values.by_name.extend(from(&flag, name).or_else(|| from(&environment, name)).map(|value| (name, value)));
        }
        for name in SETTINGS.iter().filter(|setting| setting.secret).map(|setting| setting.name) {
            let file_name = format!("{name}_FILE");
            // No flag for the secret itself: process lists show flags.
            let file = from(&flag, &file_name);
            let value = from(&environment, name).filter(|_| file.is_none());
            let file = file.or_else(|| from(&environment, &file_name));
            match (value, file) {
                (Some(_), Some(_)) => problems.push(format!("{name} and {file_name} are both set; keep one")),
                (Some(value), None) => values.set(name, value),
                (None, Some(file)) => match fs::read_to_string(&file) {
                    Ok(value) => {
                        values.set(name, value);
                        values.secret_files.push((file_name, file));
                    }
                    // Without the path, which may be the secret itself by mistake.
                    Err(error) => problems.push(format!("{file_name} names a file that cannot be read: {error}")),
                },
                (None, None) => {}
            }
        }
        values
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    pub(crate) fn set(&mut self, name: &'static str, value: String) {
        self.by_name.insert(name, value);
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    /// The settings that name a file with a secret, and its path.
    pub(crate) fn secret_files(&self) -> &[(String, String)] {
        &self.secret_files
    }

    #[cfg(test)]
    pub(crate) fn of(values: &[(&'static str, &'static str)]) -> Self {
        let by_name = values.iter().map(|&(name, value)| (name, value.to_owned())).collect();
        Self { by_name, secret_files: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::command_line, *};

    fn read(arguments: &[&str], environment: &[(&str, &str)]) -> (Values, Vec<String>) {
        let flags = command_line::command().get_matches_from([&["sparekey"], arguments].concat());
        let get = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let mut problems = Vec::new();
        (Values::read(Some(&flags), get, &mut problems), problems)
    }

    #[test]
    fn flags_come_first_and_blank_is_unset() {
        let environment = [("LISTEN", "127.0.0.1:1"), ("API_BASE", " "), ("OPENAI_API_KEY", "sk-api")];
        let (values, problems) = read(&["--listen", "127.0.0.1:2"], &environment);
        assert!(problems.is_empty());
        assert_eq!(values.get("LISTEN"), Some("127.0.0.1:2"));
        assert_eq!(values.get("API_BASE"), None);
        assert_eq!(values.get("OPENAI_API_KEY"), Some("sk-api"));
    }

    #[test]
    fn path_of_an_unreadable_file_is_hidden() {
        let (_, problems) = read(&[], &[("OPENAI_API_KEY_FILE", "/sk-proj-secret")]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("OPENAI_API_KEY_FILE names a file that cannot be read"), "{problems:?}");
        assert!(!problems[0].contains("secret"));
    }

    #[test]
    fn two_sources_of_a_secret_are_a_problem() {
        let environment = [("ACCESS_KEYS", "x"), ("ACCESS_KEYS_FILE", "y")];
        assert_eq!(read(&[], &environment).1, ["ACCESS_KEYS and ACCESS_KEYS_FILE are both set; keep one"]);
        let (_, problems) = read(&["--access-keys-file", "/dev/null"], &[("ACCESS_KEYS", "x")]);
        assert!(problems.is_empty());
    }
}
