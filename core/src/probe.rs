//! Requests that show whether the upstream accepts the owner's credentials.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Request, header, request};

use crate::{gate::Gate, mask};

/// A request with credentials of the owner.
#[derive(Debug)]
pub struct Probe {
    /// The user with an upstream key of its own; `None` for the key of all others.
    pub user: Option<Arc<str>>,
    /// `GET /models`, with an absolute URI.
    pub head: request::Parts,
}

impl Gate {
    /// Returns a request for each upstream key.
    #[must_use]
    pub fn probes(&self) -> Vec<Probe> {
        let of_users = self.keys().grants().filter(|(_, grant)| grant.api_key().is_some());
        let of_users = of_users.filter_map(|(user, grant)| {
            let set = |headers: &mut HeaderMap| grant.set_credentials(headers, self.api_key_header());
            Some(Probe { user: Some(Arc::clone(user)), head: self.probe(set)? })
        });
        let of_all = self.probe(|_| {}).map(|head| Probe { user: None, head });
        let mut probes: Vec<_> = of_all.into_iter().chain(of_users).collect();
        probes.sort_by(|a, b| a.user.cmp(&b.user));
        probes
    }

    /// Returns a text of the upstream without keys, in one line of at most 400 characters.
    #[must_use]
    pub fn mask_secrets(&self, text: &str) -> String {
        let of_users = self.keys().grants().filter_map(|(_, grant)| grant.api_key());
        mask::mask(text, self.secrets().chain(of_users.map(crate::secret::Secret::expose)))
    }

    fn probe(&self, set_credentials: impl FnOnce(&mut HeaderMap)) -> Option<request::Parts> {
        let uri = self.api_base().join("/models", None)?;
        let (mut head, ()) = Request::builder().method(Method::GET).uri(uri).body(()).ok()?.into_parts();
        head.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        head.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        head.headers.insert(header::USER_AGENT, HeaderValue::from_static("sparekey"));
        self.set_credentials(&mut head.headers);
        set_credentials(&mut head.headers);
        Some(head)
    }
}
