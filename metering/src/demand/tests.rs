#![allow(clippy::arithmetic_side_effects, reason = "a test may panic")]

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

#[test]
fn hidden_input() {
    for (body, expected) in [
        (r#"{"input":"text"}"#, None),
        (
            r#"{"input":[{"role":"user","content":"a"},{"type":"message","role":"user","content":[{"type":"input_text","text":"a"}]}]}"#,
            None,
        ),
        (
            r#"{"input":[{"type":"function_call","call_id":"a","arguments":"{}"},{"type":"function_call_output","output":"a"}]}"#,
            None,
        ),
        (r#"{"input":[{"type":"function_call_output","output":[{"type":"input_text","text":"a"}]}]}"#, None),
        (r#"{"input":[{"type":"shell_call_output","output":[{"stdout":"a","outcome":{"type":"exit"}}]}]}"#, None),
        (r#"{"input":[{"type":"reasoning","summary":[],"encrypted_content":"gAAAA"}]}"#, None),
        (r#"{"input":[{"type":"reasoning","summary":[],"encrypted_content":null}]}"#, None),
        (r#"{"input":[{"type":"web_search_call","id":null,"status":"completed","action":{"type":"search"}}]}"#, None),
        (r#"{"input":[{"type":"image_generation_call","result":"AAAA"}]}"#, Some("input[0]")),
        (r#"{"input":[{"type":"file_search_call","id":"fs_1","encrypted_content":""}]}"#, Some("input[0]")),
        (r#"{"input":["a",{"type":"item_reference","id":"msg_1"}]}"#, Some("input[1]")),
        (r#"{"input":[{"id":"msg_1"}]}"#, Some("input[0]")),
        (r#"{"input":[{"id":"msg_1","type":null}]}"#, Some("input[0]")),
        (r#"{"input":[{"type":"mess\u0061ge","role":"user"}]}"#, Some("input[0]")),
        (r#"{"input":[{"type":"web_search_call","id":"ws_1"}]}"#, Some("input[0]")),
        (
            r#"{"input":[{"role":"user","content":[{"type":"input_file","file_id":"file_1"}]}]}"#,
            Some("input[0].content[0].file_id"),
        ),
        (
            r#"{"input":[{"role":"user","content":[{"type":"input_file","file_data":"data:application/pdf;base64,AA=="}]}]}"#,
            Some("input[0].content[0].file_data"),
        ),
        (
            r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"https://a/b.png"}]}]}"#,
            Some("input[0].content[0].image_url"),
        ),
        (
            r#"{"input":[{"role":"user","content":[{"type":"input_image","file_id":"file_1"}]}]}"#,
            Some("input[0].content[0].file_id"),
        ),
        (r#"{"input":[{"role":"user","content":[{"type":"input_video"}]}]}"#, Some("input[0].content[0].type")),
        (
            r#"{"input":[{"type":"computer_call_output","output":{"type":"computer_screenshot","file_id":"f"}}]}"#,
            Some("input[0].output.file_id"),
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://a"}}]}]}"#,
            Some("messages[0].content[0].image_url.url"),
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]}"#,
            Some("messages[0].content[0].file"),
        ),
        (r#"{"messages":[{"role":"assistant","audio":{"id":"audio_1"}}]}"#, Some("messages[0].audio")),
        (r#"{"messages":[{"role":"assistant","content":null,"audio":null,"tool_calls":[{"id":"a"}]}]}"#, None),
        (r#"{"input":[{"role":"user","id":"msg_1"}]}"#, Some("input[0]")),
        (r#"{"input":[{"role":"user","id":"msg_1","content":null}]}"#, Some("input[0]")),
        (r#"{"input":[{"role":"user","id":"msg_1","content":[ ]}]}"#, Some("input[0]")),
        (r#"{"input":[{"role":"user","id":"msg_1","content":""}]}"#, None),
        (r#"{"input":[{"role":"user","id":"msg_1","content":[{"type":"input_text","text":"a"}]}]}"#, None),
        (r#"{"input":[{"type":"message","id":"msg_1","output":"a"}]}"#, Some("input[0]")),
        (r#"{"input":[{"type":"function_call","id":"fc_1"}]}"#, Some("input[0]")),
        (r#"{"input":[{"type":"function_call","id":"fc_1","arguments":null}]}"#, Some("input[0]")),
        (r#"{"input":[{"type":"function_call","id":"fc_1","arguments":"{}"}]}"#, None),
        (r#"{"input":[{"type":"custom_tool_call","id":"a","input":"a"}]}"#, None),
        (r#"{"input":[{"type":"custom_tool_call","id":"a","arguments":"a"}]}"#, Some("input[0]")),
        (r#"{"input":[{"type":"shell_call","id":"a","action":{"commands":["a"]}}]}"#, None),
        (r#"{"input":[{"type":"computer_call","id":"a","actions":[{"type":"wait"}]}]}"#, None),
        (r#"{"input":[{"type":"apply_patch_call","id":"a"}]}"#, Some("input[0]")),
        (r#"{"input":[{"type":"tool_search_output","id":"a","tools":[{"type":"function"}]}]}"#, None),
        (r#"{"messages":[{"role":"assistant","id":"a","content":null,"tool_calls":[{"id":"a"}]}]}"#, None),
        (r#"{"reasoning":{"effort":"high","context":null}}"#, None),
        (r#"{"reasoning":{"context":"auto"}}"#, None),
        (r#"{"reasoning":{"context":"current_turn"}}"#, None),
        (r#"{"reasoning":{"context":"all_turns"}}"#, Some("reasoning.context")),
        (r#"{"reasoning":{"context":"a\u0075to"}}"#, Some("reasoning.context")),
        (r#"{"instructions":"a"}"#, None),
        (r#"{"instructions":[{"role":"user"}]}"#, Some("instructions")),
        (r#"{"conversation":"conv_1"}"#, Some("conversation")),
        (r#"{"conversation":{"id":"conv_1"},"input":[{"id":"a"}]}"#, Some("conversation")),
        (r#"{"conversation":null}"#, None),
        (r#"{"previous_response_id":"resp\u005f1"}"#, Some("previous_response_id")),
        (r#"{"previous_response_id":"resp_1"}"#, None),
    ] {
        assert_eq!(hidden(body).as_deref(), expected, "{body}");
    }
    assert_eq!(responses(r#"{"previous_response_id":"resp_1"}"#).previous_response_id(), Some("resp_1"));
}

#[test]
fn references_to_reasoning() {
    for (item, expected) in [
        (r#"{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":null}"#, 2),
        (r#"{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":""}"#, 2),
        (r#"{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"gAAA"}"#, 0),
        (r#"{"id":null,"type":"reasoning","summary":[{"type":"summary_text","text":"a"}]}"#, 0),
    ] {
        let demand = responses(&format!("{{\"input\":[{item},{item}]}}"));
        assert_eq!(demand.extras().reasoning_references, expected, "{item}");
        assert_eq!(demand.extras().hidden_input, None, "{item}");
    }
}

#[test]
fn audio() {
    let input = r#"{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]}"#;
    assert!(chat(input).extras().has_audio_input);
    assert_eq!(hidden(input), None);
    assert!(chat(r#"{"modalities":["text","audio"]}"#).extras().has_media_output);
    assert!(!chat(r#"{"modalities":["text"]}"#).extras().has_media_output);
}

/// A PNG of 40 × 33 pixels, up to its data.
const PNG: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAACgAAAAhAAAAAAAAAAAAAAAACUlEQVQAAAAA";

#[test]
fn pictures_are_no_text() {
    let body = |url: &str| {
        format!(
            r#"{{"messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"{url}","detail":"high"}}}},{{"type":"text","text":"a"}}]}}]}}"#
        )
    };
    let chat_demand = chat(&body(PNG));
    assert_eq!(chat_demand.extras().pictures, Pictures { count: 1, patches: 4 });
    assert_eq!(chat_demand.text_bytes, u64::try_from(body("").len()).unwrap());
    let item = format!(
        r#"{{"input":[{{"role":"user","content":[{{"type":"input_image","image_url":"{PNG}"}},{{"image_url":"{PNG}"}}]}}]}}"#
    );
    assert_eq!(responses(&item).extras().pictures, Pictures { count: 2, patches: 8 });
    let unknown = chat(&body("data:image/gif;base64,R0lGODlhAQABAAAAACw="));
    assert_eq!(unknown.extras().pictures, Pictures::default());
    assert!(unknown.extras().hidden_input.is_some());
    assert_eq!(unknown.text_bytes, u64::try_from(body("data:image/gif;base64,R0lGODlhAQABAAAAACw=").len()).unwrap());
}

#[test]
fn tools() {
    let body = r#"{"tool_choice":"auto","max_tool_calls":3,"tools":[{"type":"function","name":"f","parameters":{"type":"mcp"}},
        {"type":"web_search"},{"type":"namespace","name":"n","tools":[{"type":"function"}]},{"type":"image_generation","model":"gpt-image-1"},
        {"type":"file_search","vector_store_ids":["a"]},{"type":"local_shell"},{"type":"tool_search","execution":"client"},
        {"type":"tool_search"},{"type":"shell","environment":{"type":"local"}},{"name":"f"},{"type":"web_search_preview_2025_03_11"}]}"#;
    let demand = responses(body);
    let tools = &demand.extras().tools;
    let hosted: Vec<_> = tools.hosted.iter().map(|tool| (tool.index, tool.kind, &*tool.type_name)).collect();
    assert_eq!(
        hosted,
        [
            (1, HostedKind::WebSearch, "web_search"),
            (3, HostedKind::Unbounded, "image_generation"),
            (4, HostedKind::FileSearch, "file_search"),
            (7, HostedKind::Unbounded, "tool_search"),
            (10, HostedKind::WebSearch, "web_search_preview_2025_03_11"),
        ]
    );
    assert_eq!((tools.of_client, tools.described, tools.max_calls), (6, 3, Some(3)));
    assert_eq!((&tools.choice, &demand.extras().refused), (&ToolChoice::Free, &None));
}

#[test]
fn number_of_tools() {
    let list = |count: usize| vec![r#"{"type":"a"}"#; count].join(",");
    for (body, count) in [
        (&(|list| format!("{{\"tools\":[{list}]}}")) as &dyn Fn(String) -> String, 1_024),
        (&|list| format!("{{\"tool_choice\":{{\"tools\":[{list}]}}}}"), 1_024),
    ] {
        assert!(read(Endpoint::Responses, body(list(count)).as_bytes()).is_ok());
        let error = read(Endpoint::Responses, body(list(count + 1)).as_bytes()).err();
        assert_eq!(error, Some(BodyError::TooManyTools));
    }
}

#[test]
fn choices_of_tools() {
    let types = |types: &[&str]| ToolChoice::Types(types.iter().map(|name| (*name).into()).collect());
    for (choice, expected) in [
        ("\"none\"", ToolChoice::Free),
        ("null", ToolChoice::Free),
        ("\"required\"", ToolChoice::Any),
        ("\"any\"", ToolChoice::Any),
        (r#"{"type":"web_search"}"#, types(&["web_search"])),
        (
            r#"{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"},{"type":"file_search"}]}"#,
            types(&["allowed_tools", "function", "file_search"]),
        ),
        (
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"x"}]}}"#,
            types(&["allowed_tools", "x"]),
        ),
    ] {
        assert_eq!(responses(&format!("{{\"tool_choice\":{choice}}}")).extras().tools.choice, expected, "{choice}");
    }
}

#[test]
fn refused_options() {
    use Endpoint::{ChatCompletions, Completions, Embeddings, ImageGenerations, Responses, Transcriptions};
    for (endpoint, body, expected) in [
        (Responses, r#"{"prompt":{"id":"pmpt_1"}}"#, Some("prompt")),
        (Completions, r#"{"prompt":"a"}"#, None),
        (ImageGenerations, r#"{"prompt":"a","background":"transparent"}"#, None),
        (Responses, r#"{"prompt":null,"background":false,"context_management":null,"web_search_options":null}"#, None),
        (Responses, r#"{"background":true}"#, Some("background")),
        (Responses, r#"{"context_management":[{"type":"compaction"}]}"#, Some("context_management")),
        (Responses, r#"{"multi_agent":{"enabled":true}}"#, Some("multi_agent")),
        (Responses, r#"{"reasoning":{"effort":"high","summary":"auto"}}"#, None),
        (Responses, r#"{"reasoning":{"mode":"standard"}}"#, None),
        (Responses, r#"{"reasoning":{"mode":"pro"}}"#, Some("reasoning.mode")),
        (Responses, r#"{"reasoning":{"context":"current_turn"}}"#, Some("reasoning.context")),
        (Responses, r#"{"reasoning":{"context":"all_turns"}}"#, None),
        (Responses, r#"{"tools":[{"type":"function"},{"type":"mcp"}]}"#, Some("tools[1].type")),
        (Responses, r#"{"tools":[{"type":"code_interpreter","container":{"type":"auto"}}]}"#, Some("tools[0].type")),
        (Responses, r#"{"tools":[{"type":"shell"}]}"#, Some("tools[0].type")),
        (Responses, r#"{"tools":[{"type":"shell","environment":{"type":"container_auto"}}]}"#, Some("tools[0].type")),
        (
            Responses,
            r#"{"tools":[{"type":"namespace","tools":[{"type":"function"},{"type":"image_generation"}]}]}"#,
            Some("tools[0].type"),
        ),
        (
            Responses,
            r#"{"input":[{"type":"tool_search_output","tools":[{"type":"web_search"}]}]}"#,
            Some("input[0].tools[0].type"),
        ),
        (Responses, r#"{"input":[{"type":"tool_search_output","tools":[{"type":"function"}]}]}"#, None),
        (
            Responses,
            r#"{"input":[{"type":"tool_search_output","tools":[{"type":"namespace","tools":[{"type":"x"}]}]}]}"#,
            Some("input[0].tools[0].type"),
        ),
        (ChatCompletions, r#"{"web_search_options":{}}"#, Some("web_search_options")),
        (ChatCompletions, r#"{"search_parameters":{}}"#, Some("search_parameters")),
        (ChatCompletions, r#"{"extra_body":{"n":9}}"#, Some("extra_body")),
        (ChatCompletions, r#"{"plugins":[{"id":"web"}]}"#, Some("plugins")),
        (ChatCompletions, r#"{"tools":[{"type":"function"},{"type":"custom"}]}"#, None),
        (ChatCompletions, r#"{"tools":[{"type":"web_search"}]}"#, Some("tools[0].type")),
        (Embeddings, r#"{"input":["a","b"],"messages":null}"#, None),
        (Embeddings, r#"{"input":[[1,2]]}"#, None),
        (Embeddings, r#"{"input":"a"}"#, None),
        (Embeddings, r#"{"input":{"image":"https://a/b.png"}}"#, Some("input")),
        (Embeddings, r#"{"input":["a",{"image":"x"}]}"#, Some("input[1]")),
        (Embeddings, r#"{"input":["a",["b",{"image":"x"}]]}"#, Some("input[1][1]")),
        (Embeddings, r#"{"messages":[{"role":"user","content":"a"}]}"#, Some("messages")),
        (ChatCompletions, r#"{"messages":[{"role":"user","content":"a"}]}"#, None),
        (ImageGenerations, r#"{"svg":{"reasoning":"high"}}"#, Some("svg")),
        (ImageGenerations, r#"{"output_format":"gif"}"#, Some("output_format")),
        (ImageGenerations, r#"{"output_format":"webp","frame_count":null}"#, None),
        (ImageGenerations, r#"{"frame_count":9}"#, Some("frame_count")),
        (Transcriptions, r#"{"model":"whisper-1"}"#, Some("file")),
    ] {
        assert_eq!(refused(endpoint, body).as_deref(), expected, "{endpoint:?} {body}");
    }
}

/// The advice is about what the path names.
#[test]
fn advice_for_tools() {
    let leave_out = "Leave out this tool.";
    for (tool, expected) in [
        (r#"{"type":"mcp"}"#, leave_out),
        (r#"{"type":"code_interpreter"}"#, leave_out),
        (r#"{"type":"shell"}"#, leave_out),
        (r#"{"type":"namespace","tools":[{"type":"web_search"}]}"#, leave_out),
    ] {
        let demand = responses(&format!("{{\"tools\":[{tool}]}}"));
        let advice = demand.extras().refused.as_ref().map(|refused| refused.advice);
        assert_eq!(advice, Some(expected), "{tool}");
    }
}

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
