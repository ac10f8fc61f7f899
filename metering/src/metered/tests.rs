//! Changes of bodies, as their bound asks for them.

#![allow(clippy::arithmetic_side_effects, clippy::wildcard_enum_match_arm, reason = "a test may panic")]

mod forms;
mod properties;

use std::{ops::Range, sync::Arc};

use serde_json::Value;
use sparekey_policy::{
    Bound, BoundRequest, Limits, ModelSource, Period, PriceTable, RefusedOption, Unbounded, Usd, Zone,
};

use super::*;

const JSON: &[u8] = b"application/json";

fn prices() -> Arc<PriceTable> {
    let table = r#"{"version":"1","date":0,"long_context_above":272000,
        "factors":{"batch":500,"flex":500,"priority":2000,"ultrafast":6000,"regional":1100},
        "tools":{"web_search":10000000000,"file_search":2500000000,"container":30000000000},
        "models":{"gpt-5":{"mode":"chat","max_input":272000,"max_output":128000,
          "rows":{"standard":{"input":1250000,"output":10000000},"priority":{"input":2500000,"output":20000000}}},
          "small":{"mode":"chat","max_input":1000,"max_output":5000,"rows":{"standard":{"input":1,"output":1000}}}}}"#;
    Arc::new(PriceTable::from_json(table).unwrap())
}

fn budget(usd: &str) -> Limits {
    let mut limits = Limits::none(Arc::new(Zone::utc()));
    limits.budgets.set(Period::Month, Usd::parse(usd).unwrap());
    limits
}

#[track_caller]
fn metered(endpoint: Endpoint, body: &str) -> MeteredBody {
    let target = Target { source: ModelSource::Body, path: "/x", query: None };
    read_metered(endpoint, target, [JSON], [], body.as_bytes()).unwrap_or_else(|error| panic!("{error:?}: {body}"))
}

fn bound(body: &MeteredBody, limits: &Limits, is_openai: bool) -> Result<Bound, Unbounded> {
    let model = body.facts.model.as_deref();
    let request =
        BoundRequest { demand: &body.demand, model, limits, prices: &prices(), is_openai, hidden_tokens: None };
    Bound::new(request)
}

fn apply(body: &str, splices: &[Splice]) -> String {
    let (mut edited, mut at) = (Vec::new(), 0);
    for Splice { range: Range { start, end }, text } in splices {
        assert!(at <= *start && start <= end, "sorted, and not overlapping: {splices:?}");
        edited.extend_from_slice(&body.as_bytes()[at..*start]);
        edited.extend_from_slice(text);
        at = *end;
    }
    edited.extend_from_slice(&body.as_bytes()[at..]);
    String::from_utf8(edited).unwrap()
}

/// The body after the edits of the least grant.
#[track_caller]
fn least(endpoint: Endpoint, body: &str) -> (String, BodyEdits) {
    let metered = metered(endpoint, body);
    let bound = bound(&metered, &budget("5"), true).unwrap_or_else(|error| panic!("{error:?}: {body}"));
    let edits = bound.edits(bound.least());
    (apply(body, &metered.splices(&edits)), edits)
}

