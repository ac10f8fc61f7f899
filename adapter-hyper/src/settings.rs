//! The server's own settings: the table, and what may stand in them.

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use sparekey::{log::Format, upstream::Patience};
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::{activity::Bounds, values::Values};

/// A setting of the server alone.
pub(crate) struct ServerSetting {
    pub(crate) name: &'static str,
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
}

const fn setting(name: &'static str, default: &'static str, help: &'static str) -> ServerSetting {
    ServerSetting { name, default, help }
}

/// Every setting of the server alone.
pub(crate) const SERVER_SETTINGS: [ServerSetting; 13] = [
    setting("LISTEN", "127.0.0.1:8080", "Address and port to listen on"),
    setting("TLS_CERT", "", "File with the certificate chain (PEM), to serve HTTPS"),
    setting("TLS_KEY", "", "File with the certificate's private key (PEM)"),
    setting("UPSTREAM_TIMEOUT", "600", "Seconds to the head of the upstream's answer, once the request was sent"),
    setting("UPSTREAM_IDLE_TIMEOUT", "600", "Seconds that the upstream may be silent within an answer's body"),
    setting("HEADER_TIMEOUT", "10", "Seconds that a client may take to send a request's head"),
    setting("IDLE_TIMEOUT", "75", "Seconds that a connection may be idle between requests"),
    setting("MAX_HEAD", "65536", "Bytes that a request's head may have, at least 8192"),
    setting("MAX_CONNECTIONS", "10000", "Connections served at once; more wait"),
    setting("DRAIN_TIMEOUT", "30", "Seconds that open requests may go on after SIGTERM or SIGINT"),
    setting("METRICS_LISTEN", "", "Address and port that answer /metrics, /healthz and /readyz, for the owner only"),
    setting("LOG", "info", "What is logged: off, error, warn, info, debug, trace, or target=level,..."),
    setting("LOG_FORMAT", "text", "How it is logged: text or json"),
];

/// The server's own settings, validated.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    pub(crate) patience: Patience,
    pub(crate) bounds: Bounds,
    pub(crate) max_head: usize,
    pub(crate) max_connections: usize,
    pub(crate) drain_timeout: Duration,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) log: Targets,
    pub(crate) log_format: Format,
}

impl Settings {
    /// Reads the settings; every problem is added to `problems`, and a default stands in.
    pub(crate) fn read(values: &Values, problems: &mut Vec<String>) -> Self {
        let mut reader = Reader { values, problems };
        let listen = reader.read("LISTEN", address, "an address and a port, such as 127.0.0.1:8080");
        let optional = |text: &str| if text.is_empty() { Some(None) } else { address(text).map(Some) };
        let metrics_listen = reader.read("METRICS_LISTEN", optional, "an address and a port, such as 127.0.0.1:9090");
        let upstream_head = reader.seconds("UPSTREAM_TIMEOUT");
        let upstream_silence = reader.seconds("UPSTREAM_IDLE_TIMEOUT");
        let head = reader.seconds("HEADER_TIMEOUT");
        let idle = reader.seconds("IDLE_TIMEOUT");
        let max_head = reader.read("MAX_HEAD", at_least(8192), "a number of bytes, 8192 or more");
        let max_connections = reader.read("MAX_CONNECTIONS", at_least(1), "a number, 1 or more");
        let drain_timeout = reader.seconds("DRAIN_TIMEOUT");
        let log = reader.read("LOG", targets, "off, error, warn, info, debug, trace, or target=level,...");
        let log_format = reader.read("LOG_FORMAT", Format::parse, "text or json");
        let tls = match (values.value("TLS_CERT"), values.value("TLS_KEY")) {
            (Some(cert), Some(key)) => Some((cert.into(), key.into())),
            (None, None) => None,
            (Some(_), None) => reader.missing("TLS_CERT is set, but TLS_KEY is not; set both or neither"),
            (None, Some(_)) => reader.missing("TLS_KEY is set, but TLS_CERT is not; set both or neither"),
        };
        Self {
            listen,
            tls,
            patience: Patience { head: upstream_head, silence: upstream_silence },
            bounds: Bounds { head, idle },
            max_head,
            max_connections,
            drain_timeout,
            metrics_listen,
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
    fn read<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Option<T>, wanted: &str) -> T {
        let default = SERVER_SETTINGS.iter().find(|setting| setting.name == name).map_or("", |setting| setting.default);
        let parsed = self.values.value(name).map(&parse);
        if let Some(None) = parsed {
            self.problems.push(format!("{name} must be {wanted}"));
        }
        parsed.flatten().or_else(|| parse(default)).expect("defaults parse; a test reads them all")
    }

    fn seconds(&mut self, name: &'static str) -> Duration {
        self.read(name, seconds, "a number of seconds above 0, such as 30 or 0.5")
    }

    fn missing<T>(&mut self, problem: &str) -> Option<T> {
        self.problems.push(problem.to_owned());
        None
    }
}

fn address(text: &str) -> Option<SocketAddr> {
    text.to_socket_addrs().ok()?.next()
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0.0 && *seconds <= MAX_SECONDS)?;
    Some(Duration::from_secs_f64(seconds))
}

/// A year: whoever writes more means "never", and a clock must not overflow.
const MAX_SECONDS: f64 = 365.0 * 24.0 * 3600.0;

fn at_least(least: usize) -> impl Fn(&str) -> Option<usize> {
    // What tokio's semaphore and HTTP/2's settings can hold.
    move |text| text.parse().ok().filter(|number| (least..=1 << 30).contains(number))
}

fn targets(text: &str) -> Option<Targets> {
    // Alone, a word that is no level would be taken for a target.
    let items_are_good = text.split(',').all(|item| item.contains('=') || LevelFilter::from_str(item.trim()).is_ok());
    Targets::from_str(text).ok().filter(|_| items_are_good)
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
    fn defaults_parse() {
        let (settings, problems) = read(&[]);
        assert!(problems.is_empty());
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.patience.head, Duration::from_secs(600));
        assert!(settings.tls.is_none() && settings.metrics_listen.is_none());
    }

    #[test]
    fn every_problem_is_named() {
        let wrong = [
            "LISTEN",
            "METRICS_LISTEN",
            "UPSTREAM_TIMEOUT",
            "HEADER_TIMEOUT",
            "MAX_HEAD",
            "MAX_CONNECTIONS",
            "LOG_FORMAT",
        ];
        let given: Vec<_> = wrong.iter().map(|name| (*name, "-1")).chain([("TLS_KEY", "x")]).collect();
        let (_, problems) = read(&given);
        assert_eq!(problems.len(), wrong.len() + 1, "{problems:?}");
        assert_eq!(problems[0], "LISTEN must be an address and a port, such as 127.0.0.1:8080");
        assert_eq!(problems[7], "TLS_KEY is set, but TLS_CERT is not; set both or neither");
    }

    #[test]
    fn seconds_may_be_fractions_but_not_endless() {
        assert_eq!(seconds("0.5"), Some(Duration::from_millis(500)));
        for text in ["0", "-1", "inf", "NaN", "1e300", "ten", ""] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
