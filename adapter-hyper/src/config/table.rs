//! The table of the settings that only the server has, and of the headings of `--help`.

use sparekey_upstream::Timeouts;

const UPSTREAM_TIMEOUT: (&str, &str) = Timeouts::SETTINGS[0];
const UPSTREAM_IDLE_TIMEOUT: (&str, &str) = Timeouts::SETTINGS[1];

/// A setting that only the server has.
pub(crate) struct ServerSetting {
    pub(crate) name: &'static str,
    pub(crate) source: Source,
    /// Empty if the setting has no default.
    pub(crate) default: &'static str,
    pub(crate) heading: Heading,
    /// The form or the unit of its value, for `--help`.
    pub(crate) value: &'static str,
    pub(crate) help: &'static str,
}

/// What has the value of a setting, besides its variable.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Source {
    Flag,
    /// A secret, which process lists would show if it was a flag.
    File,
    /// The file is for a value that contains a secret.
    FlagOrFile,
}

/// The heading of a setting in `--help`.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Heading {
    Upstream,
    Listening,
    Users,
    Limits,
    Logs,
}

impl Heading {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Upstream => "Upstream",
            Self::Listening => "Listening",
            Self::Users => "Users",
            Self::Limits => "Limits",
            Self::Logs => "Logs and metrics",
        }
    }
}

const fn setting(
    heading: Heading,
    name: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
) -> ServerSetting {
    ServerSetting { name, source: Source::Flag, default, heading, value, help }
}

const fn secret(heading: Heading, name: &'static str, help: &'static str) -> ServerSetting {
    ServerSetting { name, source: Source::File, default: "", heading, value: "PATH", help }
}

