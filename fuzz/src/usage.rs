//! Usage in responses, compared with `serde_json`.

use serde::de::IgnoredAny;
use sparekey_metering::{ResponseForm, ResponseUsage, StreamEnd, UsageEventFilter, UsageScanner};
use sparekey_policy::Usage;

use crate::{
    json_tree::Json,
    pieces::pieces,
    usage_oracle::{Found, read},
};

/// Events that are larger pass the filter unchanged.
const EVENT_MAX: usize = 64 << 10;

fn scan(form: ResponseForm, pieces: &[&[u8]]) -> (Option<ResponseUsage>, Option<StreamEnd>) {
    let mut scanner = UsageScanner::new(form);
    for piece in pieces {
        scanner.push(piece);
    }
    let end = scanner.end();
    (scanner.finish(), end)
}

/// What the tree of a text is.
enum Parsed {
    Tree(Json),
    /// JSON that is no value of `serde_json`, or that the comparison does not cover.
    Unknown,
    Invalid,
}

fn parse(text: &[u8]) -> Parsed {
    // An escaped key is a key for `serde_json`, and strings need not be UTF-8 for the scanner.
    if text.windows(2).any(|pair| pair == b"\\u") || std::str::from_utf8(text).is_err() {
        return Parsed::Unknown;
    }
    match serde_json::from_slice(text) {
        Ok(tree) => Parsed::Tree(tree),
        Err(_) if serde_json::from_slice::<IgnoredAny>(text).is_ok() => Parsed::Unknown,
        Err(_) => Parsed::Invalid,
    }
}

/// Checks that a body has the same usage in any split, and that of its tree.
pub(crate) fn usage_in_json(input: &[u8]) {
    let (body, pieces) = pieces(input);
    let (usage, _) = scan(ResponseForm::Json, &[body]);
    assert_eq!(scan(ResponseForm::Json, &pieces).0, usage, "{}", body.escape_ascii());
    let found = match parse(body) {
        Parsed::Tree(tree) => read(&tree, false),
        Parsed::Unknown => None,
        Parsed::Invalid => Some(Found::default()),
    };
    if let Some(found) = found {
        assert_eq!(usage.as_ref().map(|usage| usage.usage), found.usage, "{}", body.escape_ascii());
        if let Some(usage) = usage.filter(|_| !body.contains(&b'\\')) {
            let names = [usage.identity.id, usage.identity.model, usage.identity.service_tier];
            assert_eq!(names.map(|name| name.map(String::from)), [found.id, found.model, found.service_tier]);
        }
    }
}

/// Checks that a stream has the same usage in any split, and that of the trees of its events.
pub(crate) fn usage_in_events(input: &[u8]) {
    let (body, pieces) = pieces(input);
    let result = scan(ResponseForm::EventStream, &[body]);
    assert_eq!(scan(ResponseForm::EventStream, &pieces), result, "{}", body.escape_ascii());
    if let Some((usage, end)) = read_events(body) {
        assert_eq!((result.0.map(|usage| usage.usage), result.1), (usage, end), "{}", body.escape_ascii());
    }
}

/// Returns the usage and the end of a stream; `None` if the comparison does not cover it.
fn read_events(body: &[u8]) -> Option<(Option<Usage>, Option<StreamEnd>)> {
    let mut events = 0;
    let (mut usage, mut end, mut has_model, mut is_doubtful) = (None::<Usage>, None, false, false);
    // What must follow the usage: nothing, the end of the body, or an event.
    let mut is_complete = true;
    for event in complete_events(body) {
        let Some(data) = event.data else { continue };
        let is_named = event.end;
        if is_done(&data) {
            end = Some(StreamEnd::Done);
        } else {
            let needs_model = !has_model && events < 8;
            events += 1;
            let found = match parse(&data) {
                Parsed::Tree(tree) => read(&tree, true)?,
                // Whether usage begins in it is not known.
                Parsed::Unknown => return None,
                Parsed::Invalid if data.windows(7).any(|word| word == b"\"usage\"") => return None,
                Parsed::Invalid => Found::default(),
            };
            if data.contains(&b'\\') {
                return None;
            }
            has_model |= (needs_model || found.has_usage) && found.model.is_some();
            match found.usage.filter(|_| found.has_usage) {
                None => is_doubtful |= found.has_usage,
                Some(new) => {
                    let type_end = stream_end(found.event_type.as_bytes());
                    end = type_end.or(end);
                    let is_picture =
                        ["image_generation.completed", "image_edit.completed"].contains(&found.event_type.as_str());
                    let is_done = ["transcript.text.done", "speech.audio.done", "message_delta"];
                    is_complete = found.is_choices_empty
                        || type_end.is_some()
                        || is_picture
                        || is_done.contains(&found.event_type.as_str());
                    usage = Some(match usage {
                        Some(earlier) if is_picture => plus(new, earlier),
                        Some(earlier) if found.is_output_only => with_input_of(new, earlier),
                        _ => new,
                    });
                }
            }
        }
        end = is_named.or(end);
    }
    Some((usage.filter(|_| !is_doubtful && (is_complete || end.is_some())), end))
}

