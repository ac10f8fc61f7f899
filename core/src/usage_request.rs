//! A request for the user's own limits.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Response;
use sparekey_policy::Limits;

use crate::{
    cors::Cors,
    grant::Grant,
    limit_rejection::LimitRejection,
    rejection::Rejection,
    spending_rejection,
    usage::{self, UsageReports},
    user_key::UserKey,
};

/// A request for the user's own limits: `GET /usage`.
#[derive(Debug)]
pub struct UsageRequest {
    key: UserKey,
    grant: Arc<Grant>,
    cors: Cors,
}

impl UsageRequest {
    /// A user may read its limits after its end too.
    pub(crate) fn new(
        key: UserKey,
        grant: Arc<Grant>,
        cors: Cors,
        client: impl FnOnce() -> Option<IpAddr>,
    ) -> Result<Box<Self>, Rejection> {
        match grant.check_address(client) {
            Ok(()) => Ok(Box::new(Self { key, grant, cors })),
            Err(limit) => Err(Rejection::new(limit.into(), cors).with_key(key)),
        }
    }

    /// Returns the user.
    #[must_use]
    pub fn user(&self) -> &Arc<str> {
        self.key.user()
    }

    /// Returns the access key of the request.
    #[must_use]
    pub fn key(&self) -> &UserKey {
        &self.key
    }

    /// Returns the limits of the user's state in memory.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.grant.place_limits()
    }

    /// Returns the limits of the user's state in the ledger; `None` if there are none.
    #[must_use]
    pub fn ledger_limits(&self) -> Option<&Arc<Limits>> {
        self.grant.ledger_limits()
    }

    /// Returns the response.
    #[must_use]
    pub fn reply(&self, reports: &UsageReports<'_>) -> Response<Bytes> {
        usage::reply_with(&self.key, &self.grant, reports, &self.cors)
    }

    /// Returns the response of a platform without states.
    #[must_use]
    pub fn reply_without_reports(&self) -> Response<Bytes> {
        usage::reply(&self.key, Some(&self.grant), &self.cors)
    }

    /// Returns the error response to a user who reads it too often.
    #[must_use]
    pub fn reject_too_often(&self, per_minute: u32, retry_after: Duration) -> Rejection {
        self.reject(LimitRejection::Requests { per_minute, retry_after })
    }

    /// Returns the error response without the ledger.
    #[must_use]
    pub fn reject_without_ledger(&self) -> Rejection {
        self.reject(spending_rejection::usage())
    }

    fn reject(&self, limit: LimitRejection) -> Rejection {
        Rejection::new(limit.into(), self.cors.clone()).with_key(self.key.clone())
    }
}
