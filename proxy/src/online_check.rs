//! Asks the upstream whether it accepts the owner's credentials, and says what is wrong.

use std::{error::Error as _, time::Duration};

use http::{StatusCode, request};
use sparekey_core::{Gate, Probe, error_code::INSUFFICIENT_QUOTA};
use sparekey_upstream::{Reply, Upgrade, Upstream};
use tokio::time::timeout;

use crate::upstream_error::UpstreamError;

/// The wait for one response.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What an upstream says about a key: a sentence. `Err` if users cannot use it.
pub type Finding = Result<String, String>;

/// Asks for the list of models with each upstream key.
pub async fn run(gate: &Gate, upstream: &Upstream) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Probe { user, head } in gate.probes() {
        let whose = user.map_or_else(|| "the upstream".to_owned(), |user| format!("the upstream, for user {user},"));
        let finding = ask(gate, upstream, head).await;
        findings.push(match finding {
            Ok(text) => Ok(format!("{whose} {text}")),
            Err(text) => Err(format!("{whose} {text}")),
        });
    }
    findings
}

async fn ask(gate: &Gate, upstream: &Upstream, head: request::Parts) -> Finding {
    let body = http_body_util::Empty::new();
    let reply = timeout(TIMEOUT, upstream.send(Box::new(head), body, Upgrade::Forbidden)).await;
    let response = match reply {
        Err(_) => return Err(format!("sent no response within {} s", TIMEOUT.as_secs())),
        Ok(Err(error)) => return Err(format!("cannot be reached: {}", causes(&error))),
        Ok(Ok(Reply::Upgraded(_))) => return Err("sent an invalid response: it switched protocols".to_owned()),
        Ok(Ok(Reply::Response(response))) => response,
    };
    let (head, mut body) = response.into_parts();
    let UpstreamError { code, message } = UpstreamError::read(&head, &mut body, TIMEOUT).await;
    judge(head.status, &code, &gate.mask_secrets(&message))
}

/// An error and its causes, which a `Display` of this crate contains already.
fn causes(error: &sparekey_upstream::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

fn judge(status: StatusCode, code: &str, message: &str) -> Finding {
    let quoted = format!("status {}, code {code}: {message}", status.as_u16());
    let advice = match (status, code) {
        (StatusCode::OK, _) => return Ok("accepts the API key".to_owned()),
        // The key is valid, and may be meant for other routes.
        (StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED, _) if message.contains("scope") => {
            return Ok(format!(
                "accepts the API key, which has no permission to list models; give it the permissions that users need ({quoted})"
            ));
        }
        (StatusCode::FORBIDDEN, "unsupported_country_region_territory") => {
            "does not serve the region of this machine: run the proxy elsewhere, or set HTTPS_PROXY or an AI Gateway"
        }
        (StatusCode::TOO_MANY_REQUESTS, INSUFFICIENT_QUOTA) => {
            "has no credit left for this API key: look at its billing"
        }
        (StatusCode::TOO_MANY_REQUESTS, _) => return Ok(format!("accepts the API key, and is busy ({quoted})")),
        (
            StatusCode::UNAUTHORIZED,
            "mismatched_organization" | "mismatched_project" | "invalid_organization" | "invalid_project",
        ) => "refuses OPENAI_ORGANIZATION or OPENAI_PROJECT with this API key",
        (StatusCode::UNAUTHORIZED, "ip_not_authorized") => {
            "does not allow the address of this machine for this API key"
        }
        (StatusCode::UNAUTHORIZED, _) => "refuses the API key: look for a missing character, or make a new one",
        (StatusCode::NOT_FOUND, _) => "has no /models below API_BASE: check its path",
        (StatusCode::PROXY_AUTHENTICATION_REQUIRED, _) => {
            "is behind a proxy that needs a password: set it in HTTPS_PROXY"
        }
        _ => "sent an error",
    };
    Err(format!("{advice} ({quoted})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn judged(status: u16, code: &str, message: &str) -> Finding {
        judge(StatusCode::from_u16(status).unwrap(), code, message)
    }

    #[test]
    fn problems_are_named() {
        assert!(judged(200, "-", "").is_ok());
        assert!(
            judged(403, "missing_scope", "You have insufficient permissions. Missing scopes: api.model.read").is_ok()
        );
        for (status, code, expected) in [
            (401, "invalid_api_key", "refuses the API key"),
            (401, "mismatched_organization", "OPENAI_ORGANIZATION"),
            (401, "ip_not_authorized", "address"),
            (403, "unsupported_country_region_territory", "region"),
            (404, "-", "API_BASE"),
            (407, "-", "HTTPS_PROXY"),
            (429, "insufficient_quota", "billing"),
            (500, "-", "sent an error"),
        ] {
            let found = judged(status, code, "text").unwrap_err();
            assert!(found.contains(expected) && found.contains("text"), "{found}");
        }
    }
}
