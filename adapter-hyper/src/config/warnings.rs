//! Settings of the server that are valid, and probably a mistake.

use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt as _, time::Duration};

use sparekey_core::{SETTINGS, is_private_address};
use sparekey_policy::{PriceTable, Timestamp, Users};

use super::{settings::Settings, sources::SecretFile, table::SERVER_SETTINGS};

/// Variables of other programs, and the setting that was probably meant.
const FOREIGN: [(&str, &str); 5] = [
    ("OPENAI_BASE_URL", "API_BASE"),
    ("OPENAI_API_BASE", "API_BASE"),
    ("OPENAI_ORG_ID", "OPENAI_ORGANIZATION"),
    ("OPENAI_PROJECT_ID", "OPENAI_PROJECT"),
    ("OPENAI_KEY", "OPENAI_API_KEY"),
];
/// Variables that name the certificates to trust, which are no settings of this server's own.
const TRUST: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The longest difference to a setting that is a misspelling, and the shortest name for which it is one.
const MISSPELLING_MAX: usize = 2;
const MISSPELLED_MIN: usize = 8;
/// The permission of all users to read
/// ([chmod(2)](https://man7.org/linux/man-pages/man2/chmod.2.html)).
const READABLE_BY_ALL: u32 = 0o004;

/// How old the built-in prices may be. OpenAI changes a price, or adds a model, about every month.
const PRICES_AGE_MAX: Duration = Duration::from_secs(60 * 86_400);

/// Looks for mistakes, one sentence each, which begins with the name of the setting. `environment` has the names of all
/// variables; `secret_files` are the files that were read.
pub(crate) fn find(settings: &Settings, environment: &[String], secret_files: &[SecretFile]) -> Vec<String> {
    let mut warnings = Vec::new();
    if !settings.listen.iter().all(|address| address.ip().is_loopback()) && settings.tls.is_none() {
        warnings.push(
            "LISTEN serves other machines without TLS, so access keys pass unencrypted; set TLS_CERT and TLS_KEY, or put a \
             reverse proxy with HTTPS in front"
                .to_owned(),
        );
    }
    if settings.metrics_listen.is_some_and(|address| !is_private_address(address.ip())) {
        warnings
            .push("METRICS_LISTEN is open to every machine that reaches this one; use a private address".to_owned());
    }
    let readable = secret_files.iter().filter(|file| {
        fs::metadata(&file.path).is_ok_and(|metadata| metadata.is_file() && metadata.mode() & READABLE_BY_ALL != 0)
    });
    warnings.extend(readable.map(|SecretFile { setting, path }| {
        format!("{setting}_FILE {path} can be read by every user of this machine; chmod 600 it")
    }));
    warnings.extend(environment.iter().filter_map(|name| misnamed(name)));
    warnings
}

/// A warning about built-in prices that are old.
pub(crate) fn old_prices(prices: &PriceTable, now: Timestamp) -> Option<String> {
    let age = prices.date().until(now);
    let date = prices.date().to_string();
    let date = date.split(' ').next().unwrap_or_default();
    (age > PRICES_AGE_MAX).then(|| {
        format!(
            "PRICES_FILE: the built-in prices are {} days old ({date}); use a newer release, or put the prices that have \
             changed in PRICES_FILE",
            age.as_secs() / 86_400
        )
    })
}

/// A warning about models that users with budgets may use by `models`, and that have no price.
pub(crate) fn unpriced_models(prices: &PriceTable, users: &Users) -> Option<String> {
    let budgeted = users.iter().map(|(_, user)| user).filter(|user| !user.limits.budgets.is_empty());
    let patterns = budgeted.flat_map(|user| user.models.iter().flatten()).map(ToString::to_string);
    let unpriced: BTreeSet<_> = patterns.filter(|pattern| !is_priced(prices, pattern)).collect();
    let names = unpriced.into_iter().collect::<Vec<_>>().join(", ");
    (!names.is_empty()).then(|| {
        format!(
            "USERS has models without a price, which users with a budget cannot use: {names}; add them to PRICES_FILE, or \
             remove them"
        )
    })
}

