//! Options that are refused.

use super::*;

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
