//! The ledger: a DynamoDB table, over the client of the upstream.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use rustls::ClientConfig;
use sparekey_ledger::dynamodb::{DynamoDb, Options, Request, Response, Table, Transport, TransportError};
use sparekey_proxy::{LedgerHandle, ledger_events};
use sparekey_upstream::{ErrorKind, Reply, Timeouts, Upgrade, Upstream};
use tokio::task::{spawn_local, yield_now};

use crate::freeze::FreezeAwareUpstream;

/// The engine stops waiting earlier.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of a response. DynamoDB's have at most 1 MB of items
/// ([AWS](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html)).
const RESPONSE_MAX: usize = 4 << 20;

/// The ledger of an environment.
#[derive(Clone, Debug)]
pub(crate) struct Ledger(DynamoDb);

/// Connections to DynamoDB, which are replaced after a freeze, and after a request without a response: a freeze that ended one
/// ended the others, and the engine waits for a second try only.
struct Connections(FreezeAwareUpstream);

/// A request, until it has a response. Its future is dropped if that takes too long.
struct Unanswered<'a> {
    connections: &'a FreezeAwareUpstream,
    upstream: Arc<Upstream>,
    has_response: bool,
}

impl Ledger {
    /// Starts the engine, which sends nothing before the first call. It must be called in the `LocalSet`.
    pub(crate) fn start(table: Table, retention: Duration, tls: Arc<ClientConfig>) -> Self {
        let timeouts = Timeouts { response_head: TIMEOUT, body_idle: TIMEOUT };
        let connections = Connections(FreezeAwareUpstream::new(tls, timeouts));
        let options = Options { retention: Some(retention), events: ledger_events(), ..Options::default() };
        let (engine, serve) = DynamoDb::new(table, connections, options);
        spawn_local(serve);
        Self(engine)
    }

    pub(crate) fn handle(&self) -> LedgerHandle {
        LedgerHandle::ready(Arc::new(self.0.clone()))
    }

    /// Waits until the costs of requests that have ended are stored, or could not be.
    pub(crate) async fn flush(&self) {
        // It fails only if the engine has stopped.
        let _ = self.0.flush().await;
    }
}

impl Transport for Connections {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let not_sent = |error: &dyn std::fmt::Display| TransportError::NotSent(format!("DynamoDB: {error}"));
        let interrupted = |error: &dyn std::fmt::Display| TransportError::Interrupted(format!("DynamoDB: {error}"));
        let (head, body) = request.into_http().map_err(|error| not_sent(&error))?.into_parts();
        let mut unanswered = Unanswered { connections: &self.0, upstream: self.0.get(), has_response: false };
        // An idle connection may have closed during a freeze; its task must run before the connection is used.
        yield_now().await;
        let body = Full::new(Bytes::from(body));
        let reply = unanswered.upstream.send(Box::new(head), body, Upgrade::Forbidden).await;
        let reply = reply.map_err(|error| match error.kind() {
            ErrorKind::NotSent | ErrorKind::Refused => not_sent(&error),
            _ => interrupted(&error),
        })?;
        let Reply::Response(response) = reply else { return Err(interrupted(&"it switched protocols")) };
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), RESPONSE_MAX).collect().await;
        let body = body.map_err(|error| interrupted(&error))?;
        unanswered.has_response = true;
        Ok(Response { status, body: body.to_bytes().into() })
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if !self.has_response {
            self.connections.replace(&self.upstream);
        }
    }
}
