//! Where the value of a setting comes from: its flag, its environment variable, or a file named by either.

use std::{collections::HashMap, env, fs};

use clap::ArgMatches;
use sparekey_core::{KeyringError, Problem, SETTINGS};

use super::table::{SERVER_SETTINGS, flag_name};

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
    fixed: Vec<&'static str>,
    /// The settings whose file cannot be read.
    unreadable: Vec<&'static str>,
}

/// A file with the value of a setting.
#[derive(Clone, Debug)]
pub(crate) struct SecretFile {
    /// The setting that has the value.
    pub(crate) setting: &'static str,
    pub(crate) path: String,
}

/// Reads a variable. A value that is not UTF-8 gets replacement characters, which no setting accepts, so that it is reported.
pub(crate) fn environment(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned())
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

    /// The file that has the value of a setting, whether it exists or not.
    pub(crate) fn file(&self, setting: &str) -> Option<String> {
        let name = format!("{setting}_FILE");
        let is_set = |path: &String| !path.trim().is_empty();
        self.flag(&name).filter(is_set).or_else(|| environment(&name).filter(is_set))
    }

    /// The flag of a setting, after the subcommand or before it.
    fn flag(&self, name: &str) -> Option<String> {
        let flags = self.flags.as_ref()?;
        // A subcommand does not have all flags.
        let value = |flags: &ArgMatches| flags.try_get_one::<String>(&flag_name(name)).ok().flatten().cloned();
        flags.subcommand().and_then(|(_, flags)| value(flags)).or_else(|| value(flags))
    }

    /// Reads the values of all settings; a value that cannot be read is added to `problems`.
    pub(crate) fn values(&self, problems: &mut Vec<String>) -> Values {
        self.values_with(environment, problems)
    }

    fn values_with(&self, environment: impl Fn(&str) -> Option<String>, problems: &mut Vec<String>) -> Values {
        let is_set = |value: &String| !value.trim().is_empty();
        let flag = |name: &str| self.flag(name).filter(is_set);
        let environment = |name: &str| environment(name).filter(is_set);
        let is_read = |name: &&str| !self.fixed.contains_key(name) && !self.ignored.contains(name);
        let mut values = Values::default();
        let public = SETTINGS.iter().filter(|setting| !setting.secret).map(|setting| setting.name);
        let own = |secret| SERVER_SETTINGS.iter().filter(move |s| s.secret == secret).map(|setting| setting.name);
        for name in own(false).chain(public).filter(is_read) {
            values.by_name.extend(flag(name).or_else(|| environment(name)).map(|value| (name, value)));
        }
        // Cloud Run, Heroku and Render choose the port.
        if let Some(port) = environment("PORT") {
            values.by_name.entry("LISTEN").or_insert(port);
        }
        let secrets = SETTINGS.iter().filter(|setting| setting.secret).map(|setting| setting.name);
        for name in secrets.chain(own(true)).filter(is_read) {
            let file_name = format!("{name}_FILE");
            // No flag for the secret itself: process lists show flags.
            let file = flag(&file_name);
            let value = environment(name).filter(|_| file.is_none());
            match (value, file.or_else(|| environment(&file_name))) {
                (Some(_), Some(_)) => problems.push(format!("{name} and {file_name} are both set; keep one")),
                (Some(value), None) => {
                    values.by_name.insert(name, value);
                }
                (None, Some(path)) => values.read_secret(name, path, problems),
                (None, None) => {}
            }
        }
        values.by_name.extend(self.fixed.iter().map(|(name, value)| (*name, value.clone())));
        values.fixed = self.fixed.keys().copied().collect();
        values
    }
}

impl Values {
    /// Whether the value does not change any more, whatever is set.
    pub(crate) fn is_fixed(&self, name: &str) -> bool {
        self.fixed.contains(&name)
    }

