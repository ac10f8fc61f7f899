//! Settings of the server that are valid, and probably a mistake.

use std::{borrow::Cow, collections::BTreeSet, fs, iter, os::unix::fs::MetadataExt as _, time::Duration};

use sparekey_core::{SETTINGS, is_private_address};
use sparekey_policy::{PriceTable, Timestamp, Users};

use super::{
    ledger::ServerLedger,
    settings::Settings,
    sources::SecretFile,
    table::{SERVER_SETTINGS, Source},
};

/// Variables of other programs, and the setting that was probably meant.
const FOREIGN: [(&str, &str); 6] = [
    ("OPENAI_BASE_URL", "API_BASE"),
    ("OPENAI_API_BASE", "API_BASE"),
    ("OPENAI_ORG_ID", "OPENAI_ORGANIZATION"),
    ("OPENAI_PROJECT_ID", "OPENAI_PROJECT"),
    ("OPENAI_KEY", "OPENAI_API_KEY"),
    ("TRUSTED_PROXY", "TRUSTED_PROXIES"),
];
/// Variables that are spelled like a setting, and none of this server's own: the certificates to trust, and a common word.
const OTHERS: [&str; 3] = ["SSL_CERT_FILE", "SSL_CERT_DIR", "ROUTER"];
/// What other programs put behind the name of a setting.
const SUFFIXES: [&str; 3] = ["_FILE", "_PATH", "_URL"];

/// The shortest name for which a difference to a setting is a misspelling: `USER` is none of `USERS`.
const MISSPELLED_MIN: usize = 5;
/// The shortest name that may have two differences. Shorter ones may have one.
const TWICE_MISSPELLED_MIN: usize = 8;
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
    if let ServerLedger::File(path) = &settings.ledger
        && fs::metadata(path).is_ok_and(|file| !file.is_file())
    {
        warnings.push(
            "LEDGER is not a regular file, so users with budgets are refused; give the path of a file".to_owned(),
        );
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
    if OTHERS.contains(&variable) || variable.len() < MISSPELLED_MIN || names().any(|name| name == variable) {
        return None;
    }
    let long = || names().filter(|name| name.len() >= MISSPELLED_MIN);
    let near = long().filter_map(|name| {
        let allowed = if name.len().min(variable.len()) < TWICE_MISSPELLED_MIN { 1 } else { 2 };
        // It is a lower bound, and most variables have another length.
        if name.len().abs_diff(variable.len()) > allowed {
            return None;
        }
        Some((strsim::damerau_levenshtein(&name, variable), name)).filter(|(difference, _)| *difference <= allowed)
    });
    let misspelled = near.min().map(|(_, name)| name);
    let meant = misspelled.or_else(|| {
        let start = SUFFIXES.iter().find_map(|suffix| variable.strip_suffix(suffix))?;
        long().find(|name| name == start)
    })?;
    Some(format!("{variable} is not a setting of this server; use {meant}"))
}

