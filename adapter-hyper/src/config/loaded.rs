//! All settings, validated together.

use std::{
    cell::RefCell,
    env, fs,
    path::{Path, PathBuf},
};

use sparekey_core::{Config, Keyring};
use sparekey_proxy::users::TomlUsers;
use sparekey_upstream::OutboundProxy;

use super::{
    ledger::ServerLedger,
    prices,
    server_tls::ServerTls,
    settings::Settings,
    sources::{SecretFile, Sources, Values, environment},
    users::{self, Recorder},
    warnings,
};

/// All settings, validated.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    pub(crate) config: Config,
    /// `None` if clients connect without TLS.
    pub(crate) server_tls: Option<ServerTls>,
    /// `None` for direct connections to the upstream.
    pub(crate) outbound_proxy: Option<OutboundProxy>,
    pub(crate) warnings: Vec<String>,
    /// The files that may change while the server runs.
    pub(crate) files: Vec<PathBuf>,
    /// Values of files that can be read only once, such as pipes.
    pub(crate) unrepeatable: Vec<(&'static str, String)>,
}

/// Values that were read, and the problems found so far.
pub(crate) struct Unvalidated {
    pub(crate) values: Values,
    pub(crate) settings: Settings,
    problems: Vec<String>,
}

impl Unvalidated {
    /// Reads all sources.
    pub(crate) fn read(sources: &Sources) -> Self {
        let values = sources.values();
        let mut problems = values.problems().map(str::to_owned).collect();
        let settings = Settings::read(&values, &mut problems);
        Self { values, settings, problems }
    }

    /// Validates all settings together. `before` are the keys and the ledger of a running server: a reload replaces the keys.
    ///
    /// # Errors
    /// All problems, one sentence each.
    pub(crate) fn validate(self, before: Option<(&Keyring, &ServerLedger)>) -> Result<Loaded, Vec<String>> {
        let Self { values, settings, mut problems } = self;
        let users_file = values.secret_file("USERS");
        let key_files = RefCell::new(Vec::new());
        let reader = Recorder::new(TomlUsers {
            enforced: users::ENFORCED,
            before: before.map(|(keys, _)| keys),
            places: before.map_or(&settings.ledger, |(_, ledger)| ledger).places(),
            read_key: |source: &_| {
                key_files.borrow_mut().extend(users::key_file(source, users_file));
                users::read_key(source, users_file)
            },
        });
        let config = Config::with_users(|name| values.get(name).map(str::to_owned), &reader);
        let config = config.map_err(|error| {
            let found = error.problems().iter().filter(|problem| !values.explains(problem));
            problems.extend(found.map(|problem| values.with_file(&problem.to_string())));
        });
        let prices_file = values.get(prices::SETTING).map(Path::new);
        // The table takes 2.5 MB of memory and 3 ms.
        let is_metered = config.as_ref().is_ok_and(|config| config.keys().metered_users().next().is_some());
        let prices = (is_metered || prices_file.is_some()).then(|| prices::read(prices_file)).transpose();
        let prices = prices.map_err(|found| problems.extend(found));
        let server_tls = settings.tls.as_ref().map(|(cert, key)| ServerTls::read(cert, key)).transpose();
        let server_tls = server_tls.map_err(|problem| problems.push(problem)).ok().flatten();
        let outbound_proxy = config.as_ref().map_or(Ok(None), outbound_proxy);
        let outbound_proxy = outbound_proxy.map_err(|problem| problems.push(problem)).ok().flatten();
        let (Ok(config), Ok(prices), true) = (config, prices, problems.is_empty()) else { return Err(problems) };
        let names: Vec<_> = env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
        let mut warnings = warnings::find(&settings, &names, values.secret_files());
        warnings.extend(config.warnings().iter().map(|warning| values.with_file(&warning.to_string())));
        if let Some(prices) = prices.as_ref().filter(|_| is_metered) {
            warnings.extend(warnings::old_prices(prices, sparekey_proxy::now()));
            let unpriced = reader.into_users().and_then(|users| warnings::unpriced_models(prices, &users));
            warnings.extend(unpriced.map(|warning| values.with_file(&warning)));
        }
        let tls_files = settings.tls.iter().flat_map(|(cert, key)| [cert.clone(), key.clone()]);
        let is_regular = |file: &&SecretFile| fs::metadata(&file.path).is_ok_and(|metadata| metadata.is_file());
        let (regular, others): (Vec<_>, Vec<_>) = values.secret_files().iter().partition(is_regular);
        let files = regular.iter().map(|file| PathBuf::from(&file.path)).chain(tls_files);
        let files = files.chain(key_files.into_inner()).chain(prices_file.map(PathBuf::from)).collect();
        let value = |file: &&SecretFile| Some((file.setting, values.get(file.setting)?.to_owned()));
        let unrepeatable = others.iter().filter_map(value).collect();
        let config = match prices {
            Some(prices) => config.with_prices(prices),
            None => config,
        };
        Ok(Loaded { settings, config, server_tls, outbound_proxy, warnings, files, unrepeatable })
    }
}

fn outbound_proxy(config: &Config) -> Result<Option<OutboundProxy>, String> {
    let upstream = config.api_base().to_string().parse();
    upstream.map_or(Ok(None), |upstream| OutboundProxy::from_env(environment, &upstream))
}
