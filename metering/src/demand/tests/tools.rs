//! `tools` and `tool_choice`.

use super::*;

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
