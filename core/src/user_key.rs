//! The access key of a request, once it is found in the list.

use std::sync::Arc;

use sparekey_policy::Limits;

use crate::{access_key::KeyDigest, grant::Grant};

/// A user and the digest of the access key that was sent.
#[derive(Clone, Debug)]
pub struct UserKey {
    pub(crate) user: Arc<str>,
    pub(crate) digest: KeyDigest,
    /// `None` for a user without limits.
    pub(crate) grant: Option<Arc<Grant>>,
}

impl UserKey {
    /// Returns the start of the digest, by which logs distinguish a user's keys.
    #[must_use]
    pub fn digest_prefix(&self) -> [u8; 4] {
        self.digest.prefix()
    }

    /// Returns the user's name.
    #[must_use]
    pub fn user(&self) -> &Arc<str> {
        &self.user
    }

    /// Returns the limits of the user's state, if it has one.
    #[must_use]
    pub fn limits(&self) -> Option<&Limits> {
        self.grant.as_ref().map(|grant| grant.place_limits()).filter(|limits| limits.needs_state())
    }
}
