#![allow(clippy::arithmetic_side_effects, clippy::wildcard_enum_match_arm, reason = "a test may panic")]

use std::{ops::Range, sync::Arc};

use proptest::prelude::*;
use serde_json::{Value, json};
use sparekey_policy::{
    AudioFile, Bound, BoundRequest, Limits, ModelSource, Period, PriceTable, RefusedOption, Stream, Unbounded, Usd,
    Zone,
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

/// The beginning of an audio file's part, from its name on.
const AUDIO: &str = "file\"; filename=\"a.mp3";

/// Reads a form of such parts. Returns its length too.
fn read_form(endpoint: Endpoint, parts: &[(&str, &str)]) -> Result<(MeteredBody, usize), BodyFailure> {
    let part = |(header, content): &(&str, &str)| {
        format!("--b\r\ncontent-disposition: form-data; name=\"{header}\"\r\n\r\n{content}\r\n")
    };
    let body = parts.iter().map(part).collect::<String>() + "--b--\r\n";
    let target = Target { source: ModelSource::Multipart, path: "/x", query: None };
    let form = &b"multipart/form-data; boundary=b"[..];
    read_metered(endpoint, target, [form], [], body.as_bytes()).map(|read| (read, body.len()))
}

#[test]
fn forms() {
    use Endpoint::{ChatCompletions, ImageEdits, Transcriptions, Translations};
    let (read, file) = (read_form, AUDIO);
    let ok = |endpoint, parts: &[(&str, &str)]| read(endpoint, parts).unwrap().0;
    let refused = |endpoint, parts: &[(&str, &str)]| {
        ok(endpoint, parts).demand.extras().refused.as_ref().map(|refused| refused.param.clone().into_owned())
    };

    let (whisper, length) =
        read(Transcriptions, &[("model", "whisper-1"), (file, &"x".repeat(500)), ("stream", "true")]).unwrap();
    assert_eq!(whisper.facts.model.as_deref(), Some("whisper-1"));
    assert_eq!(whisper.demand.text_bytes, u64::try_from(length - 500).unwrap());
    assert_eq!(whisper.demand.extras().audio_file, Some(AudioFile::Unknown));
    assert_eq!((whisper.demand.stream, &whisper.demand.extras().refused), (Stream::Yes, &None));

    let edit = ok(
        ImageEdits,
        &[
            ("model", "gpt-image-1"),
            ("image[]\"; filename=\"a.png", "x"),
            ("image[]\"; filename=\"b.png", "x"),
            ("mask\"; filename=\"c.png", "x"),
            ("n", "3"),
            ("size", "1024x1024"),
            ("quality", "low"),
            ("partial_images", "1"),
        ],
    );
    let extras = edit.demand.extras();
    assert_eq!((edit.demand.choices, extras.pictures.count, extras.partial_pictures), (3, 3, 1));
    assert_eq!((extras.picture_size.as_deref(), extras.picture_quality.as_deref()), (Some("1024x1024"), Some("low")));

    for (endpoint, part, expected) in [
        (Transcriptions, ("response_format", "srt"), Some("response_format")),
        (Transcriptions, ("response_format", "vtt"), Some("response_format")),
        (Transcriptions, ("response_format", "text"), Some("response_format")),
        (Transcriptions, ("response_format", "verbose_json"), None),
        (Transcriptions, ("response_format", "TEXT"), Some("response_format")),
        (Transcriptions, ("response_format", "json"), None),
        (Transcriptions, ("response_format", "diarized_json"), None),
        (Translations, ("response_format", "text"), Some("response_format")),
        (Translations, ("response_format", "json"), Some("response_format")),
        (Translations, ("prompt", "json"), Some("response_format")),
        (Translations, ("response_format", "verbose_json"), None),
        (ImageEdits, ("response_format", "b64_json"), None),
        (Transcriptions, ("url", "https://a"), Some("url")),
        (Transcriptions, ("file[url]", "https://a"), Some("file")),
        (ImageEdits, ("output_format", "gif"), Some("output_format")),
        (ImageEdits, ("svg[reasoning]", "high"), Some("svg")),
        (ImageEdits, ("frame_count", "9"), Some("frame_count")),
    ] {
        assert_eq!(refused(endpoint, &[part, (file, "x")]).as_deref(), expected, "{endpoint:?} {part:?}");
    }
    assert_eq!(refused(Transcriptions, &[("model", "whisper-1")]).as_deref(), Some("file"));
    assert_eq!(refused(Transcriptions, &[("file", "https://a")]).as_deref(), Some("file"));

    let param = |parts: &[(&str, &str)]| match read(ImageEdits, parts) {
        Err(BodyFailure::Invalid { param, .. }) => param,
        other => panic!("{other:?}"),
    };
    for parts in [
        &[("n", "1"), ("n", "9")][..],
        &[("N", "9")],
        &[("n[]", "9")],
        &[("n", "0")],
        &[("n", "11")],
        &[("n", "100000000000000000000")],
        &[("n", "-1")],
        &[("n", "")],
        &[("n\"; filename=\"n", "1")],
    ] {
        assert_eq!(param(parts).as_deref(), Some("n"), "{parts:?}");
    }
    assert_eq!(param(&[("stream", "yes")]).as_deref(), Some("stream"));
    assert_eq!(param(&[("partial_images", "4")]).as_deref(), Some("partial_images"));
    let param = |parts: &[(&str, &str)]| match read(Transcriptions, parts) {
        Err(BodyFailure::Invalid { param, .. }) => param,
        other => panic!("{other:?}"),
    };
    for parts in [
        &[(file, "x"), (file, "x")][..],
        &[("file", "x"), (file, "x")],
        &[("File\"; filename=\"a", "x")],
        &[("file[]", "x")],
    ] {
        assert_eq!(param(parts).as_deref(), Some("file"), "{parts:?}");
    }
    assert!(read(ChatCompletions, &[("model", "gpt-5")]).is_err(), "no endpoint of forms");
}

#[test]
fn files_of_forms() {
    use Endpoint::{ImageEdits, Transcriptions, Translations};
    // Files are no text where the endpoint reads them.
    for (endpoint, part, is_read) in [
        (ImageEdits, "image", true),
        (ImageEdits, "image[]", true),
        (ImageEdits, "mask", true),
        (ImageEdits, "images[]", false),
        (ImageEdits, "image[0]", false),
        (ImageEdits, "file", false),
        (ImageEdits, "prompt", false),
        (Transcriptions, "file", true),
        (Transcriptions, "image", false),
        (Transcriptions, "prompt", false),
    ] {
        let header = format!("{part}\"; filename=\"a");
        let (read, length) = read_form(endpoint, &[(&header, &"x".repeat(500))]).unwrap();
        let text = u64::try_from(length).unwrap() - if is_read { 500 } else { 0 };
        assert_eq!(read.demand.text_bytes, text, "{endpoint:?} {part}");
    }

    let mp3 = format!("ID3\u{4}{}", "\0".repeat(6));
    assert_eq!(
        read_form(Transcriptions, &[(AUDIO, &mp3)]).unwrap().0.demand.extras().audio_file,
        Some(AudioFile::Unknown)
    );
    let wav =
        "RIFF\0\0\0\0WAVEfmt \u{10}\0\0\0\u{1}\0\u{1}\0\u{10}\0\0\0\u{10}\0\0\0\u{1}\0\u{8}\0data\0\0\0\0\0\0\0\0";
    assert_eq!(
        read_form(Translations, &[(AUDIO, wav)]).unwrap().0.demand.extras().audio_file,
        Some(AudioFile::AtMost(250))
    );
}

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
        let bound = super::tests::bound(&again, &limits, is_openai).unwrap();
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
