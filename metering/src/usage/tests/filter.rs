//! The filter of usage events.

use proptest::prelude::*;

use super::super::{ResponseForm, UsageEventFilter, UsageScanner};

/// With a scanner the filter does the same, and so does the scanner.
fn filter(pieces: &[&[u8]]) -> String {
    let (mut filter, mut out) = (UsageEventFilter::default(), Vec::new());
    let (mut with_scanner, mut same) = (UsageEventFilter::default(), Vec::new());
    let [mut scanner, mut alone] = [(); 2].map(|()| UsageScanner::new(ResponseForm::EventStream));
    for piece in pieces {
        filter.push(piece, &mut out);
        alone.push(piece);
        with_scanner.push_scanned(&mut scanner, piece, &mut same);
        assert_eq!(out, same);
        assert_eq!(format!("{scanner:?}"), format!("{alone:?}"));
    }
    filter.finish(&mut out);
    with_scanner.finish(&mut same);
    assert_eq!(out, same);
    assert_eq!(scanner.finish(), alone.finish());
    String::from_utf8(out).unwrap()
}

const CHUNK: &str = r#"{"id":"c","choices":[{"delta":{"content":"x\"usage\":null"}}],"usage":null,"obfuscation":"ab"}"#;
const USAGE: &str = r#"{"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2},"obfuscation":"ab"}"#;

/// Bodies of one event or more, and what passes.
fn cases() -> Vec<(String, String)> {
    let data = |data: &str| format!("data: {data}\n\n");
    let same = |body: String| (body.clone(), body);
    let large = format!(r#"{{"choices":[{{"delta":{{"content":"{}"}}}}],"usage":null}}"#, "x".repeat(64 << 10));
    let nearly = format!(r#"{{"choices":[{{"delta":{{"content":"{}"}}}}],"usage":null}}"#, "x".repeat((64 << 10) - 59));
    assert_eq!(data(&nearly).len(), 64 << 10);
    vec![
        (
            [data(CHUNK), data(USAGE), data("[DONE]")].concat(),
            [data(&CHUNK.replace(r#","usage":null,"o"#, r#","o"#)), data("[DONE]")].concat(),
        ),
        (data(r#"{"choices":[1],"usage":null}"#), data(r#"{"choices":[1]}"#)),
        (data(r#"{"usage":null,"choices":[1]}"#), data(r#"{"choices":[1]}"#)),
        (data(r#"{"usage":null}"#), data("{}")),
        (data(r#"{ "usage" : null , "choices" : [1] }"#), data(r#"{ "choices" : [1] }"#)),
        (data(r#"{"choices":[1] , "usage" : null }"#), data(r#"{"choices":[1]  }"#)),
        ("data:{\"choices\":[1],\"usage\":null}\r\n\r\n".to_owned(), "data:{\"choices\":[1]}\r\n\r\n".to_owned()),
        ("data: {\"choices\": [ ] ,\"usage\": {} }\r\n\r\ndata: 1\n\n".to_owned(), "data: 1\n\n".to_owned()),
        // The scanner searches no more for the model.
        (
            [data(r#"{"model":"m","choices":[1],"usage":null}"#), data(USAGE)].concat(),
            data(r#"{"model":"m","choices":[1]}"#),
        ),
        // The object whose usage it is not.
        same(data(r#"{"choices":[{"usage":null}]}"#)),
        same(data(r#"{"choices":[],"x":{"usage":{}}}"#)),
        same(data(r#"{"a\"usage":null,"choices":[{"x":{"a":1,"usage":null,"b":2}}]}"#)),
        (data(r#"{"choices":[{"usage":null}],"usage":null}"#), data(r#"{"choices":[{"usage":null}]}"#)),
        // Azure's first chunk, usage beside choices, and chunks without one of the two.
        same(data(r#"{"choices":[],"prompt_filter_results":[]}"#)),
        same(data(r#"{"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}"#)),
        same(data(r#"{"usage":{"prompt_tokens":1}}"#)),
        same(data(r#"{"choices":null,"usage":{"prompt_tokens":1}}"#)),
        (data(r#"{"choices":[],"usage":null}"#), data(r#"{"choices":[]}"#)),
        same(data(r#"{"choices":[],"usage":5}"#)),
        // Lines of other fields.
        (": comment\n\n\n\nid: 1\ndata: {\"choices\":[],\"usage\":{}}\n\n".to_owned(), ": comment\n\n\n\n".to_owned()),
        (
            "event: message\r\ndata: {\"choices\":[1],\"usage\":null}\r\nid: 7\r\n\r\n".to_owned(),
            "event: message\r\ndata: {\"choices\":[1]}\r\nid: 7\r\n\r\n".to_owned(),
        ),
        (
            "data: {\"choices\":[1],\"usage\":null}\n: comment\n\n".to_owned(),
            "data: {\"choices\":[1]}\n: comment\n\n".to_owned(),
        ),
        // Not a chunk.
        same("data: {\"choices\":[],\ndata: \"usage\":{}}\n\n".to_owned()),
        same(data(r#"{"choices":[],"usage":{}"#)),
        same(data(r#"{"choices":[1],"usage":null"#)),
        same(data(r#"{"choices":[1],"usage":null}}"#)),
        same(data(r#"[{"choices":[1],"usage":null}]"#)),
        same(data(r#""usage":null"#)),
        same(String::new()),
        // Not complete.
        same(format!("data: {USAGE}\n")),
        same(format!("data: {CHUNK}")),
        // Too large to be held back.
        same(data(&large)),
        (data(&nearly), data(&nearly.replace(r#","usage":null"#, ""))),
        (
            [data(&large), data(USAGE), data(CHUNK)].concat(),
            [data(&large), data(&CHUNK.replace(r#","usage":null,"o"#, r#","o"#))].concat(),
        ),
    ]
}

#[test]
fn filters() {
    for (body, expected) in cases() {
        assert_eq!(filter(&[body.as_bytes()]), expected, "{body}");
    }
}

#[test]
fn every_cut() {
    for (body, expected) in cases().into_iter().filter(|(body, _)| body.len() < 10_000) {
        for at in 0..=body.len() {
            let (first, second) = body.as_bytes().split_at(at);
            assert_eq!(filter(&[first, second]), expected, "{body} at {at}");
        }
        let bytes: Vec<_> = body.as_bytes().chunks(1).collect();
        assert_eq!(filter(&bytes), expected, "{body}, byte by byte");
    }
}

proptest! {
    #[test]
    fn random_cuts(index in any::<prop::sample::Index>(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..9)) {
        let cases = cases();
        let (body, expected) = &cases[index.index(cases.len())];
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &body.as_bytes()[cut[0]..cut[1]]).collect();
        prop_assert_eq!(&filter(&pieces), expected);
    }
}

/// An event that is complete passes at once.
#[test]
fn events_are_not_delayed() {
    let (mut filter, mut out) = (UsageEventFilter::default(), Vec::new());
    filter.push(b"data: {\"choices\":[1]}\n\ndata: {\"ch", &mut out);
    assert_eq!(out, b"data: {\"choices\":[1]}\n\n");
    filter.push(b"oices\":[2]}\n", &mut out);
    assert_eq!(out, b"data: {\"choices\":[1]}\n\n");
    filter.push(b"\n", &mut out);
    assert!(out.ends_with(b"data: {\"choices\":[2]}\n\n"));
}
