//! Error responses because of a user's limits on money and tokens.

use std::time::Duration;

use http::StatusCode;
use sparekey_policy::{Period, PeriodReport, Unbounded, Usd};

use crate::{
    limit_rejection::{rate_limit, seconds},
    rejection::Spec,
};

/// Why a user's limits on money and tokens refuse a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum SpendingRejection {
    Tokens {
        per_minute: u32,
        retry_after: Duration,
    },
    /// Requests to the route have no highest cost.
    UnboundedRoute,
    ModelNotPriced(Option<Box<str>>),
    /// An option without a highest cost.
    Option {
        param: Box<str>,
        advice: &'static str,
    },
    /// The budget is spent, or the request does not fit in the rest.
    Budget {
        report: PeriodReport,
        least: Usd,
    },
    /// The user's open requests hold the rest of the budget.
    Held {
        report: PeriodReport,
        retry_after: Duration,
    },
    /// The ledger cannot be reached.
    Ledger,
    /// Requests of this user failed several times in a row, and each one is charged.
    RepeatedFailures(Duration),
}

impl SpendingRejection {
    /// `model` is the one that the request names.
    pub(crate) fn unbounded(reason: Unbounded, model: Option<&str>) -> Self {
        match reason {
            Unbounded::Model => Self::ModelNotPriced(model.map(Into::into)),
            Unbounded::Option { param, advice } => Self::Option { param: param.into(), advice },
            Unbounded::Route => Self::UnboundedRoute,
        }
    }

    pub(crate) fn spec(&self) -> Spec {
        match self {
            Self::UnboundedRoute => Spec::new(
                StatusCode::FORBIDDEN,
                "route_not_allowed",
                "Your access key has a limit on money or tokens, and requests to this route have no highest cost. Use another \
                 route, such as POST /v1/responses, or ask the owner of this proxy.",
            ),
            Self::ModelNotPriced(model) => Spec {
                param: Some("model".to_owned()),
                ..Spec::new(
                    StatusCode::FORBIDDEN,
                    "model_not_priced",
                    match model {
                        Some(model) => format!(
                            "Your access key has a budget, and the model '{model}' has no price here. Use another model, or ask \
                             the owner of this proxy to add its price."
                        ),
                        None => {
                            "Your access key has a budget, and this request names no model. Set 'model'.".to_owned()
                        }
                    },
                )
            },
            Self::Option { param, advice } => Spec {
                param: Some(param.to_string()),
                ..Spec::new(
                    StatusCode::BAD_REQUEST,
                    "option_not_allowed",
                    format!("Your access key has a limit on money or tokens, which '{param}' could exceed. {advice}"),
                )
            },
            Self::Budget { report, least } => budget(report, *least),
            Self::Held { report, retry_after } => rate_limit(
                "tokens",
                format!(
                    "Your open requests hold the rest of your budget {}: {} USD. Try again when one has ended.",
                    per(report),
                    report.held
                ),
                *retry_after,
            ),
            Self::Tokens { per_minute, retry_after } => rate_limit(
                "tokens",
                format!("You may use {per_minute} tokens per minute. Try again in {} s.", seconds(*retry_after)),
                *retry_after,
            ),
            Self::Ledger => Spec::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "ledger_unavailable",
                "This proxy cannot record the cost of this request, so nothing of it was sent. Try again. If the error \
                 persists, contact the owner of this proxy.",
            )
            .with_retry(Duration::from_secs(1)),
            Self::RepeatedFailures(wait) => Spec::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "server_is_overloaded",
                "Your last requests failed at the upstream API after they were sent, and each one is charged. Wait before you \
                 repeat them.",
            )
            .with_retry(*wait),
        }
    }
}

/// [OpenAI's error](https://platform.openai.com/docs/guides/error-codes) for a budget that is spent, which its clients do not
/// repeat.
fn budget(report: &PeriodReport, least: Usd) -> Spec {
    let per = per(report);
    let budget = report.budget.unwrap_or_default();
    let left = budget.minus(report.spent).max(Usd::ZERO);
    let state = if left == Usd::ZERO {
        format!("Your budget {per} of {budget} USD is spent.")
    } else {
        format!(
            "This request needs at least {least} USD, and {left} USD of your budget {per} of {budget} USD is left. Send a \
             shorter request, or use another model."
        )
    };
    let again = report.ends.map_or(String::new(), |ends| format!(" It starts again on {ends}."));
    Spec {
        error_type: "insufficient_quota",
        ..Spec::new(
            StatusCode::TOO_MANY_REQUESTS,
            "insufficient_quota",
            format!("{state}{again} GET /v1/usage shows what you spent. Ask the owner of this proxy for more."),
        )
    }
}

fn per(report: &PeriodReport) -> String {
    match report.period.period() {
        Period::Total => "in total".to_owned(),
        period @ (Period::Day | Period::Week | Period::Month) => format!("per {}", period.name()),
    }
}
