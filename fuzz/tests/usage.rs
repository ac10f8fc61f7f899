//! Compares usage with that of `serde_json`'s tree, on bodies with the fields that are read at all depths.

use proptest::{collection::vec, prelude::*, sample::select};

fn run(name: &str, input: &[u8]) {
    let (_, target) = fuzz::TARGETS.iter().find(|(target, _)| *target == name).expect("a target");
    target(input);
}

fn key() -> impl Strategy<Value = &'static str> {
    select(vec![
        "usage",
        "usage",
        "usage",
        "x_groq",
        "response",
        "message",
        "tool_usage",
        "image_gen",
        "web_search",
        "num_requests",
        "svg_usage",
        "output",
        "tools",
        "choices",
        "action",
        "type",
        "container_id",
        "id",
        "model",
        "service_tier",
        "prompt_tokens",
        "input_tokens",
        "completion_tokens",
        "output_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "input_token_details",
        "output_tokens_details",
        "cached_tokens_details",
        "cache_write_tokens_details",
        "cached_tokens",
        "audio_tokens",
        "reasoning_tokens",
        "ttl_12h_tokens",
        "cache_read_input_tokens",
        "prompt_cache_hit_tokens",
        "seconds",
        "cost",
        "duration",
        "text",
        "other",
        "a\\\"usage",
    ])
}

fn leaf() -> impl Strategy<Value = String> {
    let text = select(vec![
        "search",
        "web_search_call",
        "code_interpreter_call",
        "file_search_call",
        "response.completed",
        "image_generation.completed",
        "message_delta",
        "gpt-5",
        "",
        "\\n",
        "é",
        "\\\"usage\\\":{",
    ]);
    let word = select(vec!["null", "true", "1.5", "1e2", "-1", "1000000001", "01", "99999999999999999999", "[]", "{}"]);
    prop_oneof![
        5 => (0..5_000_u32).prop_map(|number| number.to_string()),
        3 => text.prop_map(|text| format!("\"{text}\"")),
        2 => word.prop_map(str::to_owned),
    ]
}

fn usage() -> impl Strategy<Value = String> {
    let tokens = (1..9_000_u32, 1..9_000_u32, any::<bool>()).prop_map(|(input, output, is_chat)| {
        let [one, two] = if is_chat { ["prompt", "completion"] } else { ["input", "output"] };
        format!(
            "{{\"{one}_tokens\":{input},\"{two}_tokens\":{output},\"{one}_tokens_details\":{{\"cached_tokens\":{}}}}}",
            input / 2
        )
    });
    prop_oneof![
        4 => tokens,
        1 => (0..99_u32).prop_map(|output| format!("{{\"output_tokens\":{output}}}")),
        1 => Just("null".to_owned()),
        1 => Just("{\"seconds\":9}".to_owned()),
    ]
}

fn object() -> impl Strategy<Value = String> {
    let value = leaf().prop_recursive(5, 40, 5, |value| {
        let member = (key(), value.clone()).prop_map(|(key, value)| format!("\"{key}\":{value}"));
        prop_oneof![
            1 => vec(value, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            4 => vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(" , "))),
        ]
    });
    let member = prop_oneof![
        4 => (key(), value).prop_map(|(key, value)| format!("\"{key}\":{value}")),
        4 => usage().prop_map(|usage| format!("\"usage\":{usage}")),
        1 => usage().prop_map(|usage| format!("\"x_groq\":{{\"usage\":{usage}}}")),
        1 => usage().prop_map(|usage| format!("\"response\":{{\"model\":\"m\",\"usage\":{usage}}}")),
        1 => usage().prop_map(|usage| format!("\"message\":{{\"id\":\"i\",\"usage\":{usage}}}")),
        1 => Just("\"output\":[{\"type\":\"web_search_call\",\"action\":{\"type\":\"search\"}},{\"type\":\"code_interpreter_call\",\"container_id\":\"a\"}]".to_owned()),
        1 => Just("\"tools\":[{\"type\":\"file_search_call\"}]".to_owned()),
        1 => Just("\"model\":\"gpt-5\"".to_owned()),
        1 => Just("\"text\":\"x\",\"duration\":3".to_owned()),
        2 => select(vec!["\"choices\":[]", "\"choices\":[1]", "\"usage\":null"]).prop_map(str::to_owned),
    ];
    let end = prop_oneof![30 => Just(""), 1 => select(vec!["}", "x", "]", " "])];
    (vec(member, 0..4), end).prop_map(|(members, end)| format!("{{{}}}{end}", members.join(",")))
}

fn event() -> impl Strategy<Value = String> {
    let name = select(vec!["response.completed", "message_delta", "image_generation.completed", "x"]);
    let typed = (name, object()).prop_map(|(name, object)| {
        let rest = object.strip_prefix('{').unwrap_or_default();
        let comma = if rest.starts_with('}') { "" } else { "," };
        format!("{{\"type\":\"{name}\"{comma}{rest}")
    });
    let data = prop_oneof![3 => object(), 1 => typed, 1 => Just("[DONE]".to_owned()), 1 => Just("{}".to_owned())];
    let before = prop_oneof![
        8 => Just(""),
        1 => select(vec!["event: response.failed\n", ": comment\n\n", "id: 1\n", "data:\n", "event: message_stop\r\n"]),
    ];
    let end = prop_oneof![8 => Just("\n\n"), 1 => select(vec!["\r\n\r\n", "\n", "", "\n\r\n", "\r\r"])];
    let space = select(vec![" ", "", "  "]);
    (before, space, data, end).prop_map(|(before, space, data, end)| format!("{before}data:{space}{data}{end}"))
}

fn cuts() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<[u8; 2]>(), 0..8).prop_map(|cuts| {
        let count = u8::try_from(cuts.len()).unwrap_or_default();
        [vec![count], cuts.concat()].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_agrees_with_a_tree(cuts in cuts(), body in object()) {
        run("usage_in_json", &[cuts, body.into_bytes()].concat());
    }

    #[test]
    fn events_agree_with_trees(cuts in cuts(), events in vec(event(), 0..5)) {
        run("usage_in_events", &[cuts, events.concat().into_bytes()].concat());
    }

    #[test]
    fn filter_removes_usage_only(cuts in cuts(), events in vec(event(), 0..4)) {
        run("usage_filter", &[cuts, events.concat().into_bytes()].concat());
    }
}
