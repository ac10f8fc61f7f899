//! Logs errors of the upstream that only the owner can end.

use std::time::Duration;

use http::response;
use sparekey_core::{Exchange, error_code::INSUFFICIENT_QUOTA, owner_quota};
use sparekey_upstream::ResponseBody;

use crate::{
    record::RequestLog,
    throttle::Throttle,
    upstream_error::{self, UpstreamError},
};

/// How long the client waits for the rest of the body.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// One line for each code of the upstream, because each request of each user fails alike.
#[derive(Debug, Default)]
pub(crate) struct OwnerErrors(Throttle<String>);

impl OwnerErrors {
    /// Logs why the upstream refused the owner's credentials, with status 401. Users do not get the text: it can contain parts
    /// of the API key.
    pub(crate) async fn refused_credentials(
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

    /// Returns whether a response with status 429 says that the owner's account has no quota left, and logs it.
    pub(crate) async fn lacks_quota(
        &self,
        head: &response::Parts,
        body: &mut ResponseBody,
        exchange: &Exchange,
        log: &mut RequestLog,
    ) -> bool {
        let Some(text) = upstream_error::text(head, body, BODY_TIMEOUT).await else {
            if self.0.is_due("encoding".to_owned()) {
                let encoding = upstream_error::encoding(head);
                tracing::info!(
                    "a response with status 429 has the content encoding {encoding}, which is not read, so that it may be about \
                     the quota of the owner's account"
                );
            }
            return false;
        };
        if !owner_quota::has_code(text.as_bytes()) {
            return false;
        }
        let UpstreamError { message, .. } = UpstreamError::parse(text);
        log.lacks_quota();
        if self.0.is_due(INSUFFICIENT_QUOTA.to_owned()) {
            let (user, request_id, message) = (exchange.user(), log.id(), exchange.mask_secrets(&message));
            tracing::error!(
                user,
                %request_id,
                "the owner's account at the upstream has no quota left: {message}; add credit, or raise the limits of the \
                 organization or of the project of the API key"
            );
        }
        true
    }
}