/// The names of all variables that are settings.
fn names() -> impl Iterator<Item = Cow<'static, str>> {
    let core = SETTINGS.iter().map(|setting| (setting.name, setting.is_secret));
    let server = SERVER_SETTINGS.iter().map(|setting| (setting.name, setting.source != Source::Flag));
    core.chain(server).flat_map(|(name, has_file)| {
        let file = has_file.then(|| Cow::Owned(format!("{name}_FILE")));
        iter::once(Cow::Borrowed(name)).chain(file)
    })
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

    /// Settings, and variables that systemd, shells, Docker, Kubernetes (of services named as a setting), GitHub's runners and
    /// the libraries of PostgreSQL set or read.
    const RIGHT: &str = "
        OPENAI_API_KEY OPENAI_API_KEY_FILE ACCESS_KEYS_FILE USERS USERS_FILE LEDGER LEDGER_FILE PRICES_FILE TLS_CERT TLS_KEY
        LOG LOG_FORMAT ALERT_WEBHOOK_FILE OPERATIONS_PASSWORD_FILE NO_PROXY ALL_PROXY HTTPS_PROXY PORT SSL_CERT_FILE
        LISTEN_FDS LISTEN_PID LISTEN_FDNAMES LISTENER INVOCATION_ID JOURNAL_STREAM SYSTEMD_EXEC_PID RUNTIME_DIRECTORY
        STATE_DIRECTORY CACHE_DIRECTORY LOGS_DIRECTORY CONFIGURATION_DIRECTORY CREDENTIALS_DIRECTORY NOTIFY_SOCKET WATCHDOG_PID
        WATCHDOG_USEC MAINPID MANAGERPID TRIGGER_UNIT TRIGGER_PATH REMOTE_ADDR REMOTE_PORT MONITOR_UNIT EXIT_STATUS PIDFILE
        MEMORY_PRESSURE_WATCH MEMORY_PRESSURE_WRITE FDSTORE
        HOME USER LOGNAME USERNAME USERPROFILE SHELL PATH PWD OLDPWD TERM LANG LANGUAGE LC_ALL SHLVL MAIL TZ TMPDIR EDITOR PAGER
        DISPLAY SSH_CLIENT SSH_TTY SUDO_USER SUDO_UID XDG_STATE_HOME XDG_RUNTIME_DIR HOSTNAME HOST DEBUG
        LOG_LEVEL LOGLEVEL LOG_FILE LOG_PATH RUST_LOG RUST_BACKTRACE ROUTER
        KUBERNETES_PORT KUBERNETES_SERVICE_HOST KUBERNETES_PORT_443_TCP_ADDR SPAREKEY_PORT SPAREKEY_SERVICE_HOST LEDGER_PORT
        LEDGER_SERVICE_HOST LEDGER_SERVICE_PORT USERS_PORT USERS_SERVICE_HOST USERS_PORT_80_TCP PRICES_SERVICE_HOST
        CI GITHUB_TOKEN GITHUB_ENV GITHUB_PATH GITHUB_API_URL GITHUB_SERVER_URL GITHUB_WORKSPACE RUNNER_OS RUNNER_TEMP
        ACTIONS_RUNTIME_URL
        PGPASSFILE PGHOST PGPORT PGUSER PGDATABASE PGSSLMODE AWS_REGION AWS_PROFILE DYNO K_SERVICE K_REVISION RENDER
    ";

    #[test]
    fn variables() {
        for (name, meant) in [
            ("OPENAI_BASE_URL", "use API_BASE"),
            ("ACCESS_KEY", "use ACCESS_KEYS"),
            ("OPENAI_APIKEY", "use OPENAI_API_KEY"),
            ("ACESS_KEYS_FILE", "use ACCESS_KEYS_FILE"),
            ("IDLE_TIMOUT", "use IDLE_TIMEOUT"),
            ("USER_FILE", "use USERS_FILE"),
            ("USERFILE", "use USERS_FILE"),
            ("USERS_FIL", "use USERS_FILE"),
            ("USERS_PATH", "use USERS"),
            ("LEDGR", "use LEDGER"),
            ("LEGDER_FILE", "use LEDGER_FILE"),
            ("LEDGER_URL", "use LEDGER"),
            ("PRICE_FILE", "use PRICES_FILE"),
            ("TRUSTED_PROXY", "use TRUSTED_PROXIES"),
            ("ALERT_WEBHOOK_URL", "use ALERT_WEBHOOK"),
            ("API_BASE_URL", "use API_BASE"),
            ("TLS_CRT", "use TLS_CERT"),
            ("TLS_CERT_FILE", "use TLS_CERT"),
            ("http_proxy", "HTTPS_PROXY and ALL_PROXY only"),
        ] {
            let warnings = found(&[], &[name]);
            assert!(warnings.len() == 1 && warnings[0].ends_with(meant), "{name}: {warnings:?}");
        }
        for name in RIGHT.split_whitespace() {
            assert_eq!(found(&[], &[name]), [""; 0], "{name}");
        }
    }
}
