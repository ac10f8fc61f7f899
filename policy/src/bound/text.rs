//! The bound of a request whose output is text with a cap, and its clamp.

use std::time::Duration;

use super::{
    input::{self, LARGEST_OUTPUT},
    rates::{Atto, Rates, to_atto, to_usd},
    request::{BoundRequest, Unbounded},
};
use crate::{
    body_edits::{BodyEdits, OutputCap},
    demand::{Extras, HostedKind, HostedTool},
    endpoint::Endpoint,
    prices::{ModelPrices, PriceTable, cost::times},
    usd::Usd,
};

/// Output tokens of the usual size of an answer: up to them a request is granted first, and they count for the tokens per minute.
pub(super) const USUAL_OUTPUT: u32 = 4_096;

/// The fewest output tokens that are of use.
pub(super) const LEAST_OUTPUT: u32 = 1_024;

/// `max_tokens` of completions where a request to OpenAI has none.
/// <https://platform.openai.com/docs/api-reference/completions/create>
const COMPLETION_DEFAULT: u32 = 16;

/// The smallest `max_output_tokens` of responses.
const RESPONSES_LEAST: u32 = 16;

/// Calls of hosted tools of a request that does not limit them.
const DEFAULT_CALLS: u32 = 16;

/// Output tokens that a model writes in a second, where the price table has no figure.
const OUTPUT_TOKENS_PER_SECOND: u32 = 1_000;

/// What the output of a text may cost.
#[derive(Clone, Debug)]
pub(super) struct TextCost {
    /// Without calls of hosted tools.
    plain: Line,
    calls: Option<Calls>,
    choices: u64,
    /// Predicted tokens that may be billed beside the output, of all choices.
    predicted: u64,
    /// The most output tokens of one choice.
    cap: u32,
    /// The field that has the cap where the body has none.
    field: &'static str,
    tokens_per_second: u32,
}

/// The cost of a request as a line over its output.
#[derive(Clone, Copy, Debug)]
struct Line {
    input: Atto,
    output_token: Atto,
}

/// Calls of hosted tools. Each adds a pass over the whole context.
#[derive(Clone, Debug)]
struct Calls {
    line: Line,
    call: Atto,
    /// At least 1.
    most: u32,
    /// Whether the client limits the calls to `most`.
    is_limited: bool,
    /// Whether at least one call must be possible.
    is_forced: bool,
    /// The tools, which are removed where no call fits.
    tools: Vec<HostedTool>,
}

/// What a granted amount covers.
struct Plan {
    line: Line,
    /// `None`: no hosted tool is called.
    calls: Option<u32>,
    cap: u32,
}

/// Bounds the output of a restricted user, and the cost if there is a budget. Adds the edits that do not depend on the grant.
/// Returns the cap on one choice, if there is one.
pub(super) fn bound(
    request: &BoundRequest<'_>,
    entry: Option<(&str, &ModelPrices)>,
    edits: &mut BodyEdits,
) -> Result<(Option<u32>, Option<TextCost>), Unbounded> {
    let model = entry.map(|(_, model)| model);
    let extras = request.demand.extras();
    let has_budget = !request.limits.budgets.is_empty();
    let field = cap_field(request, model);
    let cap = output_cap(request, model, field, edits);
    let Some((name, model)) = entry.filter(|_| has_budget) else {
        if has_budget {
            return Err(Unbounded::Model);
        }
        remove(edits, extras.tools.hosted.iter().filter(|tool| tool.kind == HostedKind::Unbounded));
        let is_open = extras.tools.max_calls.is_none();
        let has_bounded = extras.tools.hosted.iter().any(|tool| tool.kind != HostedKind::Unbounded);
        edits.max_tool_calls = Some(DEFAULT_CALLS).filter(|_| is_open && has_bounded);
        return Ok((cap, None));
    };
    let hosted = extras.tools.hosted.len();
    let calls = calls(request, model, input::most_tokens(request, name, model, hosted)?, edits)?;
    // Without a call the tools are removed, unless the client wants them there.
    let hosted = if extras.tools.max_calls == Some(0) { hosted } else { 0 };
    let most_input = input::most_tokens(request, name, model, hosted)?;
    let rates = Rates::of_request(request, model, most_input)?;
    let choices = request.demand.choices;
    let text = TextCost {
        plain: Line::new(most_input, rates),
        calls,
        choices,
        predicted: extras.prediction_bytes.saturating_mul(choices),
        cap: cap.unwrap_or(LARGEST_OUTPUT),
        field,
        tokens_per_second: model.output_tokens_per_second.unwrap_or(OUTPUT_TOKENS_PER_SECOND),
    };
    Ok((cap, Some(text)))
}

