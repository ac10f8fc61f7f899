//! Validates the server's own settings.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use http::Uri;
use sparekey_ledger::RETENTION_DAYS_MAX;
use sparekey_proxy::{BodySizes, log::Format};
use sparekey_upstream::{SECONDS, Timeouts, parse_seconds};
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::{
    ledger::{self, ServerLedger},
    sources::Values,
    table::SERVER_SETTINGS,
};
use crate::{
    admin::Password,
    alerts,
    listen::{ClientTimeouts, HEAD_MEMORY, TrustedProxies},
};

const DAY_SECONDS: u64 = 86_400;

/// The server's own settings, validated.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    pub(crate) upstream_timeouts: Timeouts,
    pub(crate) client_timeouts: ClientTimeouts,
    pub(crate) max_head: usize,
    pub(crate) max_unfinished_heads: usize,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_address: usize,
    /// `None` if it follows from the number of connections.
    pub(crate) max_requests_per_user: Option<usize>,
    pub(crate) bodies: BodySizes,
    /// The ledger, which is opened only if a user is metered.
    pub(crate) ledger: ServerLedger,
    /// How long rows of the ledger are kept.
    pub(crate) usage_retention: Duration,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) drain_timeout: Duration,
    pub(crate) shutdown_delay: Duration,
    pub(crate) reuse_port: bool,
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// `None` if the owner's page has none.
    pub(crate) operations_password: Option<Password>,
    pub(crate) alert_webhook: Option<Uri>,
    pub(crate) log: Targets,
    pub(crate) log_format: Format,
}

