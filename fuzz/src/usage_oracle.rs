//! Usage in a tree of JSON, in the simplest way.

use std::collections::BTreeMap;

use sparekey_policy::{Tokens, ToolCalls, Usage};

use crate::json_tree::Json;

/// What a reader finds in a body or an event.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) id: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) service_tier: Option<String>,
    pub(crate) event_type: String,
    pub(crate) is_choices_empty: bool,
    /// Whether an object with usage is there.
    pub(crate) has_usage: bool,
    pub(crate) is_output_only: bool,
    /// The usage, if it is not doubtful.
    pub(crate) usage: Option<Usage>,
}

/// Figures by name, and whether they are doubtful.
#[derive(Default)]
struct Account {
    figures: BTreeMap<&'static str, u64>,
    objects: usize,
    is_doubtful: bool,
    is_unknown: bool,
}

const PLAIN: [&str; 11] = [
    "prompt_tokens",
    "input_tokens",
    "completion_tokens",
    "output_tokens",
    "total_tokens",
    "prompt_cache_hit_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "seconds",
    "cost",
    "reasoning_tokens",
];

impl Account {
    fn figure(&mut self, name: &'static str, value: &Json) {
        let scale = match name {
            "seconds" => 1_000,
            "cost" => 1_000_000_000_000,
            _ => 1,
        };
        match value {
            Json::Null => {}
            Json::Float => self.is_unknown = true,
            Json::Unsigned(number) if scale > 1 || *number <= 1_000_000_000 => match number.checked_mul(scale) {
                Some(number) => self.is_doubtful |= self.figures.insert(name, number).is_some(),
                None => self.is_doubtful = true,
            },
            _ => self.is_doubtful = true,
        }
    }

