//! Bodies of metered requests, compared with `serde_json`.

use std::sync::{Arc, LazyLock};

use serde::de::IgnoredAny;
use sparekey_metering::BodyForm;
use sparekey_metering::{MeteredBody, Splice, Target, read_facts, read_metered};
use sparekey_policy::{Bound, BoundRequest, Demand, Endpoint, Limits, ModelSource, Period, PriceTable, Usd, Zone};

use crate::json_tree::Json;

/// The endpoints of JSON bodies. The first byte of an input chooses one.
const ENDPOINTS: [Endpoint; 6] = [
    Endpoint::ChatCompletions,
    Endpoint::Responses,
    Endpoint::Completions,
    Endpoint::Embeddings,
    Endpoint::ImageGenerations,
    Endpoint::Speech,
];

/// Tools that the upstream does not run.
const OF_CLIENT: [&str; 10] = [
    "function",
    "custom",
    "namespace",
    "computer",
    "computer_use_preview",
    "local_shell",
    "apply_patch",
    "tool_search",
    "shell",
    "",
];

/// Fields of which one has the content of an item.
const CONTENT: [&str; 10] = [
    "content",
    "output",
    "arguments",
    "input",
    "action",
    "actions",
    "operation",
    "tools",
    "tool_calls",
    "function_call",
];

static PRICES: LazyLock<Arc<PriceTable>> = LazyLock::new(|| Arc::new(PriceTable::shipped().expect("valid prices")));
static LIMITS: LazyLock<Limits> = LazyLock::new(|| {
    let mut limits = Limits::none(Arc::new(Zone::utc()));
    limits.budgets.set(Period::Month, Usd::parse("1000").expect("an amount"));
    limits
});

/// Checks that the most tolerant reader finds no larger demand in a body that is accepted, and that its edits leave JSON that
/// costs no more than what was granted.
pub(crate) fn metered_body(input: &[u8]) {
    let Some((first, body)) = input.split_first() else { return };
    let endpoint = ENDPOINTS[usize::from(*first) % ENDPOINTS.len()];
    let Some(read) = read(endpoint, body) else { return };
    let Ok(tree) = serde_json::from_slice::<Json>(body) else {
        assert!(serde_json::from_slice::<IgnoredAny>(body).is_ok(), "accepted: {}", body.escape_ascii());
        return;
    };
    let form = BodyForm::from_headers([&b"application/json"[..]], []).expect("a valid content-type");
    assert_eq!(read_facts(target(), &form, body).as_ref(), Ok(&read.facts), "{}", body.escape_ascii());
    check_demand(&read.demand, &tree, body);
    for is_openai in [true, false] {
        check_edits(endpoint, &read, body, is_openai);
    }
}

fn target() -> Target<'static> {
    Target { source: ModelSource::Body, path: "/x", query: None }
}

fn read(endpoint: Endpoint, body: &[u8]) -> Option<MeteredBody> {
    read_metered(endpoint, target(), [&b"application/json"[..]], [], body).ok()
}

