//! The decision about a request head: forward a rewritten one, respond, or reject. And the filter of response heads.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header, request, response,
};

use crate::{
    access_key::AccessKey,
    config::Config,
    cors::{self, Cors},
    credential, front_page, headers, path, percent,
    rejection::{HeadFailure, Rejection, RejectionKind, UpstreamFailure},
    request_head::RequestHead,
    routes::METHODS,
    secret::Secret,
};

/// Authorization of an
/// [authenticated AI Gateway](https://developers.cloudflare.com/ai-gateway/configuration/authentication/).
const GATEWAY_AUTHORIZATION: HeaderName = HeaderName::from_static("cf-aig-authorization");
/// [Custom metadata](https://developers.cloudflare.com/ai-gateway/observability/custom-metadata/) in an AI Gateway's
/// log.
const GATEWAY_METADATA: HeaderName = HeaderName::from_static("cf-aig-metadata");

/// Header values in a request. No client sends so many; [`http::HeaderMap`] takes 24,576.
const HEADERS_MAX: usize = 1000;

/// Decides about requests and responses. One gate serves a whole process, until its settings change.
#[derive(Debug)]
pub struct Gate {
    config: Config,
    /// Set on each request to the upstream, in place of any value that the client sent.
    injected: Vec<(HeaderName, HeaderValue)>,
    /// Whether the upstream is an AI Gateway, which logs the user's name.
    sends_user: bool,
}

/// What happens to a request that is not rejected. Exhaustive: an adapter has to handle both.
#[derive(Debug)]
pub enum Admission {
    /// Send this request to the upstream.
    Forward(Forward),
    /// Send this response to the client: a preflight, the front page, the health check.
    Reply(Response<Bytes>),
}

/// An admitted request. Only [`Gate::admit`] creates one.
#[derive(Debug)]
pub struct Forward {
    head: request::Parts,
    exchange: Exchange,
    dropped: Vec<HeaderName>,
}

/// An admitted request that waits for its response. It holds the gate that admitted the request, so that a reload of
/// the settings between request and response changes nothing for it.
#[derive(Debug)]
pub struct Exchange {
    gate: Arc<Gate>,
    user: Arc<str>,
    cors: Cors,
    is_websocket: bool,
}

