//! The most tokens of the input of a text.

use std::borrow::Cow;

use super::request::{BoundRequest, Unbounded};
use crate::{demand::Pictures, endpoint::Endpoint, prices::ModelPrices};

/// Tokens of a picture of models that cut it into at most eight tiles: 85 + 8 × 170.
pub(super) const PICTURE_TOKENS: u64 = 1_445;

/// The same of gpt-4o-mini: 2,833 + 8 × 5,667.
const MINI_PICTURE_TOKENS: u64 = 48_169;

/// Tokens per square of 32 × 32 pixels, in halves. The highest factor of a model is 2.46.
const HALF_TOKENS_PER_PATCH: u64 = 5;

/// The largest output of a model in tokens, so that of its reasoning.
pub(super) const LARGEST_OUTPUT: u32 = 128_000;

/// Tokens of the description that the upstream adds for a tool of its own.
const DESCRIPTION_TOKENS: u64 = 4_096;

/// Returns the most tokens of the input, in one pass, with so many tools that the upstream runs.
pub(super) fn most_tokens(
    request: &BoundRequest<'_>,
    name: &str,
    model: &ModelPrices,
    hosted_tools: usize,
) -> Result<u64, Unbounded> {
    let extras = request.demand.extras();
    let described = extras.tools.described.saturating_add(hosted_tools.try_into().unwrap_or(u64::MAX));
    let visible = request
        .demand
        .text_bytes
        .saturating_add(picture_tokens(name, extras.pictures))
        .saturating_add(described.saturating_mul(DESCRIPTION_TOKENS))
        .saturating_add(extras.reasoning_references.saturating_mul(LARGEST_OUTPUT.into()));
    let largest = model.max_input.map(u64::from);
    let hidden = |param: Cow<'static, str>| {
        largest.ok_or(Unbounded::Option {
            param,
            advice: "Leave it out, because the largest input of this model is not known.",
        })
    };
    let hidden = match (&extras.hidden_input, &extras.previous_response_id, request.hidden_tokens) {
        (Some(param), _, _) => hidden(param.clone())?,
        (None, Some(_), None) => hidden(Cow::Borrowed("previous_response_id"))?,
        (None, Some(_), Some(tokens)) => tokens,
        (None, None, _) => 0,
    };
    let tokens = visible.saturating_add(hidden);
    // Each prompt of a list can be as large as the model allows.
    let largest = largest.filter(|_| request.demand.endpoint != Endpoint::Completions);
    let tokens = largest.map_or(tokens, |largest| tokens.min(largest));
    Ok(tokens.saturating_mul(if extras.is_prewarmed { 2 } else { 1 }))
}

fn picture_tokens(name: &str, pictures: Pictures) -> u64 {
    let each = if name.contains("gpt-4o-mini") { MINI_PICTURE_TOKENS } else { PICTURE_TOKENS };
    let by_size = pictures.patches.saturating_mul(HALF_TOKENS_PER_PATCH).div_ceil(2);
    pictures.count.saturating_mul(each).saturating_add(by_size)
}
