//! From valid settings to a running server.

use std::{error::Error, mem, net::TcpListener, pin::pin, sync::Arc, time::SystemTime};

use crate::{
    admin::{Access, Admin},
    alerts::{self, Alerts, Watch},
    commands::{Failure, server_ledger},
    config::{
        ledger::state_file,
        loaded::{Loaded, Unvalidated},
        sources::Sources,
        temporary_key,
    },
    ledger,
    listen::{self, HttpServer, PlaceLimits, Places, Server},
    metrics::{ConnectionMetrics, Metrics, ReloadMetrics},
    reload::Reloader,
    rlimits,
    shutdown::Shutdown,
};
use arc_swap::{ArcSwap, ArcSwapOption};
use clap::ArgMatches;
use jiff::Timestamp;
use keygen::NewKey;
use sparekey_core::Gate;
use sparekey_proxy::{
    AccessLog, Bounds, LedgerHandle, Proxy, Sink, Sinks,
    log::{self, LogQueue},
    online_check::{self, Finding},
};
use sparekey_upstream::Upstream;

/// A server whose settings are all valid.
pub(crate) struct App {
    sources: Sources,
    loaded: Loaded,
    /// `None` if the upstream is plain HTTP.
    client_tls: Option<Arc<rustls::ClientConfig>>,
    temporary_key: Option<NewKey>,
    ledger: LedgerHandle,
}

impl App {
    /// Reads all settings.
    ///
    /// # Errors
    /// All problems, one sentence each.
    pub(crate) async fn load(flags: Option<ArgMatches>) -> Result<Self, Vec<String>> {
        let demo = flags.as_ref().is_some_and(|flags| flags.get_flag("demo"));
        let mut sources = Sources::new(flags);
        if demo {
            use_demo(&mut sources).await.map_err(|error| vec![format!("--demo: {error}")])?;
        }
        let mut read = Unvalidated::read(&sources);
        let temporary_key = temporary_key::generate_if_missing(&read.values, &read.settings, demo);
        let temporary_key = temporary_key.map_err(|problem| vec![problem])?;
        if let Some(key) = &temporary_key {
            sources.fix("ACCESS_KEYS", key.expose().to_owned());
            read.values.set("ACCESS_KEYS", key.expose().to_owned());
        }
        let mut loaded = read.validate(None)?;
        for (setting, value) in mem::take(&mut loaded.unrepeatable) {
            sources.fix(setting, value);
        }
        let client_tls = loaded.config.api_base().is_https().then(sparekey_upstream::client_tls).transpose();
        let client_tls = client_tls.map_err(|error| vec![error.to_string()])?;
        let ledger = ledger::handle(&loaded.settings);
        Ok(Self { sources, loaded, client_tls, temporary_key, ledger })
    }

    /// The ledger, which must be closed after the runtime.
    pub(crate) fn ledger(&self) -> LedgerHandle {
        self.ledger.clone()
    }

    /// Checks the ledger, if a user needs it, for `sparekey check`.
    ///
    /// # Errors
    /// Why metered users would be refused.
    pub(crate) fn check_ledger(&self, is_online: bool) -> Result<(), Failure> {
        let is_needed = self.loaded.config.keys().metered_users().next().is_some();
        if is_needed { server_ledger::check(&self.loaded.settings.ledger, is_online) } else { Ok(()) }
    }

    /// The warnings and what is in force, for `sparekey check`.
    pub(crate) fn summary(&self) -> String {
        let Loaded { settings, config, server_tls, outbound_proxy, warnings, .. } = &self.loaded;
        let mut lines: Vec<_> = warnings.iter().map(|warning| format!("warning: {warning}")).collect();
        let (users, keys) = config.keys().count();
        let scheme = if server_tls.is_some() { "https" } else { "http" };
        let listen: Vec<_> = settings.listen.iter().map(|address| format!("{scheme}://{address}")).collect();
        lines.push("The settings are valid:".to_owned());
        lines.push(format!("  upstream        {}", config.api_base()));
        if let Some(proxy) = outbound_proxy {
            lines.push(format!("  outbound proxy  {proxy}"));
        }
        let limited = config.keys().limited_users().count();
        let limits = if limited == 0 { "no limits".to_owned() } else { format!("limits for {limited} of them") };
        lines.push(format!("  users           {users}, access keys: {keys}; {limits}"));
        lines.push(format!("  listening on    {}", join(&listen)));
        if let Some(tls) = server_tls {
            let expires =
                Timestamp::from_second(tls.expires).map_or_else(|_| "unknown".to_owned(), |at| at.to_string());
            lines.push(format!("  certificate     expires {expires}"));
        }
        if let Some(address) = settings.metrics_listen {
            lines.push(format!("  metrics on      http://{address}/metrics"));
        }
        lines.join("\n")
    }

    /// Asks the upstream about the API keys, for `sparekey check --online`.
    pub(crate) async fn check_online(self) -> Vec<Finding> {
        let Loaded { settings, config, outbound_proxy, .. } = self.loaded;
        let upstream = Upstream::new(self.client_tls.as_deref(), outbound_proxy, settings.upstream_timeouts);
        online_check::run(&Gate::new(config), &upstream).await
    }

    /// Starts the log.
    pub(crate) fn start_log(&self) -> (AccessLog, LogQueue) {
        let settings = &self.loaded.settings;
        log::start_queued(settings.log_format, settings.log.clone())
    }

