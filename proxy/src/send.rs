//! Sends an admitted request, and filters the upstream's reply.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{Response, response};
use sparekey_core::{Exchange, Rejection, UpstreamFailure, owner_quota};
use sparekey_metering::{MODEL_LIST_MAX, filter_models};
use sparekey_upstream::{Error, ErrorKind, Reply, ResponseBody, Upgrade, Upstream};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{
    Admitted, Body, BoxError, ClientResponse, Permits, Tunnel, charge::ReservedCharge, owner_errors::OwnerErrors,
    record::RequestLog,
};

impl Admitted {
    /// Sends the request like [`send`](Self::send), with the upstream of an owner that must stay until the request is settled: a
    /// metered request goes on when its client leaves.
    pub async fn send_with_owner<O, B>(mut self, owner: Arc<O>, body: B, deadline: Option<Instant>) -> ClientResponse
    where
        O: AsRef<Upstream> + Send + Sync + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let Some(reserved) = &mut self.charge else { return self.send((*owner).as_ref(), body, deadline).await };
        reserved.set_owner(Arc::clone(&owner) as _);
        let left = reserved.left();
        let failed = self.forward.reject(UpstreamFailure::Interrupted);
        let (mut tx, rx) = oneshot::channel();
        // Boxed, so that it is not copied from place to place until its task has it.
        tokio::spawn(Box::pin(async move {
            let left = async {
                tx.closed().await;
                left.await;
            };
            let outcome = tokio::select! {
                outcome = self.send((*owner).as_ref(), body, deadline) => outcome,
                () = left => return,
            };
            // If the client has left, the body reads on.
            let _ = tx.send(outcome);
        }));
        rx.await.unwrap_or_else(|_| ClientResponse::Response(Body::rejection(&failed, RequestLog::default()), None))
    }

    /// Sends the request to the upstream and filters the response head. After `deadline`, the error response is that of
    /// an upstream timeout.
    pub fn send<B>(
        self,
        upstream: &Upstream,
        body: B,
        deadline: Option<Instant>,
    ) -> impl Future<Output = ClientResponse> + use<'_, B>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let Self { forward, log, permits, mut charge, owner_errors } = self;
        let (head, exchange) = forward.into_parts();
        let deadline = match &mut charge {
            None => deadline,
            Some(reserved) => reserved.charge.sending(&head.headers, deadline),
        };
        let upgrade = if exchange.is_websocket() { Upgrade::WebSocket } else { Upgrade::Forbidden };
        // Boxed, so that a connection does not reserve room for it while it streams or is idle. Outside the async
        // block, which would reserve room for the head.
        let sending = Box::pin(upstream.send(head, body, upgrade));
        let sent = Sent { exchange, log, permits, charge, owner_errors };
        async move {
            let reply = match deadline {
                None => sending.await.map_err(Failure::Upstream),
                Some(deadline) => match Box::pin(timeout_at(deadline, sending)).await {
                    Ok(reply) => reply.map_err(Failure::Upstream),
                    Err(_) => Err(Failure::Deadline),
                },
            };
            // Not by `finish`, whose future would take room in each connection's.
            match sent.step(reply) {
                Step::Done(response) => response,
                Step::Read(reading) => reading.await,
            }
        }
    }
}

/// Why there is no reply.
enum Failure {
    Upstream(Error),
    /// The deadline of the request has passed.
    Deadline,
}

/// What follows a reply.
#[expect(clippy::large_enum_variant, reason = "nearly all are the large variant")]
enum Step {
    Done(ClientResponse),
    /// The response's body is read first. Boxed, so that other requests don't reserve room for it.
    Read(Pin<Box<dyn Future<Output = ClientResponse> + Send>>),
}

impl Step {
    async fn finish(self) -> ClientResponse {
        match self {
            Self::Done(response) => response,
            Self::Read(reading) => reading.await,
        }
    }
}

/// What the reply to a request needs, once it is there.
struct Sent {
    exchange: Box<Exchange>,
    log: RequestLog,
    permits: Permits,
    charge: Option<Box<ReservedCharge>>,
    owner_errors: Arc<OwnerErrors>,
}

