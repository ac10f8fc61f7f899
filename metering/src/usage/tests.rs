//! Usage of all shapes, under every split.

#![allow(clippy::arithmetic_side_effects, clippy::string_slice, reason = "a test may panic")]

mod filter;
mod samples;

use proptest::prelude::*;
use sparekey_policy::{Tokens, Usage, Usd};

use self::samples::{SAMPLES, Sample};
use super::*;

/// Bytes of a scanner, but for what a text is long enough to fill: names and a token.
const SIZE_MAX: usize = 2 << 10;

fn scan(form: ResponseForm, pieces: &[&[u8]]) -> (Option<ResponseUsage>, Option<StreamEnd>) {
    let mut scanner = UsageScanner::new(form);
    for piece in pieces {
        scanner.push(piece);
    }
    let end = scanner.end();
    (scanner.finish(), end)
}

#[track_caller]
fn json(body: &str) -> Option<ResponseUsage> {
    let whole = scan(ResponseForm::Json, &[body.as_bytes()]).0;
    let bytes: Vec<_> = body.as_bytes().chunks(1).collect();
    assert_eq!(scan(ResponseForm::Json, &bytes).0, whole, "byte by byte: {body}");
    whole
}

fn stream(body: &str) -> Option<ResponseUsage> {
    let whole = scan(ResponseForm::EventStream, &[body.as_bytes()]).0;
    let bytes: Vec<_> = body.as_bytes().chunks(1).collect();
    assert_eq!(scan(ResponseForm::EventStream, &bytes).0, whole, "byte by byte: {body}");
    whole
}