fn check_demand(demand: &Demand, tree: &Json, body: &[u8]) {
    let largest = |key: &str| {
        tree.get(key)
            .filter_map(|value| match value {
                Json::Unsigned(number) => Some(*number),
                Json::Float => Some(u64::MAX),
                _ => None,
            })
            .max()
    };
    if demand.endpoint.has_output_cap() {
        let caps: &[_] = match demand.endpoint {
            Endpoint::ChatCompletions => &["max_completion_tokens", "max_tokens"],
            Endpoint::Completions => &["max_tokens"],
            _ => &["max_output_tokens"],
        };
        let cap = caps.iter().filter_map(|key| largest(key)).max();
        assert_eq!(demand.output_cap, cap, "{}", body.escape_ascii());
        assert!(demand.choices >= largest("n").max(largest("best_of")).unwrap_or(1), "{}", body.escape_ascii());
        let extras = demand.extras();
        for tool in tree.get("tools").flat_map(Json::items) {
            let is_of_client = tool.get("type").all(|value| match value {
                Json::Text(name) => OF_CLIENT.contains(&name.as_str()),
                _ => true,
            });
            let is_bounded = is_of_client || !extras.tools.hosted.is_empty() || extras.refused.is_some();
            assert!(is_bounded, "{}", body.escape_ascii());
        }
        let refers = ["conversation", "previous_response_id"].into_iter().flat_map(|key| tree.get(key));
        let refers = refers.filter(|value| **value != Json::Null).count() > 0;
        let is_hidden = extras.hidden_input.is_some() || extras.previous_response_id.is_some();
        assert!(!refers || is_hidden, "{}", body.escape_ascii());
        for reasoning in tree.get("reasoning") {
            let is =
                |value: &Json, words: &[&str]| *value == Json::Null || words.iter().any(|word| value.is_text(word));
            let keeps = reasoning.get("context").any(|value| !is(value, &["auto", "current_turn"]));
            assert!(!keeps || is_hidden, "{}", body.escape_ascii());
            let is_pro = reasoning.get("mode").any(|value| !is(value, &["standard"]));
            assert!(!is_pro || extras.refused.is_some(), "{}", body.escape_ascii());
        }
        for item in ["input", "messages"].into_iter().flat_map(|key| tree.get(key)).flat_map(Json::items) {
            let is_counted = is_hidden || extras.reasoning_references > 0;
            assert!(!is_reference(item) || is_counted, "{}", body.escape_ascii());
        }
    }
}

/// Whether an item refers to a stored one: by its type, or because it has an id and nothing else.
fn is_reference(item: &Json) -> bool {
    let Json::Object(_) = item else { return false };
    let has = |key| item.get(key).any(|value| !matches!(value, Json::Null));
    let has_content =
        |key| item.get(key).any(|value| !matches!(value, Json::Null) && *value != Json::Array(Vec::new()));
    let is_typed = has("type") || has("role");
    let is_reference = item.get("type").any(|kind| kind.is_text("item_reference"));
    let is_encrypted = item.get("encrypted_content").any(|value| !matches!(value, Json::Null) && !value.is_text(""));
    let is_empty = has("id") && !CONTENT.into_iter().any(has_content) && !is_encrypted;
    is_reference || is_empty || !is_typed
}

fn check_edits(endpoint: Endpoint, read: &MeteredBody, body: &[u8], is_openai: bool) {
    let bound = |demand: &Demand| {
        let model = read.facts.model.as_deref();
        Bound::new(BoundRequest { demand, model, limits: &LIMITS, prices: &PRICES, is_openai, hidden_tokens: None })
    };
    let Ok(first) = bound(&read.demand) else { return };
    for granted in [first.least(), first.floor(), first.want()] {
        let edited = apply(body, &read.splices(&first.edits(granted)));
        let text = edited.escape_ascii();
        assert!(serde_json::from_slice::<IgnoredAny>(&edited).is_ok(), "no JSON: {text}");
        let again = self::read(endpoint, &edited).unwrap_or_else(|| panic!("refused: {text}"));
        let mut demand = again.demand.clone();
        demand.text_bytes = read.demand.text_bytes;
        let second = bound(&demand).unwrap_or_else(|error| panic!("{error:?}: {text}"));
        assert!(second.want() <= granted, "{} > {granted}: {text}", second.want());
        assert!(again.splices(&second.edits(second.want())).is_empty(), "edited again: {text}");
    }
}

fn apply(body: &[u8], splices: &[Splice]) -> Vec<u8> {
    let (mut edited, mut at) = (Vec::new(), 0);
    for Splice { range, text } in splices {
        assert!(at <= range.start && range.start <= range.end, "{splices:?}");
        edited.extend_from_slice(&body[at..range.start]);
        edited.extend_from_slice(text);
        at = range.end;
    }
    edited.extend_from_slice(&body[at..]);
    edited
}