impl Settings {
    /// Reads the settings. Each problem is added to `problems`, and the default is used in its place.
    pub(crate) fn read(values: &Values, problems: &mut Vec<String>) -> Self {
        let mut reader = Reader { values, problems };
        let listen = reader.read("LISTEN", addresses, "an address and a port, such as 127.0.0.1:8080, or a port");
        let optional =
            |text: &str| if text.is_empty() { Some(None) } else { addresses(text)?.first().copied().map(Some) };
        let metrics_listen = reader.read("METRICS_LISTEN", optional, "an address and a port, such as 127.0.0.1:9090");
        if metrics_listen.is_some_and(|address| listen.contains(&address) && address.port() != 0) {
            reader.problem::<()>("METRICS_LISTEN and LISTEN are the same address; use another port");
        }
        let operations_password = values.get("OPERATIONS_PASSWORD").and_then(|text| {
            let password = Password::new(text);
            password.or_else(|| {
                // Not the value.
                let least = Password::LENGTH_MIN;
                reader.problem(&format!("OPERATIONS_PASSWORD must have {least} visible ASCII characters or more"))
            })
        });
        let alert_webhook = values
            .get("ALERT_WEBHOOK")
            .and_then(|text| alerts::webhook(text).map_or_else(|problem| reader.problem(&problem), Some));
        let [response_head, body_idle] = Timeouts::SETTINGS.map(|(name, _)| reader.seconds(name));
        let header_read = reader.seconds("HEADER_TIMEOUT");
        let idle = reader.seconds("IDLE_TIMEOUT");
        let send = reader.seconds("SEND_TIMEOUT");
        // hyper's minimum: `max_buf_size` panics below it.
        let max_head = reader.read("MAX_HEAD", at_least(8192), "a number of bytes, 8192 or more");
        // The longest head must not exceed the bound.
        let max_unfinished_heads = reader.read(
            "MAX_UNFINISHED_HEADS",
            at_least(HEAD_MEMORY * max_head),
            &format!("a number of bytes, {} or more: {HEAD_MEMORY} times MAX_HEAD", HEAD_MEMORY * max_head),
        );
        let max_connections = reader.read("MAX_CONNECTIONS", at_least(1), "a number, 1 or more");
        let max_connections_per_address =
            reader.read("MAX_CONNECTIONS_PER_ADDRESS", at_least(0), "a number, 0 or more");
        let optional_number = |text: &str| if text.is_empty() { Some(None) } else { at_least(1)(text).map(Some) };
        let max_requests_per_user = reader.read("MAX_REQUESTS_PER_USER", optional_number, "a number, 1 or more");
        let body = reader.read("MAX_METERED_BODY", at_least(1), "a number of bytes, 1 or more");
        let total = reader.read(
            "MAX_METERED_MEMORY",
            at_least(body),
            &format!("a number of bytes, {body} or more: MAX_METERED_BODY"),
        );
        let ledger = ledger::of_server(values).unwrap_or_else(|problem| {
            // That of its file is among the problems of the values.
            if values.problem("LEDGER").is_none() {
                reader.problem::<()>(&problem);
            }
            ServerLedger::File(PathBuf::new())
        });
        let days = |text: &str| text.parse().ok().filter(|days| (1..=RETENTION_DAYS_MAX).contains(days));
        let days = reader.read("USAGE_RETENTION", days, &format!("a number of days, 1 to {RETENTION_DAYS_MAX}"));
        let usage_retention = Duration::from_secs(u64::from(days) * DAY_SECONDS);
        let networks = "addresses and networks separated by commas, such as 127.0.0.1,10.0.0.0/8";
        let trusted_proxies = reader.read("TRUSTED_PROXIES", TrustedProxies::parse, networks);
        let drain_timeout = reader.seconds("DRAIN_TIMEOUT");
        let delay = |text: &str| if text == "0" { Some(Duration::ZERO) } else { parse_seconds(text) };
        let shutdown_delay = reader.read("SHUTDOWN_DELAY", delay, "a number of seconds, 0 or more");
        let reuse_port = reader.read("REUSE_PORT", yes_or_no, "yes or no");
        let log = reader.read("LOG", targets, "off, error, warn, info, debug, trace, or target=level,...");
        let log_format = reader.read("LOG_FORMAT", Format::parse, "text or json");
        let tls = match (values.get("TLS_CERT"), values.get("TLS_KEY")) {
            (Some(cert), Some(key)) => Some((cert.into(), key.into())),
            (None, None) => None,
            // That of the other one is among the problems of the values.
            _ if ["TLS_CERT", "TLS_KEY"].iter().any(|name| values.problem(name).is_some()) => None,
            (Some(_), None) => reader.problem("TLS_CERT is set, but TLS_KEY is not; set both or neither"),
            (None, Some(_)) => reader.problem("TLS_KEY is set, but TLS_CERT is not; set both or neither"),
        };
        Self {
            listen,
            tls,
            upstream_timeouts: Timeouts { response_head, body_idle },
            client_timeouts: ClientTimeouts { header_read, idle, send },
            max_head,
            max_unfinished_heads,
            max_connections,
            max_connections_per_address,
            max_requests_per_user,
            bodies: BodySizes { body, total },
            ledger,
            usage_retention,
            trusted_proxies,
            drain_timeout,
            shutdown_delay,
            reuse_port,
            metrics_listen,
            operations_password,
            alert_webhook,
            log,
            log_format,
        }
    }
}

struct Reader<'a> {
    values: &'a Values,
    problems: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn read<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Option<T>, expected: &str) -> T {
        let default = SERVER_SETTINGS.iter().find(|setting| setting.name == name).map_or("", |setting| setting.default);
        let parsed = self.values.get(name).map(&parse);
        if let Some(None) = parsed {
            self.problems.push(format!("{name} must be {expected}"));
        }
        parsed.flatten().or_else(|| parse(default)).expect("all defaults are valid; a test reads them")
    }

    fn seconds(&mut self, name: &'static str) -> Duration {
        self.read(name, parse_seconds, SECONDS)
    }

    fn problem<T>(&mut self, problem: &str) -> Option<T> {
        self.problems.push(problem.to_owned());
        None
    }
}

