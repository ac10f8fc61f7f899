//! Alerts to the owner, by a webhook.
//!
//! A task looks at the state of the proxy, and sends what is due and was not sent. Nothing waits for it: what cannot be sent is
//! due again later.

mod alert;
mod sent;
mod watch;

use std::{io, path::PathBuf, sync::Arc, thread, time::Duration};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use http::{Request, Uri, header::CONTENT_TYPE};
use sparekey_core::Gate;
use sparekey_policy::{Period, Report, Timestamp, Usd, Zone};
use sparekey_proxy::{Proxy, now};
use tokio::{
    runtime::Builder,
    time::{sleep, timeout},
};

pub(crate) use self::watch::Watch;
use self::{
    alert::Alert,
    sent::Sent,
    watch::{Event, Seen},
};
use crate::{config::server_tls::ServerTls, outbound};

/// The names of sent alerts, in the folder of the state.
pub(crate) const FILE: &str = "alerts.json";

/// Parts of a budget, in percent.
const THRESHOLDS: [i64; 2] = [80, 100];

/// Before a user or the certificate ends.
const SOON: i64 = 7 * 24 * Timestamp::HOUR;

/// Between two looks, if nothing happens.
const INTERVAL: Duration = Duration::from_secs(60);

/// At least between two looks, and for each metered user: the ledger is asked for all of them.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_PER_USER: Duration = Duration::from_millis(20);

/// After a failure the next try is later each time.
const RETRY: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(300);

/// Sends alerts.
pub(crate) struct Alerts {
    /// `None` while no webhook is set.
    pub(crate) webhook: Arc<ArcSwapOption<Uri>>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) proxy: Proxy,
    pub(crate) gate: Arc<ArcSwap<Gate>>,
    pub(crate) server_tls: Option<Arc<ArcSwap<ServerTls>>>,
    /// Where the names of sent alerts are kept.
    pub(crate) file: PathBuf,
}

impl Alerts {
    /// Runs in a thread of its own, which may wait for the disk, until the process ends.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn start(self) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("alerts".to_owned()).spawn(move || runtime.block_on(self.run())).map(drop)
    }

    async fn run(self) {
        let mut sent = Sent::read(self.file.clone());
        let mut seen = Seen::default();
        let mut retry = RETRY;
        loop {
            if let Some(webhook) = self.webhook.load_full() {
                self.watch.take(&mut seen);
                match self.send_due(&webhook, &seen, &mut sent).await {
                    Ok(is_complete) => {
                        retry = RETRY;
                        if is_complete {
                            seen = Seen::default();
                        } else if seen.keep_for_ledger() {
                            // It was too slow.
                            self.watch.changed.notify_one();
                        }
                    }
                    Err(reason) => {
                        tracing::warn!("an alert cannot be sent, it is tried again in {} s: {reason}", retry.as_secs());
                        sleep(retry).await;
                        retry = RETRY_MAX.min(retry * 2);
                        continue;
                    }
                }
            }
            let users = self.gate.load().keys().metered_users().count();
            sleep(PAUSE.max(PAUSE_PER_USER * u32::try_from(users).unwrap_or(u32::MAX))).await;
            // Without a change, the look is later.
            let _ = timeout(INTERVAL, self.watch.changed.notified()).await;
        }
    }

    /// Returns whether the state of all budgets is known.
    async fn send_due(&self, webhook: &Uri, seen: &Seen, sent: &mut Sent) -> Result<bool, String> {
        let (due, is_complete) = self.due(seen).await;
        let mut failure = None;
        for alert in due {
            let id = alert.id();
            if sent.contains(&id) {
                continue;
            }
            // One that the service refuses does not keep back the others.
            match post(webhook, alert.json()).await {
                Ok(()) => {
                    tracing::info!("sent the alert {id}");
                    sent.add(id, now());
                }
                Err(reason) => failure = failure.or(Some(reason)),
            }
        }
        failure.map_or(Ok(is_complete), Err)
    }

    /// All that the owner should know at the moment, and whether the state of all budgets is known.
    async fn due(&self, seen: &Seen) -> (Vec<Alert>, bool) {
        let now = now();
        let today = Period::Day.at(now, &Zone::utc());
        let mut due = Vec::new();
        if seen.has(Event::ApiKeyRefused) {
            due.push(Alert::ApiKeyRefused { today });
        }
        if seen.has(Event::QuotaSpent) {
            due.push(Alert::QuotaSpent { today });
        }
        if seen.has(Event::PriceMissing) {
            due.push(Alert::PriceMissing { today });
        }
        let gate = self.gate.load_full();
        let is_soon = |at: Timestamp| now < at && at <= now.plus(SOON);
        due.extend(
            gate.keys()
                .expiries()
                .filter(|(_, at)| is_soon(*at))
                .map(|(user, at)| Alert::UserExpires { user: Arc::clone(user), at }),
        );
        if let Some(at) = self.server_tls.as_ref().map(|tls| tls.load().expires)
            && at <= now.plus(SOON).as_seconds()
        {
            due.push(Alert::CertificateExpires { at });
        }
        let reports = self.proxy.reports().await;
        due.extend(reports.known.iter().flat_map(|(user, report)| budgets(user, report, seen)));
        // The alert is not due if a reservation succeeded since the failure, or a minute has passed without one.
        if reports.is_failing && seen.has(Event::LedgerFailed) {
            due.push(Alert::LedgerUnreachable { today });
        }
        (due, reports.is_complete)
    }
}

