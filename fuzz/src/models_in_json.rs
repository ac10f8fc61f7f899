//! Models in JSON bodies, compared with `serde_json`.

use serde::de::IgnoredAny;
use sparekey_metering::{BodyError, BodyForm, Target, read_facts};
use sparekey_policy::{Facts, ModelSource};

use crate::json_tree::Json;

/// Checks that an accepted body is JSON for `serde_json`, and that the most tolerant reader finds the same models in it;
/// and that a refused body is invalid for `serde_json` or has a listed reason.
pub(crate) fn models_in_json(input: &[u8]) {
    let form = BodyForm::from_headers([&b"application/json"[..]], []).expect("a valid content-type");
    let result = read_facts(Target { source: ModelSource::Body, path: "/responses", query: None }, &form, input);
    let tree = match serde_json::from_slice::<Json>(input) {
        Ok(tree) => tree,
        Err(error) => {
            // A number that no `f64` holds is JSON, but not a value of serde_json.
            let text = std::str::from_utf8(input);
            let is_json = error.to_string().starts_with("number out of range")
                && text.is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
            assert!(is_json || result.is_err(), "accepted: {}: {error}", input.escape_ascii());
            return;
        }
    };
    match result {
        Ok(facts) => assert_eq!(names(&facts), lenient_names(&tree), "{}", input.escape_ascii()),
        Err(error) => assert!(is_reason(&error, &tree, input), "{error:?}: {}", input.escape_ascii()),
    }
}

/// The names of all models, sorted. The main one is marked.
fn names(facts: &Facts) -> Vec<String> {
    let main = facts.model.iter().map(|name| format!("main {name}"));
    let mut names: Vec<_> = main.chain(facts.other_models.iter().map(|model| model.name.to_string())).collect();
    names.sort();
    names
}

/// The names that the most tolerant reader could find: in any spelling of a key, in all values of a key.
fn lenient_names(body: &Json) -> Vec<String> {
    let mut found: Vec<(bool, &Json)> = body.get("model").map(|value| (true, value)).collect();
    let others = body.get("models").flat_map(Json::items);
    found.extend(others.map(|value| (false, value)));
    let inputs = body.get("input").flat_map(Json::items);
    let tools = body.get("tools").chain(inputs.flat_map(|item| item.get("tools"))).flat_map(Json::items);
    for tool in tools {
        let nested = tool.get("tools").flat_map(Json::items);
        let models = tool.get("model").chain(nested.flat_map(|tool| tool.get("model")));
        found.extend(models.map(|value| (false, value)));
    }
    for plugin in body.get("plugins").flat_map(Json::items) {
        let analysis = plugin.get("analysis_models").flat_map(Json::items);
        found.extend(plugin.get("model").chain(analysis).map(|value| (false, value)));
    }
    for object in ["svg", "session", "extra_body"].into_iter().flat_map(|field| body.get(field)) {
        found.extend(object.get("model").map(|value| (false, value)));
    }
    for key in ["fallbacks", "context_window_fallbacks", "content_policy_fallbacks"] {
        for fallback in body.get(key).flat_map(Json::items) {
            found.extend(lenient_fallback(fallback).into_iter().map(|value| (false, value)));
        }
    }
    let mut names: Vec<_> = found
        .into_iter()
        .filter(|(_, value)| !matches!(value, Json::Null))
        .map(|(is_main, value)| match value {
            Json::Text(name) if is_main => format!("main {name}"),
            Json::Text(name) => name.clone(),
            other => panic!("accepted as a name: {other:?}"),
        })
        .collect();
    names.sort();
    names
}

fn lenient_fallback(fallback: &Json) -> Vec<&Json> {
    let Json::Object(members) = fallback else { return vec![fallback] };
    let lists = members.iter().filter(|(key, _)| key != "model").flat_map(|(_, value)| value.items());
    let listed = lists.flat_map(|item| match item {
        Json::Text(_) => vec![item],
        Json::Object(_) => item.get("model").collect(),
        Json::Null | Json::Boolean | Json::Unsigned(_) | Json::Negative | Json::Float | Json::Array(_) => Vec::new(),
    });
    fallback.get("model").chain(listed).collect()
}

/// Whether the body has what an error says.
fn is_reason(error: &BodyError, tree: &Json, input: &[u8]) -> bool {
    let all = tree.all();
    let field = error.param().and_then(|param| param.rsplit(['.', '[']).next()).unwrap_or_default();
    let keys = |value: &Json| match value {
        Json::Object(members) => members.iter().map(|(key, _)| key.clone()).collect(),
        _ => Vec::new(),
    };
    match error {
        BodyError::EmptyBody => input.is_empty(),
        BodyError::NotAnObject => !matches!(tree, Json::Object(_)),
        BodyError::DuplicateField { .. } => all.iter().any(|value| value.get(field).count() > 1),
        BodyError::FieldSpelling { .. } => {
            all.iter().flat_map(|value| keys(value)).any(|key| key != field && key.eq_ignore_ascii_case(field))
        }
        BodyError::FieldName { .. } => {
            input.contains(&b'\\') || all.iter().flat_map(|value| keys(value)).any(|key| !key.is_ascii())
        }
        BodyError::ModelName { .. } => all.iter().any(|value| match value {
            Json::Text(name) => {
                let is_plain = |byte: u8| (b' '..=b'~').contains(&byte);
                let has_dots = name.split('/').any(|segment| matches!(segment, "." | ".."));
                input.contains(&b'\\') || name.is_empty() || name.len() > 512 || !name.bytes().all(is_plain) || has_dots
            }
            _ => false,
        }),
        BodyError::Type { expected, .. } => all
            .iter()
            .flat_map(|value| match value {
                Json::Object(members) => {
                    members.iter().map(|(_, value)| value).filter(|value| !matches!(value, Json::Null)).collect()
                }
                other => other.items().iter().collect::<Vec<_>>(),
            })
            .any(|value| match value {
                Json::Text(_) => !expected.contains("string"),
                Json::Array(_) => !expected.contains("array"),
                Json::Object(_) => *expected != "an object",
                Json::Null | Json::Boolean | Json::Unsigned(_) | Json::Negative | Json::Float => true,
            }),
        BodyError::HiddenModels { .. } => all.iter().any(|value| value.get(field).next().is_some()),
        BodyError::TooManyModels => all.len() > 256,
        _ => false,
    }
}
