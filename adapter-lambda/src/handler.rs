//! Handles one invocation: its event in, the response out.

use std::{cell::Cell, collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::{Request, Response, response::Parts};
use http_body_util::Full;
use rustls::ClientConfig;
use sparekey_core::{Config, ConfigError, Exchange, Gate, Rejection, UpstreamFailure};
use sparekey_proxy::{AccessLog, Body, Decision, Outcome, Proxy, Sinks};
use tokio::{
    sync::OnceCell,
    task::yield_now,
    time::{Instant, timeout_at},
};

use crate::{
    event::{self, EncodedBody, EventError, EventSource},
    freeze::FreezeAwareUpstream,
    response::{self, LambdaResponse},
    runtime_api::Invocation,
    secrets,
    settings::{Mode, Settings},
    stream::StreamedResponse,
};

/// Handles the invocations of an environment.
pub(crate) struct Handler {
    /// Returns a setting by its name.
    get: fn(&str) -> Option<String>,
    tls: Arc<ClientConfig>,
    /// Initialised with the first event, because the extension with the secrets does not respond earlier.
    service: OnceCell<Service>,
    /// When the last attempt failed. Requests without a key must not cause a lookup of the secrets each.
    failed: Cell<Option<Instant>>,
}

/// How long a failure is remembered: short for an owner who has corrected a setting.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

struct Service {
    proxy: Proxy,
    upstream: FreezeAwareUpstream,
    mode: Mode,
}

impl Handler {
    pub(crate) fn new(get: fn(&str) -> Option<String>) -> std::io::Result<Self> {
        Ok(Self { get, tls: sparekey_upstream::client_tls()?, service: OnceCell::new(), failed: Cell::new(None) })
    }

    /// Responds to an event. An error of its request is a response too.
    pub(crate) async fn handle(&self, invocation: &Invocation) -> Result<LambdaResponse, EventError> {
        let (request, source) = event::read(&invocation.event)?;
        if let Some(service) = self.service().await {
            return service.serve(request, source, invocation.deadline).await;
        }
        let (head, body) = Rejection::misconfigured().to_response().into_parts();
        Ok(LambdaResponse::Whole(response::whole(&head, &body, source)))
    }

    /// `None` while the settings are invalid.
    async fn service(&self) -> Option<&Service> {
        if self.failed.get().is_some_and(|failed| failed.elapsed() < RETRY_PAUSE) {
            return None;
        }
        let service = self.service.get_or_try_init(|| self.init()).await;
        self.failed.set(service.is_err().then(Instant::now));
        let logged = |error: &ConfigError| {
            tracing::error!("invalid settings: {}", error.to_string().replace('\n', "; "));
        };
        service.inspect_err(logged).ok()
    }

    async fn init(&self) -> Result<Service, ConfigError> {
        let mut problems = Vec::new();
        let settings = Settings::read(self.get, &mut problems);
        let secrets = secrets::fetch(self.get).await.unwrap_or_else(|found| {
            problems.extend(found);
            HashMap::new()
        });
        if !problems.is_empty() {
            return Err(problems.into());
        }
        let config = Config::from_lookup(|name| secrets.get(name).cloned().or_else(|| (self.get)(name)))?;
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        let gate = Arc::new(ArcSwap::from_pointee(Gate::new(config)));
        let upstream = FreezeAwareUpstream::new(Arc::clone(&self.tls), settings.timeouts);
        let proxy = Proxy::new(gate, Sinks::new(vec![Arc::new(AccessLog)]), usize::MAX);
        Ok(Service { proxy, upstream, mode: settings.mode })
    }
}

impl Service {
    async fn serve(
        &self,
        request: Request<EncodedBody>,
        source: EventSource,
        deadline: Instant,
    ) -> Result<LambdaResponse, EventError> {
        let (head, body) = request.into_parts();
        let (response, exchange) = match self.proxy.admit(head, |_| None) {
            Decision::Respond(response) => (response, None),
            Decision::Forward(admitted) => {
                let body = body.decode()?;
                let upstream = self.upstream.get();
                // An idle connection may have closed during a freeze; its task must run before the connection is used.
                yield_now().await;
                match admitted.send(&upstream, Full::new(body), Some(deadline)).await {
                    Outcome::Response(response, exchange) => (response, exchange),
                    // Never sent: an event cannot ask for a WebSocket.
                    Outcome::Tunnel(_, tunnel) => (tunnel.refuse(), None),
                }
            }
        };
        Ok(match self.mode {
            Mode::Stream => {
                let (head, body) = response.into_parts();
                let prelude = response::prelude(&head, source);
                LambdaResponse::Stream(Box::new(StreamedResponse::new(prelude, body, deadline)))
            }
            Mode::Buffer => LambdaResponse::Whole(deliver_whole(response, exchange, source, deadline).await),
        })
    }
}

/// Collects a response and encodes it. Nothing was sent yet, so a response that is cut or too large is replaced by an error
/// response.
async fn deliver_whole(
    response: Response<Body>,
    exchange: Option<Exchange>,
    source: EventSource,
    deadline: Instant,
) -> Vec<u8> {
    let (mut head, mut body) = response.into_parts();
    if let Some(exchange) = exchange {
        match collect(&head, &mut body, source, deadline).await {
            Ok((bytes, json)) => {
                body.delivered(bytes);
                return json;
            }
            Err(failure) => (head, body) = body.replace(&exchange.reject(failure)).into_parts(),
        }
    }
    let own = body.collect(usize::MAX).await.unwrap_or_default();
    body.delivered(own.len());
    response::whole(&head, &own, source)
}

/// The length of a body, and the encoded response.
async fn collect(
    head: &Parts,
    body: &mut Body,
    source: EventSource,
    deadline: Instant,
) -> Result<(usize, Vec<u8>), UpstreamFailure> {
    let collected = timeout_at(deadline, body.collect(source.max_response)).await;
    let body = collected.unwrap_or(Err(UpstreamFailure::Timeout))?;
    // Escapes and Base64 make it longer.
    let json = response::whole(head, &body, source);
    if json.len() > source.max_response { Err(UpstreamFailure::TooLarge) } else { Ok((body.len(), json)) }
}

#[cfg(test)]
mod tests {
    use sparekey_upstream::Timeouts;

    use super::*;

    #[test]
    fn health_checks_do_not_hide_a_freeze() {
        let settings = |name: &str| match name {
            "OPENAI_API_KEY" => Some("sk-proj-abcdef".to_owned()),
            "ACCESS_KEYS" => Some("sk-Tom-abcdefgh".to_owned()),
            _ => None,
        };
        let gate = Gate::new(Config::from_lookup(settings).unwrap());
        let timeouts = Timeouts { response_head: Timeouts::DEFAULT, body_idle: Timeouts::DEFAULT };
        let service = Service {
            proxy: Proxy::new(Arc::new(ArcSwap::from_pointee(gate)), Sinks::new(Vec::new()), usize::MAX),
            upstream: FreezeAwareUpstream::new(sparekey_upstream::client_tls().unwrap(), timeouts),
            mode: Mode::Buffer,
        };
        let last_used = service.upstream.last_used();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let event = br#"{"rawPath":"/healthz","requestContext":{"http":{"method":"GET"}}}"#;
            let (request, source) = event::read(event).unwrap();
            service.serve(request, source, Instant::now() + Duration::from_secs(1)).await.unwrap()
        });
        assert_eq!(service.upstream.last_used(), last_used);
    }
}