/// Returns the field that has the cap where the body has none.
///
/// In chat completions it is `max_completion_tokens` if the upstream is OpenAI or Azure, or if the model is OpenAI's: its newer
/// models refuse `max_tokens`. Else it is `max_tokens`, because not all services read the newer field, and one that is not read
/// is no cap. A `max_completion_tokens` of the body itself is lowered there.
fn cap_field(request: &BoundRequest<'_>, model: Option<&ModelPrices>) -> &'static str {
    let is_chat = request.demand.endpoint == Endpoint::ChatCompletions;
    let has_openai_model = model.is_some_and(|model| model.is_shipped);
    if request.demand.endpoint == Endpoint::Responses {
        "max_output_tokens"
    } else if is_chat && (request.is_openai || request.demand.is_azure || has_openai_model) {
        "max_completion_tokens"
    } else {
        "max_tokens"
    }
}

/// Returns the most output of one choice. Writes a cap into the edits where the body's own one, or the model's size, is not
/// enough.
fn output_cap(
    request: &BoundRequest<'_>,
    model: Option<&ModelPrices>,
    field: &'static str,
    edits: &mut BodyEdits,
) -> Option<u32> {
    let demand = request.demand;
    let has_budget = !request.limits.budgets.is_empty();
    // A cap above any output is none.
    let asked = demand.output_cap.and_then(|tokens| u32::try_from(tokens).ok());
    let has_default = demand.endpoint == Endpoint::Completions && request.is_openai && demand.output_cap.is_none();
    let default = Some(COMPLETION_DEFAULT).filter(|_| has_default);
    let possible = [asked, default, model.and_then(|model| model.max_output)].into_iter().flatten().min();
    // A model whose size is not listed gets the largest. A clamp below its size depends on the grant.
    let limit = request.limits.max_output_tokens.map(std::num::NonZeroU32::get);
    let limit = limit.or(Some(LARGEST_OUTPUT).filter(|_| has_budget && possible.is_none()));
    let limit = limit.map(|limit| if field == "max_output_tokens" { limit.max(RESPONSES_LEAST) } else { limit });
    let cap = possible.into_iter().chain(limit).min();
    let is_lowered = cap != possible;
    if is_lowered || (has_default && has_budget) {
        edits.output_cap = cap.map(|tokens| OutputCap { tokens, field, is_lowered });
    }
    cap
}

/// Returns the calls of hosted tools that may occur. Removes the tools that have no bound.
fn calls(
    request: &BoundRequest<'_>,
    model: &ModelPrices,
    most_input: u64,
    edits: &mut BodyEdits,
) -> Result<Option<Calls>, Unbounded> {
    let Extras { tools, .. } = request.demand.extras();
    let is_bounded = |tool: &&HostedTool| tool.kind != HostedKind::Unbounded && model.max_input.is_some();
    remove(edits, tools.hosted.iter().filter(|tool| !is_bounded(tool)));
    if let Some(tool) = tools.hosted.iter().find(|tool| !is_bounded(tool) && tools.is_forced(tool)) {
        return Err(Unbounded::forced_tool(tool));
    }
    let bounded: Vec<_> = tools.hosted.iter().filter(is_bounded).cloned().collect();
    let asked = tools.max_calls.map(|calls| u32::try_from(calls).unwrap_or(u32::MAX));
    let most = asked.unwrap_or(DEFAULT_CALLS);
    if bounded.is_empty() || most == 0 {
        return Ok(None);
    }
    let pass = u64::from(model.max_input.unwrap_or_default());
    let rates = Rates::of_request(request, model, pass.saturating_mul(most.into()).saturating_add(most_input))?;
    let price = bounded.iter().map(|tool| call_price(request.prices, model, tool.kind)).max().unwrap_or_default();
    Ok(Some(Calls {
        line: Line::new(most_input, rates),
        call: times(pass, rates.input).saturating_add(to_atto(price)),
        most,
        is_limited: asked.is_some(),
        is_forced: bounded.iter().any(|tool| tools.is_forced(tool)),
        tools: bounded,
    }))
}

fn call_price(prices: &PriceTable, model: &ModelPrices, kind: HostedKind) -> Usd {
    match kind {
        HostedKind::WebSearch => model.web_search_call.unwrap_or(prices.tools().web_search),
        HostedKind::FileSearch => prices.tools().file_search,
        HostedKind::Unbounded => Usd::MAX,
    }
}

fn remove<'t>(edits: &mut BodyEdits, tools: impl Iterator<Item = &'t HostedTool>) {
    for tool in tools {
        let at = edits.removed_indexes.partition_point(|index| *index < tool.index);
        edits.removed_indexes.insert(at, tool.index);
        edits.removed_types.insert(at, tool.type_name.clone());
    }
}

