//! The only decision: a request's head in, the upstream's head or a rejection out.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, Version, header, request,
    response,
};

use crate::{
    access_key::{AccessKey, PREFIX},
    config::Config,
    cors::{self, Cors},
    credential, front_page, headers, path,
    rejection::{Cause, Rejection, UpstreamFailure},
    secret::Secret,
};

const GATEWAY_AUTHORIZATION: HeaderName = HeaderName::from_static("cf-aig-authorization");
const GATEWAY_METADATA: HeaderName = HeaderName::from_static("cf-aig-metadata");

/// More values than this are no client's; [`http::HeaderMap`] itself ends at 24,576.
const HEADERS_MAX: usize = 1000;

/// Decides over requests and answers. One serves a whole process.
#[derive(Debug)]
pub struct Gate {
    config: Config,
    /// What every request to the upstream bears, whatever the client sent.
    injected: Vec<(HeaderName, HeaderValue)>,
    /// Whether the upstream takes a person's name for its logs and limits.
    names_users: bool,
}

/// What becomes of a request that is not rejected.
#[derive(Debug)]
pub enum Admission {
    /// To be sent upstream.
    Forward(Forward),
    /// Answered here: a preflight, the front page, the health check.
    Reply(Response<Bytes>),
}

/// An admitted request. Only [`Gate::admit`] makes one.
#[derive(Debug)]
pub struct Forward {
    head: request::Parts,
    exchange: Exchange,
}

impl Forward {
    /// The person whose key it is.
    #[must_use]
    pub fn user(&self) -> &Arc<str> {
        &self.exchange.user
    }

    /// The head to send, with an absolute URI, and what is needed for the answer.
    #[must_use]
    pub fn into_parts(self) -> (request::Parts, Exchange) {
        (self.head, self.exchange)
    }
}

/// What the answer to an admitted request depends on.
#[derive(Debug)]
pub struct Exchange {
    user: Arc<str>,
    cors: Cors,
    websocket: bool,
}

impl Exchange {
    /// Whether the client asks for a WebSocket, so that the upstream may answer with [`Answer::Tunnel`].
    #[must_use]
    pub fn asks_for_websocket(&self) -> bool {
        self.websocket
    }

    /// The answer where the upstream gave none.
    #[must_use]
    pub fn failed(&self, failure: UpstreamFailure) -> Rejection {
        let cause = match failure {
            UpstreamFailure::Unreachable => Cause::Unreachable,
            UpstreamFailure::Timeout => Cause::Timeout,
            UpstreamFailure::TooLarge => Cause::TooLarge,
        };
        Rejection::new(cause, self.cors.clone())
    }
}

/// An upstream's answer, ready for the client.
#[derive(Debug)]
pub enum Answer {
    /// The head of an ordinary answer; the body follows untouched.
    Respond(response::Parts),
    /// The head that opens the WebSocket; bytes pass both ways from there on.
    Tunnel(response::Parts),
}