    /// Serves until a signal ends the process.
    pub(crate) async fn run(self, access_log: AccessLog, log: &LogQueue) -> Result<(), Box<dyn Error>> {
        let Loaded { settings, config, server_tls, outbound_proxy, warnings, files, .. } = self.loaded;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let listeners = match listen::inherited()? {
            inherited if !inherited.is_empty() => inherited,
            _ => listen::bind_all(&settings.listen, settings.reuse_port)
                .map_err(|error| format!("cannot listen on {}: {error}", join(&settings.listen)))?,
        };
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
        let (shutdown, state) = Shutdown::new(settings.shutdown_delay)?;
        let mut sinks: Vec<Arc<dyn Sink>> = vec![Arc::new(access_log)];
        let (connection_metrics, reload_metrics) = (ConnectionMetrics::default(), ReloadMetrics::default());
        reload_metrics.succeeded(SystemTime::now());
        reload_metrics.users_expire(config.keys());
        let server_tls = server_tls.map(|tls| {
            reload_metrics.certificate_expires(tls.expires);
            Arc::new(ArcSwap::from_pointee(tls))
        });
        let metrics = settings.metrics_listen.map(|address| {
            let metrics = Arc::new(Metrics::new(log.dropped_lines(), &connection_metrics, &reload_metrics));
            sinks.push(Arc::clone(&metrics) as _);
            (address, metrics)
        });
        let scheme = if server_tls.is_some() { "https" } else { "http" };
        // Without a webhook at the start, requests are not watched.
        let watch = settings.alert_webhook.is_some().then(Arc::<Watch>::default);
        sinks.extend(watch.clone().map(|watch| watch as Arc<dyn Sink>));
        let upstream = config.api_base().to_string();
        if config.keys().metered_users().next().is_some() {
            ledger::open(&self.ledger);
        }
        let gate = Arc::new(ArcSwap::from_pointee(Gate::new(config)));
        let max_connections = settings.max_connections.min(rlimits::max_clients());
        if max_connections < settings.max_connections {
            tracing::warn!(
                "MAX_CONNECTIONS is {max_connections} instead of {}: this process may open too few files (ulimit -n)",
                settings.max_connections
            );
        }
        let requests_per_user = settings.max_requests_per_user.unwrap_or(max_connections.div_ceil(4));
        let bounds = Bounds { requests_per_user, bodies: settings.bodies };
        let limits = PlaceLimits {
            connections: max_connections,
            per_address: settings.max_connections_per_address,
            unfinished_heads: settings.max_unfinished_heads,
            trusted_proxies: settings.trusted_proxies.clone(),
        };
        let places = Places::new(limits, connection_metrics);
        let alert_webhook = Arc::new(ArcSwapOption::from(settings.alert_webhook.map(Arc::new)));
        let operations_password = Arc::new(ArcSwapOption::from(settings.operations_password.map(Arc::new)));
        let reload = Reloader {
            sources: self.sources,
            files,
            gate: Arc::clone(&gate),
            server_tls: server_tls.clone(),
            places: Arc::clone(&places),
            metrics: reload_metrics,
            operations_password: Arc::clone(&operations_password),
            alert_webhook: Arc::clone(&alert_webhook),
            ledger: settings.ledger,
        }
        .start();
        let proxy = Proxy::new(Arc::clone(&gate), Sinks::new(sinks), bounds, self.ledger);
        if let Some(watch) = watch {
            let (server_tls, file) = (server_tls.clone(), state_file(alerts::FILE));
            Alerts { webhook: alert_webhook, watch, proxy: proxy.clone(), gate, server_tls, file }.start()?;
        }
        if let Some((address, metrics)) = metrics {
            let access = Access::new(address, operations_password);
            let admin = Admin { metrics, proxy: proxy.clone(), ready: state.ready.clone(), access };
            let started = admin.start(address);
            started.map_err(|error| format!("cannot listen on {address}, METRICS_LISTEN: {error}"))?;
        }
        let server = Server {
            proxy,
            http: HttpServer::new(server_tls, settings.client_timeouts, settings.max_head),
            upstream_timeouts: settings.upstream_timeouts,
            client_tls: self.client_tls,
            outbound_proxy,
            places: Arc::clone(&places),
            trusted_proxies: settings.trusted_proxies,
            drain_timeout: settings.drain_timeout,
            stop: state.stop,
        };
        let mut serving = pin!(server.run(listeners, state.draining));

        let listening: Vec<_> = addresses.iter().map(|address| format!("{scheme}://{address}")).collect();
        tracing::info!("listening on {}, upstream {upstream}", join(&listening));
        if let (Some(key), Some(address)) = (&self.temporary_key, addresses.first()) {
            println!("{}", temporary_key::Commands { key, scheme, address: *address });
        }
        Ok(shutdown.run(serving.as_mut(), reload, places).await?)
    }
}

fn join(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The settings of the owner's account at the upstream, which the demo ignores. Those of users count: a limit is never
/// ignored.
fn account_settings() -> impl Iterator<Item = &'static str> {
    sparekey_core::SETTINGS.iter().map(|setting| setting.name).filter(|name| !["ACCESS_KEYS", "USERS"].contains(name))
}

/// Starts the stand-in for OpenAI and makes it the upstream.
async fn use_demo(sources: &mut Sources) -> Result<(), Box<dyn Error>> {
    let api_key = keygen::access_key("demo", keygen::DEFAULT_LENGTH)?;
    let address = sparekey_demo::start(api_key.expose()).await?;
    account_settings().for_each(|name| sources.ignore(name));
    sources.fix("OPENAI_API_KEY", api_key.expose().to_owned());
    sources.fix("API_BASE", format!("http://{address}"));
    Ok(())
}