impl TextCost {
    /// Returns the most that the request may cost.
    pub(super) fn want(&self) -> Usd {
        let line = self.calls.as_ref().map_or(self.plain, |calls| calls.line);
        let calls = self.calls.as_ref().map(|calls| calls.most);
        // Without calls it can cost more only if a long context is cheaper, which no table has.
        to_usd(self.cost(line, calls, self.cap).max(self.cost(self.plain, None, self.cap)))
    }

    /// Returns the cost with so many output tokens, and with no more calls than there must be.
    pub(super) fn least(&self, output: u32) -> Usd {
        let forced = self.calls.as_ref().filter(|calls| calls.is_forced);
        let line = forced.map_or(self.plain, |calls| calls.line);
        to_usd(self.cost(line, forced.map(|_| 1), self.cap.min(output))).min(self.want())
    }

    /// Adds what the granted amount needs.
    pub(super) fn edit(&self, granted: Usd, edits: &mut BodyEdits) {
        let plan = self.plan(granted);
        if let Some(calls) = &self.calls {
            match plan.calls {
                None => remove(edits, calls.tools.iter()),
                Some(most) if most < calls.most || !calls.is_limited => edits.max_tool_calls = Some(most),
                Some(_) => {}
            }
        }
        if plan.cap < self.cap {
            edits.output_cap = Some(OutputCap { tokens: plan.cap, field: self.field, is_lowered: true });
        }
    }

    /// Returns the cost of a stream that was cut after this time.
    pub(super) fn estimate(&self, granted: Usd, sent_for: Duration) -> Usd {
        let plan = self.plan(granted);
        let seconds = sent_for.as_secs().saturating_add(u64::from(sent_for.subsec_nanos() > 0));
        let written = seconds.saturating_mul(self.tokens_per_second.into());
        let written = u32::try_from(written).unwrap_or(u32::MAX);
        to_usd(self.cost(plan.line, plan.calls, plan.cap.min(written)))
    }

    /// Divides a granted amount. Calls get up to half of what the input and a usual output leave, the output gets the rest.
    fn plan(&self, granted: Usd) -> Plan {
        let most = Plan { line: self.plain, calls: None, cap: self.cap };
        let most = match &self.calls {
            Some(calls) => Plan { line: calls.line, calls: Some(calls.most), ..most },
            None => most,
        };
        if granted >= self.want() {
            return most;
        }
        let granted = to_atto(granted);
        let calls = self.calls.as_ref().and_then(|calls| {
            let usual = self.cost(calls.line, None, self.cap.min(USUAL_OUTPUT));
            let half = granted.saturating_sub(usual).checked_div(2).unwrap_or_default();
            // A call without a price is free.
            let fitting = half.checked_div(calls.call).map_or(u32::MAX, |fit| u32::try_from(fit).unwrap_or(u32::MAX));
            let fitting = if granted < usual { 0 } else { fitting.min(calls.most) };
            Some(fitting.max(u32::from(calls.is_forced))).filter(|fitting| *fitting > 0)
        });
        let line = self.calls.as_ref().filter(|_| calls.is_some()).map_or(self.plain, |calls| calls.line);
        let left = granted.saturating_sub(self.cost(line, calls, 0));
        let fitting = left.checked_div(times(self.choices, line.output_token));
        let fitting = fitting.map_or(u32::MAX, |fit| u32::try_from(fit).unwrap_or(u32::MAX));
        Plan { line, calls, cap: fitting.min(self.cap) }
    }

    fn cost(&self, line: Line, calls: Option<u32>, output: u32) -> Atto {
        let call = self.calls.as_ref().map_or(0, |calls| calls.call);
        let output = self.choices.saturating_mul(output.into()).saturating_add(self.predicted);
        line.input
            .saturating_add(times(output, line.output_token))
            .saturating_add(times(calls.unwrap_or_default().into(), call))
    }
}

impl Line {
    fn new(input_tokens: u64, rates: Rates) -> Self {
        Self { input: times(input_tokens, rates.input), output_token: rates.output }
    }
}

// The fewest tokens of use are no more than the usual ones.
const _: () = assert!(LEAST_OUTPUT <= USUAL_OUTPUT);
