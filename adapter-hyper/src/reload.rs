//! Reads the files of the settings again while the server runs: on SIGHUP, and when their content changes.
//!
//! All or nothing: if a file is invalid, the old settings stay in force.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, SystemTime},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use http::Uri;
use sparekey_core::{Gate, Keyring};

use crate::{
    admin::Password,
    config::{
        ledger::ServerLedger,
        loaded::{Loaded, Unvalidated},
        server_tls::ServerTls,
        sources::Sources,
    },
    listen::Places,
    metrics::ReloadMetrics,
};

/// Between two looks at the files. Their content is compared, because a mounted secret is a chain of symbolic links, whose
/// modification time says nothing.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long a changed file must stay the same: a program may still be writing it.
const SETTLED: Duration = Duration::from_millis(100);
/// A request that was admitted just before the reload is registered by then.
const ADMITTED: Duration = Duration::from_millis(200);

/// Reads the settings again and puts them into force.
pub(crate) struct Reloader {
    pub(crate) sources: Sources,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) gate: Arc<ArcSwap<Gate>>,
    pub(crate) server_tls: Option<Arc<ArcSwap<ServerTls>>>,
    pub(crate) places: Arc<Places>,
    pub(crate) metrics: ReloadMetrics,
    pub(crate) operations_password: Arc<ArcSwapOption<Password>>,
    pub(crate) alert_webhook: Arc<ArcSwapOption<Uri>>,
    /// The one in use, which a reload does not change.
    pub(crate) ledger: ServerLedger,
}

impl Reloader {
    /// Watches the files in a thread. A message to the sender reloads at once.
    pub(crate) fn start(self) -> SyncSender<()> {
        let (tx, rx) = sync_channel(1);
        // Before the thread runs: a change until then would be taken for what is in force.
        let seen = self.fingerprint();
        thread::spawn(move || self.run(seen, &rx));
        tx
    }

    fn run(mut self, mut seen: Vec<u64>, signals: &Receiver<()>) {
        // After a failure each look reads again: a file may be missing that is not watched yet.
        let mut last_problems = None;
        loop {
            let is_signal = match signals.recv_timeout(INTERVAL) {
                Ok(()) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut now = self.fingerprint();
            if now == seen && !is_signal && last_problems.is_none() {
                continue;
            }
            loop {
                thread::sleep(SETTLED);
                let next = self.fingerprint();
                if next == now {
                    break;
                }
                now = next;
            }
            seen = now;
            match self.reload() {
                Ok(summary) => {
                    last_problems = None;
                    tracing::info!("reloaded: {summary}");
                    // Other files may be named now.
                    if self.files.len() != seen.len() {
                        seen = self.fingerprint();
                    }
                }
                Err(problems) if is_signal || last_problems.as_ref() != Some(&problems) => {
                    tracing::error!("reload failed, the old settings stay in force: {}", problems.join("; "));
                    self.metrics.failed();
                    last_problems = Some(problems);
                }
                Err(_) => {}
            }
        }
    }

    fn reload(&mut self) -> Result<String, Vec<String>> {
        let Loaded { settings, config, server_tls, warnings, files, .. } =
            Unvalidated::read(&self.sources).validate(Some((self.gate.load().keys(), &self.ledger)))?;
        self.files = files;
        self.operations_password.store(settings.operations_password.map(Arc::new));
        self.alert_webhook.store(settings.alert_webhook.map(Arc::new));
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        if settings.ledger != self.ledger {
            tracing::warn!("LEDGER_FILE names another ledger, or has another password: restart the server to use it");
        }
        let (users, keys) = config.keys().count();
        let summary = format!("users: {users}, access keys: {keys}");
        self.metrics.users_expire(config.keys());
        let gate = Arc::new(Gate::new(config));
        let old = self.gate.swap(Arc::clone(&gate));
        for user in no_longer_limited(old.keys(), gate.keys()) {
            tracing::warn!(
                "user {user} has no entry in the users file any more, and so no limits: remove its keys from ACCESS_KEYS, or restore the entry"
            );
        }
        if let (Some(current), Some(new)) = (&self.server_tls, server_tls) {
            self.metrics.certificate_expires(new.expires);
            current.store(Arc::new(new));
        }
        self.metrics.succeeded(SystemTime::now());
        self.places.cut_revoked(&gate);
        thread::sleep(ADMITTED);
        self.places.cut_revoked(&gate);
        Ok(summary)
    }

    /// Changes with the content of the files.
    fn fingerprint(&self) -> Vec<u64> {
        self.files.iter().map(|file| fingerprint(file)).collect()
    }
}

/// The users that have a key and lost their limits.
fn no_longer_limited<'a>(old: &'a Keyring, new: &'a Keyring) -> impl Iterator<Item = &'a Arc<str>> {
    old.limited_users().filter(|user| new.has_user(user) && !new.limited_users().any(|limited| limited == *user))
}

fn fingerprint(file: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    fs::read(file).ok().hash(&mut hasher);
    hasher.finish()
}
