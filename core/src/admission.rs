//! The decision about a request head: forward a rewritten one, respond, or reject.

use std::{net::IpAddr, sync::Arc};

use http::{Extensions, HeaderMap, HeaderName, Method, Response, Version, header, request};
use sparekey_policy::{ModelSource, Timestamp};

use crate::{
    access_key::AccessKey,
    client_info,
    cors::{self, Cors},
    credential,
    exchange::Exchange,
    forward::Forward,
    front_page,
    gate::Gate,
    grant::Grant,
    headers, keyring,
    limit_rejection::LimitRejection,
    limited::{self, Limited, ModelCheck},
    path, percent,
    rejection::{Rejection, RejectionKind},
    reply_body::ReplyBody,
    request_head::RequestHead,
    routes::{self, METHODS},
    usage, usage_page,
    usage_request::UsageRequest,
    user_key::UserKey,
};

/// [Custom metadata](https://developers.cloudflare.com/ai-gateway/observability/custom-metadata/) in an AI Gateway's
/// log.
const GATEWAY_METADATA: HeaderName = HeaderName::from_static("cf-aig-metadata");

/// Header values in a request. No client sends so many; [`http::HeaderMap`] takes 24,576.
const HEADERS_MAX: usize = 1000;

/// What happens to a request that is not rejected. Exhaustive: an adapter has to handle each.
#[derive(Debug)]
pub enum Admission {
    /// Send this request to the upstream.
    Forward(Forward),
    /// The user has limits: more must be read or asked before the request is admitted.
    Limited(Limited),
    /// The user asks for its own limits.
    Usage(Box<UsageRequest>),
    /// Send this response to the client: a preflight, the front page, the health check.
    Reply(Response<ReplyBody>),
}

/// Who sends a request.
struct Caller<'a> {
    /// The access key, which is valid.
    key: String,
    user: UserKey,
    /// Of the client's origin.
    cors: &'a Cors,
}

impl Gate {
    /// Decides about a request.
    ///
    /// The head of an admitted request changes only in this: the URI is the upstream's, some headers are removed and
    /// set, the version is HTTP/1.1, the extensions are dropped. The method and every byte of the query and of the path
    /// (without leading `/v1` segments) are unchanged.
    ///
    /// For a user with limits only, `client` is called for the address of the client, and `now` for the time.
    ///
    /// # Errors
    /// A [`Rejection`]: send nothing of the request anywhere.
    pub fn admit(
        self: &Arc<Self>,
        head: RequestHead,
        client: impl FnOnce(&HeaderMap) -> Option<IpAddr>,
        now: impl FnOnce() -> Timestamp,
    ) -> Result<Admission, Rejection> {
        let parts = head.parts();
        let cors = self.config.origins.for_request(&parts.headers);
        if !METHODS.contains(&parts.method) {
            return Err(Rejection::new(RejectionKind::Method, cors));
        }
        // A server must reject a request without `Host`, or with several (RFC 9112 §3.2).
        if parts.version == Version::HTTP_11 && !has_one_host(&parts.headers) {
            return Err(Rejection::new(RejectionKind::Host, cors));
        }
        // A URI consists of ASCII characters (RFC 3986 §2); the path is checked below.
        if !parts.uri.query().is_none_or(str::is_ascii) {
            return Err(Rejection::new(RejectionKind::InvalidPath, cors));
        }
        if cors::is_preflight(parts) {
            return Ok(Admission::Reply(cors.preflight(&parts.headers).map(ReplyBody::from)));
        }
        if let Some(mut page) = front_page::reply(parts) {
            cors.apply(page.headers_mut());
            return Ok(Admission::Reply(page));
        }
        let reject = |kind| Rejection::new(kind, cors.clone());
        let caller = match self.authenticate(&head, &cors) {
            Ok(caller) => caller,
            Err(RejectionKind::MissingKey) if usage_page::is_request(head.parts()) => {
                let mut page = usage_page::reply();
                cors.apply(page.headers_mut());
                return Ok(Admission::Reply(page));
            }
            Err(kind) => return Err(reject(kind)),
        };
        if usage::is_request(head.parts()) {
            let headers = &head.parts().headers;
            return match caller.user.grant.clone() {
                None => Ok(Admission::Reply(usage::reply(&caller.user, None, &cors).map(ReplyBody::from))),
                Some(grant) => UsageRequest::new(caller.user, grant, cors, || client(headers)).map(Admission::Usage),
            };
        }
        if let Some(grant) = caller.user.grant.clone() {
            return self.admit_limited(head, caller, &grant, client, now);
        }
        self.forward(head, caller).map(Admission::Forward)
    }