impl Gate {
    /// Creates a gate.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let sends_user = config.gateway_token.is_some() || config.api_base.is_ai_gateway();
        let bearers =
            [(header::AUTHORIZATION, &config.api_key), (GATEWAY_AUTHORIZATION, &config.gateway_token)].into_iter();
        let bearers = bearers.filter_map(|(name, secret)| Some((name, secret.as_ref()?.bearer()?)));
        let account = [(headers::ORGANIZATION, &config.organization), (headers::PROJECT, &config.project)].into_iter();
        let account = account.filter_map(|(name, value)| Some((name, value.clone()?)));
        let injected = bearers.chain(account).collect();
        Self { config, injected, sends_user }
    }

    /// Decides about a request.
    ///
    /// The head of an admitted request changes only in this: the URI is the upstream's, some headers are removed and
    /// set, the version is HTTP/1.1, the extensions are dropped. The method and every byte of the query and of the path
    /// (without leading `/v1` segments) are unchanged.
    ///
    /// # Errors
    /// A [`Rejection`]: send nothing of the request anywhere.
    pub fn admit(self: &Arc<Self>, head: RequestHead) -> Result<Admission, Rejection> {
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
            return Ok(Admission::Reply(cors.preflight(&parts.headers)));
        }
        if let Some(mut page) = front_page::reply(parts) {
            cors.apply(page.headers_mut());
            return Ok(Admission::Reply(page));
        }
        self.forward(head, &cors).map(Admission::Forward).map_err(|kind| Rejection::new(kind, cors))
    }

    /// Returns the error response to a request that has no head to admit. `headers` is `None` if they could not be read.
    #[must_use]
    pub fn reject_head(&self, failure: HeadFailure, headers: Option<&HeaderMap>) -> Rejection {
        let origins = &self.config.origins;
        let cors = headers.map_or_else(|| origins.for_unknown_request(), |headers| origins.for_request(headers));
        Rejection::new(failure.into(), cors)
    }

    /// Returns the path as logs may show it: hidden if it may contain a key.
    #[must_use]
    pub fn loggable_path<'a>(&self, head: &'a RequestHead) -> &'a str {
        let path = head.decoded_path();
        // `sk-` within a word such as `task-` hides the path too: a missing path is better than a logged key.
        let contains = |secret: &str| headers::contains(path, secret);
        if contains(AccessKey::PREFIX) || self.secrets().any(contains) {
            "(hidden: it contains a key)"
        } else {
            head.parts().uri.path()
        }
    }

    fn forward(self: &Arc<Self>, head: RequestHead, cors: &Cors) -> Result<Forward, RejectionKind> {
        let parts = head.parts();
        if parts.headers.len() > HEADERS_MAX {
            return Err(RejectionKind::Headers);
        }
        let key = credential::find_key(&parts.headers);
        if key == Err(RejectionKind::MissingKey) && self.target_contains_key(&head) {
            return Err(RejectionKind::KeyInTarget);
        }
        let key = key?;
        let user = self.find_user(&key)?;
        if self.target_contains_key(&head) {
            return Err(RejectionKind::KeyInTarget);
        }
        // Copied only once it is valid, so that a rejection costs less.
        let key = key.into_owned();
        let relative_path = path::relative_path(parts.uri.path(), head.decoded_path())?;
        self.config.routes.check(&parts.method, relative_path, head.decoded_path())?;
        let uri = self.config.api_base.join(relative_path, parts.uri.query()).ok_or(RejectionKind::InvalidPath)?;
        let is_websocket = is_websocket_handshake(parts);

        let mut parts = head.into_parts();
        parts.uri = uri;
        credential::strip_subprotocols(&mut parts.headers);
        let dropped = self.config.pass_headers.strip(&mut parts.headers, &key);
        if is_websocket {
            headers::upgrade_to_websocket(&mut parts.headers);
        }
        for (name, value) in &self.injected {
            parts.headers.insert(name, value.clone());
        }
        if self.sends_user {
            let metadata = format!(r#"{{"user":"{user}"}}"#);
            parts.headers.insert(GATEWAY_METADATA, metadata.try_into().map_err(|_| RejectionKind::InvalidKey)?);
        }
        parts.version = Version::HTTP_11;
        parts.extensions = Extensions::new();
        let exchange = Exchange { gate: Arc::clone(self), user, cors: cors.clone(), is_websocket };
        Ok(Forward { head: parts, exchange, dropped })
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

    fn find_user(&self, key: &str) -> Result<Arc<str>, RejectionKind> {
        let key = AccessKey::parse(key).map_err(|_| RejectionKind::InvalidKey)?;
        self.config.keys.user_of(&key).cloned().ok_or(RejectionKind::InvalidKey)
    }

    /// Rewrites a `location` below the API base to the same route on the proxy.
    fn rewrite_location(&self, head: &mut response::Parts) {
        let location = head.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let relative = location.and_then(|location| self.config.api_base.strip_base(location));
        if let Some(Ok(local)) = relative.map(|relative| HeaderValue::try_from(format!("/v1{relative}"))) {
            head.headers.insert(header::LOCATION, local);
        }
    }

    fn secrets(&self) -> impl Iterator<Item = &str> + Clone {
        [&self.config.api_key, &self.config.gateway_token].into_iter().flatten().map(Secret::expose)
    }
}

impl Forward {
    /// Returns the headers of the client that were dropped and that an upstream may need. The owner should see each name
    /// once; `PASS_HEADERS` passes it.
    #[must_use]
    pub fn dropped_headers(&self) -> &[HeaderName] {
        &self.dropped
    }

    /// Returns the error response to a user with too many open requests. Drop this request then.
    #[must_use]
    pub fn reject_too_many_requests(&self) -> Rejection {
        Rejection::new(RejectionKind::TooManyRequests, self.exchange.cors.clone())
    }

    /// Returns the user of the access key.
    #[must_use]
    pub fn user(&self) -> &Arc<str> {
        &self.exchange.user
    }

    /// Returns the head to send, with an absolute URI, and the state that its response needs.
    #[must_use]
    pub fn into_parts(self) -> (request::Parts, Exchange) {
        (self.head, self.exchange)
    }
}

impl Exchange {
    /// Returns whether the client requests a WebSocket, so that the upstream may switch protocols.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        self.is_websocket
    }

    /// Filters the head of the upstream's response; the body follows unchanged. The result is never a status 101.
    ///
    /// # Errors
    /// A [`Rejection`] replaces the response if the upstream rejected the API key, or switched protocols without a
    /// request for it. Drop the response's body then.
    pub fn admit_response(&self, head: response::Parts) -> Result<response::Parts, Rejection> {
        match head.status {
            StatusCode::UNAUTHORIZED => Err(Rejection::new(RejectionKind::ApiKeyRefused, self.cors.clone())),
            StatusCode::SWITCHING_PROTOCOLS => Err(self.reject(UpstreamFailure::Unreachable)),
            _ => Ok(self.filter(head)),
        }
    }

    /// Filters the head of a response with status 101. Call it only if the connection to the upstream has switched
    /// protocols; bytes pass in both directions after it.
    ///
    /// # Errors
    /// A [`Rejection`] replaces the response if it does not open the WebSocket that the client requested. Close the
    /// connection then.
    pub fn admit_upgrade(&self, head: response::Parts) -> Result<response::Parts, Rejection> {
        let opens_websocket = head.status == StatusCode::SWITCHING_PROTOCOLS
            && headers::has_token(&head.headers, header::UPGRADE, "websocket");
        if !(self.is_websocket && opens_websocket) {
            return Err(self.reject(UpstreamFailure::Unreachable));
        }
        let mut head = self.filter(head);
        headers::upgrade_to_websocket(&mut head.headers);
        Ok(head)
    }

    /// Filters a response head with [`admit_upgrade`](Self::admit_upgrade) if its status is 101, else with
    /// [`admit_response`](Self::admit_response). For a platform whose responses with status 101 always have their
    /// connection, such as Cloudflare's runtime.
    ///
    /// # Errors
    /// Those of the two functions.
    pub fn admit_response_or_upgrade(&self, head: response::Parts) -> Result<response::Parts, Rejection> {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            self.admit_upgrade(head)
        } else {
            self.admit_response(head)
        }
    }

    /// Returns the error response to send if the upstream sent no response.
    #[must_use]
    pub fn reject(&self, failure: UpstreamFailure) -> Rejection {
        Rejection::new(failure.into(), self.cors.clone())
    }

    fn filter(&self, mut head: response::Parts) -> response::Parts {
        headers::strip_response(&mut head.headers, &self.gate.secrets());
        self.gate.rewrite_location(&mut head);
        self.cors.apply(&mut head.headers);
        head.version = Version::HTTP_11;
        head
    }
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
