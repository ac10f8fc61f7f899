//! Handles one invocation: its event in, the response out.

use std::{cell::Cell, collections::HashMap, convert::Infallible, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{Request, Response, response::Parts};
use http_body_util::Full;
use rustls::ClientConfig;
use sparekey_core::{ConfigError, Exchange, Rejection, UpstreamFailure, setting};
use sparekey_proxy::{
    AccessLog, Admitted, Body, BodySizes, Bounds, ClientResponse, Deadline, Decision, LedgerHandle, Proxy, Sinks,
};
use sparekey_upstream::Upstream;
use tokio::{
    sync::{
        OnceCell,
        oneshot::{self, Receiver, Sender},
    },
    task::yield_now,
    time::{Instant, timeout_at},
};

use crate::{
    deadline::{MARGIN, SETTLE},
    event::{self, EncodedBody, EventError, EventSource},
    freeze::FreezeAwareUpstream,
    ledger::Ledger,
    prices::{self, PRICES},
    response::{self, LambdaResponse},
    runtime_api::Invocation,
    secrets,
    settings::{self, Mode, Settings},
    stream::StreamedResponse,
    users::{self, RETRY_PAUSE, ReloadedUsers},
};

/// Handles the invocations of an environment.
pub(crate) struct Handler {
    /// Returns a setting by its name.
    get: fn(&str) -> Option<String>,
    sinks: Sinks,
    tls: Arc<ClientConfig>,
    /// Initialised with the first event, because the extension with the secrets does not respond earlier.
    service: OnceCell<Service>,
    /// When the last attempt failed. Requests without a key must not cause a lookup of the secrets each.
    failed: Cell<Option<Instant>>,
}

/// The platform bounds an event, of which there is one at a time.
const BOUNDS: Bounds =
    Bounds { requests_per_user: usize::MAX, bodies: BodySizes { body: usize::MAX, total: usize::MAX } };

struct Service {
    users: ReloadedUsers,
    proxy: Proxy,
    upstream: FreezeAwareUpstream,
    ledger: Option<Ledger>,
    mode: Mode,
}

/// What becomes of an event.
pub(crate) struct Handled {
    pub(crate) response: LambdaResponse,
    /// Ends when the request has cost what it costs.
    pub(crate) unsettled: Receiver<()>,
}

/// A request that is sent, until it is settled.
struct Sending {
    upstream: Arc<Upstream>,
    _unsettled: Sender<()>,
}

impl AsRef<Upstream> for Sending {
    fn as_ref(&self) -> &Upstream {
        &self.upstream
    }
}

impl Handler {
    pub(crate) fn new(get: fn(&str) -> Option<String>, access_log: AccessLog) -> std::io::Result<Self> {
        let sinks = Sinks::new(vec![Arc::new(access_log)]);
        let tls = sparekey_upstream::client_tls()?;
        Ok(Self { get, sinks, tls, service: OnceCell::new(), failed: Cell::new(None) })
    }

    /// Responds to an event. An error of its request is a response too.
    pub(crate) async fn handle(&self, invocation: &Invocation) -> Result<Handled, EventError> {
        let (request, source) = event::read(&invocation.event)?;
        let (settled, unsettled) = oneshot::channel();
        let response = if let Some(service) = self.service().await {
            service.users.refresh(SystemTime::now()).await;
            service.serve(request, source, invocation.deadline, settled).await?
        } else {
            let (head, body) = Rejection::misconfigured().to_response().into_parts();
            LambdaResponse::Whole(response::whole(&head, &body, source))
        };
        Ok(Handled { response, unsettled })
    }

    /// Waits, after the response was posted, until the cost of the request is stored: the next event may come after a freeze
    /// of hours.
    pub(crate) async fn settle(&self, unsettled: Receiver<()>, deadline: Instant) {
        let Some(ledger) = self.service.get().and_then(|service| service.ledger.as_ref()) else { return };
        let stored = async {
            // An error is the end for which it waits.
            let _ = unsettled.await;
            ledger.flush().await;
        };
        if timeout_at(deadline + SETTLE, stored).await.is_err() {
            tracing::error!("a cost could not be stored before the end of the invocation: it will be charged in full");
        }
    }

    /// `None` while the settings are invalid.
    async fn service(&self) -> Option<&Service> {
        if self.failed.get().is_some_and(|failed| failed.elapsed() < RETRY_PAUSE) {
            return None;
        }
        let service = self.service.get_or_try_init(|| self.init()).await;
        self.failed.set(service.is_err().then(Instant::now));
        service.inspect_err(users::log).ok()
    }

    async fn init(&self) -> Result<Service, ConfigError> {
        let mut problems = Vec::new();
        let settings = Settings::read(self.get, &mut problems);
        let secrets = secrets::fetch_all(self.get).await.unwrap_or_else(|found| {
            problems.extend(found);
            HashMap::new()
        });
        let prices = setting(|name| users::lookup(self.get, &secrets, name), PRICES);
        let prices = prices.map(|text| prices::own(&text)).transpose().unwrap_or_else(|found| {
            problems.extend(found);
            None
        });
        if !problems.is_empty() {
            return Err(problems.into());
        }
        settings::unused(self.get).for_each(|warning| tracing::warn!("{warning}"));
        let users = ReloadedUsers::init(self.get, secrets, prices, SystemTime::now()).await?;
        let upstream = FreezeAwareUpstream::new(Arc::clone(&self.tls), settings.timeouts);
        let ledger = settings.ledger.map(|table| Ledger::start(table, settings.retention, Arc::clone(&self.tls)));
        let handle = ledger.as_ref().map_or_else(LedgerHandle::none, Ledger::handle);
        let proxy = Proxy::new(users.gate(), self.sinks.clone(), BOUNDS, handle);
        Ok(Service { users, proxy, upstream, ledger, mode: settings.mode })
    }
}

impl Service {
    async fn serve(
        &self,
        request: Request<EncodedBody>,
        source: EventSource,
        deadline: Instant,
        settled: Sender<()>,
    ) -> Result<LambdaResponse, EventError> {
        let ends = Deadline { at: deadline, margin: MARGIN };
        let (head, body) = request.into_parts();
        let mut decision = self.proxy.admit(head, |_| source.client);
        let (response, exchange) = loop {
            decision = match decision {
                Decision::Place(mut unplaced) => {
                    unplaced.set_deadline(ends);
                    self.proxy.place(unplaced).await
                }
                Decision::Respond(response) => break (*response, None),
                Decision::Forward(admitted) => {
                    break self.send(admitted, Full::new(body.decode()?), deadline, settled).await;
                }
                Decision::Read(mut unread) => {
                    unread.set_deadline(ends);
                    match self.proxy.read(unread, Full::new(body.decode()?)).await {
                        Ok((admitted, body)) => break self.send(admitted, body, deadline, settled).await,
                        Err(response) => break (*response, None),
                    }
                }
                Decision::Usage(lookup) => break (self.proxy.usage(lookup).await, None),
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

impl Service {
    async fn send<B>(
        &self,
        admitted: Admitted,
        body: B,
        deadline: Instant,
        settled: Sender<()>,
    ) -> (Response<Body>, Option<Box<Exchange>>)
    where
        B: http_body::Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
    {
        let upstream = self.upstream.get();
        // An idle connection may have closed during a freeze; its task must run before the connection is used.
        yield_now().await;
        let sending = Arc::new(Sending { upstream, _unsettled: settled });
        match admitted.send_with_owner(sending, body, Some(deadline)).await {
            ClientResponse::Response(response, exchange) => (response, exchange),
            // Never sent: an event cannot ask for a WebSocket.
            ClientResponse::Tunnel(_, tunnel) => (tunnel.refuse(), None),
        }
    }
}

/// Collects a response and encodes it. Nothing was sent yet, so a response that is cut or too large is replaced by an error
/// response.
async fn deliver_whole(
    response: Response<Body>,
    exchange: Option<Box<Exchange>>,
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
    use std::time::Duration;

    use sparekey_upstream::Timeouts;

    use super::*;

    #[test]
    fn health_checks_do_not_hide_a_freeze() {
        let settings: fn(&str) -> Option<String> = |name| match name {
            "OPENAI_API_KEY" => Some("sk-proj-abcdef".to_owned()),
            "ACCESS_KEYS" => Some("sk-Tom-abcdefgh".to_owned()),
            _ => None,
        };
        let timeouts = Timeouts { response_head: Duration::from_secs(1), body_idle: Duration::from_secs(1) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let users = runtime.block_on(ReloadedUsers::init(settings, HashMap::new(), None, SystemTime::now())).unwrap();
        let service = Service {
            proxy: Proxy::new(users.gate(), Sinks::new(Vec::new()), BOUNDS, LedgerHandle::none()),
            users,
            upstream: FreezeAwareUpstream::new(sparekey_upstream::client_tls().unwrap(), timeouts),
            ledger: None,
            mode: Mode::Buffer,
        };
        let last_used = service.upstream.last_used();
        runtime.block_on(async {
            let event = br#"{"rawPath":"/healthz","requestContext":{"http":{"method":"GET"}}}"#;
            let (request, source) = event::read(event).unwrap();
            service.serve(request, source, Instant::now() + Duration::from_secs(1), oneshot::channel().0).await.unwrap()
        });
        assert_eq!(service.upstream.last_used(), last_used);
    }
}