/// The parts of a user's budgets that are spent, and the budget that refused a request.
fn budgets(user: &Arc<str>, report: &Report, seen: &Seen) -> Vec<Alert> {
    let budgets: Vec<_> = report
        .periods
        .iter()
        .filter_map(|period| Some((period.period, period.spent, period.budget?, period.ends)))
        .collect();
    let mut alerts = Vec::new();
    for (period, spent, budget, ends) in &budgets {
        let (period, spent, budget, ends) = (*period, *spent, *budget, *ends);
        for percent in THRESHOLDS.into_iter().filter(|percent| has_spent(spent, budget, *percent)) {
            alerts.push(Alert::Budget { user: Arc::clone(user), period, percent, spent, budget, ends });
        }
    }
    // The one with the least left.
    let tightest = budgets.into_iter().min_by_key(|(_, spent, budget, _)| budget.minus(*spent));
    if let Some((period, spent, budget, ends)) = tightest.filter(|_| seen.refused.contains(user))
        && has_spent(spent, budget, THRESHOLDS[0])
        && !has_spent(spent, budget, THRESHOLDS[1])
    {
        alerts.push(Alert::BudgetRefused { user: Arc::clone(user), period, spent, budget, ends });
    }
    alerts
}

fn has_spent(spent: Usd, budget: Usd, percent: i64) -> bool {
    i128::from(spent.as_pico()) * 100 >= i128::from(budget.as_pico()) * i128::from(percent)
}

async fn post(webhook: &Uri, json: String) -> Result<(), String> {
    let request = Request::post(webhook.clone()).header(CONTENT_TYPE, "application/json").body(Bytes::from(json));
    let status = outbound::exchange(request.map_err(|error| error.to_string())?).await?.status();
    if status.is_success() { Ok(()) } else { Err(format!("ALERT_WEBHOOK responded with status {}", status.as_u16())) }
}

/// Reads `ALERT_WEBHOOK`.
///
/// # Errors
/// A sentence without the value, which often has a secret.
pub(crate) fn webhook(text: &str) -> Result<Uri, String> {
    let uri = text.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    uri.filter(|uri| uri.host().is_some_and(|host| !host.is_empty()))
        .ok_or_else(|| "ALERT_WEBHOOK must be a URL that begins with https:// or http://".to_owned())
}
