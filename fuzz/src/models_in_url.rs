//! Models in queries and paths, compared with a tolerant reader.

use sparekey_metering::{BodyError, BodyForm, Target, read_facts};
use sparekey_policy::ModelSource;

/// Checks that a tolerant reader finds exactly the accepted model in a query, and in a path. The input is both, with a `?`
/// between.
pub(crate) fn models_in_url(input: &[u8]) {
    // The core refuses other targets.
    let Some(text) =
        std::str::from_utf8(input).ok().filter(|text| text.bytes().all(|byte| (b'!'..=b'~').contains(&byte)))
    else {
        return;
    };
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    let read = |source, query| read_facts(Target { source, path, query }, &BodyForm::Absent, b"");

    let by_query = read(ModelSource::Query, query);
    if let Ok(facts) = &by_query {
        assert!(facts.other_models.is_empty());
        let found = query.map(lenient_models).unwrap_or_default();
        assert_eq!(found, facts.model.iter().map(ToString::to_string).collect::<Vec<_>>(), "{text}");
    }
    if let Ok(facts) = read(ModelSource::Path, None) {
        let name = facts.model.expect("a path names its model");
        // In a path, `+` is itself. A tolerant reader ignores empty segments.
        let decode = |text: &str| decode(&text.replace('+', "%2B"));
        let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
        let expected = match segments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["models", ref id @ ..] => id.join("/"),
            ["deployments", name, ..] | ["openai", "deployments", name, ..] => name.to_owned(),
            _ => panic!("no model in {text}"),
        };
        assert_eq!(*name, *expected, "{text}");
        assert_eq!(*name, decode(&name), "a second decoding changes the name");
        // The query counts as well, whatever the source.
        let both =
            read(ModelSource::Path, query).map(|facts| facts.other_models.first().map(|model| model.name.clone()));
        assert_eq!(both, by_query.map(|facts| facts.model), "{text}");
    } else {
        assert!(matches!(read(ModelSource::Path, query), Err(BodyError::UrlModel | BodyError::QueryModel)));
    }
}

/// The values of `model` in any spelling, at any separator.
fn lenient_models(query: &str) -> Vec<String> {
    let pairs = query.split(['&', ';']).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let models = pairs.filter(|(key, _)| {
        let key = decode(key).to_ascii_lowercase();
        let name: String = key.chars().take_while(|c| *c != '[').filter(|c| !c.is_control()).collect();
        name.trim() == "model"
    });
    models.map(|(_, value)| decode(value)).collect()
}

/// Decodes escapes and `+`, as forms do; invalid escapes stay.
fn decode(text: &str) -> String {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let digits = rest.get(1..3).filter(|digits| c == '%' && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        if let Some(digits) = digits {
            decoded.push(char::from(u8::from_str_radix(digits, 16).expect("hexadecimal")));
            rest = &rest[3..];
        } else {
            decoded.push(if c == '+' { ' ' } else { c });
            rest = &rest[c.len_utf8()..];
        }
    }
    decoded
}