/// All settings that only the server has.
pub(crate) const SERVER_SETTINGS: [ServerSetting; 27] = [
    setting(
        Heading::Listening,
        "LISTEN",
        "ADDRESS:PORT",
        "127.0.0.1:8080",
        "Address and port to listen on, or a port for all interfaces; PORT is read too",
    ),
    setting(Heading::Listening, "TLS_CERT", "PATH", "", "File with the certificate chain (PEM), to serve HTTPS"),
    setting(Heading::Listening, "TLS_KEY", "PATH", "", "File with the certificate's private key (PEM)"),
    setting(
        Heading::Upstream,
        UPSTREAM_TIMEOUT.0,
        "SECONDS",
        UPSTREAM_TIMEOUT.1,
        "Seconds to wait for response headers of the upstream",
    ),
    setting(
        Heading::Upstream,
        UPSTREAM_IDLE_TIMEOUT.0,
        "SECONDS",
        UPSTREAM_IDLE_TIMEOUT.1,
        "Seconds to wait for more bytes of a response body of the upstream",
    ),
    setting(
        Heading::Limits,
        "HEADER_TIMEOUT",
        "SECONDS",
        "10",
        "Seconds for a client to send the headers of a request",
    ),
    setting(
        Heading::Limits,
        "IDLE_TIMEOUT",
        "SECONDS",
        "75",
        "Seconds to keep an idle connection of a client open between requests",
    ),
    setting(
        Heading::Limits,
        "SEND_TIMEOUT",
        "SECONDS",
        "60",
        "Seconds for a client to take data of a response; 10 for the proxy's own responses",
    ),
    setting(Heading::Limits, "MAX_HEAD", "BYTES", "65536", "Bytes of the headers of a request, at least 8192"),
    setting(
        Heading::Limits,
        "MAX_UNFINISHED_HEADS",
        "BYTES",
        "4194304",
        "Bytes of all request headers that have not arrived completely, at least four times MAX_HEAD; beyond it the \
         connections with the largest ones are closed",
    ),
    setting(
        Heading::Limits,
        "MAX_CONNECTIONS",
        "N",
        "10000",
        "Connections served at the same time; beyond it the longest idle one is closed",
    ),
    setting(
        Heading::Limits,
        "MAX_CONNECTIONS_PER_ADDRESS",
        "N",
        "256",
        "The same for one public address, or a /64 of IPv6; 0 is no limit; not for TRUSTED_PROXIES",
    ),
    setting(
        Heading::Limits,
        "MAX_REQUESTS_PER_USER",
        "N",
        "",
        "Open requests of a user [default: a quarter of MAX_CONNECTIONS]",
    ),
    setting(
        Heading::Limits,
        "MAX_METERED_BODY",
        "BYTES",
        "33554432",
        "Bytes of the body of a request that must be read because of its user's limits",
    ),
    setting(
        Heading::Limits,
        "MAX_METERED_MEMORY",
        "BYTES",
        "268435456",
        "Bytes of all these bodies; one user gets a quarter, but always one body",
    ),
    ServerSetting {
        source: Source::FlagOrFile,
        ..setting(
            Heading::Users,
            "LEDGER",
            "PATH",
            "",
            "SQLite file with what users with budgets spent, and a row per request, or the address of a PostgreSQL database \
         (with a password: in the file of LEDGER_FILE) [default: sparekey.db in $STATE_DIRECTORY, else in \
         $XDG_STATE_HOME/sparekey or ~/.local/state/sparekey]",
        )
    },
    setting(Heading::Users, "USAGE_RETENTION", "DAYS", "400", "Days to keep rows of requests; sums per day stay"),
    setting(Heading::Users, "PRICES_FILE", "PATH", "", "File in TOML with prices in place of the built-in ones"),
    setting(
        Heading::Listening,
        "TRUSTED_PROXIES",
        "NETWORKS",
        "127.0.0.0/8,::1",
        "Addresses and networks of reverse proxies whose X-Forwarded-For names the client, and whose X-Forwarded-Prefix \
         is in front of /v1 in Location and on the front page",
    ),
    setting(
        Heading::Listening,
        "DRAIN_TIMEOUT",
        "SECONDS",
        "30",
        "Seconds for open requests to finish after SIGTERM or SIGINT",
    ),
    setting(
        Heading::Listening,
        "SHUTDOWN_DELAY",
        "SECONDS",
        "0",
        "Seconds to serve on after SIGTERM or SIGINT, with /readyz at 503, before the drain",
    ),
    setting(Heading::Listening, "REUSE_PORT", "yes|no", "no", "yes lets a second process listen on the same port"),
    setting(
        Heading::Logs,
        "METRICS_LISTEN",
        "ADDRESS:PORT",
        "",
        "Address and port of the owner's page, /metrics, /healthz and /readyz",
    ),
    secret(
        Heading::Logs,
        "OPERATIONS_PASSWORD",
        "The password of the owner's page, which it needs where METRICS_LISTEN is not a loopback address",
    ),
    secret(
        Heading::Logs,
        "ALERT_WEBHOOK",
        "URL that gets a POST when a budget is nearly spent, a user or the certificate ends, or something fails; Slack's and Discord's \
         work",
    ),
    setting(
        Heading::Logs,
        "LOG",
        "LEVEL",
        "info",
        "Log level: off, error, warn, info, debug, trace, or target=level,...",
    ),
    setting(Heading::Logs, "LOG_FORMAT", "text|json", "text", "Log format: text or json"),
];

/// Headings and forms of the settings that all adapters have, by their names.
const SHARED: [(&str, Heading, &str); 11] = [
    ("OPENAI_API_KEY", Heading::Upstream, "PATH"),
    ("API_BASE", Heading::Upstream, "URL"),
    ("API_KEY_HEADER", Heading::Upstream, "NAME"),
    ("AI_GATEWAY_TOKEN", Heading::Upstream, "PATH"),
    ("OPENAI_ORGANIZATION", Heading::Upstream, "ID"),
    ("OPENAI_PROJECT", Heading::Upstream, "ID"),
    ("ACCESS_KEYS", Heading::Users, "PATH"),
    ("USERS", Heading::Users, "PATH"),
    ("ROUTES", Heading::Users, "LIST"),
    ("PASS_HEADERS", Heading::Users, "LIST"),
    ("ALLOWED_ORIGINS", Heading::Users, "LIST"),
];

/// The heading and the form of a setting that all adapters have.
pub(crate) fn shared(name: &str) -> (Heading, &'static str) {
    SHARED
        .iter()
        .find(|(setting, ..)| *setting == name)
        .map_or((Heading::Upstream, "VALUE"), |(_, heading, value)| (*heading, value))
}

/// The flag of a setting, without its leading dashes: `API_BASE` is `--api-base`.
pub(crate) fn flag_name(setting: &str) -> String {
    setting.to_ascii_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_settings_have_headings() {
        for setting in sparekey_core::SETTINGS {
            assert!(SHARED.iter().any(|(name, ..)| *name == setting.name), "{}", setting.name);
        }
    }
}