/// All addresses of a name. A port alone, with or without a colon, is on all interfaces.
fn addresses(text: &str) -> Option<Vec<SocketAddr>> {
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse() {
        return Some(vec![(Ipv6Addr::UNSPECIFIED, port).into()]);
    }
    let mut addresses: Vec<_> = match text.rsplit_once(':') {
        // Both, whatever the system's table of hosts says (https://www.rfc-editor.org/rfc/rfc6761#section-6.3).
        Some((host, port)) if host.eq_ignore_ascii_case("localhost") => {
            let port = port.parse().ok()?;
            vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
        }
        _ => text.to_socket_addrs().ok()?.collect(),
    };
    // Without a fixed port, each would get another one.
    addresses.truncate(if addresses.first()?.port() == 0 { 1 } else { addresses.len() });
    Some(addresses)
}

fn at_least(minimum: usize) -> impl Fn(&str) -> Option<usize> {
    // Below the maximum of HTTP/2's SETTINGS, 2³²
    // (https://www.rfc-editor.org/rfc/rfc9113#section-6.5.1).
    move |text| text.parse().ok().filter(|number| (minimum..=1 << 30).contains(number))
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn targets(text: &str) -> Option<Targets> {
    // `Targets` would accept a misspelled level as a target.
    let all_valid = text.split(',').all(|item| item.contains('=') || LevelFilter::from_str(item.trim()).is_ok());
    Targets::from_str(text).ok().filter(|_| all_valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&'static str, &'static str)]) -> (Settings, Vec<String>) {
        let mut problems = Vec::new();
        let settings = Settings::read(&Values::of(settings), &mut problems);
        (settings, problems)
    }

    #[test]
    fn defaults_are_valid() {
        let (settings, problems) = read(&[]);
        assert!(problems.is_empty());
        assert_eq!(settings.listen, ["127.0.0.1:8080".parse().unwrap()]);
        assert_eq!(settings.upstream_timeouts.response_head, Duration::from_secs(900));
        assert!(settings.tls.is_none() && settings.metrics_listen.is_none());
        assert_eq!(settings.usage_retention, Duration::from_secs(400 * 24 * 3_600));
    }

    #[test]
    fn addresses_of_names_and_ports() {
        let listen = |text| addresses(text).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
        for text in [":8080", "8080", "[::]:8080"] {
            assert_eq!(listen(text), ["[::]:8080"], "{text}");
        }
        assert_eq!(listen("0.0.0.0:80"), ["0.0.0.0:80"]);
        assert_eq!(listen("localhost:80"), ["127.0.0.1:80", "[::1]:80"]);
        for text in ["", ":", "99999", "localhost", "127.0.0.1"] {
            assert_eq!(addresses(text), None, "{text}");
        }
    }

    #[test]
    fn all_problems_are_reported() {
        let wrong = [
            "LISTEN",
            "METRICS_LISTEN",
            "UPSTREAM_TIMEOUT",
            "HEADER_TIMEOUT",
            "MAX_HEAD",
            "MAX_CONNECTIONS",
            "USAGE_RETENTION",
            "LOG_FORMAT",
        ];
        let given: Vec<_> =
            wrong.iter().map(|name| (*name, "-1")).chain([("LEDGER", "mysql://host/db"), ("TLS_KEY", "x")]).collect();
        let (_, problems) = read(&given);
        assert_eq!(problems.len(), wrong.len() + 2, "{problems:?}");
        assert_eq!(problems[0], "LISTEN must be an address and a port, such as 127.0.0.1:8080, or a port");
        assert!(problems[6].starts_with("LEDGER must be the path of an SQLite file"), "{problems:?}");
        assert_eq!(problems[7], "USAGE_RETENTION must be a number of days, 1 to 36500");
        assert_eq!(problems[9], "TLS_KEY is set, but TLS_CERT is not; set both or neither");
    }
}
