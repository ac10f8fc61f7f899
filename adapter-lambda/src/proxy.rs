//! One invocation, from its event to the answer.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use http::{Response, response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use rustls::ClientConfig;
use sparekey::{Download, access_log::Entry, upstream};
use sparekey_core::{
    Admission, Answer as Decided, Config, ConfigError, Exchange, Forward, Gate, Rejection, UpstreamFailure,
};
use tokio::{
    sync::OnceCell,
    task::yield_now,
    time::{Instant, timeout_at},
};

use crate::{
    answer::{self, Answer},
    event::{self, EventError, Front},
    references,
    runtime_api::Invocation,
    settings::{Mode, Settings},
    stream::{Content, Streamed},
    thaw::Pool,
};

/// What serves every invocation of an environment.
pub(crate) struct Proxy {
    /// Looks a setting up by its name.
    get: fn(&str) -> Option<String>,
    trust: Arc<ClientConfig>,
    /// Made for the first event, as the extension that holds secrets answers no earlier; what failed is tried again.
    ready: OnceCell<Ready>,
}

struct Ready {
    gate: Gate,
    pool: Pool,
    mode: Mode,
}

impl Proxy {
    pub(crate) fn new(get: fn(&str) -> Option<String>) -> std::io::Result<Self> {
        Ok(Self { get, trust: upstream::trust()?, ready: OnceCell::new() })
    }

    /// Answers an event; whatever goes wrong with its request is an answer too.
    pub(crate) async fn serve(&self, invocation: &Invocation) -> Result<Answer, EventError> {
        let (request, front) = event::read(&invocation.event)?;
        match self.ready.get_or_try_init(|| self.prepare()).await {
            Ok(ready) => Ok(ready.serve(request, front, invocation.deadline).await),
            Err(error) => {
                tracing::error!("these settings are wrong: {}", error.to_string().replace('\n', "; "));
                let refusal = Rejection::misconfigured(&error).to_response();
                Ok(Answer::Whole(answer::whole(refusal.status(), refusal.headers(), refusal.body(), front)))
            }
        }
    }

    async fn prepare(&self) -> Result<Ready, ConfigError> {
        let mut problems = Vec::new();
        let settings = Settings::read(self.get, &mut problems);
        let secrets = references::fetch(self.get).await.unwrap_or_else(|found| {
            problems.extend(found);
            HashMap::new()
        });
        if !problems.is_empty() {
            return Err(problems.into());
        }
        let config = Config::from_lookup(|name| secrets.get(name).cloned().or_else(|| (self.get)(name)))?;
        let pool = Pool::new(Arc::clone(&self.trust), settings.patience);
        Ok(Ready { gate: Gate::new(config), pool, mode: settings.mode })
    }
}

impl Ready {
    async fn serve(&self, request: http::Request<Bytes>, front: Front, deadline: Instant) -> Answer {
        let mut entry = Entry::begin(request.method(), || self.gate.loggable_path(request.uri()), None);
        let (head, body) = request.into_parts();
        let response = match self.gate.admit(head) {
            Ok(Admission::Forward(forward)) => {
                entry.user(forward.user());
                self.forward(forward, body, front, deadline).await
            }
            Ok(Admission::Reply(reply)) => Ok(reply.map(Content::Whole)),
            Err(rejection) => Err(rejection),
        };
        let response = response.unwrap_or_else(|rejection| {
            entry.rejected(rejection.code());
            rejection.to_response().map(Content::Whole)
        });
        entry.answered(response.status());
        let (head, content) = response.into_parts();
        match (self.mode, content) {
            (Mode::Buffer, Content::Whole(body)) => {
                entry.sent(body.len() as u64);
                entry.complete();
                Answer::Whole(answer::whole(head.status, &head.headers, &body, front))
            }
            (_, content) => {
                let prelude = answer::prelude(head.status, &head.headers, front);
                Answer::Stream(Box::new(Streamed::new(prelude, content, deadline, entry)))
            }
        }
    }

    async fn forward(
        &self,
        forward: Forward,
        body: Bytes,
        front: Front,
        deadline: Instant,
    ) -> Result<Response<Content>, Rejection> {
        let (head, exchange) = forward.into_parts();
        let upstream = self.pool.upstream();
        // An idle connection may have closed while nothing ran; whoever tends it must learn of that before it is used.
        yield_now().await;
        let sent = timeout_at(deadline, upstream.send(head, &exchange, Full::new(body))).await;
        let answer = sent.unwrap_or(Err(UpstreamFailure::Timeout)).map_err(|failure| exchange.failed(failure))?;
        let (head, body) = answer.into_parts();
        let Decided::Respond(head) = self.gate.answer(&exchange, head)? else {
            // Only what asks for a tunnel gets one, and no event can.
            return Err(exchange.failed(UpstreamFailure::Unreachable));
        };
        let content = match self.mode {
            Mode::Stream => Content::Stream(body),
            Mode::Buffer => collect(&exchange, &head, body, front, deadline).await?,
        };
        Ok(Response::from_parts(head, content))
    }
}

/// The whole of a body that leaves in one piece: if it breaks, or is too large, nothing of it has left yet.
async fn collect(
    exchange: &Exchange,
    head: &response::Parts,
    body: Download,
    front: Front,
    deadline: Instant,
) -> Result<Content, Rejection> {
    let collected = timeout_at(deadline, Limited::new(body, front.answer_max).collect()).await;
    let body = match collected {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(exchange.failed(UpstreamFailure::TooLarge));
        }
        Ok(Err(_)) => return Err(exchange.failed(UpstreamFailure::Unreachable)),
        Err(_) => return Err(exchange.failed(UpstreamFailure::Timeout)),
    };
    // As JSON it is larger.
    if answer::whole(head.status, &head.headers, &body, front).len() > front.answer_max {
        return Err(exchange.failed(UpstreamFailure::TooLarge));
    }
    Ok(Content::Whole(body))
}