impl Gate {
    /// Builds the gate.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let names_users = config.gateway_token.is_some() || config.api_base.is_ai_gateway();
        let bearers =
            [(header::AUTHORIZATION, &config.api_key), (GATEWAY_AUTHORIZATION, &config.gateway_token)].into_iter();
        let bearers = bearers.filter_map(|(name, secret)| Some((name, secret.as_ref()?.bearer()?)));
        let owners = [(headers::ORGANIZATION, &config.organization), (headers::PROJECT, &config.project)];
        let owners = owners
            .into_iter()
            .filter_map(|(name, value)| Some((name, HeaderValue::from_str(value.as_ref()?.expose()).ok()?)));
        let injected = bearers.chain(owners).collect();
        Self { config, injected, names_users }
    }

    /// Decides over a request.
    ///
    /// Of an admitted request's head, exactly this is changed: the URI becomes the upstream's, headers are
    /// stripped and set, the version is HTTP/1.1 and the extensions are dropped. The method, and every byte of the
    /// path (less leading `/v1`) and of the query, stay.
    ///
    /// # Errors
    /// A [`Rejection`]; nothing of the request may then be sent anywhere.
    pub fn admit(&self, head: request::Parts) -> Result<Admission, Rejection> {
        let cors = self.config.origins.cors(&head.headers);
        if head.method == Method::CONNECT || head.method == Method::TRACE {
            return Err(Rejection::new(Cause::Method, cors));
        }
        if cors::is_preflight(&head) {
            return Ok(Admission::Reply(cors.preflight(&head.headers)));
        }
        if let Some(mut page) = front_page::reply(&head) {
            cors.mark(page.headers_mut());
            return Ok(Admission::Reply(page));
        }
        match self.forward(head) {
            Ok((head, user, websocket)) => {
                Ok(Admission::Forward(Forward { head, exchange: Exchange { user, cors, websocket } }))
            }
            Err(cause) => Err(Rejection::new(cause, cors)),
        }
    }

    /// The answer to a request whose target can't be read as a URI at all, so that there is no head to admit.
    #[must_use]
    pub fn unreadable(&self, headers: &HeaderMap) -> Rejection {
        Rejection::new(Cause::InvalidPath, self.config.origins.cors(headers))
    }

    /// Makes the head of an answer fit for the client.
    ///
    /// # Errors
    /// A [`Rejection`] that takes the answer's place where the upstream refused the owner's key, or switched
    /// protocols unasked; the answer's body must then be dropped.
    pub fn answer(&self, exchange: &Exchange, mut head: response::Parts) -> Result<Answer, Rejection> {
        let reject = |cause| Err(Rejection::new(cause, exchange.cors.clone()));
        let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
        if head.status == StatusCode::UNAUTHORIZED {
            return reject(Cause::OwnersKeyRefused);
        }
        if switches && !(exchange.websocket && headers::has_token(&head.headers, header::UPGRADE, "websocket")) {
            return reject(Cause::Unreachable);
        }
        headers::strip_answer(&mut head.headers, &self.secrets());
        self.localize(&mut head);
        exchange.cors.mark(&mut head.headers);
        head.version = Version::HTTP_11;
        if switches {
            headers::upgrade_to_websocket(&mut head.headers);
            return Ok(Answer::Tunnel(head));
        }
        Ok(Answer::Respond(head))
    }

    /// The path as logs may show it: hidden whole where a key may stand in it.
    #[must_use]
    pub fn loggable_path<'a>(&self, uri: &'a Uri) -> &'a str {
        let meaning = path::decoded(uri.path().as_bytes());
        // Wherever it stands, also within a word such as `task-`: a path too few in a log does less harm than a key.
        if headers::holds(&meaning, PREFIX) || self.secrets().any(|secret| headers::holds(&meaning, secret)) {
            "(hidden: it holds a key)"
        } else {
            uri.path()
        }
    }

    fn forward(&self, mut head: request::Parts) -> Result<(request::Parts, Arc<str>, bool), Cause> {
        if head.headers.len() > HEADERS_MAX {
            return Err(Cause::Headers);
        }
        let key = credential::presented(&head.headers)?;
        let user = self.user(&key)?;
        // Only now: a refused key is never copied.
        let key = key.into_owned();
        let below = path::below_base(head.uri.path())?;
        head.uri = self.config.api_base.join(below, head.uri.query()).ok_or(Cause::InvalidPath)?;
        let websocket = asks_for_websocket(&head);

        headers::strip_request(&mut head.headers, &key);
        if websocket {
            headers::upgrade_to_websocket(&mut head.headers);
        }
        for (name, value) in &self.injected {
            head.headers.insert(name, value.clone());
        }
        if self.names_users {
            let metadata = format!(r#"{{"user":"{user}"}}"#);
            head.headers.insert(GATEWAY_METADATA, metadata.try_into().map_err(|_| Cause::InvalidKey)?);
        }
        head.version = Version::HTTP_11;
        head.extensions = Extensions::new();
        Ok((head, user, websocket))
    }

    fn user(&self, presented: &str) -> Result<Arc<str>, Cause> {
        let key = AccessKey::parse(presented).map_err(|_| Cause::InvalidKey)?;
        self.config.keys.user_of(&key).cloned().ok_or(Cause::InvalidKey)
    }

    /// Rewrites a `location` below the API base to where the client finds it.
    fn localize(&self, head: &mut response::Parts) {
        let location = head.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let below = location.and_then(|location| self.config.api_base.below(location));
        if let Some(Ok(local)) = below.map(|below| HeaderValue::try_from(format!("/v1{below}"))) {
            head.headers.insert(header::LOCATION, local);
        }
    }

    fn secrets(&self) -> impl Iterator<Item = &str> + Clone {
        [&self.config.api_key, &self.config.gateway_token].into_iter().flatten().map(Secret::expose)
    }
}

/// A WebSocket's opening handshake over HTTP/1.1
/// ([RFC 6455 §4.2.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1)).
fn asks_for_websocket(head: &request::Parts) -> bool {
    head.method == Method::GET
        && head.version == Version::HTTP_11
        && headers::has_token(&head.headers, header::CONNECTION, "upgrade")
        && headers::has_token(&head.headers, header::UPGRADE, "websocket")
}
