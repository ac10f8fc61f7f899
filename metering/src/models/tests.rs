use super::*;

/// The main model, then the others as `param: name`.
fn names(body: &str) -> Result<Vec<String>> {
    let facts = read(body.as_bytes())?;
    let others = facts.other_models.iter().map(|model| format!("{}: {}", model.param, model.name));
    Ok(facts.model.iter().map(ToString::to_string).chain(others).collect())
}

#[test]
fn every_field() {
    for (body, expected) in [
        ("{}", &[][..]),
        (r#"{"model":"gpt-5"}"#, &["gpt-5"]),
        (r#" { "messages" : [ {"model":"x"} ] , "model" : "gpt-5" } "#, &["gpt-5"]),
        (r#"{"model":"openai\/gpt-5"}"#, &["openai/gpt-5"]),
        (r#"{"model":null,"models":null,"tools":null,"svg":null,"fallbacks":null,"input":null}"#, &[]),
        (r#"{"models":["a","b"],"model":"c"}"#, &["c", "models[0]: a", "models[1]: b"]),
        (r#"{"models":[],"tools":[],"fallbacks":[],"input":[],"svg":{},"session":{}}"#, &[]),
        (r#"{"fallbacks":["a",{"model":"b","temperature":1}]}"#, &["fallbacks[0]: a", "fallbacks[1].model: b"]),
        (r#"{"fallbacks":[{"model":"b","messages":[{"role":"user"}]}]}"#, &["fallbacks[0].model: b"]),
        (
            r#"{"fallbacks":[{"x":["a",{"model":"b"}]}],"context_window_fallbacks":[{"x":["c"]}]}"#,
            &["fallbacks[0][0]: a", "fallbacks[0][1].model: b", "context_window_fallbacks[0][0]: c"],
        ),
        (
            r#"{"content_policy_fallbacks":[{"x":["a"],"model":"b"}]}"#,
            &["content_policy_fallbacks[0][0]: a", "content_policy_fallbacks[0].model: b"],
        ),
        (
            r#"{"tools":[{"type":"function"},{"type":"image_generation","model":"a"},{"tools":[{"model":"b"}]}]}"#,
            &["tools[1].model: a", "tools[2].tools[0].model: b"],
        ),
        (r#"{"input":[{"type":"tool_search_output","tools":[{"model":"a"}]}]}"#, &["input[0].tools[0].model: a"]),
        (
            r#"{"plugins":[{"id":"web"},{"model":"a","analysis_models":["b","c"]}]}"#,
            &["plugins[1].model: a", "plugins[1].analysis_models[0]: b", "plugins[1].analysis_models[1]: c"],
        ),
        (r#"{"input":"text"}"#, &[]),
        (r#"{"input":["text",[1,2],3,null,{"content":[{"tools":1,"\u0061":1}]}]}"#, &[]),
        (r#"{"input":{"tools":1}}"#, &[]),
        (
            r#"{"svg":{"model":"a"},"session":{"model":"b"},"extra_body":{"model":"c"},"user_config":null}"#,
            &["svg.model: a", "session.model: b", "extra_body.model: c"],
        ),
        // The client's data may have any keys.
        (r#"{"messages":[{"a":1,"a":2,"mod\u0065l":3}],"tools":[{"parameters":{"Model":1,"é":2}}]}"#, &[]),
        (r#"{"user":"a","user":"b","top_p":1e999}"#, &[]),
    ] {
        assert_eq!(
            names(body).as_deref(),
            Ok(&*expected.iter().map(ToString::to_string).collect::<Vec<_>>()),
            "{body}"
        );
    }
}

#[test]
fn ambiguous_keys() {
    let duplicate = |param: &'static str| BodyError::DuplicateField { param: param.into() };
    let spelling = |param: &'static str| BodyError::FieldSpelling { param: param.into() };
    let name = |param: &'static str| BodyError::FieldName { param: param.into() };
    for (body, expected) in [
        (r#"{"model":"a","model":"a"}"#, duplicate("model")),
        (r#"{"model":"cheap","messages":[],"model":"dear"}"#, duplicate("model")),
        (r#"{"model":null,"model":"dear"}"#, duplicate("model")),
        (r#"{"tools":[],"tools":[]}"#, duplicate("tools")),
        (r#"{"tools":[{},{"model":"a","model":"b"}]}"#, duplicate("tools[1].model")),
        (r#"{"svg":{"model":"a","model":"b"}}"#, duplicate("svg.model")),
        (r#"{"fallbacks":[{"model":"a","model":"b"}]}"#, duplicate("fallbacks[0].model")),
        (r#"{"input":[{"tools":[],"tools":[]}]}"#, duplicate("input[0].tools")),
        (r#"{"Model":"a"}"#, spelling("model")),
        (r#"{"model":"a","MODEL":"b"}"#, spelling("model")),
        (r#"{"tools":[{"modeL":"b"}]}"#, spelling("tools[0].model")),
        (r#"{"sVg":{}}"#, spelling("svg")),
        (r#"{"mod\u0065l":"a"}"#, name("")),
        (r#"{"model":"a","mod\u0065l":"b"}"#, name("")),
        (r#"{"x\n":1}"#, name("")),
        (r#"{"session":{"mod\u0065l":"b"}}"#, name("session")),
        (r#"{"tools":[{"\/":"b"}]}"#, name("tools[0]")),
        // Letters that Unicode's case folding makes ASCII.
        (r#"{"model":"a","modelſ":["b"]}"#, name("")),
        (r#"{"model":"a","fallbac\u212as":["b"]}"#, name("")),
        ("{\"model\":\"a\",\"fallbac\u{212a}s\":[\"b\"]}", name("")),
    ] {
        assert_eq!(names(body), Err(expected), "{body}");
    }
}

#[test]
fn other_types() {
    let wrong = |param: &'static str, expected| BodyError::Type { param: param.into(), expected };
    let name = |param: &'static str| BodyError::ModelName { param: param.into() };
    let hidden = |param: &'static str| BodyError::HiddenModels { param: param.into() };
    for (body, expected) in [
        (r#"{"model":1}"#, wrong("model", "a string")),
        (r#"{"model":["a"]}"#, wrong("model", "a string")),
        (r#"{"model":{"id":"a"}}"#, wrong("model", "a string")),
        (r#"{"model":true}"#, wrong("model", "a string")),
        (r#"{"models":"a"}"#, wrong("models", "an array")),
        (r#"{"models":["a",null]}"#, wrong("models[1]", "a string")),
        (r#"{"models":["a",{"model":"b"}]}"#, wrong("models[1]", "a string")),
        (r#"{"fallbacks":"a"}"#, wrong("fallbacks", "an array")),
        (r#"{"fallbacks":[1]}"#, wrong("fallbacks[0]", "a string")),
        (r#"{"fallbacks":[{"a":"b"}]}"#, wrong("fallbacks[0]", "the name of a model, or an object with 'model'")),
        (r#"{"tools":{}}"#, wrong("tools", "an array")),
        (r#"{"tools":["a"]}"#, wrong("tools[0]", "an object")),
        (r#"{"tools":[{"tools":[1]}]}"#, wrong("tools[0].tools[0]", "an object")),
        (r#"{"svg":true}"#, wrong("svg", "an object")),
        (r#"{"session":"a"}"#, wrong("session", "an object")),
        (r#"{"model":""}"#, name("model")),
        (r#"{"model":"\u0061"}"#, name("model")),
        (r#"{"model":"é"}"#, name("model")),
        (r#"{"tools":[{"model":"a\n"}]}"#, name("tools[0].model")),
        (r#"{"user_config":{"model_list":[]}}"#, hidden("user_config")),
        (r#"{"preset":"dear"}"#, hidden("preset")),
        (r#"{"data_sources":[]}"#, hidden("data_sources")),
        (r#"{"tools":[{"type":"openrouter:fusion","parameters":{"model":"a"}}]}"#, hidden("tools[0].type")),
        (r#"{"tools":[{"type":"\u006f"}]}"#, hidden("tools[0].type")),
        ("[]", BodyError::NotAnObject),
        ("\"a\"", BodyError::NotAnObject),
        ("null", BodyError::NotAnObject),
        ("", BodyError::Json { at: 0 }),
        ("{\"model\":\"a\"}{\"model\":\"b\"}", BodyError::Json { at: 13 }),
        ("{\"model\":\"a\"}\0", BodyError::Json { at: 13 }),
        ("\u{feff}{}", BodyError::NotAnObject),
        ("{\"model\":nul}", BodyError::Json { at: 9 }),
        ("{\"model\":nullx}", BodyError::Json { at: 13 }),
    ] {
        assert_eq!(names(body), Err(expected), "{body}");
    }
}

#[test]
fn number_of_names() {
    let body = |count: usize| format!("{{\"models\":[{}]}}", vec!["\"a\""; count].join(","));
    assert_eq!(names(&body(256)).map(|names| names.len()), Ok(256));
    assert_eq!(names(&body(257)), Err(BodyError::TooManyModels));
}

#[test]
fn depth_counts_visited_objects() {
    let body = |depth: usize| format!("{{\"tools\":[{{\"x\":{}{}}}]}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(names(&body(124)), Ok(vec![]));
    assert_eq!(names(&body(125)), Err(BodyError::TooDeep));
    assert_eq!(names(&body(1_000_000)), Err(BodyError::TooDeep));
}

#[test]
fn no_truncated_body_is_accepted() {
    let body = r#"{"model":"gpt-5","models":["a"],"fallbacks":[{"x":["a"]},{"model":"b"}],"input":[{"tools":[{}]},"é\u00e9",-1.5e3],
        "tools":[{"model":"x","tools":[{"model":"y"}]}],"svg":{"model":"a"},"stream":true,"x":{"y":[null,false]}}"#;
    assert!(read(body.as_bytes()).is_ok());
    for end in 0..body.len() {
        assert!(read(&body.as_bytes()[..end]).is_err(), "{end}");
    }
}