    /// Reads the fields of an object with details; each has a name in `details` and one as a figure.
    fn details(&mut self, value: &Json, details: &[(&str, &'static str)]) {
        match value {
            Json::Null => {}
            Json::Object(_) => {
                for (field, name) in details {
                    value.values(field).for_each(|value| self.figure(name, value));
                }
            }
            _ => self.is_doubtful = true,
        }
    }

    fn usage(&mut self, usage: &Json, is_svg: bool) {
        if !matches!(usage, Json::Object(_)) {
            return;
        }
        self.objects += 1;
        for name in PLAIN.into_iter().filter(|name| is_svg || *name != "reasoning_tokens") {
            usage.values(name).for_each(|value| self.figure(name, value));
        }
        for key in ["prompt_tokens_details", "input_tokens_details", "input_token_details"] {
            for details in usage.values(key) {
                let names = [
                    ("cached_tokens", "cached"),
                    ("cache_write_tokens", "write"),
                    ("audio_tokens", "audio in"),
                    ("image_tokens", "image in"),
                ];
                self.details(details, &names);
                for inner in details.values("cached_tokens_details") {
                    self.details(inner, &[("audio_tokens", "audio cached"), ("image_tokens", "image cached")]);
                }
                for inner in details.values("cache_write_tokens_details") {
                    self.details(inner, &[("ttl_12h_tokens", "write 12h")]);
                }
            }
        }
        for key in ["completion_tokens_details", "output_tokens_details", "output_token_details"] {
            for details in usage.values(key) {
                let names =
                    [("reasoning_tokens", "reasoning"), ("audio_tokens", "audio out"), ("image_tokens", "image out")];
                self.details(details, &names);
            }
        }
    }

    fn get(&self, name: &str) -> Option<u64> {
        self.figures.get(name).copied()
    }

    fn count(&self, name: &str) -> u64 {
        self.get(name).unwrap_or(0)
    }

    fn tokens(&self) -> Option<Tokens> {
        let [prompt, input] = ["prompt_tokens", "input_tokens"].map(|name| self.get(name));
        let output = ["completion_tokens", "output_tokens"].into_iter().filter_map(|name| self.get(name)).max();
        let total = self.get("total_tokens");
        let is_anthropic = prompt.is_none() && input.is_some();
        let count = |name| if is_anthropic { self.count(name) } else { 0 };
        let [read, created] = ["cache_read_input_tokens", "cache_creation_input_tokens"].map(count);
        let (input, output) = match (prompt.into_iter().chain(input).max(), output, total) {
            (None, None, None) => return None,
            (None, None, Some(total)) => (total, 0),
            (input, output, total) => {
                let input = input.unwrap_or(0) + read + created;
                (input, output.unwrap_or(0).max(total.unwrap_or(0).saturating_sub(input)))
            }
        };
        Some(Tokens {
            input,
            cached: self.get("cached").or(self.get("prompt_cache_hit_tokens")).unwrap_or(read),
            cache_write: self.get("write").unwrap_or(created),
            cache_write_12h: self.count("write 12h"),
            input_audio: self.count("audio in"),
            cached_audio: self.count("audio cached"),
            input_image: self.count("image in"),
            cached_image: self.count("image cached"),
            output,
            reasoning: self.count("reasoning"),
            output_audio: self.count("audio out"),
            output_image: self.count("image out"),
        })
    }
}

/// Reads the root of a body, or the data of an event. `None`: a figure is written as a fraction or with an exponent, so that
/// the tree does not have it.
pub(crate) fn read(root: &Json, is_event: bool) -> Option<Found> {
    let mut found = Found::default();
    let [mut main, mut groq, mut pictures, mut svg, mut duration] = std::array::from_fn(|_| Account::default());
    let mut calls = ToolCalls::default();
    let mut containers = Vec::new();
    let Json::Object(members) = root else { return Some(found) };
    let mut objects = Vec::new();
    for (key, value) in members {
        match (key.as_str(), is_event) {
            ("response", true) => {
                if let Json::Object(members) = value {
                    objects.extend(members.iter().map(|(key, value)| (key.as_str(), value)));
                }
            }
            ("message", true) => {
                if let Json::Object(members) = value {
                    let is_read = |key: &str| ["usage", "id", "model"].contains(&key);
                    objects.extend(
                        members.iter().map(|(key, value)| (key.as_str(), value)).filter(|(key, _)| is_read(key)),
                    );
                }
            }
            ("type", true) => {
                if let Json::Text(text) = value {
                    found.event_type.clone_from(text);
                }
            }
            ("svg_usage", _) => svg.usage(value, true),
            ("duration", false) => duration.figure("seconds", value),
            (key, _) => objects.push((key, value)),
        }
    }
    for (key, value) in objects {
        match (key, value) {
            ("id", Json::Text(text)) => replace(&mut found.id, text),
            ("model", Json::Text(text)) => replace(&mut found.model, text),
            ("service_tier", Json::Text(text)) => replace(&mut found.service_tier, text),
            ("usage", usage) => main.usage(usage, false),
            ("x_groq", groq_object) => groq_object.values("usage").for_each(|usage| groq.usage(usage, false)),
            ("choices", Json::Array(items)) => found.is_choices_empty = items.is_empty(),
            ("tool_usage", tools) => {
                tools.values("image_gen").for_each(|usage| pictures.usage(usage, false));
                let searches = tools.values("web_search").flat_map(|search| search.values("num_requests"));
                searches.for_each(|value| main.figure("searches", value));
            }
            ("output", Json::Array(items)) => {
                for item in items {
                    count_call(item, &mut calls, &mut containers);
                }
            }
            _ => {}
        }
    }
    let has_text = root.values("text").any(|text| matches!(text, Json::Text(_)));
    if [&main, &groq, &pictures, &svg, &duration].iter().any(|account| account.is_unknown) {
        return None;
    }
    found.has_usage = main.objects + groq.objects > 0;
    let is_doubtful = [&main, &groq, &pictures, &svg].iter().any(|account| account.is_doubtful || account.objects > 1);
    if !found.has_usage {
        let seconds = duration.get("seconds").filter(|_| !is_event && has_text && !duration.is_doubtful);
        found.usage = seconds.map(|milliseconds| Usage { audio_milliseconds: milliseconds, ..Usage::default() });
        return Some(found);
    }
    let account = if main.objects > 0 { &main } else { &groq };
    let has = |names: [&str; 2]| names.into_iter().any(|name| account.get(name).is_some());
    found.is_output_only = has(["completion_tokens", "output_tokens"]) && !has(["prompt_tokens", "input_tokens"]);
    let seconds = account.get("seconds");
    let tokens = account.tokens().or(seconds.map(|_| Tokens::default()));
    calls.web_search = calls.web_search.max(main.count("searches"));
    found.usage = tokens.filter(|_| !is_doubtful).map(|tokens| Usage {
        tokens,
        tools: calls,
        audio_milliseconds: seconds.unwrap_or(0),
        characters: 0,
    });
    Some(found)
}

fn replace(place: &mut Option<String>, text: &str) {
    if (1..=512).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        *place = Some(text.to_owned());
    }
}

fn last_text<'t>(item: &'t Json, key: &'t str) -> Option<&'t str> {
    item.values(key).filter_map(|value| if let Json::Text(text) = value { Some(text.as_str()) } else { None }).last()
}

fn count_call<'t>(item: &'t Json, calls: &mut ToolCalls, containers: &mut Vec<&'t str>) {
    match last_text(item, "type") {
        Some("web_search_call") => {
            let actions = item.values("action").filter_map(|action| last_text(action, "type"));
            calls.web_search += u64::from(actions.last().is_none_or(|action| action == "search"));
        }
        Some("file_search_call") => calls.file_search += 1,
        Some("code_interpreter_call") => {
            let container = last_text(item, "container_id");
            if container.is_none_or(|container| !containers.contains(&container)) {
                calls.containers += 1;
                containers.extend(container.filter(|_| containers.len() < 16));
            }
        }
        _ => {}
    }
}
