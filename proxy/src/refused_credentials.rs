//! Logs why the upstream refused the owner's credentials. Users do not get the text: it can contain parts of the API key.

use std::time::Duration;

use http::response;
use sparekey_core::Exchange;
use sparekey_upstream::ResponseBody;

use crate::{record::RequestLog, throttle::Throttle, upstream_error::UpstreamError};

/// How long the client waits for the rest of the body.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// One line for each code of the upstream, because each request of each user fails alike.
#[derive(Debug, Default)]
pub(crate) struct RefusedCredentials(Throttle<String>);

impl RefusedCredentials {
    /// Logs the code and the message of a response with status 401, without keys.
    pub(crate) async fn log(
        &self,
        head: &response::Parts,
        body: &mut ResponseBody,
        exchange: &Exchange,
        log: &mut RequestLog,
    ) {
        let UpstreamError { code, message } = UpstreamError::read(head, body, BODY_TIMEOUT).await;
        let [code, message] = [code, message].map(|text| exchange.mask_secrets(&text));
        if self.0.is_due(code.clone()) {
            let (user, request_id) = (exchange.user(), log.id());
            tracing::error!(
                user,
                %request_id,
                "upstream refused the owner's credentials, status 401, code {code}: {message}; check \
                 OPENAI_API_KEY and its scopes, OPENAI_ORGANIZATION, OPENAI_PROJECT, and the addresses that may use the key"
            );
        }
    }
}
