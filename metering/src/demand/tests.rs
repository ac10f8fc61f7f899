//! Bodies in JSON, field by field.

#![allow(clippy::arithmetic_side_effects, reason = "a test may panic")]

mod input;
mod refused;
mod tools;

use sparekey_policy::{CacheTime, HostedKind, Pictures, ServiceTier, Tier, ToolChoice};

use super::*;
use crate::error::BodyError;

#[track_caller]
fn demand(endpoint: Endpoint, body: &str) -> sparekey_policy::Demand {
    read(endpoint, body.as_bytes()).unwrap_or_else(|error| panic!("{error:?}: {body}")).demand
}

fn chat(body: &str) -> sparekey_policy::Demand {
    demand(Endpoint::ChatCompletions, body)
}

fn responses(body: &str) -> sparekey_policy::Demand {
    demand(Endpoint::Responses, body)
}

/// What is refused.
fn refused(endpoint: Endpoint, body: &str) -> Option<String> {
    demand(endpoint, body).extras().refused.as_ref().map(|refused| refused.param.clone().into_owned())
}

fn hidden(body: &str) -> Option<String> {
    responses(body).extras().hidden_input.as_ref().map(|param| param.clone().into_owned())
}

#[test]
fn caps_on_the_output() {
    use Endpoint::{ChatCompletions, Completions, Responses};
    for (endpoint, body, expected) in [
        (ChatCompletions, "{}", None),
        (ChatCompletions, r#"{"max_tokens":1,"max_completion_tokens":4000}"#, Some(4_000)),
        (ChatCompletions, r#"{"max_completion_tokens":1,"max_tokens":4000}"#, Some(4_000)),
        (ChatCompletions, r#"{"max_tokens":null,"max_completion_tokens":0}"#, Some(0)),
        (ChatCompletions, r#"{"max_output_tokens":5}"#, None),
        (ChatCompletions, r#"{"max_tokens":99999999999999999999999999}"#, Some(u64::MAX)),
        (Completions, r#"{"max_tokens":7,"max_completion_tokens":9}"#, Some(7)),
        (Responses, r#"{"max_output_tokens":16,"max_tokens":1}"#, Some(16)),
        (Responses, r#"{"max_tokens":1}"#, None),
    ] {
        assert_eq!(demand(endpoint, body).output_cap, expected, "{endpoint:?} {body}");
    }
}

#[test]
fn values_of_another_type() {
    let whole = "a whole number that is not negative";
    for (body, param, expected) in [
        (r#"{"max_tokens":-1}"#, "max_tokens", whole),
        (r#"{"max_completion_tokens":1.5}"#, "max_completion_tokens", whole),
        (r#"{"max_completion_tokens":1e3}"#, "max_completion_tokens", whole),
        (r#"{"max_output_tokens":"100"}"#, "max_output_tokens", whole),
        (r#"{"max_output_tokens":true}"#, "max_output_tokens", whole),
        (r#"{"max_tool_calls":-0}"#, "max_tool_calls", whole),
        (r#"{"n":0}"#, "n", "a whole number from 1 to 128"),
        (r#"{"n":129}"#, "n", "a whole number from 1 to 128"),
        (r#"{"n":100000000000000000000}"#, "n", "a whole number from 1 to 128"),
        (r#"{"n":"2"}"#, "n", whole),
        (r#"{"best_of":0}"#, "best_of", "a whole number from 1 to 20"),
        (r#"{"best_of":21}"#, "best_of", "a whole number from 1 to 20"),
        (r#"{"stream":"true"}"#, "stream", "true or false"),
        (r#"{"stream":1}"#, "stream", "true or false"),
        (r#"{"stream_options":true}"#, "stream_options", "an object"),
        (r#"{"stream_options":{"include_usage":1}}"#, "stream_options.include_usage", "true or false"),
        (r#"{"service_tier":1}"#, "service_tier", "a string"),
        (r#"{"messages":{}}"#, "messages", "an array"),
        (r#"{"messages":[1]}"#, "messages[0]", "an object"),
        (r#"{"messages":[{"content":[{"image_url":1}]}]}"#, "messages[0].content[0].image_url", "a string"),
        (r#"{"modalities":"audio"}"#, "modalities", "an array"),
        (r#"{"background":"yes"}"#, "background", "true or false"),
        (r#"{"tools":{}}"#, "tools", "an array"),
        (r#"{"previous_response_id":{}}"#, "previous_response_id", "a string"),
    ] {
        let error = read(Endpoint::ChatCompletions, body.as_bytes()).err();
        assert_eq!(error, Some(BodyError::Type { param: param.into(), expected }), "{body}");
    }
}

#[test]
fn numbers_of_outputs() {
    use Endpoint::{Completions, ImageEdits, ImageGenerations, Responses};
    for (endpoint, field, most) in [
        (Endpoint::ChatCompletions, "n", 128),
        (Completions, "n", 128),
        (Completions, "best_of", 20),
        (Responses, "n", 128),
        (ImageGenerations, "n", 10),
        (ImageEdits, "n", 10),
        (ImageEdits, "partial_images", 3),
    ] {
        let read = |count: u64| read(endpoint, format!("{{\"{field}\":{count}}}").as_bytes());
        let body = read(most).unwrap_or_else(|error| panic!("{error:?}: {endpoint:?} {field}"));
        if field == "partial_images" {
            assert_eq!(body.demand.extras().partial_pictures, most);
        } else {
            assert_eq!(body.demand.choices, most, "{endpoint:?} {field}");
        }
        for count in [most + 1, u64::MAX] {
            assert!(
                matches!(read(count), Err(BodyError::Type { param, .. }) if param == field),
                "{endpoint:?} {field} {count}"
            );
        }
    }
}

#[test]
fn ambiguous_keys_at_each_depth() {
    let duplicate = |param: &'static str| BodyError::DuplicateField { param: param.into() };
    let spelling = |param: &'static str| BodyError::FieldSpelling { param: param.into() };
    let name = |param: &'static str| BodyError::FieldName { param: param.into() };
    for (body, expected) in [
        (r#"{"max_tokens":1,"max_tokens":1}"#, duplicate("max_tokens")),
        (r#"{"max_tokens":null,"max_tokens":1}"#, duplicate("max_tokens")),
        (r#"{"N":9}"#, spelling("n")),
        (r#"{"max_output_tokenſ":9}"#, name("")),
        (
            r#"{"stream_options":{"include_usage":true,"include_usage":false}}"#,
            duplicate("stream_options.include_usage"),
        ),
        (r#"{"stream_options":{"Include_usage":true}}"#, spelling("stream_options.include_usage")),
        (r#"{"messages":[{"content":[],"content":[]}]}"#, duplicate("messages[0].content")),
        (r#"{"messages":[{"content":[{"\u0069mage_url":""}]}]}"#, name("messages[0].content[0]")),
        (r#"{"messages":[{"content":[{"image_url":{"URL":""}}]}]}"#, spelling("messages[0].content[0].image_url.url")),
        (r#"{"input":[{"type":"message","Type":"x"}]}"#, spelling("input[0].type")),
        (r#"{"tools":[{"type":"function","type":"web_search"}]}"#, duplicate("tools[0].type")),
        (
            r#"{"tools":[{"type":"shell","environment":{"type":"local","type":"x"}}]}"#,
            duplicate("tools[0].environment.type"),
        ),
        (r#"{"prompt_cache_options":{"ttl":"30m","ttl":"12h"}}"#, duplicate("prompt_cache_options.ttl")),
        (r#"{"reasoning":{"Mode":"pro"}}"#, spelling("reasoning.mode")),
        (r#"{"tool_choice":{"type":"x","TYPE":"y"}}"#, spelling("tool_choice.type")),
    ] {
        assert_eq!(read(Endpoint::Responses, body.as_bytes()).err(), Some(expected), "{body}");
    }
}

#[test]
fn number_of_members() {
    let body = |count: usize| format!("{{{}\"n\":1}}", "\"a\":{},".repeat(count - 1));
    assert!(read(Endpoint::Responses, body(100_000).as_bytes()).is_ok());
    let refused = |body: &str| read(Endpoint::Responses, body.as_bytes()).err();
    assert_eq!(refused(&body(100_001)), Some(BodyError::TooManyMembers));
    assert_eq!(refused(&format!("{{\"tools\":[{}]}}", body(100_001))), Some(BodyError::TooManyMembers));
    assert_eq!(refused(&format!("{{\"metadata\":{}}}", body(100_001))), None, "it is not read");
}

#[test]
fn streams() {
    for (body, expected) in [
        ("{}", Stream::No),
        (r#"{"stream":false,"stream_options":{"include_usage":true}}"#, Stream::No),
        (r#"{"stream":null}"#, Stream::No),
        (r#"{"stream":true}"#, Stream::Yes),
        (r#"{"stream":true,"stream_options":null}"#, Stream::Yes),
        (r#"{"stream_options":{},"stream":true}"#, Stream::Yes),
        (r#"{"stream":true,"stream_options":{"include_usage":false}}"#, Stream::Yes),
        (r#"{"stream":true,"stream_options":{"include_usage":null}}"#, Stream::Yes),
        (r#"{"stream":true,"stream_options":{"include_usage":true}}"#, Stream::WithUsage),
        (r#"{"stream_options":{"include_usage":true},"stream":true}"#, Stream::WithUsage),
    ] {
        assert_eq!(chat(body).stream, expected, "{body}");
    }
}

#[test]
fn tiers_and_caches() {
    for (body, expected) in [
        ("{}", ServiceTier::Auto),
        (r#"{"service_tier":null}"#, ServiceTier::Auto),
        (r#"{"service_tier":"auto"}"#, ServiceTier::Auto),
        (r#"{"service_tier":"default"}"#, ServiceTier::Named(Tier::Standard)),
        (r#"{"service_tier":"fast"}"#, ServiceTier::Named(Tier::Priority)),
        (r#"{"service_tier":"flex"}"#, ServiceTier::Named(Tier::Flex)),
        (r#"{"service_tier":"ultrafast"}"#, ServiceTier::Named(Tier::Ultrafast)),
        (r#"{"service_tier":"d\u0065fault"}"#, ServiceTier::Unknown),
        (r#"{"service_tier":"Default"}"#, ServiceTier::Unknown),
    ] {
        assert_eq!(chat(body).service_tier, expected, "{body}");
    }
    for (options, time, is_prewarmed) in [
        (r#"{"mode":"explicit"}"#, CacheTime::HalfHour, false),
        (r#"{"ttl":"30m","prewarm":false}"#, CacheTime::HalfHour, false),
        (r#"{"ttl":"12h","prewarm":true}"#, CacheTime::Longer, true),
        (r#"{"ttl":"1w","prewarm":{}}"#, CacheTime::Longer, true),
        (r#"{"ttl":720}"#, CacheTime::Longer, false),
    ] {
        let demand = responses(&format!("{{\"prompt_cache_options\":{options}}}"));
        assert_eq!((demand.extras().cache_time, demand.extras().is_prewarmed), (time, is_prewarmed), "{options}");
    }
}

#[test]
fn retention_of_the_cache() {
    for (retention, expected) in
        [("\"in_memory\"", CacheTime::HalfHour), ("null", CacheTime::HalfHour), ("\"24h\"", CacheTime::Longer)]
    {
        let demand = responses(&format!("{{\"prompt_cache_retention\":{retention}}}"));
        assert_eq!(demand.extras().cache_time, expected, "{retention}");
    }
}

#[test]
fn number_of_outputs() {
    for (body, expected) in [
        ("{}", 1),
        (r#"{"n":3}"#, 3),
        (r#"{"n":3,"best_of":20}"#, 20),
        (r#"{"prompt":"a"}"#, 1),
        (r#"{"prompt":[1,2,3]}"#, 1),
        (r#"{"prompt":[]}"#, 1),
        (r#"{"prompt":["a","b"],"n":2}"#, 4),
        (r#"{"prompt":[[1,2],[3],[]]}"#, 3),
    ] {
        assert_eq!(demand(Endpoint::Completions, body).choices, expected, "{body}");
    }
    assert_eq!(chat(r#"{"n":2,"prompt":["a","b"]}"#).choices, 2);
    assert_eq!(demand(Endpoint::ImageGenerations, r#"{"n":4}"#).choices, 4);
    let prediction = r#"{"prediction":{"type":"content","content":"abc"}}"#;
    assert_eq!(chat(prediction).extras().prediction_bytes, 34);
}

/// A PNG of 40 × 33 pixels, up to its data.
const PNG: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAACgAAAAhAAAAAAAAAAAAAAAACUlEQVQAAAAA";

#[test]
fn pictures_to_make() {
    let body = r#"{"size":"1024x1024","quality":"high","partial_images":2,"images":[{"file_id":"a"},{"image_url":"b"}],"mask":{"file_id":"c"}}"#;
    let edited = demand(Endpoint::ImageEdits, body);
    let extras = edited.extras();
    assert_eq!(extras.picture_size.as_deref(), Some("1024x1024"));
    assert_eq!(extras.picture_quality.as_deref(), Some("high"));
    assert_eq!((extras.partial_pictures, extras.pictures.count), (2, 3));
    let escaped = self::demand(Endpoint::ImageGenerations, r#"{"size":"\u0031"}"#);
    assert_eq!(escaped.extras().picture_size.as_deref(), Some("?"));
}

#[test]
fn characters_of_a_speech() {
    for (input, expected) in [("", 0), ("abc", 3), ("é😀ю", 3), (r"\u00e9\ud83d\ude00\n\\u", 5), (r"\uD7FF\uE000", 2)]
    {
        let demand = demand(Endpoint::Speech, &format!("{{\"input\":\"{input}\"}}"));
        assert_eq!(demand.extras().characters, expected, "{input}");
        let decoded: String = serde_json::from_str(&format!("\"{input}\"")).unwrap();
        assert_eq!(decoded.chars().count() as u64, expected);
    }
}

#[test]
fn streams_of_speech() {
    for (body, expected) in
        [("{}", Stream::No), (r#"{"stream_format":"audio"}"#, Stream::No), (r#"{"stream_format":"sse"}"#, Stream::Yes)]
    {
        assert_eq!(demand(Endpoint::Speech, body).stream, expected, "{body}");
    }
}

#[test]
fn no_truncated_body_is_accepted() {
    let body = r#"{"model":"gpt-5","stream":true,"stream_options":{"include_usage":null},"service_tier":"flex","max_tokens":null,
        "max_completion_tokens":100,"n":2,"messages":[{"role":"user","content":[{"type":"text","text":"é"},{"type":"image_url",
        "image_url":{"url":"x"}},{"input_audio":{}}]}],"input":[{"type":"reasoning","encrypted_content":"a"},"b"],"tools":[{"type":
        "function"},{"type":"shell","environment":{"type":"local"}}],"tool_choice":{"type":"a","tools":[{"type":"b"}]},
        "modalities":["text"],"prompt_cache_options":{"ttl":"12h"},"reasoning":{"mode":"pro"},"prediction":{"content":[1.5e3]}}"#;
    assert!(read(Endpoint::ChatCompletions, body.as_bytes()).is_ok());
    for end in 0..body.len() {
        assert!(read(Endpoint::ChatCompletions, &body.as_bytes()[..end]).is_err(), "{end}");
    }
}

#[test]
fn usual_requests_have_no_extras() {
    let body = r#"{"model":"gpt-5","messages":[{"role":"user","content":"Hi"}],"stream":true,"max_tokens":10,"temperature":0.5}"#;
    let mut expected = sparekey_policy::Demand::new(Endpoint::ChatCompletions);
    (expected.stream, expected.output_cap) = (Stream::Yes, Some(10));
    expected.text_bytes = u64::try_from(body.len()).unwrap();
    assert_eq!(chat(body), expected);
}
