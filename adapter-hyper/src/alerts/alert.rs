//! What an owner is alerted to, and the message.

use std::sync::Arc;

use jiff::Timestamp as Instant;
use serde_json::{Map, Value, json};
use sparekey_policy::{CalendarPeriod, Period, Timestamp, Usd};

use crate::commands::money;

/// Something that the owner should know. Each is sent once.
#[derive(Clone, Debug)]
pub(super) enum Alert {
    /// A user has spent a part of a budget.
    Budget { user: Arc<str>, period: CalendarPeriod, percent: i64, spent: Usd, budget: Usd, ends: Option<Timestamp> },
    /// A request did not fit in what is left of a budget.
    BudgetRefused { user: Arc<str>, period: CalendarPeriod, spent: Usd, budget: Usd, ends: Option<Timestamp> },
    /// All keys of a user end soon.
    UserExpires { user: Arc<str>, at: Timestamp },
    /// The certificate of the server ends soon.
    CertificateExpires { at: i64 },
    /// The upstream refuses the API key.
    ApiKeyRefused { today: CalendarPeriod },
    /// The owner's account at the upstream has no quota left.
    QuotaSpent { today: CalendarPeriod },
    /// Metered users are refused.
    LedgerUnreachable { today: CalendarPeriod },
    /// A model that is used has no price.
    PriceMissing { today: CalendarPeriod },
}

impl Alert {
    /// Names it among all alerts: one of the same name is not sent again.
    pub(super) fn id(&self) -> String {
        match self {
            // With another budget, its parts are new.
            Self::Budget { user, period, percent, budget, .. } => {
                format!("budget_reached/{user}/{}/{period}/{budget}/{percent}", period.period().name())
            }
            Self::BudgetRefused { user, period, budget, .. } => {
                format!("budget_refused/{user}/{}/{period}/{budget}", period.period().name())
            }
            Self::UserExpires { user, at } => format!("user_expires/{user}/{}", at.as_seconds()),
            Self::CertificateExpires { at } => format!("certificate_expires/{at}"),
            // They may last, and can occur again.
            Self::ApiKeyRefused { today }
            | Self::QuotaSpent { today }
            | Self::LedgerUnreachable { today }
            | Self::PriceMissing { today } => format!("{}/{today}", self.event()),
        }
    }

    fn event(&self) -> &'static str {
        match self {
            Self::Budget { .. } => "budget_reached",
            Self::BudgetRefused { .. } => "budget_refused",
            Self::UserExpires { .. } => "user_expires",
            Self::CertificateExpires { .. } => "certificate_expires",
            Self::ApiKeyRefused { .. } => "api_key_refused",
            Self::QuotaSpent { .. } => "quota_spent",
            Self::LedgerUnreachable { .. } => "ledger_unreachable",
            Self::PriceMissing { .. } => "price_missing",
        }
    }

    fn sentence(&self) -> String {
        match self {
            Self::Budget { user, period, percent, spent, budget, ends } => {
                let spending = spending(*period, *spent, *budget);
                format!("User {user} has spent {spending}, {percent} % or more.{}", again(*ends))
            }
            Self::BudgetRefused { user, period, spent, budget, ends } => {
                let spending = spending(*period, *spent, *budget);
                format!(
                    "A request of user {user} did not fit in what is left of the budget: {spending} are spent.{}",
                    again(*ends)
                )
            }
            Self::UserExpires { user, at } => format!("The access of user {user} ends on {at}."),
            Self::CertificateExpires { at } => format!("The TLS certificate of the proxy ends on {}.", date(*at)),
            Self::ApiKeyRefused { .. } => {
                "The upstream refuses the API key, so all requests fail. The log of the proxy has its reason.".to_owned()
            }
            Self::QuotaSpent { .. } => {
                "Your account at the upstream has no quota left, so requests fail. Add credit, or raise the limits of the organization \
                 or of the project of the API key."
                    .to_owned()
            }
            Self::LedgerUnreachable { .. } => {
                "The ledger cannot be read or written, so users with budgets are refused. The log of the proxy has the reason."
                    .to_owned()
            }
            Self::PriceMissing { .. } => {
                "A request used a model without a price. Its cost is an estimate or not known; `sparekey usage` shows it as \
                 other or as estimated. Set PRICES_FILE."
                    .to_owned()
            }
        }
    }

    /// The body of the request to the webhook. `text` is what [Slack](https://api.slack.com/messaging/webhooks) shows,
    /// `content` what [Discord](https://discord.com/developers/docs/resources/webhook#execute-webhook) does.
    pub(super) fn json(&self) -> String {
        let sentence = self.sentence();
        let mut object = Map::from_iter([
            ("event".to_owned(), json!(self.event())),
            ("text".to_owned(), json!(slack(&sentence))),
            ("content".to_owned(), json!(discord(&sentence))),
            ("allowed_mentions".to_owned(), json!({"parse": []})),
        ]);
        let mut set = |name: &str, value: Value| object.insert(name.to_owned(), value);
        if let Self::Budget { percent, .. } = self {
            set("threshold_percent", json!(percent));
        }
        match self {
            Self::Budget { user, period, spent, budget, ends, .. }
            | Self::BudgetRefused { user, period, spent, budget, ends } => {
                set("user", json!(&**user));
                set("per", json!(period.period().name()));
                set("period", json!(period.to_string()));
                set("spent_usd", json!(spent.to_string()));
                set("budget_usd", json!(budget.to_string()));
                set("resets_at", json!(ends.map(Timestamp::as_seconds)));
            }
            Self::UserExpires { user, at } => {
                set("user", json!(&**user));
                set("expires_at", json!(at.as_seconds()));
            }
            Self::CertificateExpires { at } => {
                set("expires_at", json!(at));
            }
            Self::ApiKeyRefused { .. }
            | Self::QuotaSpent { .. }
            | Self::LedgerUnreachable { .. }
            | Self::PriceMissing { .. } => {}
        }
        Value::Object(object).to_string()
    }
}

