//! Settings.

use sparekey_core::{Config, SETTINGS};

/// Lines `NAME=value`. Whatever they hold, problems are told, and no secret among them.
pub(crate) fn settings(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.split_once('=').filter(|(given, _)| *given == name));
        line.map(|(_, value)| value.to_owned())
    };
    let Err(error) = Config::from_lookup(value) else { return };
    let said = error.to_string();
    assert!(!said.is_empty());
    for secret in SETTINGS.iter().filter(|setting| setting.secret).filter_map(|setting| value(setting.name)) {
        let secret = secret.trim();
        // A shorter one, or one of several words, may be a message's own text.
        let is_clear = secret.len() <= 24 || secret.contains(char::is_whitespace);
        assert!(is_clear || !said.contains(secret), "{said}");
    }
}
