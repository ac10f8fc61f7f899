//! From valid settings to a running server.

use std::{error::Error, pin::pin, sync::Arc};

use arc_swap::ArcSwap;
use clap::ArgMatches;
use keygen::NewKey;
use sparekey_core::{Config, Gate};
use sparekey_proxy::{AccessLog, Proxy, Sink, Sinks, log};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    admin,
    config::{server_tls, settings::Settings, sources::Values, temporary_key, warnings},
    listen::{self, HttpServer, Limits, Places, Server},
    metrics::{ConnectionMetrics, Metrics},
    rlimits,
};

/// A server whose settings are all valid.
pub(crate) struct App {
    settings: Settings,
    server_tls: Option<TlsAcceptor>,
    /// `None` if the upstream is plain HTTP.
    client_tls: Option<Arc<rustls::ClientConfig>>,
    gate: Gate,
    upstream: String,
    temporary_key: Option<NewKey>,
    warnings: Vec<String>,
}

impl App {
    /// Reads all settings.
    ///
    /// # Errors
    /// All problems, one sentence each.
    pub(crate) async fn load(arguments: Option<&ArgMatches>) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let demo = arguments.is_some_and(|arguments| arguments.get_flag("demo"));
        let is_account = |name: &str| account_settings().any(|a| a == name.strip_suffix("_FILE").unwrap_or(name));
        // A value that is not UTF-8 gets replacement characters, which no setting accepts, so that it is reported.
        let variable = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let environment = |name: &str| variable(name).filter(|_| !(demo && is_account(name)));
        let mut values = Values::read(arguments, environment, &mut problems);
        if demo {
            use_demo(&mut values).await.map_err(|error| vec![format!("--demo: {error}")])?;
        }
        let settings = Settings::read(&values, &mut problems);
        let mut temporary_key = None;
        if values.get("ACCESS_KEYS").is_none() && settings.listen.ip().is_loopback() && problems.is_empty() {
            let key = temporary_key::generate().map_err(|error| vec![error.to_string()])?;
            values.set("ACCESS_KEYS", key.expose().to_owned());
            temporary_key = Some(key);
        }
        let config = Config::from_lookup(|name| values.get(name).map(str::to_owned));
        let config = config.map_err(|error| problems.extend(error.problems().iter().map(ToString::to_string))).ok();
        let server_tls = settings.tls.as_ref().map(|(cert, key)| server_tls::acceptor(cert, key)).transpose();
        let server_tls = server_tls.map_err(|problem| problems.push(problem)).ok().flatten();
        let is_plain = config.as_ref().is_some_and(|config| !config.api_base().is_https());
        let client_tls = (!is_plain).then(sparekey_upstream::client_tls).transpose();
        let client_tls = client_tls.map_err(|error| problems.push(error.to_string())).ok().flatten();
        match config {
            Some(config) if problems.is_empty() => {
                let upstream = config.api_base().to_string();
                let names: Vec<_> = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
                let mut warnings = warnings::find(&settings, &names, values.secret_files());
                warnings.extend(config.warnings().iter().map(ToString::to_string));
                Ok(Self {
                    settings,
                    server_tls,
                    client_tls,
                    gate: Gate::new(config),
                    upstream,
                    temporary_key,
                    warnings,
                })
            }
            _ => Err(problems),
        }
    }

    /// The warnings and one line about the settings, for `sparekey check`.
    pub(crate) fn summary(&self) -> String {
        let warnings: String = self.warnings.iter().flat_map(|warning| ["warning: ", warning, "\n"]).collect();
        format!("{warnings}The settings are valid: {} to {}", self.settings.listen, self.upstream)
    }

    /// Serves until a signal ends the process.
    pub(crate) async fn run(self) -> Result<(), Box<dyn Error>> {
        let settings = self.settings;
        let log = log::start_queued(settings.log_format, settings.log);
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
        let listener =
            listen::bind(settings.listen).map_err(|error| format!("cannot listen on {}: {error}", settings.listen))?;
        let address = listener.local_addr()?;
        let (drain, draining) = watch::channel(false);
        let mut sinks: Vec<Arc<dyn Sink>> = vec![Arc::new(AccessLog)];
        let connection_metrics = ConnectionMetrics::default();
        if let Some(address) = settings.metrics_listen {
            let metrics = Arc::new(Metrics::new(log.dropped_lines(), &connection_metrics));
            admin::start(address, Arc::clone(&metrics), draining.clone())
                .map_err(|error| format!("cannot listen on {address}, METRICS_LISTEN: {error}"))?;
            sinks.push(metrics);
        }
        let scheme = if self.server_tls.is_some() { "https" } else { "http" };
        let gate = Arc::new(ArcSwap::from_pointee(self.gate));
        let max_connections = settings.max_connections.min(rlimits::max_clients());
        if max_connections < settings.max_connections {
            tracing::warn!(
                "MAX_CONNECTIONS is {max_connections} instead of {}: this process may open too few files (ulimit -n)",
                settings.max_connections
            );
        }
        let max_requests_per_user = settings.max_requests_per_user.unwrap_or(max_connections.div_ceil(4));
        let limits = Limits {
            connections: max_connections,
            per_address: settings.max_connections_per_address,
            // A single head of the longest size must not exceed the bound.
            unfinished_heads: settings.max_unfinished_heads.max(2 * settings.max_head),
            trusted_proxies: settings.trusted_proxies.clone(),
        };
        let server = Server {
            proxy: Proxy::new(gate, Sinks::new(sinks), max_requests_per_user),
            http: HttpServer::new(self.server_tls, settings.client_timeouts, settings.max_head),
            upstream_timeouts: settings.upstream_timeouts,
            client_tls: self.client_tls,
            places: Places::new(limits, connection_metrics),
            trusted_proxies: settings.trusted_proxies,
            drain_timeout: settings.drain_timeout,
        };
        let mut stop = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
        let mut hangup = signal(SignalKind::hangup())?;
        let mut serving = pin!(server.run(listener, draining));

        tracing::info!("listening on {scheme}://{address}, upstream {}", self.upstream);
        if let Some(key) = &self.temporary_key {
            println!("{}", temporary_key::Commands { key, scheme, address });
        }
        let [terminate, interrupt] = &mut stop;
        loop {
            tokio::select! {
                result = &mut serving => return Ok(result?),
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                // Ignored: without this, a hangup would end the process.
                _ = hangup.recv() => continue,
            }
            if drain.send_replace(true) {
                return Err("ended by a second signal".into());
            }
            tracing::info!("draining: no new connections; a second signal ends at once");
        }
    }
}

/// The settings of the owner's account at the upstream, which the demo ignores.
fn account_settings() -> impl Iterator<Item = &'static str> {
    sparekey_core::SETTINGS.iter().map(|setting| setting.name).filter(|name| *name != "ACCESS_KEYS")
}

/// Starts the stand-in for OpenAI and makes it the upstream.
async fn use_demo(values: &mut Values) -> Result<(), Box<dyn Error>> {
    let api_key = keygen::access_key("demo", keygen::DEFAULT_LENGTH)?;
    let address = sparekey_demo::start(api_key.expose()).await?;
    for name in account_settings() {
        values.unset(name);
    }
    values.set("OPENAI_API_KEY", api_key.expose().to_owned());
    values.set("API_BASE", format!("http://{address}"));
    Ok(())
}