fn spending(period: CalendarPeriod, spent: Usd, budget: Usd) -> String {
    let per = match period.period() {
        Period::Total => "in total".to_owned(),
        Period::Day | Period::Week | Period::Month => format!("for {period}"),
    };
    format!("{} of {} US dollars {per}", money::short(spent), money::short(budget))
}

fn again(ends: Option<Timestamp>) -> String {
    ends.map_or_else(String::new, |ends| format!(" It starts again on {ends}."))
}

/// [Slack's escapes](https://api.slack.com/reference/surfaces/formatting#escaping): a mention is `<!channel>`.
fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A mention is `@everyone` or `<@1>`. After a space without width, it is none.
fn discord(text: &str) -> String {
    text.replace('@', "@\u{200b}")
}

fn date(seconds: i64) -> String {
    Instant::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_mentions() {
        let user = Arc::from("@everyone <!channel> & <@1>");
        let alert = Alert::UserExpires { user, at: Timestamp::from_seconds(0) };
        let json: Value = serde_json::from_str(&alert.json()).unwrap();
        assert_eq!(
            json["text"],
            "The access of user @everyone &lt;!channel&gt; &amp; &lt;@1&gt; ends on 1970-01-01 00:00:00 UTC."
        );
        let content = json["content"].as_str().unwrap();
        assert!(!content.contains("@everyone") && !content.contains("<@1>"), "{content}");
    }

    #[test]
    fn readme_has_all_events() {
        const README: &str = include_str!("../../../README.md");
        let (_, table) = README.split_once("| `event` | when | at most |\n").unwrap();
        let rows = table.lines().skip(1).map_while(|line| line.strip_prefix("| `")?.split('`').next());
        let (user, period, ends) = (Arc::<str>::from("Tom"), Period::Day.of_day(0), None);
        let (spent, budget, at) = (Usd::ZERO, Usd::ZERO, Timestamp::default());
        let all = [
            Alert::Budget { user: Arc::clone(&user), period, percent: 80, spent, budget, ends },
            Alert::BudgetRefused { user: Arc::clone(&user), period, spent, budget, ends },
            Alert::UserExpires { user, at },
            Alert::CertificateExpires { at: 0 },
            Alert::ApiKeyRefused { today: period },
            Alert::QuotaSpent { today: period },
            Alert::LedgerUnreachable { today: period },
            Alert::PriceMissing { today: period },
        ];
        // A new variant does not compile here, so that it is added to the list too.
        for alert in &all {
            match alert {
                Alert::Budget { .. }
                | Alert::BudgetRefused { .. }
                | Alert::UserExpires { .. }
                | Alert::CertificateExpires { .. }
                | Alert::ApiKeyRefused { .. }
                | Alert::QuotaSpent { .. }
                | Alert::LedgerUnreachable { .. }
                | Alert::PriceMissing { .. } => {}
            }
        }
        assert_eq!(rows.collect::<Vec<_>>(), all.each_ref().map(Alert::event));
    }

    #[test]
    fn budgets_have_ids_of_their_own() {
        let budget = |percent, budget| Alert::Budget {
            user: Arc::from("Tom"),
            period: Period::Month.of_day(20_000),
            percent,
            spent: Usd::ZERO,
            budget: Usd::from_dollars(budget).unwrap(),
            ends: None,
        };
        assert_eq!(budget(80, 5).id(), "budget_reached/Tom/month/2024-10/5.00/80");
        assert_ne!(budget(80, 5).id(), budget(100, 5).id());
        assert_ne!(budget(80, 5).id(), budget(80, 6).id());
    }
}
