//! DynamoDB's errors, by what an engine can do.

use serde_json::Value;

use super::transport::{Response, TransportError};
use crate::{error::LedgerError, swap::Scope};

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The table takes no more at this moment, or another request changes the same item. Nothing was stored.
    Busy,
    /// No connection. Nothing was stored.
    NotSent(String),
    /// The request may be stored all the same.
    Unknown(String),
    /// DynamoDB refuses the data.
    Invalid(String),
    /// Anything with a name already. Nothing was stored.
    Known(LedgerError),
}

/// A response that is an error: the exception and its body.
pub(super) struct Exception {
    name: String,
    body: Value,
    status: u16,
}

/// Nothing is stored, and the same request can be sent again
/// ([AWS](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html)).
const BUSY: [&str; 6] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "TransactionConflictException",
    "TransactionInProgressException",
    "LimitExceededException",
];

impl Exception {
    pub(super) fn read(response: &Response) -> Self {
        let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        // `com.amazonaws.dynamodb.v20120810#ResourceNotFoundException`
        let name = body.get("__type").and_then(Value::as_str).unwrap_or_default();
        let name = name.rsplit('#').next().unwrap_or_default().to_owned();
        Self { name, body, status: response.status }
    }

    /// Whether the condition of a `PutItem` failed. [`item`](Self::item) made it fail.
    pub(super) fn is_failed_condition(&self) -> bool {
        self.name == "ConditionalCheckFailedException"
    }

    /// Returns the stored item; `None` if there is none.
    pub(super) fn item(&self) -> Option<&Value> {
        self.body.get("Item")
    }

    /// Returns the reasons of a transaction that was cancelled.
    pub(super) fn cancellation(&self) -> Option<&[Value]> {
        let reasons = self.body.get("CancellationReasons").and_then(Value::as_array);
        (self.name == "TransactionCanceledException").then(|| reasons.map_or(&[][..], Vec::as_slice))
    }

    pub(super) fn into_failure(self) -> Failure {
        let Self { name, body, status } = self;
        if BUSY.contains(&&*name) {
            return Failure::Busy;
        }
        let message = body.get("message").or_else(|| body.get("Message")).and_then(Value::as_str);
        // The next lines of a wrong signature's message are the headers that were signed, a session token among them.
        let message = message.and_then(|message| message.lines().next());
        let text = format!("DynamoDB: {} ({status} {name})", message.unwrap_or("no message"));
        match &*name {
            "ValidationException" | "ItemCollectionSizeLimitExceededException" => Failure::Invalid(text),
            _ if status >= 500 => Failure::Unknown(text),
            _ => Failure::Known(LedgerError::Unreachable(text)),
        }
    }
}

impl Failure {
    /// Returns the failure of a transaction that was cancelled for another reason than the version of the state.
    pub(super) fn of_cancellation(reasons: &[Value]) -> Self {
        let invalid = reasons.iter().find(|reason| reason_code(reason) == "ValidationError");
        let message = invalid.map(|reason| reason.get("Message").and_then(Value::as_str).unwrap_or_default());
        message.map_or(Self::Busy, |message| Self::Invalid(format!("DynamoDB: {message}")))
    }

    /// Returns the error for callers.
    pub(super) fn error(&self) -> LedgerError {
        match self {
            Self::Busy => LedgerError::Busy,
            Self::NotSent(text) | Self::Unknown(text) => LedgerError::Unreachable(text.clone()),
            Self::Invalid(text) => LedgerError::Io(text.clone()),
            Self::Known(error) => error.clone(),
        }
    }

    pub(super) fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// Whether the same step may succeed a moment later.
    pub(super) fn may_retry(&self) -> bool {
        matches!(self, Self::Busy | Self::NotSent(_) | Self::Unknown(_))
    }

    /// Returns what the failure affects.
    pub(super) fn scope(&self) -> Scope {
        match self {
            Self::Invalid(_) => Scope::Call,
            Self::Busy | Self::Known(LedgerError::Busy | LedgerError::State(_)) => Scope::User,
            _ => Scope::Database,
        }
    }
}

/// The code of a reason for which a transaction was cancelled.
pub(super) fn reason_code(reason: &Value) -> &str {
    reason.get("Code").and_then(Value::as_str).unwrap_or_default()
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::NotSent(text) => Self::NotSent(text),
            TransportError::Interrupted(text) => Self::Unknown(text),
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::Known(error)
    }
}