    /// Finds the access key and its user.
    #[inline]
    fn authenticate<'a>(&self, head: &RequestHead, cors: &'a Cors) -> Result<Caller<'a>, RejectionKind> {
        let parts = head.parts();
        if parts.headers.len() > HEADERS_MAX {
            return Err(RejectionKind::Headers);
        }
        let key = credential::find_key(&parts.headers);
        if key == Err(RejectionKind::MissingKey) && self.target_contains_key(head) {
            return Err(RejectionKind::KeyInTarget);
        }
        let key = key?;
        let user = self.find_user(&key)?;
        if self.target_contains_key(head) {
            return Err(RejectionKind::KeyInTarget);
        }
        // Copied only once it is valid, so that a rejection costs less.
        Ok(Caller { key: key.into_owned(), user, cors })
    }

    /// Rewrites a request.
    #[inline]
    fn forward(self: &Arc<Self>, head: RequestHead, caller: Caller<'_>) -> Result<Forward, Rejection> {
        let Caller { key, user, cors } = caller;
        let parts = head.parts();
        let reject = |kind| Rejection::new(kind, cors.clone()).with_key(user.clone());
        let relative_path = path::relative_path(parts.uri.path(), head.decoded_path()).map_err(|e| reject(e.into()))?;
        let route = self.config.routes.check(&parts.method, relative_path, head.decoded_path());
        route.map_err(|error| reject(error.into()))?;
        let uri = self.config.api_base.rebase(&parts.uri, relative_path);
        let uri = uri.ok_or_else(|| reject(RejectionKind::InvalidPath))?;
        let is_websocket = is_websocket_handshake(parts);
        let prefix = client_info::prefix(parts).into();

        let mut parts = head.into_parts();
        parts.uri = uri;
        credential::strip_subprotocols(&mut parts.headers);
        let dropped = self.config.pass_headers.strip(&mut parts.headers, &key);
        if is_websocket {
            headers::upgrade_to_websocket(&mut parts.headers);
        }
        self.set_credentials(&mut parts.headers);
        if let Some(grant) = &user.grant {
            grant.set_credentials(&mut parts.headers, &self.config.api_key_header);
        }
        if self.sends_user {
            let metadata = format!(r#"{{"user":"{}"}}"#, user.user);
            let metadata = metadata.try_into().map_err(|_| reject(RejectionKind::InvalidKey))?;
            parts.headers.insert(GATEWAY_METADATA, metadata);
        }
        parts.version = Version::HTTP_11;
        parts.extensions = Extensions::new();
        let exchange =
            Exchange { gate: Arc::clone(self), key: user, cors: cors.clone(), prefix, is_websocket, limited: None };
        Ok(Forward { head: parts, exchange: Box::new(exchange), dropped })
    }

    /// Whether the path or the query contains an access key or a secret of the owner, in any percent-encoding.
    fn target_contains_key(&self, head: &RequestHead) -> bool {
        let contains_key = |text: &[u8]| {
            self.config.keys.occurs_in(text) || self.secrets().any(|secret| headers::contains(text, secret))
        };
        let query = head.parts().uri.query().map(str::as_bytes);
        contains_key(head.decoded_path())
            || query.is_some_and(|query| contains_key(percent::decode_fully(query).as_deref().unwrap_or(query)))
    }

    /// The first decision about a request of a user with limits.
    #[cold]
    fn admit_limited(
        self: &Arc<Self>,
        head: RequestHead,
        caller: Caller<'_>,
        grant: &Arc<Grant>,
        client: impl FnOnce(&HeaderMap) -> Option<IpAddr>,
        now: impl FnOnce() -> Timestamp,
    ) -> Result<Admission, Rejection> {
        let reject = |kind| Rejection::new(kind, caller.cors.clone()).with_key(caller.user.clone());
        let parts = head.parts();
        let path = path::relative_path(parts.uri.path(), head.decoded_path()).map_err(|error| reject(error.into()))?;
        self.config.routes.check(&parts.method, path, head.decoded_path()).map_err(|error| reject(error.into()))?;
        let is_responses_websocket = is_websocket_handshake(parts) && routes::is_responses(path);
        let is_refused = is_responses_websocket && grant.refuses_responses_websocket();
        let allowed = grant
            .check_address(|| client(&parts.headers))
            .and_then(|()| grant.check_expiry(&caller.user.digest, now))
            .and(if is_refused { Err(LimitRejection::WebSocket) } else { Ok(()) })
            .and_then(|()| grant.check_route(parts, path, head.decoded_path()));
        let needs = allowed.map_err(|limit| {
            limited::rejection(limit, is_responses_websocket, caller.cors.clone()).with_key(caller.user.clone())
        })?;
        let filters_models = grant.filters_models(path);
        let may_have_body = may_have_body(parts);
        let path = Box::from(if needs.source == Some(ModelSource::Path) { path } else { "" });
        let mut forward = self.forward(head, caller)?;
        if filters_models {
            forward.filter_models();
        }
        let grant = Arc::clone(grant);
        let check = ModelCheck { forward, grant, needs, path, is_responses_websocket, may_have_body };
        Ok(Admission::Limited(Limited::new(check)))
    }

    fn find_user(&self, key: &str) -> Result<UserKey, RejectionKind> {
        let user = AccessKey::parse(key).ok().and_then(|key| self.config.keys.user_of(&key));
        user.ok_or_else(|| {
            if self.config.has_unknown_users {
                RejectionKind::UnknownUsers
            } else if keyring::is_openai_key(key) {
                RejectionKind::OpenAiKey
            } else {
                RejectionKind::InvalidKey
            }
        })
    }
}

/// Whether a request may have a body: over HTTP/2, only its end shows that it has none.
fn may_have_body(head: &request::Parts) -> bool {
    let is_announced = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    ![Method::GET, Method::HEAD].contains(&head.method)
        || head.version == Version::HTTP_2
        || is_announced.iter().any(|name| head.headers.contains_key(name))
}

fn has_one_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    hosts.next().is_some() && hosts.next().is_none()
}

/// A WebSocket's opening handshake over HTTP/1.1
/// ([RFC 6455 §4.2.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1)).
fn is_websocket_handshake(head: &request::Parts) -> bool {
    head.method == Method::GET
        && head.version == Version::HTTP_11
        && headers::has_token(&head.headers, header::CONNECTION, "upgrade")
        && headers::has_token(&head.headers, header::UPGRADE, "websocket")
}
