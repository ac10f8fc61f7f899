//! Changed bodies cost no more than was granted.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A member of a body: any value that the API takes for it, or `null`.
fn any_member() -> impl Strategy<Value = (&'static str, Value)> {
    let tokens = prop_oneof![Just(json!(null)), (0_u64..6_000).prop_map(Value::from), Just(json!(999_999_999))];
    let tool = prop_oneof![
        3 => Just(json!({"type": "function", "name": "f"})),
        1 => Just(json!({"type": "web_search", "filters": {"allowed_domains": ["a,b]"]}})),
        1 => Just(json!({"type": "file_search"})),
        1 => Just(json!({"type": "image_generation", "model": "x"})),
    ];
    let options = prop_oneof![
        Just(json!(null)),
        Just(json!({})),
        Just(json!({"include_usage": null})),
        Just(json!({"include_usage": false})),
        Just(json!({"include_usage": true})),
        Just(json!({"include_obfuscation": false, "include_usage": false})),
        Just(json!({"include_obfuscation": true})),
    ];
    let tiers = ["auto", "default", "flex", "priority"].map(|tier| json!(tier));
    prop_oneof![
        4 => (proptest::sample::select(vec!["max_tokens", "max_completion_tokens", "max_output_tokens"]), tokens),
        1 => (Just("max_tool_calls"), prop_oneof![Just(json!(null)), (0_u64..30).prop_map(Value::from)]),
        2 => (Just("tools"), proptest::collection::vec(tool, 0..5).prop_map(Value::from)),
        1 => (Just("tool_choice"), proptest::sample::select(vec![json!("auto"), json!(null), json!("none"), json!({"type": "web_search"})])),
        2 => (Just("stream"), proptest::sample::select(vec![json!(true), json!(true), json!(false), json!(null)])),
        2 => (Just("stream_options"), options),
        1 => (Just("service_tier"), proptest::sample::select([&tiers[..], &[json!(null)]].concat())),
        1 => (Just("n"), (1_u64..4).prop_map(Value::from)),
        1 => (Just("input"), Just(json!([{"role": "user", "content": "a \"quoted\" {text}"}, {"type": "item_reference", "id": "a"}]))),
        1 => (Just("messages"), Just(json!([{"role": "user", "content": [{"type": "text", "text": "\u{e9}\n"}]}]))),
        1 => (Just("prediction"), Just(json!({"content": "abc"}))),
        1 => (Just("metadata"), Just(json!({"max_tokens": 1, "n": 2, "a": {"a": []}}))),
    ]
}

/// A body as text, with the members in any order and spaces anywhere.
fn any_body() -> impl Strategy<Value = String> {
    let model = proptest::sample::select(vec!["gpt-5", "small"]);
    let space = proptest::sample::select(vec!["", " ", "\n\t"]);
    (model, proptest::collection::vec(any_member(), 0..8), any::<prop::sample::Index>(), space).prop_map(
        |(model, members, at, space)| {
            let mut seen: Vec<(&str, Value)> = Vec::new();
            for (name, value) in members {
                if !seen.iter().any(|(other, _)| *other == name) {
                    seen.push((name, value));
                }
            }
            seen.insert(at.index(seen.len() + 1), ("model", json!(model)));
            let members = seen.iter().map(|(name, value)| format!("{space}\"{name}\"{space}:{space}{value}{space}"));
            format!("{space}{{{}}}{space}", members.collect::<Vec<_>>().join(","))
        },
    )
}

/// The edits, made by `serde_json`.
fn edit_value(endpoint: Endpoint, body: &mut Value, edits: &BodyEdits) {
    if let Some(cap) = edits.output_cap() {
        let fields: &[_] = match endpoint {
            Endpoint::ChatCompletions => &["max_completion_tokens", "max_tokens"],
            Endpoint::Completions => &["max_tokens"],
            _ => &["max_output_tokens"],
        };
        let present = fields.iter().filter(|field| body[**field].is_u64()).collect::<Vec<_>>();
        if present.is_empty() {
            body[cap.field] = json!(cap.tokens);
        }
        for field in present {
            body[*field] = json!(body[*field].as_u64().unwrap().min(cap.tokens.into()));
        }
    }
    if edits.sets_default_tier() {
        body["service_tier"] = json!("default");
    }
    if let Some(calls) = edits.max_tool_calls() {
        body["max_tool_calls"] = json!(calls);
    }
    if edits.hides_usage() {
        if body["stream_options"].is_null() {
            body["stream_options"] = json!({});
        }
        body["stream_options"]["include_usage"] = json!(true);
    }
    for index in edits.removed_indexes().iter().rev() {
        body["tools"].as_array_mut().unwrap().remove(usize::try_from(*index).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edited_body_costs_no_more_than_the_grant(
        body in any_body(),
        endpoint in proptest::sample::select(vec![Endpoint::ChatCompletions, Endpoint::Completions, Endpoint::Responses]),
        share in 0_i64..=64,
        is_openai: bool,
    ) {
        let read = metered(endpoint, &body);
        let limits = budget("1000");
        let Ok(bound) = bound(&read, &limits, is_openai) else { return Ok(()) };
        let granted = Usd::from_pico(bound.least().as_pico() + bound.want().minus(bound.least()).as_pico() / 64 * share);
        let granted = if share == 64 { bound.want() } else { granted };
        let edits = bound.edits(granted);
        let edited = apply(&body, &read.splices(&edits));

        let mut expected: Value = serde_json::from_str(&body).unwrap();
        edit_value(endpoint, &mut expected, &edits);
        let actual: Value = serde_json::from_str(&edited).unwrap();
        prop_assert_eq!(actual, expected, "{} {:?}", edited, edits);

        // What was put in is no input of the model.
        let mut again = metered(endpoint, &edited);
        again.demand.text_bytes = read.demand.text_bytes;
        let limits = budget("1000");
        let bound = super::bound(&again, &limits, is_openai).unwrap();
        prop_assert!(bound.want() <= granted, "{} > {}: {}", bound.want(), granted, edited);
        prop_assert!(bound.edits(bound.want()).is_empty(), "{:?}: {}", bound.edits(bound.want()), edited);
    }

    #[test]
    fn models_are_those_of_other_users(body in any_body()) {
        let target = Target { source: ModelSource::Body, path: "/x", query: None };
        let facts = crate::read_request(target, [JSON], [], body.as_bytes());
        for endpoint in [Endpoint::ChatCompletions, Endpoint::Responses, Endpoint::Embeddings] {
            if let Ok(read) = read_metered(endpoint, target, [JSON], [], body.as_bytes()) {
                prop_assert_eq!(Ok(read.facts), facts.clone());
            }
        }
    }
}
