//! Settings.

use sparekey_core::{Config, SETTINGS};

/// Checks that errors name their problems without a value, and that `Debug` of a valid configuration has no secret.
/// Input lines: `NAME=value`, where `~` stands for a marker that no message contains by itself.
pub(crate) fn settings(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // Fuzzers find markers through comparisons, and would put them into names, which messages may contain.
    if SETTINGS.iter().any(|setting| text.contains(&marker(setting.name))) {
        return;
    }
    let lookup = |name: &str| {
        let value = text.lines().filter_map(|line| line.split_once('=')).find(|(key, _)| *key == name)?.1;
        Some(value.replace('~', &marker(name)))
    };
    let (output, secret): (String, &[&str]) = match Config::from_lookup(lookup) {
        Ok(config) => (format!("{config:?}"), &["OPENAI_API_KEY", "AI_GATEWAY_TOKEN"]),
        Err(error) => {
            assert!(!error.problems().is_empty());
            (format!("{error} {error:?}"), &SETTINGS.map(|setting| setting.name))
        }
    };
    for name in secret {
        assert!(!output.contains(&marker(name)), "{name}: {output}");
    }
}

fn marker(name: &str) -> String {
    let index = SETTINGS.iter().position(|setting| setting.name == name).expect("a setting's name");
    format!("Zq7Xv{index}Wk3Jt5")
}
