//! The highest cost of a request of a metered user, and the last step before the request is admitted.

use std::sync::Arc;

use sparekey_policy::{
    BodyEdits, Bound, BoundRequest, Demand, Facts, HoldId, Limits, Outcome, ProcessId, Reserve, Timestamp, Usd,
};

use crate::{
    budget_headers::BudgetHeaders, forward::Forward, limit_rejection::LimitRejection, limited::ModelCheck,
    rejection::Rejection, spending_rejection, user_key::UserKey,
};

/// A request whose highest cost is known. Ask the ledger for [`reserve`](Self::reserve) with [`limits`](Self::limits), and
/// pass the outcome to [`admit`](Self::admit).
#[derive(Debug)]
pub struct Quote {
    check: ModelCheck,
    limits: Arc<Limits>,
    bound: Bound,
}

/// An admitted request whose highest cost is reserved.
#[derive(Debug)]
pub struct Funded {
    /// The request.
    pub forward: Forward,
    /// Changes of the body, so that the request cannot cost more than is reserved.
    pub edits: BodyEdits,
    /// What the request costs at its end.
    pub bound: Bound,
    /// The reserved amount.
    pub granted: Usd,
}

impl ModelCheck {
    /// Computes the highest cost of a request, if the user may use the models that it names. `hidden_tokens` are those of the
    /// response that [`Demand::previous_response_id`] names, if they are known and of the same model.
    ///
    /// # Errors
    /// A [`Rejection`]: send nothing of the request anywhere.
    pub fn quote(self, facts: &Facts, demand: &Demand, hidden_tokens: Option<u64>) -> Result<Quote, Rejection> {
        self.check_models(facts).map_err(|limit| self.reject(limit))?;
        let gate = self.forward.gate();
        let (Some(limits), Some(prices)) = (self.grant.ledger_limits().cloned(), gate.prices()) else {
            return Err(self.reject(LimitRejection::Undecided));
        };
        let (model, is_openai) = (facts.model.as_deref(), gate.api_base().is_openai_or_gateway());
        let request = BoundRequest { demand, model, limits: &limits, prices, is_openai, hidden_tokens };
        let bound = Bound::new(request).map_err(|reason| self.reject(spending_rejection::unbounded(reason, model)))?;
        Ok(Quote { check: self, limits, bound })
    }
}

impl Quote {
    /// Returns the access key of the request.
    #[must_use]
    pub fn key(&self) -> &UserKey {
        self.check.key()
    }

    /// Returns the limits of the user's state in the ledger.
    #[must_use]
    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// Returns what to ask of the ledger. The request is cut at `until`.
    #[must_use]
    pub fn reserve(&self, id: HoldId, until: Timestamp, process: ProcessId) -> Reserve {
        Reserve {
            id,
            want: self.bound.want(),
            floor: self.bound.floor(),
            least: self.bound.least(),
            tokens: self.bound.tokens(),
            until,
            process,
        }
    }

    /// Admits the request if the ledger granted the reservation.
    ///
    /// # Errors
    /// A [`Rejection`]: send nothing of the request anywhere.
    pub fn admit(self, outcome: &Outcome) -> Result<Funded, Rejection> {
        let Self { check, limits, bound } = self;
        match *outcome {
            Outcome::Granted { amount, left, rates } => {
                let edits = bound.edits(amount);
                let headers = BudgetHeaders::new(&edits, left);
                let forward = check.forward.metered(headers, rates, edits.hides_usage());
                Ok(Funded { forward, edits, bound, granted: amount })
            }
            Outcome::Denied(ref denial) => {
                let rejection = check.reject(spending_rejection::denied(denial, &limits, bound.least()));
                Err(rejection.with_rates(check.forward.with_requests(denial.rates)))
            }
            Outcome::Settled { .. }
            | Outcome::Adjusted
            | Outcome::Expired { .. }
            | Outcome::Report(_)
            | Outcome::Unknown
            | Outcome::AlreadyDone
            | Outcome::StillOpen
            | Outcome::PeriodNotKept(_) => Err(check.reject(LimitRejection::Undecided)),
        }
    }

    /// Returns the error response to a request whose cost cannot be recorded.
    #[must_use]
    pub fn reject_without_ledger(&self) -> Rejection {
        self.check.reject(spending_rejection::ledger())
    }
}