impl Sent {
    fn step(mut self, reply: Result<Reply, Failure>) -> Step {
        match self.received(reply) {
            Ok(Reply::Response(response)) => {
                let (head, body) = response.into_parts();
                if self.exchange.refuses_credentials(&head) {
                    return Step::Read(Box::pin(self.refused(head, body)));
                }
                if owner_quota::may_be_spent(&head) {
                    return Step::Read(Box::pin(self.limited(head, body)));
                }
                self.respond(head, body)
            }
            Ok(Reply::Upgraded(response)) => {
                let (head, connection) = response.into_parts();
                let head = match self.exchange.admit_upgrade(head) {
                    Ok(head) => head,
                    Err(rejection) => return Step::Done(self.reject(&rejection)),
                };
                self.log.response(head.status, &head.headers);
                let tunnel = Tunnel::new(connection, self.exchange, self.log, self.permits);
                Step::Done(ClientResponse::Tunnel(Response::from_parts(head, ()), tunnel))
            }
            Err(rejection) => Step::Done(self.reject(&rejection)),
        }
    }

    /// The reply, or the rejection in place of it.
    fn received(&mut self, reply: Result<Reply, Failure>) -> Result<Reply, Rejection> {
        let kind = match reply {
            Ok(reply) => {
                if let (Some(reserved), Reply::Response(response)) = (&mut self.charge, &reply) {
                    reserved.charge.responded(response.status(), response.headers());
                }
                return Ok(reply);
            }
            Err(Failure::Upstream(error)) => {
                let (user, request_id) = (self.exchange.user(), self.log.id());
                if error.kind() == ErrorKind::RequestBody {
                    tracing::info!(user, %request_id, "{error}");
                } else {
                    tracing::warn!(user, %request_id, "{error}");
                }
                error.kind()
            }
            Err(Failure::Deadline) => {
                let (user, request_id) = (self.exchange.user(), self.log.id());
                tracing::warn!(user, %request_id, "upstream request cancelled: its deadline has passed");
                ErrorKind::Timeout
            }
        };
        if let Some(reserved) = &mut self.charge {
            reserved.charge.failed(kind);
        }
        Err(self.exchange.reject(failure(kind)))
    }

    fn respond(mut self, head: response::Parts, body: ResponseBody) -> Step {
        let head = match self.exchange.admit_response(head) {
            Ok(head) => head,
            Err(rejection) => return Step::Done(self.reject(&rejection)),
        };
        if self.exchange.filters_models(&head) {
            return Step::Read(Box::pin(self.model_list(head, body)));
        }
        self.log.response(head.status, &head.headers);
        let body = match self.charge {
            None => Body::upstream(body, self.log, self.permits),
            Some(reserved) => reserved.body(&head, body, self.log, self.permits),
        };
        Step::Done(ClientResponse::Response(Response::from_parts(head, body), Some(self.exchange)))
    }

    fn reject(self, rejection: &Rejection) -> ClientResponse {
        ClientResponse::Response(Body::rejection(rejection, self.log), None)
    }

    /// Logs why the upstream refused the owner's credentials.
    async fn refused(mut self, head: response::Parts, mut body: ResponseBody) -> ClientResponse {
        self.owner_errors.refused_credentials(&head, &mut body, &self.exchange, &mut self.log).await;
        self.respond(head, body).finish().await
    }

    /// Looks whether the account of the owner has no quota left: a user with a budget gets the same code for that.
    async fn limited(mut self, mut head: response::Parts, mut body: ResponseBody) -> ClientResponse {
        if self.owner_errors.lacks_quota(&head, &mut body, &self.exchange, &mut self.log).await {
            owner_quota::mark(&mut head);
        }
        self.respond(head, body).finish().await
    }

    /// Reads a list of models, and returns those that the user may use.
    async fn model_list(self, head: response::Parts, body: ResponseBody) -> ClientResponse {
        let exchange = self.exchange;
        let mut body = Body::upstream(body, self.log, self.permits);
        let list = body.collect(MODEL_LIST_MAX).await;
        let list = list.map(|list| filter_models(&list, |model| exchange.allows_model(model)));
        let list = list.map_err(|failure| exchange.reject(failure));
        let response = match list.and_then(|list| exchange.filtered_models(head, list)) {
            Ok(response) => body.replace_by(response),
            Err(rejection) => body.replace(&rejection),
        };
        ClientResponse::Response(response, Some(exchange))
    }
}

fn failure(kind: ErrorKind) -> UpstreamFailure {
    match kind {
        ErrorKind::Timeout => UpstreamFailure::Timeout,
        ErrorKind::NotSent | ErrorKind::Refused => UpstreamFailure::Unreachable,
        ErrorKind::RequestBody => UpstreamFailure::InvalidBody,
        ErrorKind::Interrupted | ErrorKind::InvalidResponse => UpstreamFailure::Interrupted,
    }
}
