//! The step of the ledger's object, which runs it between two statements of SQL.

use sparekey_ledger::{Call, Change, End, Row};
use sparekey_policy::{Outcome, State, Timestamp};
use worker::{
    js_sys::{Array, BigInt64Array, Uint8Array},
    wasm_bindgen::{JsValue, prelude::wasm_bindgen},
};

use crate::clock::from_millis;

/// Runs a call on a user's state. Returns the state after it, whether it must be stored, the day of a settled request, the id
/// of an expired hold whose row is removed, and the rows to add, as lines. The row of the settled request itself, with
/// `has_row`, is the caller's.
///
/// # Errors
/// A call or a state of another version.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, js_sys = worker::js_sys)]
#[allow(unreachable_pub, reason = "it is exported")]
pub fn ledger_step(
    state: Option<Uint8Array>,
    user: &str,
    call: &BigInt64Array,
    has_row: bool,
    now: f64,
) -> Result<Array, JsValue> {
    let now = from_millis(now);
    let mut call = Call::from_numbers(user.into(), &call.to_vec()).ok_or("the call is of another version")?;
    if has_row {
        call = call.with_row(Row::bare(now, End::Complete));
    }
    let mut state = read_state(state)?;
    let change = Change::of(&call, &mut state, now);
    let day = match change.outcome {
        Outcome::Settled { day, .. } => day.number().into(),
        _ => JsValue::UNDEFINED,
    };
    let removed = change.removed.map_or(JsValue::UNDEFINED, |id| format!("{:032x}", id.0).into());
    let own = call.id().filter(|_| has_row);
    let rows = change.rows.iter().filter(|row| Some(row.id) != own).map(|row| JsValue::from(row.to_lines()));
    let after = Uint8Array::from(&*state.encode());
    Ok([after.into(), change.is_changed.into(), day, removed, rows.collect::<Array>().into()].into_iter().collect())
}

/// The state of a user; a user without one is new.
pub(super) fn read_state(state: Option<Uint8Array>) -> Result<State, JsValue> {
    let state = state.map_or_else(|| Ok(State::default()), |state| State::decode(&state.to_vec()));
    state.map_err(|error| error.to_string().into())
}

/// Runs the call that the object ran, on the same state, and so with the same outcome. Returns the state after it too.
///
/// # Errors
/// A state that is another one than the object's: it runs another version.
pub(super) fn repeat(
    call: &Call,
    before: Option<Uint8Array>,
    now: Timestamp,
    after: &[u8],
) -> Result<(Outcome, State), JsValue> {
    let mut state = read_state(before)?;
    let outcome = sparekey_policy::step(&call.limits, &mut state, now, &call.command);
    if state.encode() == after { Ok((outcome, state)) } else { Err("the ledger's object is of another version".into()) }
}
