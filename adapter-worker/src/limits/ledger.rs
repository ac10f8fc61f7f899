//! The ledger, as the Worker calls it.

use std::{rc::Rc, time::Duration};

use sparekey_ledger::{Call, LedgerRow, Row};
use sparekey_policy::{Command, HoldId, Outcome, Period, State, Timestamp, Usd};
use worker::{
    Delay, console_error,
    js_sys::{Array, BigInt64Array, Promise, Uint8Array},
    wasm_bindgen::{JsCast as _, JsValue},
    wasm_bindgen_futures::{JsFuture, future_to_promise},
};

use super::{incoming::Incoming, memory, object, streams};
use crate::{bindings, clock::from_millis, timeout::within};

/// The variable that names where the object is created, and its default: beside the region of the sample's placement.
const LOCATION: (&str, &str) = ("LEDGER_LOCATION", "enam");
/// A call that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Pauses before a settle is sent again. A lost one is charged at the end of its hold.
const RETRIES: [Duration; 3] = [Duration::from_millis(50), Duration::from_secs(1), Duration::from_secs(5)];

/// The ledger, and the request that calls it.
#[derive(Clone)]
pub(super) struct Ledger(pub(super) Rc<Incoming>);

impl Ledger {
    /// The request.
    pub(super) fn incoming(&self) -> Rc<Incoming> {
        Rc::clone(&self.0)
    }

    /// Runs a reservation. Its result is durable. If there is none, nothing may be sent.
    pub(super) async fn reserve(&self, call: &Call) -> Result<Outcome, JsValue> {
        if let Some(outcome) = memory::refused(call) {
            return Ok(outcome);
        }
        match self.run(call).await {
            Ok((outcome, state)) => {
                memory::remember(call, &outcome, state);
                Ok(outcome)
            }
            Err(error) => {
                if call.limits.is_metered() {
                    console_error!("requests of users with budgets are refused: {error:?}");
                } else {
                    console_error!("each isolate counts requests alone: {error:?}");
                }
                // It may be stored all the same.
                if let Some(undo) = call.undo() {
                    self.settle(undo);
                }
                Err(error)
            }
        }
    }

    async fn run(&self, call: &Call) -> Result<(Outcome, State), JsValue> {
        let [before, now, after] = self.call(call, None).await?;
        let before = (!before.is_undefined()).then(|| before.unchecked_into());
        let after: Uint8Array = after.unchecked_into();
        object::repeat(call, before, from_millis(now.as_f64().unwrap_or_default()), &after.to_vec())
    }

    /// Stores the end of a request, after the response.
    pub(super) fn settle(&self, mut call: Call) {
        let lines = call.row.take().map(|row| lines(&call, *row));
        let ledger = self.clone();
        let task = future_to_promise(async move {
            for pause in RETRIES.map(Some).into_iter().chain([None]) {
                let Err(error) = ledger.call(&call, lines.as_deref()).await else { break };
                console_error!("a request is not settled yet: {error:?}");
                match pause {
                    Some(pause) => Delay::from(pause).await,
                    None if call.limits.is_metered() => console_error!("it will be charged in full"),
                    None => console_error!("its place stays taken for 30 minutes"),
                }
            }
            Ok(JsValue::UNDEFINED)
        });
        let _ = self.0.context.wait_until(&task);
    }

    async fn call(&self, call: &Call, row: Option<&str>) -> Result<[JsValue; 3], JsValue> {
        let numbers = call.to_numbers().ok_or(JsValue::UNDEFINED)?;
        result(self.object()?.run(&call.user, &BigInt64Array::from(&*numbers), row)).await
    }

    /// Returns a user's state, the time, and the days from this one on.
    pub(super) async fn usage(&self, user: &str, since: i32) -> Result<(State, Timestamp, String), JsValue> {
        let [state, now, days] = result(self.object()?.usage(user, since)).await?;
        let state = object::read_state((!state.is_undefined()).then(|| state.unchecked_into()))?;
        Ok((state, from_millis(now.as_f64().unwrap_or_default()), days.as_string().unwrap_or_default()))
    }

    /// Returns the tokens of a user's response, if they are known and of this model.
    pub(super) async fn response_tokens(&self, user: &str, id: &str, model: &str) -> Option<u64> {
        let [found, tokens, _] = result(self.object().ok()?.response(user, id)).await.ok()?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of tokens")]
        tokens.as_f64().filter(|_| found == *model).map(|tokens| tokens as u64)
    }

    /// A new one for each call, because one whose call failed stays broken.
    fn object(&self) -> Result<streams::Object, JsValue> {
        let hint = bindings::get(&self.0.env, LOCATION.0).as_string();
        streams::ledger(&bindings::get(&self.0.env, bindings::LEDGER), hint.as_deref().unwrap_or(LOCATION.1))
    }
}

/// The columns of a row. The object fills in the day.
fn lines(call: &Call, row: Row) -> String {
    let (id, cost) = match call.command {
        Command::Settle { id, amount, .. } => (id, amount),
        _ => (HoldId(0), Usd::ZERO),
    };
    LedgerRow { id, user: call.user.clone(), day: Period::Day.of_day(0), cost, voided: None, row }.to_lines()
}

async fn result(called: Result<JsValue, JsValue>) -> Result<[JsValue; 3], JsValue> {
    let values = within(TIMEOUT, JsFuture::from(Promise::resolve(&called?))).await;
    let values: Array = values.ok_or("the ledger's object does not respond")??.unchecked_into();
    Ok([0, 1, 2].map(|index| values.get(index)))
}
