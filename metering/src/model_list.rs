//! The list of models in a response to `GET /models`, without those that a user may not use.

use std::ops::Range;

use crate::{
    json::{Names, Reader, Result},
    name,
};

/// The lists of a response. Compatible services have both:
/// [llama.cpp](https://github.com/ggml-org/llama.cpp/tree/master/tools/server#get-v1models-openai-compatible-model-info-api).
const LISTS: [&str; 2] = ["data", "models"];
/// The name of a model in a list: the first of these that it has.
const NAMES: [&str; 3] = ["id", "model", "name"];

/// Bytes of a list of models that is read, inclusive. OpenAI's has 20 KB, a router's with all prices 500 KB.
pub const MODEL_LIST_MAX: usize = 8 * 1024 * 1024;

/// A list: the brackets' positions, and those of its items that are kept.
struct List {
    range: Range<usize>,
    kept: Vec<Range<usize>>,
}

/// Returns the body without the models that are not allowed. Every other byte stays.
///
/// `None`: the body is no list of models that can be read in one way only.
pub fn filter_models(body: &[u8], is_allowed: impl Fn(&str) -> bool) -> Option<Vec<u8>> {
    let lists = read(body, &is_allowed).ok().filter(|lists| !lists.is_empty())?;
    let mut filtered = Vec::with_capacity(body.len());
    let mut copied = 0;
    for List { range, kept } in lists {
        filtered.extend_from_slice(body.get(copied..range.start)?);
        filtered.push(b'[');
        for (index, item) in kept.into_iter().enumerate() {
            if index > 0 {
                filtered.push(b',');
            }
            filtered.extend_from_slice(body.get(item)?);
        }
        filtered.push(b']');
        copied = range.end;
    }
    filtered.extend_from_slice(body.get(copied..)?);
    Some(filtered)
}

fn read(body: &[u8], is_allowed: &dyn Fn(&str) -> bool) -> Result<Vec<List>> {
    let mut reader = Reader::new(body)?;
    let mut lists = Vec::new();
    reader.object(crate::param::Param::Root, const { &Names::new(&LISTS) }, &mut |reader, param, field| {
        if field.is_none() {
            return Ok(());
        }
        let start = reader.position();
        let mut kept = Vec::new();
        reader.array(param, &mut |reader, param, _| {
            let start = reader.position();
            let mut names: [Option<Box<str>>; NAMES.len()] = [const { None }; NAMES.len()];
            reader.object(param, const { &Names::new(&NAMES) }, &mut |reader, _, field| {
                let place = NAMES.iter().position(|name| field == Some(*name)).and_then(|index| names.get_mut(index));
                if let Some(place) = place.filter(|_| reader.peek().is_ok_and(|byte| byte == b'"')) {
                    *place = name::parse_json(reader.string()?);
                }
                Ok(())
            })?;
            if names.iter().flatten().next().is_some_and(|name| is_allowed(name)) {
                kept.push(start..reader.position());
            }
            Ok(())
        })?;
        lists.push(List { range: start..reader.position(), kept });
        Ok(())
    })?;
    reader.end()?;
    Ok(lists)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(body: &str) -> Option<String> {
        filter_models(body.as_bytes(), |name| name.starts_with("gpt-5")).map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn other_models_are_removed() {
        for (body, expected) in [
            (
                r#"{"object": "list", "data": [{"id":"gpt-5","object":"model"}, {"id":"o3"},{"id":"gpt-5-mini"}]}"#,
                r#"{"object": "list", "data": [{"id":"gpt-5","object":"model"},{"id":"gpt-5-mini"}]}"#,
            ),
            (r#"{"data":[{"id":"o3"}]}"#, r#"{"data":[]}"#),
            (r#"{"data":[]}"#, r#"{"data":[]}"#),
            (
                r#"{"models":[{"name":"gpt-5","model":"o3"},{"name":"gpt-5"}],"x":[1],"data":[{"id":"gpt-5","name":"o3"}]} "#,
                r#"{"models":[{"name":"gpt-5"}],"x":[1],"data":[{"id":"gpt-5","name":"o3"}]} "#,
            ),
            (r#"{"data":[{"id":5},{"id":null,"name":"gpt-5"},{}]}"#, r#"{"data":[{"id":null,"name":"gpt-5"}]}"#),
        ] {
            assert_eq!(filter(body).as_deref(), Some(expected), "{body}");
        }
    }

    #[test]
    fn other_bodies_are_refused() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"data":{}}"#,
            r#"{"data":[1]}"#,
            r#"{"data":[]}x"#,
            r#"{"data":[],"data":[{"id":"o3"}]}"#,
            r#"{"Data":[{"id":"o3"}],"data":[]}"#,
            r#"{"data":[{"id":"gpt-5","id":"o3"}]}"#,
            r#"{"d\u0061ta":[{"id":"o3"}],"data":[]}"#,
        ] {
            assert_eq!(filter(body), None, "{body}");
        }
    }
}
