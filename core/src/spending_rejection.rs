//! Error responses because of a user's limits on money and tokens.
//!
//! Each has a function, and not a variant of a type: a platform that meters no user does not contain them.

use std::time::Duration;

use http::StatusCode;
use sparekey_policy::{Denial, DeniedBy, Limits, Period, PeriodReport, Unbounded, Usd};

use crate::{
    error_code::INSUFFICIENT_QUOTA,
    error_spec::{Spec, seconds},
    limit_rejection::{LimitRejection, rate_limit},
};

/// The ledger denied a reservation. `least` is the least amount of use to the request.
pub(crate) fn denied(denial: &Denial, limits: &Limits, least: Usd) -> LimitRejection {
    let retry_after = denial.retry_after.unwrap_or_default();
    match denial.which {
        DeniedBy::Tokens => {
            let per_minute = limits.tokens_per_minute.map_or(0, std::num::NonZeroU32::get);
            // A debt of tokens can last longer than the longest `retry-after`.
            let wait = seconds(retry_after);
            let message = format!("You may use {per_minute} tokens per minute. Try again in {wait} s.");
            rate_limit("tokens", message, retry_after).into()
        }
        DeniedBy::Budget(report) => budget(&report, least).into(),
        DeniedBy::Held(report) => {
            let (per, held) = (per(&report), report.held);
            let message = format!(
                "Your open requests hold the rest of your budget {per}: {held} USD. Try again when one has ended."
            );
            rate_limit("tokens", message, retry_after).into()
        }
        DeniedBy::Requests | DeniedBy::Concurrency => LimitRejection::place(denial, limits),
    }
}

/// [OpenAI's error](https://platform.openai.com/docs/guides/error-codes) for a budget that is spent, which its clients do not
/// repeat. The request may also not fit in the rest.
fn budget(report: &PeriodReport, least: Usd) -> Spec {
    let per = per(report);
    let budget = report.budget.unwrap_or_default();
    let left = budget.minus(report.spent).max(Usd::ZERO);
    let state = if left == Usd::ZERO {
        format!("Your budget {per} of {budget} USD is spent.")
    } else {
        format!(
            "This request needs at least {least} USD, and {left} USD of your budget {per} of {budget} USD is left. Send a \
             shorter request, allow fewer output tokens, or use another model."
        )
    };
    let again = report.ends.map_or(String::new(), |ends| format!(" It starts again on {ends}."));
    Spec {
        error_type: INSUFFICIENT_QUOTA,
        ..Spec::new(
            StatusCode::TOO_MANY_REQUESTS,
            INSUFFICIENT_QUOTA,
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

/// A request without a highest cost. `model` is the one that it names.
pub(crate) fn unbounded(reason: Unbounded, model: Option<&str>) -> LimitRejection {
    match reason {
        Unbounded::Model => model_not_priced(model).into(),
        Unbounded::Option { param, advice } => option(&param, advice),
        Unbounded::Route => route(),
    }
}

fn model_not_priced(model: Option<&str>) -> Spec {
    let message = match model {
        Some(model) => format!(
            "Your access key has a budget, and the highest cost of this request to the model '{model}' is not known here. Use \
             another model, or ask the owner of this proxy to add its prices."
        ),
        None => "Your access key has a budget, and this request names no model. Set 'model'.".to_owned(),
    };
    Spec { param: Some("model".to_owned()), ..Spec::new(StatusCode::FORBIDDEN, "model_not_priced", message) }
}

/// An option without a highest cost. `advice` is a sentence.
pub(crate) fn option(param: &str, advice: &str) -> LimitRejection {
    let message = format!("Your access key has a limit on money or tokens, which '{param}' could exceed. {advice}");
    let spec = Spec::new(StatusCode::BAD_REQUEST, "option_not_allowed", message);
    Spec { param: Some(param.to_owned()), ..spec }.into()
}

/// A route whose requests have no highest cost.
pub(crate) fn route() -> LimitRejection {
    Spec::new(
        StatusCode::FORBIDDEN,
        "route_not_allowed",
        "Your access key has a limit on money or tokens, and requests to this route have no highest cost. Use another route, \
         such as POST /v1/responses, or ask the owner of this proxy.",
    )
    .into()
}

/// The ledger cannot be reached.
pub(crate) fn ledger() -> LimitRejection {
    without_ledger(
        "This proxy cannot record the cost of this request, so nothing of it was sent. Try again. If the error persists, \
         contact the owner of this proxy.",
    )
}

/// The ledger cannot be reached for the usage of the user.
pub(crate) fn usage() -> LimitRejection {
    without_ledger(
        "This proxy cannot read your usage at the moment. Try again. If the error persists, contact the owner of this proxy.",
    )
}

fn without_ledger(message: &'static str) -> LimitRejection {
    Spec::new(StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable", message).with_retry(Duration::from_secs(1)).into()
}

/// Requests of this user failed several times in a row, and each one is charged.
pub(crate) fn repeated_failures(wait: Duration) -> LimitRejection {
    Spec::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "server_is_overloaded",
        "Your last requests failed at the upstream API after they were sent, and each one is charged. Wait before you repeat \
         them.",
    )
    .with_retry(wait)
    .into()
}