    fn read_secret(&mut self, setting: &'static str, path: String, problems: &mut Vec<String>) {
        match fs::read_to_string(&path) {
            Ok(value) if value.trim().is_empty() => {
                problems.push(format!("{setting}_FILE names {path}, which is empty"));
                self.unreadable.push(setting);
            }
            Ok(value) => {
                self.by_name.insert(setting, value);
                self.secret_files.push(SecretFile { setting, path });
            }
            Err(error) => {
                // The path may be the secret itself by mistake.
                let path = if path.contains("sk-") { "a file".to_owned() } else { path };
                problems.push(format!("{setting}_FILE names {path}, which cannot be read: {error}"));
                self.unreadable.push(setting);
            }
        }
    }

    /// Whether a problem is only the consequence of a file that cannot be read.
    pub(crate) fn explains(&self, problem: &Problem) -> bool {
        let is_unreadable = |name| self.unreadable.contains(&name);
        match problem {
            Problem::NoApiKey => is_unreadable("OPENAI_API_KEY") || is_unreadable("AI_GATEWAY_TOKEN"),
            Problem::AccessKeys(KeyringError::Empty) => is_unreadable("ACCESS_KEYS") || is_unreadable("USERS"),
            Problem::Users(sentence) => is_unreadable("ACCESS_KEYS") && sentence.contains(" has no key"),
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

    /// Whether a setting has a value, or a file that cannot be read.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some() || self.unreadable.contains(&name)
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

    fn read(arguments: &[&str], environment: &[(&str, &str)]) -> (Values, Vec<String>) {
        let flags = command_line::command().get_matches_from([&["sparekey"], arguments].concat());
        let get = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let mut problems = Vec::new();
        (Sources::new(Some(flags)).values_with(get, &mut problems), problems)
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
    fn flags_stand_before_or_after_a_command() {
        for arguments in [&["check", "--listen", "127.0.0.1:2"][..], &["--listen", "127.0.0.1:2", "check"]] {
            assert_eq!(read(arguments, &[("LISTEN", "127.0.0.1:1")]).0.get("LISTEN"), Some("127.0.0.1:2"));
        }
        let (values, _) = read(&["users", "set", "Tom", "--routes", "data"], &[]);
        assert_eq!(values.get("ROUTES"), None, "they are Tom's");
    }

    #[test]
    fn unreadable_file_is_named_unless_it_may_be_the_secret() {
        let (values, problems) =
            read(&[], &[("OPENAI_API_KEY_FILE", "/run/missing"), ("ACCESS_KEYS_FILE", "sk-Tom-abc")]);
        assert_eq!(
            problems,
            [
                "OPENAI_API_KEY_FILE names /run/missing, which cannot be read: No such file or directory (os error 2)",
                "ACCESS_KEYS_FILE names a file, which cannot be read: No such file or directory (os error 2)",
            ]
        );
        assert!(values.explains(&Problem::NoApiKey) && values.explains(&Problem::AccessKeys(KeyringError::Empty)));
    }

    #[test]
    fn fixed_and_ignored_values() {
        let mut sources = Sources::default();
        sources.fix("ACCESS_KEYS", "fixed".to_owned());
        sources.ignore("API_BASE");
        let values = sources.values_with(|name| Some(format!("{name}'s")), &mut Vec::new());
        assert_eq!((values.get("ACCESS_KEYS"), values.get("API_BASE")), (Some("fixed"), None));
        assert_eq!(values.get("LISTEN"), Some("LISTEN's"));
    }

    #[test]
    fn two_sources_of_a_secret_are_a_problem() {
        let environment = [("ACCESS_KEYS", "x"), ("ACCESS_KEYS_FILE", "y")];
        assert_eq!(read(&[], &environment).1, ["ACCESS_KEYS and ACCESS_KEYS_FILE are both set; keep one"]);
        let (_, problems) =
            read(&["--access-keys-file", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")], &[("ACCESS_KEYS", "x")]);
        assert!(problems.is_empty());
    }
}
