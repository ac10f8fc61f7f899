//! Input that the body does not show, sound and pictures.

use super::*;

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
