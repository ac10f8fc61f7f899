//! Limits that need a memory of earlier requests: rates, budgets, usage. A Durable Object counts them: the ledger.
//!
//! ```text
//! ModelCheck ─► Quote ─► Ledger::reserve ─► Open ─► send ─► the body passes ─► Open::settle, in waitUntil
//! ```

mod incoming;
mod ledger;
mod memory;
mod object;
mod open;
mod reserved;
mod streams;
mod tap;
mod usage;

use std::{rc::Rc, sync::Arc};

use sparekey_core::{Config, ConfigError, ConfigProblem, Funded, Limited, ModelCheck, Rejection};
use sparekey_ledger::{Call, Charge};
use sparekey_metering::{BodyPart, Splice, Target, read_metered};
use sparekey_policy::{Command, Endpoint, HoldId, ModelSource, PriceTable, Reserve, Timestamp};
use worker::{
    wasm_bindgen::{JsCast as _, JsValue},
    wasm_bindgen_futures::{JsFuture, future_to_promise},
    web_sys::Response,
};

pub(crate) use self::{
    incoming::Incoming,
    open::{Open, send},
    usage::reply as usage,
};
use self::{ledger::Ledger, memory::PROCESS};
use crate::{Forwarded, body, clock::now, messages};

/// The longest time of a request, in microseconds. Its hold is charged in full then, so it is cut.
const LONGEST: i64 = 30 * Timestamp::MINUTE;

/// What gives a Worker a ledger.
pub(crate) const LEDGER_REMEDY: &str = "bind the Durable Object as LEDGER (wrangler.toml.sample)";

/// Adds the price table, if a user is metered: the owner's, in its compact form, or the shipped one.
pub(crate) fn with_prices(config: Config, prices: Option<String>) -> Result<Config, ConfigError> {
    if config.keys().metered_users().next().is_none() {
        return Ok(config);
    }
    let prices = prices.map_or_else(PriceTable::shipped, |prices| PriceTable::from_json(&prices));
    match prices {
        Ok(prices) => Ok(config.with_prices(prices)),
        Err(error) => Err(vec![ConfigProblem::Adapter(format!("PRICES: {error}"))].into()),
    }
}

/// Responds to a request whose user may have limits in the ledger. It goes on if the client leaves: otherwise a place would
/// stay taken, and a hold would be charged in full.
pub(crate) async fn respond(limited: Limited, incoming: Incoming) -> Result<Response, JsValue> {
    let incoming = Rc::new(incoming);
    let request = Rc::clone(&incoming);
    let task = future_to_promise(async move {
        let response = forward(limited, &request).await;
        response.or_else(|rejection| messages::whole(rejection.to_response())).map(JsValue::from)
    });
    let _ = incoming.context.wait_until(&task);
    JsFuture::from(task).await.map(JsValue::unchecked_into)
}

async fn forward(limited: Limited, incoming: &Rc<Incoming>) -> Forwarded {
    let Incoming { request, fields, context, .. } = &**incoming;
    let check = limited.reserve(None)?;
    if let Some(endpoint) = check.endpoint() {
        return forward_metered(check, endpoint, incoming).await;
    }
    let (check, open) = place(check, incoming).await?;
    crate::forward_checked(check, request, fields, context, open).await
}

/// Counts a request that costs nothing, if its user has such limits. Without the ledger, this isolate counts alone.
async fn place(check: ModelCheck, incoming: &Rc<Incoming>) -> Result<(ModelCheck, Option<Open>), Rejection> {
    let Some(limits) = check.ledger_place().cloned() else { return Ok((check, None)) };
    let until = now().plus(LONGEST);
    let reserve = Reserve { until, ..Reserve::place(new_id(), PROCESS) };
    let call = Call::new(Arc::clone(check.user()), limits, Command::Reserve(reserve));
    let ledger = Ledger(Rc::clone(incoming));
    let outcome = ledger.reserve(&call).await.unwrap_or_else(|_| memory::count(&call));
    let check = check.reserve(&outcome)?;
    Ok((check, call.undo().map(|end| Open::place(ledger, end, until))))
}

async fn forward_metered(check: ModelCheck, endpoint: Endpoint, incoming: &Rc<Incoming>) -> Forwarded {
    let Incoming { request, fields, context, .. } = &**incoming;
    let started = now();
    if let Some(wait) = memory::pause(check.user()) {
        return Err(check.reject_repeated_failures(wait));
    }
    let source = check.facts_source().unwrap_or(ModelSource::Body);
    let reject = |failure| check.reject_body(failure);
    let mut body = body::read(request, &check, source, context).await.map_err(reject)?;
    let bytes = body.as_ref().map_or(&[][..], |body| &body.bytes);
    let target = Target { source, path: check.path(), query: check.query() };
    let read = read_metered(endpoint, target, check.content_types(), check.content_encodings(), bytes);
    let read = read.map_err(reject)?;
    let ledger = Ledger(Rc::clone(incoming));
    let model = read.facts.model.as_deref().and_then(|model| check.price_name(model));
    let hidden_tokens = match read.demand.previous_response_id().zip(model) {
        Some((id, model)) => ledger.response_tokens(check.user(), id, model).await,
        None => None,
    };
    let quote = check.quote(&read.facts, &read.demand, hidden_tokens)?;
    let (user, key, limits) = (Arc::clone(quote.key().user()), quote.key().digest_prefix(), Arc::clone(quote.limits()));
    let (id, until) = (new_id(), now().plus(LONGEST));
    let reserve = Command::Reserve(quote.reserve(id, until, PROCESS));
    let call = Call::new(Arc::clone(&user), Arc::clone(&limits), reserve);
    let Ok(outcome) = ledger.reserve(&call).await else { return Err(quote.reject_without_ledger()) };
    let Funded { mut forward, edits, bound, granted } = quote.admit(&outcome)?;
    if let Some(body) = body.as_mut().filter(|_| !edits.is_empty()) {
        body.bytes = spliced(&body.bytes, &read.splices(&edits));
        forward = forward.with_body_length(body.bytes.len() as u64);
    }
    let (route, is_streamed) = (endpoint.path(), read.demand.is_streamed());
    let charge = Charge { user, limits, id, key, route, started, bound, granted, is_streamed, retry: 0, head: None };
    let open = Open::charge(ledger, charge, until, edits.hides_usage());
    crate::forward(forward, body, request, fields, Some(open)).await
}

fn spliced(body: &[u8], splices: &[Splice]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for part in Splice::parts(body.len(), splices) {
        out.extend(match part {
            BodyPart::Kept(range) => &body[range],
            BodyPart::Text(text) => text,
        });
    }
    out
}

fn new_id() -> HoldId {
    let halves = streams::random_id().to_vec();
    HoldId(halves.iter().fold(0, |id, half| id << 64 | u128::from(half.cast_unsigned())))
}
