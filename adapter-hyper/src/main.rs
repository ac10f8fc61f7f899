//! The standalone server: settings, threads, signals.

mod activity;
mod cli;
mod connection;
mod first_key;
mod limits;
mod operations;
mod proxy;
mod server;
mod settings;
mod socket;
mod tls;
mod tunnel;
mod values;

use std::{error::Error, pin::pin, process::ExitCode, sync::Arc};

use clap::ArgMatches;
use keygen::NewKey;
use mimalloc::MiMalloc;
use sparekey::{demo, log, metrics::Metrics, upstream};
use sparekey_core::{Config, Gate};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, watch},
};
use tokio_rustls::TlsAcceptor;

use crate::{connection::Protocol, server::Server, settings::Settings, values::Values};

/// Faster than glibc's, far faster than musl's, and less scattered where a thousand streams come and go.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Settings are wrong.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    limits::set();
    let arguments = cli::arguments();
    // It runs the demo and the signals beside its share of the requests; the other cores have threads of their own.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let plan = match runtime.block_on(Plan::make(arguments.as_ref())) {
        Ok(plan) => plan,
        Err(problems) => {
            eprintln!("sparekey: these settings are wrong:\n  {}", problems.join("\n  "));
            return ExitCode::from(USAGE);
        }
    };
    if arguments.is_some_and(|arguments| arguments.subcommand_matches("check").is_some()) {
        println!("The settings are good: {} to {}", plan.settings.listen, plan.upstream);
        return ExitCode::SUCCESS;
    }
    let end = runtime.block_on(plan.run());
    // Not dropped: that would wait for names that are being looked up.
    runtime.shutdown_background();
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&*error),
    }
}

fn fail(error: &dyn Error) -> ExitCode {
    eprintln!("sparekey: {error}");
    ExitCode::FAILURE
}

/// The settings of the owner's account, which the demo does without.
fn owners() -> impl Iterator<Item = &'static str> {
    sparekey_core::SETTINGS.iter().map(|setting| setting.name).filter(|name| *name != "ACCESS_KEYS")
}

/// Puts the stand-in for OpenAI in the upstream's place; nothing of the owner's account is used.
async fn use_demo(values: &mut Values) -> Result<(), Box<dyn Error>> {
    let real = keygen::access_key("demo", keygen::DEFAULT_LENGTH)?;
    let address = demo::start(real.expose()).await?;
    for name in owners() {
        values.unset(name);
    }
    values.set("OPENAI_API_KEY", real.expose().to_owned());
    values.set("API_BASE", format!("http://{address}"));
    Ok(())
}

/// Settings that are all good.
struct Plan {
    settings: Settings,
    tls: Option<TlsAcceptor>,
    /// Not where the upstream is plain.
    trust: Option<Arc<rustls::ClientConfig>>,
    gate: Gate,
    upstream: String,
    /// Made for this run.
    key: Option<NewKey>,
}

impl Plan {
    async fn make(arguments: Option<&ArgMatches>) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let demo = arguments.is_some_and(|arguments| arguments.get_flag("demo"));
        let is_owners = |name: &str| owners().any(|owners| owners == name.strip_suffix("_FILE").unwrap_or(name));
        // What is not UTF-8 gets marks in its place that no setting takes, so that it is told and not passed over.
        let variable = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let environment = |name: &str| variable(name).filter(|_| !(demo && is_owners(name)));
        let mut values = Values::gather(arguments, environment, &mut problems);
        if demo {
            use_demo(&mut values).await.map_err(|error| vec![format!("--demo: {error}")])?;
        }
        let settings = Settings::read(&values, &mut problems);
        let mut key = None;
        if values.value("ACCESS_KEYS").is_none() && settings.listen.ip().is_loopback() && problems.is_empty() {
            let made = first_key::make().map_err(|error| vec![error.to_string()])?;
            values.set("ACCESS_KEYS", made.expose().to_owned());
            key = Some(made);
        }
        let config = Config::from_lookup(|name| values.value(name).map(str::to_owned));
        let config = config.map_err(|error| problems.extend(error.problems().iter().map(ToString::to_string))).ok();
        let tls = settings.tls.as_ref().map(|(cert, key)| tls::acceptor(cert, key)).transpose();
        let tls = tls.map_err(|problem| problems.push(problem)).ok().flatten();
        let plain = config.as_ref().is_some_and(|config| !config.api_base().is_https());
        let trust = (!plain).then(upstream::trust).transpose();
        let trust = trust.map_err(|error| problems.push(error.to_string())).ok().flatten();
        match config {
            Some(config) if problems.is_empty() => {
                let upstream = config.api_base().to_string();
                Ok(Self { settings, tls, trust, gate: Gate::new(config), upstream, key })
            }
            _ => Err(problems),
        }
    }

    async fn run(self) -> Result<(), Box<dyn Error>> {
        let settings = self.settings;
        log::start(settings.log_format, settings.log);
        let listener =
            server::bind(settings.listen).map_err(|error| format!("can't listen on {}: {error}", settings.listen))?;
        let address = listener.local_addr()?;
        let metrics = settings.metrics_listen.map(|_| Arc::new(Metrics::new()));
        let (drain, draining) = watch::channel(false);
        if let (Some(at), Some(metrics)) = (settings.metrics_listen, &metrics) {
            operations::start(at, Arc::clone(metrics), draining.clone())
                .map_err(|error| format!("can't listen on {at}, METRICS_LISTEN: {error}"))?;
        }
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let server = Server {
            gate: Arc::new(self.gate),
            protocol: Protocol::new(self.tls, settings.bounds, settings.max_head),
            patience: settings.patience,
            trust: self.trust,
            places: Arc::new(Semaphore::new(settings.max_connections)),
            drain_timeout: settings.drain_timeout,
            metrics,
        };
        let mut stop = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
        let mut hangup = signal(SignalKind::hangup())?;
        let mut serving = pin!(server.run(listener, draining));

        tracing::info!("listening on {scheme}://{address}, upstream {}", self.upstream);
        if let Some(key) = &self.key {
            println!("{}", first_key::Commands { key, scheme, address });
        }
        let [terminate, interrupt] = &mut stop;
        loop {
            tokio::select! {
                end = &mut serving => return Ok(end?),
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                // There is nothing to reload, and no reason to end.
                _ = hangup.recv() => continue,
            }
            if drain.send_replace(true) {
                return Err("ended at once, by a second signal".into());
            }
            tracing::info!("draining: no new connections; a second signal ends at once");
        }
    }
}
