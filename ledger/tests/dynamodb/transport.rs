//! A client whose requests fail.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use sparekey_ledger::dynamodb::{Request, Response, Transport, TransportError};
use tokio::{task, time::sleep};

use crate::{items, support::moto::Plain};

/// What happens to requests.
#[derive(Clone, Debug, Default)]
pub(crate) enum Fault {
    #[default]
    None,
    /// There is no connection.
    Down,
    /// No response.
    Hangs,
    /// The next ones get this error instead.
    Refused(usize, u16, &'static str),
    /// The next ones are done, and their responses lost.
    Lost(usize),
    /// The next one arrives later than the engine waits.
    Late(Duration),
}

/// The next requests.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    fault: Mutex<Fault>,
    /// Requests so far, those without a connection included.
    pub(crate) sent: AtomicUsize,
    units: AtomicUsize,
}

impl Faults {
    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Returns the write units since the last look.
    pub(crate) fn take_units(&self) -> usize {
        self.units.swap(0, Ordering::Relaxed)
    }

    /// Counts a unit per KB of an item, and two in a transaction. Items that are updated are small here.
    fn count_units(&self, request: &Request) {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let units = |put: &Value| items::size(&put["Item"]).div_ceil(1024).max(1);
        let count = match body["TransactItems"].as_array() {
            Some(items) => items.iter().map(|item| 2 * item.get("Put").map_or(1, units)).sum(),
            None => body.get("Item").map_or(0, |_| units(&body)),
        };
        self.units.fetch_add(count, Ordering::Relaxed);
    }

    /// Takes the fault of one request.
    fn take(&self) -> Fault {
        let mut fault = self.fault.lock().unwrap();
        let taken = fault.clone();
        *fault = match taken {
            Fault::Refused(left, status, name) if left > 1 => Fault::Refused(left - 1, status, name),
            Fault::Lost(left) if left > 1 => Fault::Lost(left - 1),
            Fault::Down | Fault::Hangs => taken.clone(),
            _ => Fault::None,
        };
        taken
    }
}

pub(crate) struct Faulty(pub(crate) Arc<Faults>);

impl Transport for Faulty {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let fault = self.0.take();
        self.0.count_units(&request);
        self.0.sent.fetch_add(1, Ordering::Relaxed);
        let interrupted = || TransportError::Interrupted("connection closed".to_owned());
        match fault {
            Fault::None => Plain.send(request).await,
            Fault::Down => Err(TransportError::NotSent("no connection".to_owned())),
            Fault::Hangs => pending().await,
            Fault::Refused(_, status, name) => {
                let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{name}","message":"no"}}"#);
                Ok(Response { status, body: body.into_bytes() })
            }
            Fault::Lost(_) => {
                Plain.send(request).await?;
                Err(interrupted())
            }
            Fault::Late(time) => {
                task::spawn_local(async move {
                    sleep(time).await;
                    Plain.send(request).await
                });
                Err(interrupted())
            }
        }
    }
}