/// The figures of a usage in one line.
fn shown(usage: Option<&ResponseUsage>) -> String {
    let Some(usage) = usage else { return "none".to_owned() };
    let Usage { tokens, tools, audio_milliseconds, .. } = usage.usage;
    let Tokens { input, cached, cache_write, cache_write_12h, output, reasoning, .. } = tokens;
    let audio = [tokens.input_audio, tokens.cached_audio, tokens.output_audio];
    let images = [tokens.input_image, tokens.cached_image, tokens.output_image];
    let calls = [tools.web_search, tools.file_search, tools.containers];
    let parts = [
        Some(format!("{input} {cached} {cache_write} {cache_write_12h} {output} {reasoning}")),
        (audio != [0; 3]).then(|| format!("audio {audio:?}")),
        (images != [0; 3]).then(|| format!("images {images:?}")),
        (calls != [0; 3]).then(|| format!("tools {calls:?}")),
        (audio_milliseconds > 0).then(|| format!("{audio_milliseconds} ms")),
        usage.picture_tool.as_ref().map(|tool| {
            let total = tool.tokens.map(|tokens| tokens.total());
            format!("pictures {total:?} {}", tool.model.as_deref().unwrap_or("?"))
        }),
        usage.svg.as_ref().map(|svg| format!("svg {} {}", svg.tokens.total(), svg.model.as_deref().unwrap_or("?"))),
        usage.reported_cost.map(|cost| format!("${cost}")),
    ];
    let ResponseIdentity { id, model, service_tier } = &usage.identity;
    let names = [id, model, service_tier].map(|name| name.as_deref().unwrap_or("-")).join(" ");
    format!("{} | {names}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

#[test]
fn samples() {
    for Sample { name, form, body, usage, end } in SAMPLES {
        let (found, found_end) = scan(form, &[body.as_bytes()]);
        assert_eq!(shown(found.as_ref()), usage, "{name}");
        assert_eq!(found_end, end, "{name}");
    }
}

#[test]
fn every_cut() {
    for Sample { name, form, body, .. } in SAMPLES {
        let body = body.as_bytes();
        let whole = scan(form, &[body]);
        for at in 0..=body.len() {
            let (first, second) = body.split_at(at);
            assert_eq!(scan(form, &[first, second]), whole, "{name} at {at}");
        }
        let bytes: Vec<_> = body.chunks(1).collect();
        assert_eq!(scan(form, &bytes), whole, "{name}, byte by byte");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn random_cuts(index in 0..SAMPLES.len(), mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let Sample { form, body, .. } = SAMPLES[index];
        let body = body.as_bytes();
        let mut cuts: Vec<_> = cuts.drain(..).map(|cut| cut.index(body.len() + 1)).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &body[cut[0]..cut[1]]).collect();
        prop_assert_eq!(scan(form, &pieces), scan(form, &[body]));
    }
}

/// A body that breaks off has the usage of the whole one, or none.
#[test]
fn truncated() {
    for Sample { name, form, body, .. } in SAMPLES {
        let whole = scan(form, &[body.as_bytes()]).0.map(|usage| usage.usage);
        for end in 0..body.trim_end().len() {
            let mut scanner = UsageScanner::new(form);
            scanner.push(&body.as_bytes()[..end]);
            if let Some(found) = scanner.finish_early() {
                assert_eq!(form, ResponseForm::EventStream, "{name} up to {end}");
                assert_eq!(Some(found.usage), whole, "{name} up to {end}");
                assert!(!body[end..].contains("\"usage\":{"), "{name} up to {end}");
            }
        }
    }
}

#[test]
fn doubtful_figures_are_no_usage() {
    for usage in [
        "{}",
        "[]",
        "5",
        "\"5\"",
        "true",
        "null",
        r#"{"prompt_tokens":null}"#,
        r#"{"prompt_tokens":-1,"completion_tokens":1}"#,
        r#"{"prompt_tokens":1.5,"completion_tokens":1}"#,
        r#"{"prompt_tokens":"1","completion_tokens":1}"#,
        r#"{"prompt_tokens":true,"completion_tokens":1}"#,
        r#"{"prompt_tokens":[1],"completion_tokens":1}"#,
        r#"{"prompt_tokens":{},"completion_tokens":1}"#,
        r#"{"prompt_tokens":1000000001,"completion_tokens":1}"#,
        r#"{"prompt_tokens":1e99,"completion_tokens":1}"#,
        r#"{"prompt_tokens":1,"completion_tokens":1,"prompt_tokens":1}"#,
        r#"{"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":5}"#,
        r#"{"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":[]}"#,
        r#"{"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":-1}}"#,
        r#"{"prompt_tokens":1,"completion_tokens":1,"completion_tokens_details":{"reasoning_tokens":0.1}}"#,
        r#"{"prompt_tokens":1,"completion_tokens":1},"usage":{"prompt_tokens":1,"completion_tokens":1}"#,
        r#"{"prompt_tok\u0065ns":1}"#,
        r#"{"type":"duration","seconds":-1}"#,
    ] {
        assert_eq!(json(&format!(r#"{{"model":"m","usage":{usage}}}"#)), None, "{usage}");
        let events = format!("data: {{\"model\":\"m\",\"choices\":[],\"usage\":{usage}}}\n\ndata: [DONE]\n\n");
        assert_eq!(stream(&events), None, "{usage}");
    }
    let zero = json(r#"{"usage":{"prompt_tokens":0,"completion_tokens":0}}"#).unwrap();
    assert_eq!(zero.usage, Usage::default(), "zero is a figure");
    let whole = json(r#"{"usage":{"prompt_tokens":1e3,"completion_tokens":2.0,"total_tokens":null}}"#).unwrap();
    assert_eq!((whole.usage.tokens.input, whole.usage.tokens.output), (1_000, 2));
}

#[test]
fn malformed_json_is_no_usage() {
    let usage = r#""usage":{"prompt_tokens":1,"completion_tokens":2}"#;
    for (before, after) in [
        ("", ""),
        ("[{", "}]"),
        ("{", ""),
        ("{", "}}"),
        ("{", "} x"),
        ("{", ",}"),
        ("{,", "}"),
        ("{", "]"),
        ("{\"a\":01,", "}"),
        ("{\"a\":1.,", "}"),
        ("{\"a\":-,", "}"),
        ("{\"a\":1e,", "}"),
        ("{\"a\":nul,", "}"),
        ("{\"a\":nulll,", "}"),
        ("{\"a\":\"\\x\",", "}"),
        ("{\"a\":\"\\u00g0\",", "}"),
        ("{\"a\":\"\\u00e\",", "}"),
        ("{\"a\":-01,", "}"),
        ("{\"a\":[1},", "}"),
        ("{\"a\":{],", "}"),
        ("{\"a\":\"\n\",", "}"),
        ("{\"a\":[1,],", "}"),
        ("{\"a\":[1 2],", "}"),
        ("{\"a\" 1,", "}"),
        ("{a:1,", "}"),
        ("{\"a\":'b',", "}"),
        ("\u{feff}{", "}"),
    ] {
        let body = format!("{before}{usage}{after}");
        assert_eq!(json(&body), None, "{body}");
    }
    let deep = |depth| format!("{{\"a\":{}{},{usage}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(json(&deep(126)).is_some());
    assert_eq!(json(&deep(127)), None);
    let valid = format!(
        "\n {{ \"a\" : [ -0.5e+3 , true , false , null , \"\\u00e9\\\"\\\\\" , {{ }} , [ ] ] , {usage} }}\r\n\t"
    );
    assert!(json(&valid).is_some(), "{valid}");
}

#[test]
fn usage_of_others_is_ignored() {
    let fake = r#"{"prompt_tokens":999,"completion_tokens":999,"input_tokens":999,"output_tokens":999}"#;
    let real = r#""usage":{"input_tokens":1,"output_tokens":2}"#;
    for member in [
        format!(r#""metadata":{{"usage":{fake}}}"#),
        format!(
            r#""tools":[{{"type":"function","parameters":{{"usage":{fake},"properties":{{"usage":{fake}}}}},"usage":{fake}}}]"#
        ),
        format!(r#""text":{{"format":{{"schema":{{"usage":{fake}}}}}}}"#),
        format!(r#""output":[{{"usage":{fake},"content":[{{"usage":{fake}}}]}}]"#),
        format!(r#""choices":[{{"usage":{fake},"logprobs":{{"usage":{fake}}}}}]"#),
        format!(r#""output_text":"\"usage\":{}""#, fake.replace('"', "\\\"")),
        format!(r#""Usage":{fake}"#),
        format!(r#""usage ":{fake}"#),
        format!(r#""a\"usage":{fake}"#),
        format!(r#""response":{{"usage":{fake}}},"message":{{"usage":{fake}}}"#),
        format!(r#""prompt":["usage",{fake},{{"usage":{fake}}}]"#),
        format!(r#""error":{{"usage":{fake}}}"#),
    ] {
        for body in [format!("{{{member},{real}}}"), format!("{{{real},{member}}}")] {
            let usage = json(&body).unwrap_or_else(|| panic!("{body}"));
            assert_eq!(usage.usage, Usage::from(Tokens { input: 1, output: 2, ..Tokens::default() }), "{body}");
            let events =
                format!("event: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{body}}}\n\n");
            let usage = stream(&events).unwrap_or_else(|| panic!("{events}"));
            assert_eq!(usage.usage, Usage::from(Tokens { input: 1, output: 2, ..Tokens::default() }), "{events}");
        }
        assert_eq!(json(&format!("{{{member}}}")), None, "{member}");
        if !member.contains("response") {
            assert_eq!(stream(&format!("data: {{{member}}}\n\ndata: [DONE]\n\n")), None, "{member}");
        }
    }
}

/// The same events in other spellings that the specification allows.
#[test]
fn event_spellings() {
    let chunk = r#"{"id":"c","model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    let halves = chunk.replace(",\"choices\"", "\ndata: ,\"choices\"");
    for body in [
        format!("data: {chunk}\n\ndata: [DONE]\n\n"),
        format!("data:{chunk}\n\ndata:[DONE]\n\n"),
        format!("data: {chunk}\r\n\r\ndata: [DONE]\r\n\r\n"),
        format!(": comment\n\nid: 1\nevent: x\nretry: 5\ndata: {chunk}\n\ndata: [DONE] \n\n"),
        format!("data\ndata: {halves}\n\ndata: [DONE]\n\n"),
        format!("\n\n\ndata: {chunk}\n\n\n\ndata:   [DONE]\r\n\n"),
        format!("data: {}\n\ndata: [DONE]\n\n", chunk.replace("\"usage\":", "\"usage\" : ")),
    ] {
        let (found, end) = scan(ResponseForm::EventStream, &[body.as_bytes()]);
        assert_eq!(shown(found.as_ref()), "1 0 0 0 2 0 | c m -", "{body}");
        assert_eq!(end, Some(StreamEnd::Done), "{body}");
        stream(&body);
    }
    for body in [
        // Without the empty line, the event is not complete.
        format!("data: {chunk}\n"),
        format!("data: {chunk}"),
        format!("date: {chunk}\n\n"),
        format!(" data: {chunk}\n\n"),
        format!("data: {chunk}x\n\ndata: [DONE]\n\n"),
        format!("data: {}\n\ndata: [DONE]\n\n", &chunk[..chunk.len() - 1]),
        format!("data: [DONE]\n\ndata: [{chunk}]\n\n"),
    ] {
        assert_eq!(stream(&body), None, "{body}");
    }
    for body in
        ["data: [DONE\n\n", "data: [DONE]]\n\n", "data: [\ndata: DONE]\n\n", "data: x[DONE]\n\n", "data: [DONE]\n"]
    {
        assert_eq!(scan(ResponseForm::EventStream, &[body.as_bytes()]).1, None, "{body}");
    }
}

#[test]
fn names_of_events() {
    let completed = |spaces| format!("response.completed{}", " ".repeat(spaces));
    for (name, end) in [
        (completed(0), Some(StreamEnd::Completed)),
        (completed(14), Some(StreamEnd::Completed)),
        (completed(15), None),
        (completed(20) + "x", None),
        ("response.complete".to_owned(), None),
        ("response.incomplete".to_owned(), Some(StreamEnd::Incomplete)),
        (" response.failed".to_owned(), Some(StreamEnd::Failed)),
    ] {
        let body = format!("event:{name}\ndata: {{}}\n\n");
        let bytes: Vec<_> = body.as_bytes().chunks(1).collect();
        for pieces in [&[body.as_bytes()][..], &bytes] {
            assert_eq!(scan(ResponseForm::EventStream, pieces).1, end, "{name:?}");
        }
    }
    assert_eq!(scan(ResponseForm::EventStream, &[b"event: response.failed\n\n"]).1, None, "no data");
}

#[test]
fn names_are_bounded() {
    let body = |model: &str| format!(r#"{{"model":"{model}","id":"i","usage":{{"total_tokens":5}}}}"#);
    for (model, expected) in [
        ("a".repeat(512), Some("a".repeat(512))),
        ("a".repeat(513), None),
        ("a".repeat(5_000), None),
        (r"org\/model".to_owned(), Some("org/model".to_owned())),
        (r"a\u0061".to_owned(), None),
        ("é".to_owned(), None),
    ] {
        let usage = json(&body(&model)).unwrap();
        assert_eq!(usage.identity.model.as_deref(), expected.as_deref(), "{model}");
        assert_eq!(usage.usage.tokens.input, 5);
    }
    assert!(size_of::<(Lexer, Reader)>() <= SIZE_MAX, "{}", size_of::<(Lexer, Reader)>());
    assert!(size_of::<EventStream>() <= SIZE_MAX, "{}", size_of::<EventStream>());
}

#[test]
fn forms() {
    for (content_type, form) in [
        ("application/json", Some(ResponseForm::Json)),
        ("Application/JSON; charset=utf-8", Some(ResponseForm::Json)),
        ("text/event-stream;charset=utf-8", Some(ResponseForm::EventStream)),
        ("text/plain", None),
        ("audio/mpeg", None),
        ("", None),
    ] {
        assert_eq!(ResponseForm::from_content_type(content_type.as_bytes()), form, "{content_type}");
    }
}

fn prices() -> sparekey_policy::PriceTable {
    let rows = r#""standard":{"input":2,"cached":1,"output":10},"flex":{"input":1,"output":5}"#;
    let model = |mode| format!(r#"{{"mode":"{mode}","rows":{{{rows}}}}}"#);
    let table = format!(
        r#"{{"version":"1","date":0,"long_context_above":1000000,
            "factors":{{"batch":500,"flex":500,"priority":2000,"ultrafast":6000,"regional":1100}},
            "tools":{{"web_search":1000,"file_search":100,"container":10}},
            "models":{{"m":{},"other-service":{},"pictures":{}}}}}"#,
        model("chat").replace("{\"mode", "{\"shipped\":true,\"mode"),
        model("chat"),
        model("image_generation"),
    );
    sparekey_policy::PriceTable::from_json(&table).unwrap()
}

#[test]
fn costs() {
    use sparekey_policy::Tier;
    let cost =
        |body: &str, model: Option<&str>, tier| json(body).unwrap().cost(&prices(), model, tier).map(Usd::as_pico);
    let usage = r#""usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":3}"#;
    for (body, model, tier, expected) in [
        (format!(r#"{{"model":"m",{usage}}}"#), None, Tier::Standard, Some(46)),
        (format!("{{{usage}}}"), Some("m"), Tier::Standard, Some(46)),
        (format!("{{{usage}}}"), None, Tier::Standard, None),
        (format!(r#"{{"model":"x",{usage}}}"#), Some("m"), Tier::Standard, None),
        // The tier of the response counts.
        (format!(r#"{{"model":"m","service_tier":"flex",{usage}}}"#), None, Tier::Standard, Some(25)),
        (format!(r#"{{"model":"m","service_tier":"default",{usage}}}"#), None, Tier::Flex, Some(46)),
        (format!(r#"{{"model":"m",{usage}}}"#), None, Tier::Flex, Some(25)),
        (format!(r#"{{"model":"m","service_tier":"new",{usage}}}"#), None, Tier::Standard, None),
        (format!(r#"{{"model":"other-service","service_tier":"on_demand",{usage}}}"#), None, Tier::Standard, Some(46)),
        (format!(r#"{{"model":"other-service","service_tier":"flex",{usage}}}"#), None, Tier::Standard, Some(25)),
        (format!(r#"{{"model":"m-0709",{usage}}}"#), Some("m"), Tier::Standard, Some(46)),
        (format!(r#"{{"model":"m-large",{usage}}}"#), Some("m"), Tier::Standard, None),
        (
            format!(r#"{{"model":"m","tool_usage":{{"web_search":{{"num_requests":2}}}},{usage}}}"#),
            None,
            Tier::Standard,
            Some(2_046),
        ),
        // Pictures of a tool.
        (
            format!(
                r#"{{"model":"m","tools":[{{"type":"image_generation","model":"pictures"}}],"tool_usage":{{"image_gen":{{"input_tokens":1,"output_tokens":1}}}},{usage}}}"#
            ),
            None,
            Tier::Standard,
            Some(58),
        ),
        (
            format!(r#"{{"model":"m","output":[{{"type":"image_generation_call"}}],{usage}}}"#),
            None,
            Tier::Standard,
            None,
        ),
        (
            format!(r#"{{"model":"m","svg_usage":{{"model":"m","input_tokens":1,"output_tokens":0}},{usage}}}"#),
            None,
            Tier::Standard,
            Some(48),
        ),
        (format!(r#"{{"model":"m","svg_usage":{{"input_tokens":1}},{usage}}}"#), None, Tier::Standard, None),
    ] {
        assert_eq!(cost(&body, model, tier), expected, "{body}");
    }
}
