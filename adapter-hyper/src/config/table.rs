//! The table of the settings that only the server has.

/// A setting that only the server has.
pub(crate) struct ServerSetting {
    pub(crate) name: &'static str,
    /// Empty if the setting has no default.
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
}

const fn setting(name: &'static str, default: &'static str, help: &'static str) -> ServerSetting {
    ServerSetting { name, default, help }
}

/// All settings that only the server has.
pub(crate) const SERVER_SETTINGS: [ServerSetting; 18] = [
    setting("LISTEN", "127.0.0.1:8080", "Address and port to listen on"),
    setting("TLS_CERT", "", "File with the certificate chain (PEM), to serve HTTPS"),
    setting("TLS_KEY", "", "File with the certificate's private key (PEM)"),
    setting("UPSTREAM_TIMEOUT", "600", "Seconds to wait for response headers of the upstream"),
    setting("UPSTREAM_IDLE_TIMEOUT", "600", "Seconds to wait for more bytes of a response body of the upstream"),
    setting("HEADER_TIMEOUT", "10", "Seconds for a client to send the headers of a request"),
    setting("IDLE_TIMEOUT", "75", "Seconds to keep an idle connection of a client open between requests"),
    setting("SEND_TIMEOUT", "60", "Seconds for a client to take data of a response; 10 for the proxy's own responses"),
    setting("MAX_HEAD", "65536", "Bytes of the headers of a request, at least 8192"),
    setting(
        "MAX_UNFINISHED_HEADS",
        "4194304",
        "Bytes of all request headers that have not arrived completely; beyond it the oldest connections are closed",
    ),
    setting(
        "MAX_CONNECTIONS",
        "10000",
        "Connections served at the same time; beyond it the longest idle one is closed",
    ),
    setting(
        "MAX_CONNECTIONS_PER_ADDRESS",
        "256",
        "The same for one public address, or a /64 of IPv6; 0 is no limit; not for TRUSTED_PROXIES",
    ),
    setting("MAX_REQUESTS_PER_USER", "", "Open requests of a user [default: a quarter of MAX_CONNECTIONS]"),
    setting(
        "TRUSTED_PROXIES",
        "127.0.0.0/8,::1",
        "Addresses and networks of reverse proxies whose X-Forwarded-For names the client",
    ),
    setting("DRAIN_TIMEOUT", "30", "Seconds for open requests to finish after SIGTERM or SIGINT"),
    setting("METRICS_LISTEN", "", "Address and port of /metrics, /healthz and /readyz, for the owner only"),
    setting("LOG", "info", "Log level: off, error, warn, info, debug, trace, or target=level,..."),
    setting("LOG_FORMAT", "text", "Log format: text or json"),
];

/// The flag of a setting, without its leading dashes: `API_BASE` is `--api-base`.
pub(crate) fn flag_name(setting: &str) -> String {
    setting.to_ascii_lowercase().replace('_', "-")
}
