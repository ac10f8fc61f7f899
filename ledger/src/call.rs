//! A command on a user's state, with what the ledger notes beside it.

use std::sync::Arc;

use sparekey_policy::{Command, HoldId, Limits, Reserve, Usd};

use crate::row::Row;

/// A command for an engine.
#[derive(Clone, Debug)]
pub struct Call {
    /// The user.
    pub user: Arc<str>,
    /// The limits that apply.
    pub limits: Arc<Limits>,
    /// The command.
    pub command: Command,
    /// The details of the row that a settle or a credit writes. Without them the row has its amount only.
    pub row: Option<Box<Row>>,
}

impl Call {
    /// Creates a call without a row.
    #[must_use]
    pub fn new(user: Arc<str>, limits: Arc<Limits>, command: Command) -> Self {
        Self { user, limits, command, row: None }
    }

    /// Adds the details of the row.
    #[must_use]
    pub fn with_row(self, row: Row) -> Self {
        Self { row: Some(Box::new(row)), ..self }
    }

    /// Returns the reservation, if it is one.
    #[must_use]
    pub fn reserve(&self) -> Option<&Reserve> {
        match &self.command {
            Command::Reserve(reserve) => Some(reserve),
            _ => None,
        }
    }

    /// Returns the request that it is about; `None` for a report and the end of a process.
    #[must_use]
    pub fn id(&self) -> Option<HoldId> {
        match self.command {
            Command::Reserve(Reserve { id, .. }) | Command::Settle { id, .. } | Command::Adjust { id, .. } => Some(id),
            Command::ProcessEnded(_) | Command::Report => None,
        }
    }

    /// Whether the change must survive a power cut before the caller gets its outcome: a grant, a void, a credit. Of other
    /// changes the last ones can be lost, and leave holds, which are charged.
    #[must_use]
    pub fn must_be_durable(&self) -> bool {
        matches!(self.command, Command::Reserve(_) | Command::Adjust { .. })
    }

    /// Whether the call is kept and repeated until it is stored: a settle. Others fail at once, and their caller decides.
    #[must_use]
    pub fn must_be_stored(&self) -> bool {
        matches!(self.command, Command::Settle { .. })
    }

    /// Returns the call that ends a reservation of which nothing was sent; `None` for other calls, and for a reservation without
    /// a hold: where open requests are not limited.
    #[must_use]
    pub fn undo(&self) -> Option<Self> {
        let Reserve { id, .. } = *self.reserve()?;
        self.limits.concurrency().map(|_| self.settle_at_zero(id))
    }

    fn settle_at_zero(&self, id: HoldId) -> Self {
        let command = Command::Settle { id, amount: Usd::ZERO, tokens: 0 };
        Self::new(Arc::clone(&self.user), Arc::clone(&self.limits), command)
    }
}