#[test]
fn edits_of_bodies() {
    use Endpoint::{ChatCompletions, Completions, Responses};
    for (endpoint, body, expected) in [
        (
            ChatCompletions,
            r#"{"model":"gpt-5"}"#,
            r#"{"max_completion_tokens":1024,"service_tier":"default","model":"gpt-5"}"#,
        ),
        (
            ChatCompletions,
            "{ \"model\" : \"gpt-5\"\n}",
            "{\"max_completion_tokens\":1024,\"service_tier\":\"default\", \"model\" : \"gpt-5\"\n}",
        ),
        (
            ChatCompletions,
            r#"{"model":"gpt-5","max_tokens":9,"service_tier":"flex"}"#,
            r#"{"model":"gpt-5","max_tokens":9,"service_tier":"flex"}"#,
        ),
        (
            ChatCompletions,
            r#"{"model":"gpt-5","max_tokens":9000,"max_completion_tokens":8,"service_tier":null}"#,
            r#"{"model":"gpt-5","max_tokens":1024,"max_completion_tokens":8,"service_tier":"default"}"#,
        ),
        (
            ChatCompletions,
            r#"{"model":"gpt-5","max_tokens": null ,"max_completion_tokens":null,"service_tier":"auto"}"#,
            r#"{"model":"gpt-5","max_tokens": null ,"max_completion_tokens":1024,"service_tier":"default"}"#,
        ),
        (
            ChatCompletions,
            r#"{"stream":true,"model":"gpt-5","max_tokens":1,"service_tier":"default"}"#,
            r#"{"stream_options":{"include_usage":true},"stream":true,"model":"gpt-5","max_tokens":1,"service_tier":"default"}"#,
        ),
        (
            ChatCompletions,
            r#"{"stream":true,"stream_options":null,"model":"gpt-5","max_tokens":1,"service_tier":"default"}"#,
            r#"{"stream":true,"stream_options":{"include_usage":true},"model":"gpt-5","max_tokens":1,"service_tier":"default"}"#,
        ),
        (
            ChatCompletions,
            r#"{"stream":true,"stream_options":{ },"model":"gpt-5","max_tokens":1,"service_tier":"default"}"#,
            r#"{"stream":true,"stream_options":{"include_usage":true },"model":"gpt-5","max_tokens":1,"service_tier":"default"}"#,
        ),
        (
            ChatCompletions,
            r#"{"stream":true,"stream_options":{"include_obfuscation":false},"model":"gpt-5","max_tokens":1,"service_tier":"default"}"#,
            r#"{"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"model":"gpt-5","max_tokens":1,"service_tier":"default"}"#,
        ),
        (
            ChatCompletions,
            r#"{"stream":true,"stream_options":{"include_usage":false},"model":"gpt-5","max_tokens":1,"service_tier":"default"}"#,
            r#"{"stream":true,"stream_options":{"include_usage":true},"model":"gpt-5","max_tokens":1,"service_tier":"default"}"#,
        ),
        (Completions, r#"{"model":"gpt-5","prompt":"a"}"#, r#"{"max_tokens":16,"model":"gpt-5","prompt":"a"}"#),
        (Completions, r#"{"max_tokens":null,"model":"gpt-5"}"#, r#"{"max_tokens":16,"model":"gpt-5"}"#),
        (Completions, r#"{"max_tokens":2000,"model":"gpt-5"}"#, r#"{"max_tokens":1024,"model":"gpt-5"}"#),
        (
            Responses,
            r#"{"model":"gpt-5","stream":true,"service_tier":"default"}"#,
            r#"{"max_output_tokens":1024,"model":"gpt-5","stream":true,"service_tier":"default"}"#,
        ),
    ] {
        assert_eq!(least(endpoint, body).0, expected, "{body}");
    }
}

#[test]
fn cap_of_another_service() {
    let cap = |path: &str, body: &str| {
        let target = Target { source: ModelSource::Body, path, query: None };
        let metered = read_metered(Endpoint::ChatCompletions, target, [JSON], [], body.as_bytes()).unwrap();
        let bound = bound(&metered, &budget("5"), false).unwrap();
        apply(body, &metered.splices(&bound.edits(bound.least())))
    };
    for (path, body, expected) in [
        ("/chat/completions", r#"{"model":"gpt-5"}"#, r#"{"max_tokens":1024,"model":"gpt-5"}"#),
        (
            "/chat/completions",
            r#"{"model":"gpt-5","max_completion_tokens":null}"#,
            r#"{"max_tokens":1024,"model":"gpt-5","max_completion_tokens":null}"#,
        ),
        (
            "/chat/completions",
            r#"{"model":"gpt-5","max_completion_tokens":2000}"#,
            r#"{"model":"gpt-5","max_completion_tokens":1024}"#,
        ),
        ("/chat/completions", r#"{"model":"gpt-5","max_tokens":2000}"#, r#"{"model":"gpt-5","max_tokens":1024}"#),
        (
            "/deployments/x/chat/completions",
            r#"{"model":"gpt-5"}"#,
            r#"{"max_completion_tokens":1024,"model":"gpt-5"}"#,
        ),
        (
            "/openai/deployments/x/chat/completions",
            r#"{"model":"gpt-5"}"#,
            r#"{"max_completion_tokens":1024,"model":"gpt-5"}"#,
        ),
    ] {
        assert_eq!(cap(path, body), expected, "{path} {body}");
    }
}

#[test]
fn removed_tools() {
    let (function, search, picture) =
        (r#"{"type":"function","name":"f"}"#, r#"{"type":"web_search"}"#, r#"{"type":"image_generation"}"#);
    let body = |tools: &str| {
        format!(r#"{{"model":"gpt-5","max_output_tokens":16,"service_tier":"default","tools":[ {tools} ]}}"#)
    };
    for (tools, expected) in [
        (format!("{function}, {search} ,{picture}"), function.to_owned()),
        (format!("{search} , {function},{picture}"), function.to_owned()),
        (format!("{search},{picture}, {function}"), function.to_owned()),
        (format!("{function} , {search},\n{function}"), format!("{function},\n{function}")),
        (format!("{search},{function},{picture},{function}"), format!("{function},{function}")),
        (format!("{search} , {picture}"), String::new()),
        (search.to_owned(), String::new()),
        (function.to_owned(), function.to_owned()),
    ] {
        assert_eq!(least(Endpoint::Responses, &body(&tools)).0, body(&expected), "{tools}");
    }
}

/// Requests as the coding agents send them, shortened.
#[test]
fn coding_agents_work_with_a_budget() {
    let tools = r#"{"type":"function","name":"shell","strict":false,"parameters":{"type":"object","properties":{}}},{"type":"namespace","name":"agents","tools":[{"type":"function","name":"a"}]}"#;
    let history = r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]},{"type":"reasoning","id":"rs_1","summary":[],"content":null,"encrypted_content":"gAAA"},{"type":"function_call","id":"fc_1","call_id":"c","name":"shell","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"ok"}"#;
    let codex = format!(
        r#"{{"model":"gpt-5","instructions":"You are a coding agent","input":[{history}],"tools":[{tools},{{"type":"web_search","external_web_access":false}}],"tool_choice":"auto","parallel_tool_calls":true,"reasoning":{{"effort":"medium","summary":"auto"}},"store":false,"stream":true,"include":["reasoning.encrypted_content"],"prompt_cache_key":"1","client_metadata":{{"x-codex-installation-id":"1"}}}}"#
    );
    let cline = format!(
        r#"{{"model":"gpt-5","input":[{history}],"stream":true,"truncation":"auto","tools":[{{"type":"image_generation"}},{{"type":"web_search"}},{tools}]}}"#
    );
    let opencode = format!(
        r#"{{"model":"gpt-5","input":[{{"role":"developer","content":"You are opencode"}},{history}],"store":false,"prompt_cache_key":"ses_1","include":["reasoning.encrypted_content"],"tools":[{tools}],"stream":true}}"#
    );
    for (body, removed) in
        [(&codex, &["web_search"][..]), (&cline, &["image_generation", "web_search"]), (&opencode, &[])]
    {
        let (edited, edits) = least(Endpoint::Responses, body);
        assert_eq!(edits.removed_tools().iter().map(|name| &**name).collect::<Vec<_>>(), removed, "{body}");
        assert_eq!(edits.clamped(), Some(1_024));
        let edited: Value = serde_json::from_str(&edited).unwrap();
        let names = edited["tools"].as_array().unwrap().iter().map(|tool| tool["type"].as_str().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ["function", "namespace"]);
        // Input of bytes, not of a whole context: a cent.
        let metered = metered(Endpoint::Responses, body);
        assert!(bound(&metered, &budget("5"), true).unwrap().floor() < Usd::parse("0.05").unwrap());
    }
    let compatible = r#"{"model":"gpt-5","max_tokens":32000,"messages":[{"role":"system","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"ok"}],"tools":[{"type":"function","function":{"name":"f","strict":null}}],"tool_choice":"auto","stream":true,"stream_options":{"include_usage":true}}"#;
    let body = metered(Endpoint::ChatCompletions, compatible);
    let bound = bound(&body, &budget("5"), false).unwrap();
    assert!(bound.edits(bound.want()).is_empty());
    assert!(body.splices(&bound.edits(bound.want())).is_empty());
}

#[test]
fn another_model_is_refused() {
    let refused = |endpoint, body: &str, path: &str| {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let target = Target { source: ModelSource::Body, path, query };
        let metered = read_metered(endpoint, target, [JSON], [], body.as_bytes()).unwrap();
        metered.demand.extras().refused.as_ref().map(|RefusedOption { param, .. }| param.clone().into_owned())
    };
    for (body, path, expected) in [
        (r#"{"model":"a","models":["b"]}"#, "/x", Some("models[0]")),
        (r#"{"model":"a","models":["a"],"fallbacks":["a",{"model":"b"}]}"#, "/x", Some("fallbacks[1].model")),
        (r#"{"model":"a","models":["a"]}"#, "/x?model=a", None),
        (r#"{"model":"a"}"#, "/x?model=b", Some("model")),
        (r#"{"model":"a","tools":[{"type":"image_generation","model":"b"}]}"#, "/x", None),
        (r#"{"models":["a"]}"#, "/x", Some("models[0]")),
    ] {
        assert_eq!(refused(Endpoint::Responses, body, path).as_deref(), expected, "{body}");
    }
}