fn plus(mut new: Usage, earlier: Usage) -> Usage {
    let (tokens, other) = (&mut new.tokens, earlier.tokens);
    tokens.input += other.input;
    tokens.cached += other.cached;
    tokens.cache_write += other.cache_write;
    tokens.cache_write_12h += other.cache_write_12h;
    tokens.input_audio += other.input_audio;
    tokens.cached_audio += other.cached_audio;
    tokens.input_image += other.input_image;
    tokens.cached_image += other.cached_image;
    tokens.output += other.output;
    tokens.reasoning += other.reasoning;
    tokens.output_audio += other.output_audio;
    tokens.output_image += other.output_image;
    new
}

fn with_input_of(new: Usage, earlier: Usage) -> Usage {
    let mut usage = new;
    usage.tokens = earlier.tokens;
    usage.tokens.output = new.tokens.output;
    usage.tokens.reasoning = new.tokens.reasoning;
    usage.tokens.output_audio = new.tokens.output_audio;
    usage.tokens.output_image = new.tokens.output_image;
    usage
}

#[derive(Default)]
struct Event {
    data: Option<Vec<u8>>,
    end: Option<StreamEnd>,
}

/// Returns the events that are ended by an empty line.
fn complete_events(body: &[u8]) -> Vec<Event> {
    let mut lines: Vec<_> = body.split(|byte| *byte == b'\n').collect();
    // What follows the last line feed is no complete line.
    lines.pop();
    let (mut events, mut event) = (Vec::new(), Event::default());
    for line in lines {
        if matches!(line, b"" | b"\r") {
            events.push(std::mem::take(&mut event));
        } else if let Some(data) = line.strip_prefix(b"data:") {
            match &mut event.data {
                Some(joined) => {
                    joined.push(b'\n');
                    joined.extend_from_slice(data);
                }
                none => *none = Some(data.to_vec()),
            }
        } else if let Some(name) = line.strip_prefix(b"event:") {
            event.end = stream_end(name.trim_ascii()).filter(|_| name.len() <= 32);
        }
    }
    events
}

fn stream_end(name: &[u8]) -> Option<StreamEnd> {
    match name {
        b"response.completed" | b"message_stop" => Some(StreamEnd::Completed),
        b"response.incomplete" => Some(StreamEnd::Incomplete),
        b"response.failed" => Some(StreamEnd::Failed),
        _ => None,
    }
}

fn is_done(data: &[u8]) -> bool {
    let is_space = |byte: &u8| b" \t\r".contains(byte);
    let start = data.iter().position(|byte| !is_space(byte)).unwrap_or(data.len());
    let end = data.iter().rposition(|byte| !is_space(byte)).map_or(start, |at| at + 1);
    &data[start..end.max(start)] == b"[DONE]"
}

fn filter(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut filter, mut out) = (UsageEventFilter::default(), Vec::new());
    for piece in pieces {
        filter.push(piece, &mut out);
    }
    filter.finish(&mut out);
    out
}

/// Checks that a stream is filtered alike in any split, each event for itself, and that nothing but usage is removed.
pub(crate) fn usage_filter(input: &[u8]) {
    let (body, pieces) = pieces(input);
    let whole = filter(&[body]);
    assert_eq!(filter(&pieces), whole, "{}", body.escape_ascii());
    let mut all = Vec::new();
    for event in events_as_sent(body) {
        let out = filter(&[event]);
        check_event(event, &out);
        all.extend(out);
    }
    assert_eq!(all, whole, "{}", body.escape_ascii());
}

/// Splits a body behind each empty line.
fn events_as_sent(body: &[u8]) -> Vec<&[u8]> {
    let (mut events, mut start, mut line) = (Vec::new(), 0, 0);
    for (at, _) in body.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        if matches!(&body[line..at], b"" | b"\r") {
            events.push(&body[start..=at]);
            start = at + 1;
        }
        line = at + 1;
    }
    events.push(&body[start..]);
    events
}

fn data_lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    event.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"))
}

fn check_event(event: &[u8], out: &[u8]) {
    let is_complete = event.ends_with(b"\n\n") || event.ends_with(b"\n\r\n");
    let mut data = data_lines(event);
    let (Some(data), None) = (data.next().filter(|_| is_complete && event.len() <= EVENT_MAX), data.next()) else {
        assert_eq!(out, event, "{}", event.escape_ascii());
        return;
    };
    let Parsed::Tree(tree) = parse(data) else { return };
    let Json::Object(mut members) = tree else {
        assert_eq!(out, event, "{}", event.escape_ascii());
        return;
    };
    let count = |name: &str| members.iter().filter(|(key, _)| key == name).count();
    if count("usage") > 1 || count("choices") > 1 {
        return;
    }
    let usage = members.iter().position(|(key, _)| key == "usage");
    let has_choices = members.iter().any(|(key, value)| key == "choices" && *value != Json::Array(Vec::new()));
    let is_without = count("choices") == 0 || has_choices;
    match usage.map(|at| (at, &members[at].1)) {
        Some((_, Json::Object(_))) if !is_without => assert!(out.is_empty(), "{}", event.escape_ascii()),
        Some((at, Json::Null)) => {
            members.remove(at);
            let text = data_lines(out).next().expect("a line of data");
            let tree: Json = serde_json::from_slice(text).expect("JSON");
            assert_eq!(tree, Json::Object(members), "{}", event.escape_ascii());
            let others = |event: &[u8], data: &[u8]| {
                event.escape_ascii().to_string().replace(&data.escape_ascii().to_string(), "")
            };
            assert_eq!(others(out, text), others(event, data), "{}", event.escape_ascii());
        }
        _ => assert_eq!(out, event, "{}", event.escape_ascii()),
    }
}