/// Whether a model that a pattern matches may have a price: the name in a request can be longer by a date.
fn is_priced(prices: &PriceTable, pattern: &str) -> bool {
    let Some((start, _)) = pattern.split_once('*') else { return prices.find(pattern).is_some() };
    prices.models().any(|(name, _)| name.starts_with(start) || start.starts_with(name))
}

/// A warning about a variable that is not a setting.
fn misnamed(variable: &str) -> Option<String> {
    if variable.eq_ignore_ascii_case("HTTP_PROXY") {
        return Some(format!("{variable} is set, but this server uses HTTPS_PROXY and ALL_PROXY only"));
    }
    if let Some((_, setting)) = FOREIGN.iter().find(|(name, _)| *name == variable) {
        return Some(format!("{variable} is not a setting of this server; use {setting}"));
    }
    if TRUST.contains(&variable) {
        return None;
    }
    let settings = || SETTINGS.iter().map(|s| s.name).chain(SERVER_SETTINGS.iter().map(|s| s.name));
    let name = variable.strip_suffix("_FILE").unwrap_or(variable);
    if name.len() < MISSPELLED_MIN || settings().any(|setting| setting == name) {
        return None;
    }
    let mut long = settings().filter(|setting| setting.len() >= MISSPELLED_MIN);
    // The difference in length is checked first: it is a lower bound, and most variables have another length.
    let meant = long.find(|setting| {
        setting.len().abs_diff(name.len()) <= MISSPELLING_MAX
            && strsim::damerau_levenshtein(setting, name) <= MISSPELLING_MAX
    })?;
    Some(format!("{variable} is not a setting of this server; use {meant}"))
}

#[cfg(test)]
mod tests {
    use super::{super::sources::Values, *};

    fn found(settings: &[(&'static str, &'static str)], environment: &[&str]) -> Vec<String> {
        let settings = Settings::read(&Values::of(settings), &mut Vec::new());
        find(&settings, &environment.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), &[])
    }

    #[test]
    fn addresses() {
        assert!(found(&[("LISTEN", "0.0.0.0:80")], &[])[0].starts_with("LISTEN "));
        assert!(found(&[("METRICS_LISTEN", "[::]:80")], &[])[0].starts_with("METRICS_LISTEN "));
        assert!(found(&[("METRICS_LISTEN", "10.0.0.1:80")], &[]).is_empty());
        assert!(found(&[("LISTEN", "0.0.0.0:80"), ("TLS_CERT", "a"), ("TLS_KEY", "b")], &[]).is_empty());
    }

    #[test]
    fn built_in_prices_older_than_60_days() {
        let prices = PriceTable::shipped().unwrap();
        let after = |days: i64| prices.date().plus(days * 24 * Timestamp::HOUR);
        assert_eq!(old_prices(&prices, after(60)), None);
        assert_eq!(old_prices(&prices, after(-1)), None, "a clock that is wrong");
        let warning = old_prices(&prices, after(61)).unwrap();
        assert!(warning.starts_with("PRICES_FILE: the built-in prices are 61 days old (20"), "{warning}");
    }

    #[test]
    fn variables() {
        for (name, meant) in [
            ("OPENAI_BASE_URL", "use API_BASE"),
            ("ACCESS_KEY", "use ACCESS_KEYS"),
            ("OPENAI_APIKEY", "use OPENAI_API_KEY"),
            ("ACESS_KEYS_FILE", "use ACCESS_KEYS"),
            ("IDLE_TIMOUT", "use IDLE_TIMEOUT"),
            ("http_proxy", "HTTPS_PROXY and ALL_PROXY only"),
        ] {
            let warnings = found(&[], &[name]);
            assert!(warnings.len() == 1 && warnings[0].contains(meant), "{name}: {warnings:?}");
        }
        for name in ["OPENAI_API_KEY", "ACCESS_KEYS_FILE", "LISTEN_FDS", "SSL_CERT_FILE", "HOME", "LISTENER", "LOGNAME"]
        {
            assert_eq!(found(&[], &[name]), [""; 0], "{name}");
        }
    }
}
