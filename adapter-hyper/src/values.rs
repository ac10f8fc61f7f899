//! Where a setting's value comes from: the flag, else the environment, else a file that either names.

use std::{collections::HashMap, fs};

use clap::ArgMatches;
use sparekey_core::SETTINGS;

use crate::{cli, settings::SERVER_SETTINGS};

/// Values by the settings' names; a blank value counts as none.
#[derive(Debug, Default)]
pub(crate) struct Values(HashMap<&'static str, String>);

impl Values {
    /// Gathers every setting's value; what can't be read is added to `problems`.
    pub(crate) fn gather(
        flags: Option<&ArgMatches>,
        environment: impl Fn(&str) -> Option<String>,
        problems: &mut Vec<String>,
    ) -> Self {
        let flag = |name: &str| flags?.get_one::<String>(&cli::flag(name)).cloned();
        let given =
            |source: &dyn Fn(&str) -> Option<String>, name: &str| source(name).filter(|value| !value.trim().is_empty());
        let mut values = Self::default();
        let plain = SERVER_SETTINGS.iter().map(|s| s.name).chain(SETTINGS.iter().filter(|s| !s.secret).map(|s| s.name));
        for name in plain {
            values.0.extend(given(&flag, name).or_else(|| given(&environment, name)).map(|value| (name, value)));
        }
        for name in SETTINGS.iter().filter(|setting| setting.secret).map(|setting| setting.name) {
            let file_name = format!("{name}_FILE");
            // A secret in a flag would stand in every process list.
            let file = given(&flag, &file_name);
            let value = given(&environment, name).filter(|_| file.is_none());
            let file = file.or_else(|| given(&environment, &file_name));
            match (value, file) {
                (Some(_), Some(_)) => problems.push(format!("{name} and {file_name} are both set; keep one")),
                (Some(value), None) => values.set(name, value),
                (None, Some(file)) => match fs::read_to_string(file) {
                    Ok(value) => values.set(name, value),
                    // The path is not shown: by mistake it may be the secret itself.
                    Err(error) => problems.push(format!("{file_name} names a file that can't be read: {error}")),
                },
                (None, None) => {}
            }
        }
        values
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    pub(crate) fn set(&mut self, name: &'static str, value: String) {
        self.0.insert(name, value);
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.0.remove(name);
    }

    #[cfg(test)]
    pub(crate) fn of(values: &[(&'static str, &'static str)]) -> Self {
        Self(values.iter().map(|&(name, value)| (name, value.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(arguments: &[&str], environment: &[(&str, &str)]) -> (Values, Vec<String>) {
        let flags = cli::command().get_matches_from([&["sparekey"], arguments].concat());
        let get = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let mut problems = Vec::new();
        (Values::gather(Some(&flags), get, &mut problems), problems)
    }

    #[test]
    fn flags_come_first_and_blank_is_none() {
        let environment = [("LISTEN", "127.0.0.1:1"), ("API_BASE", " "), ("OPENAI_API_KEY", "sk-real")];
        let (values, problems) = gather(&["--listen", "127.0.0.1:2"], &environment);
        assert!(problems.is_empty());
        assert_eq!(values.value("LISTEN"), Some("127.0.0.1:2"));
        assert_eq!(values.value("API_BASE"), None);
        assert_eq!(values.value("OPENAI_API_KEY"), Some("sk-real"));
    }

    #[test]
    fn a_file_that_can_not_be_read_is_not_shown() {
        let (_, problems) = gather(&[], &[("OPENAI_API_KEY_FILE", "/sk-proj-secret")]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("OPENAI_API_KEY_FILE names a file that can't be read"), "{problems:?}");
        assert!(!problems[0].contains("secret"));
    }

    #[test]
    fn two_sources_of_one_secret_are_a_mistake() {
        let environment = [("ACCESS_KEYS", "x"), ("ACCESS_KEYS_FILE", "y")];
        assert_eq!(gather(&[], &environment).1, ["ACCESS_KEYS and ACCESS_KEYS_FILE are both set; keep one"]);
        let (_, problems) = gather(&["--access-keys-file", "/dev/null"], &[("ACCESS_KEYS", "x")]);
        assert!(problems.is_empty());
    }
}
