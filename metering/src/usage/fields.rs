//! The fields that are read, by the object in which they stand.
//!
//! Only objects that the service makes are entered. A schema, the arguments of a tool, metadata or content may have a field
//! `usage` too, but they stand elsewhere.

use super::figures::Figure;

/// An object or array that is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Node {
    /// The body of a response.
    Body,
    /// The data of an event.
    Event,
    /// The same, if only its choices and its own usage matter.
    Chunk,
    /// `response` of an event.
    Response,
    /// `message` of Anthropic's `message_start`.
    Message,
    /// `x_groq` of Groq's last event.
    Groq,
    /// An object with figures.
    Figures(Owner),
    Details(Details, Owner),
    ToolUsage,
    WebSearch,
    /// An item of `output`.
    OutputItem,
    Action,
    /// An item of `tools`.
    Tool,
    List(List),
}

/// An array that is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum List {
    /// `choices`, of which only the number of items matters.
    Choices,
    /// `output` of a response.
    Output,
    /// `tools` of a response.
    Tools,
}

/// An object with parts of a figure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Details {
    Input,
    Output,
    Cached,
    CacheWrite,
}

/// What figures belong to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Owner {
    /// The model of the response.
    Main,
    /// The same in `x_groq`, which may stand beside it.
    Groq,
    /// The model of the image tool.
    Pictures,
    /// The model that drew an SVG.
    Svg,
}

/// A text that is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Field {
    Id,
    Model,
    ServiceTier,
    /// `type` of an event.
    EventType,
    /// `type` of an output item or a tool.
    ItemType,
    ActionType,
    ContainerId,
    ToolModel,
    SvgModel,
    /// `text` of a transcription.
    Text,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Slot {
    Object(Node),
    Array(List),
    Figure(Owner, Figure),
    Text(Field),
    /// `duration` of a transcription without usage.
    Duration,
    Nothing,
}

impl Node {
    /// Returns what a field of this object holds.
    pub(super) fn slot(self, key: &[u8]) -> Slot {
        match self {
            Self::Body => match key {
                b"duration" => Slot::Duration,
                b"text" => Slot::Text(Field::Text),
                b"svg_usage" => Slot::Object(Self::Figures(Owner::Svg)),
                _ => response(key),
            },
            Self::Event => match key {
                b"type" => Slot::Text(Field::EventType),
                b"response" => Slot::Object(Self::Response),
                b"message" => Slot::Object(Self::Message),
                b"svg_usage" => Slot::Object(Self::Figures(Owner::Svg)),
                _ => response(key),
            },
            Self::Response => response(key),
            Self::Chunk => match key {
                b"choices" | b"usage" => response(key),
                _ => Slot::Nothing,
            },
            Self::Message => match key {
                b"usage" | b"id" | b"model" => response(key),
                _ => Slot::Nothing,
            },
            Self::Groq => match key {
                b"usage" => Slot::Object(Self::Figures(Owner::Groq)),
                _ => Slot::Nothing,
            },
            Self::Figures(owner) => figures(owner, key),
            Self::Details(Details::Input, owner) => match key {
                b"cached_tokens" => Slot::Figure(owner, Figure::Cached),
                b"cache_write_tokens" => Slot::Figure(owner, Figure::CacheWrite),
                b"audio_tokens" => Slot::Figure(owner, Figure::InputAudio),
                b"image_tokens" => Slot::Figure(owner, Figure::InputImage),
                b"cached_tokens_details" => Slot::Object(Self::Details(Details::Cached, owner)),
                b"cache_write_tokens_details" => Slot::Object(Self::Details(Details::CacheWrite, owner)),
                _ => Slot::Nothing,
            },
            Self::Details(Details::Output, owner) => match key {
                b"reasoning_tokens" => Slot::Figure(owner, Figure::Reasoning),
                b"audio_tokens" => Slot::Figure(owner, Figure::OutputAudio),
                b"image_tokens" => Slot::Figure(owner, Figure::OutputImage),
                _ => Slot::Nothing,
            },
            Self::Details(Details::Cached, owner) => match key {
                b"audio_tokens" => Slot::Figure(owner, Figure::CachedAudio),
                b"image_tokens" => Slot::Figure(owner, Figure::CachedImage),
                _ => Slot::Nothing,
            },
            Self::Details(Details::CacheWrite, owner) => match key {
                b"ttl_12h_tokens" => Slot::Figure(owner, Figure::CacheWrite12h),
                _ => Slot::Nothing,
            },
            Self::ToolUsage => match key {
                b"image_gen" => Slot::Object(Self::Figures(Owner::Pictures)),
                b"web_search" => Slot::Object(Self::WebSearch),
                _ => Slot::Nothing,
            },
            Self::WebSearch => match key {
                b"num_requests" => Slot::Figure(Owner::Main, Figure::Searches),
                _ => Slot::Nothing,
            },
            Self::OutputItem => match key {
                b"type" => Slot::Text(Field::ItemType),
                b"container_id" => Slot::Text(Field::ContainerId),
                b"action" => Slot::Object(Self::Action),
                _ => Slot::Nothing,
            },
            Self::Action => match key {
                b"type" => Slot::Text(Field::ActionType),
                _ => Slot::Nothing,
            },
            Self::Tool => match key {
                b"type" => Slot::Text(Field::ItemType),
                b"model" => Slot::Text(Field::ToolModel),
                _ => Slot::Nothing,
            },
            Self::List(_) => Slot::Nothing,
        }
    }
}

impl List {
    /// Returns what an item holds.
    pub(super) fn item(self) -> Slot {
        match self {
            Self::Choices => Slot::Nothing,
            Self::Output => Slot::Object(Node::OutputItem),
            Self::Tools => Slot::Object(Node::Tool),
        }
    }
}

/// The fields of a response, wherever it stands.
fn response(key: &[u8]) -> Slot {
    match key {
        b"id" => Slot::Text(Field::Id),
        b"model" => Slot::Text(Field::Model),
        b"service_tier" => Slot::Text(Field::ServiceTier),
        b"usage" => Slot::Object(Node::Figures(Owner::Main)),
        b"x_groq" => Slot::Object(Node::Groq),
        b"choices" => Slot::Array(List::Choices),
        b"tool_usage" => Slot::Object(Node::ToolUsage),
        b"output" => Slot::Array(List::Output),
        b"tools" => Slot::Array(List::Tools),
        _ => Slot::Nothing,
    }
}

fn figures(owner: Owner, key: &[u8]) -> Slot {
    let figure = match key {
        b"prompt_tokens" => Figure::Prompt,
        b"input_tokens" => Figure::Input,
        b"completion_tokens" => Figure::Completion,
        b"output_tokens" => Figure::Output,
        b"reasoning_tokens" if owner == Owner::Svg => Figure::Reasoning,
        b"total_tokens" => Figure::Total,
        b"prompt_cache_hit_tokens" => Figure::CacheHit,
        b"cache_read_input_tokens" => Figure::CacheRead,
        b"cache_creation_input_tokens" => Figure::CacheCreation,
        b"seconds" => Figure::Seconds,
        b"cost" => Figure::Cost,
        b"prompt_tokens_details" | b"input_tokens_details" | b"input_token_details" => {
            return Slot::Object(Node::Details(Details::Input, owner));
        }
        b"completion_tokens_details" | b"output_tokens_details" | b"output_token_details" => {
            return Slot::Object(Node::Details(Details::Output, owner));
        }
        b"model" if owner == Owner::Svg => return Slot::Text(Field::SvgModel),
        _ => return Slot::Nothing,
    };
    Slot::Figure(owner, figure)
}
