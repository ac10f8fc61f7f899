//! What a request can use at most, as its body shows.

use std::borrow::Cow;

use crate::{endpoint::Endpoint, tier::Tier};

/// What a request can use at most, as its body shows. A reader of bodies fills it; [`Bound`](crate::Bound) computes the cost.
///
/// A new one is that of the smallest request. What is rare is in [`Extras`], so that most requests allocate nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Demand {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Whether the response is a stream.
    pub stream: Stream,
    /// The tier.
    pub service_tier: ServiceTier,
    /// The bytes of the body without pictures and files: at least as many as tokens of text.
    pub text_bytes: u64,
    /// The largest cap on the output tokens of one choice. `None`: the request has none.
    pub output_cap: Option<u64>,
    /// Whether the path is one of Azure, which reads the fields that OpenAI reads.
    pub is_azure: bool,
    /// How many outputs are generated: choices of all prompts, or pictures.
    pub choices: u64,
    extras: Option<Box<Extras>>,
}

/// What few requests have.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Extras {
    /// The first option that has no bound, for a user whose limits need one.
    pub refused: Option<RefusedOption>,
    /// The path of the first field that adds input which is not in the body, other than `previous_response_id`.
    pub hidden_input: Option<Cow<'static, str>>,
    /// Items of the input, of which each stands for reasoning of an earlier response.
    pub reasoning_references: u64,
    /// `previous_response_id`.
    pub previous_response_id: Option<Box<str>>,
    /// Pictures in the input.
    pub pictures: Pictures,
    /// Whether the input has audio.
    pub has_audio_input: bool,
    /// Whether the output can be something else than text.
    pub has_media_output: bool,
    /// Whether the cache is filled before the request, which costs its input once more.
    pub is_prewarmed: bool,
    /// How long the cache keeps what is written to it.
    pub cache_time: CacheTime,
    /// Bytes of a predicted output. Tokens that are not used are billed as output.
    pub prediction_bytes: u64,
    /// The tools.
    pub tools: Tools,
    /// `quality` of a picture.
    pub picture_quality: Option<Box<str>>,
    /// `size` of a picture.
    pub picture_size: Option<Box<str>>,
    /// Pictures that are sent before each one is complete.
    pub partial_pictures: u64,
    /// Characters of a text that is spoken.
    pub characters: u64,
    /// The audio file.
    pub audio_file: Option<AudioFile>,
}

/// Whether a response is a stream.
// Exhaustive, as the enums below: the bound decides on each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Stream {
    /// It is not.
    #[default]
    No,
    /// It is one.
    Yes,
    /// It is one, with the usage in its last event because the client asks for it: `stream_options.include_usage`.
    WithUsage,
}

/// `service_tier` of a request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ServiceTier {
    /// The upstream or the settings of the project choose: it is absent or `auto`.
    #[default]
    Auto,
    /// A tier.
    Named(Tier),
    /// A value without a price.
    Unknown,
}

/// How long the cache keeps what is written to it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CacheTime {
    /// 30 minutes.
    #[default]
    HalfHour,
    /// 12 hours, or a value without a price of its own.
    Longer,
}

/// Pictures whose size is known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pictures {
    /// Their number.
    pub count: u64,
    /// Their squares of 32 × 32 pixels, all together.
    pub patches: u64,
}

/// How long an audio file is.
// Exhaustive: the bound decides on each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AudioFile {
    /// Its duration does not follow from its bytes.
    Unknown,
    /// Milliseconds, at most.
    AtMost(u64),
}

/// The tools of a request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Tools {
    /// Those that the upstream runs.
    pub hosted: Vec<HostedTool>,
    /// How many the client runs.
    pub of_client: u64,
    /// How many of these the upstream describes to the model, as those that it runs.
    pub described: u64,
    /// `max_tool_calls`.
    pub max_calls: Option<u64>,
    /// `tool_choice`.
    pub choice: ToolChoice,
}

/// A tool that the upstream runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostedTool {
    /// Its position in `tools`.
    pub index: u32,
    /// Its kind.
    pub kind: HostedKind,
    /// Its `type`: ASCII letters, digits, and `_ - .`.
    pub type_name: Box<str>,
}

/// The kind of a tool that the upstream runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HostedKind {
    /// A web search.
    WebSearch,
    /// A search in vector stores.
    FileSearch,
    /// One whose cost has no bound.
    Unbounded,
}

/// `tool_choice`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum ToolChoice {
    /// The model may call any tool or none.
    #[default]
    Free,
    /// The model must call one of the tools.
    Any,
    /// The request refers to tools of these types.
    Types(Vec<Box<str>>),
}

/// An option that has no bound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefusedOption {
    /// `error.param`.
    pub param: Cow<'static, str>,
    /// A sentence: what to leave out or to send instead.
    pub advice: &'static str,
}

impl Demand {
    /// Returns the demand of the smallest request.
    #[must_use]
    pub const fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            stream: Stream::No,
            service_tier: ServiceTier::Auto,
            text_bytes: 0,
            output_cap: None,
            is_azure: false,
            choices: 1,
            extras: None,
        }
    }

    /// Whether the response is a stream.
    #[must_use]
    pub fn is_streamed(&self) -> bool {
        self.stream != Stream::No
    }

    /// Returns the response whose history the request continues.
    #[must_use]
    pub fn previous_response_id(&self) -> Option<&str> {
        self.extras.as_ref()?.previous_response_id.as_deref()
    }

    /// Returns what few requests have.
    #[must_use]
    pub fn extras(&self) -> &Extras {
        static NONE: Extras = Extras::new();
        self.extras.as_deref().unwrap_or(&NONE)
    }

    /// Returns what few requests have, to fill it.
    pub fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Records an option without a bound. The first one counts.
    pub fn refuse(&mut self, param: Cow<'static, str>, advice: &'static str) {
        self.extras_mut().refused.get_or_insert(RefusedOption { param, advice });
    }

    /// Records a field that adds input which is not in the body. The first one counts.
    pub fn hide_input(&mut self, param: Cow<'static, str>) {
        self.extras_mut().hidden_input.get_or_insert(param);
    }
}

impl Extras {
    const fn new() -> Self {
        Self {
            refused: None,
            hidden_input: None,
            reasoning_references: 0,
            previous_response_id: None,
            pictures: Pictures { count: 0, patches: 0 },
            has_audio_input: false,
            has_media_output: false,
            is_prewarmed: false,
            cache_time: CacheTime::HalfHour,
            prediction_bytes: 0,
            tools: Tools { hosted: Vec::new(), of_client: 0, described: 0, max_calls: None, choice: ToolChoice::Free },
            picture_quality: None,
            picture_size: None,
            partial_pictures: 0,
            characters: 0,
            audio_file: None,
        }
    }
}

impl Tools {
    /// Whether a tool cannot be removed, because the request refers to it or must have a tool.
    pub(crate) fn is_forced(&self, tool: &HostedTool) -> bool {
        match &self.choice {
            ToolChoice::Free => false,
            ToolChoice::Any => self.of_client == 0,
            ToolChoice::Types(types) => types.iter().any(|type_name| tool.is_of(type_name)),
        }
    }
}

impl HostedTool {
    /// Whether a reference in `tool_choice` means this tool. The types of one kind stand for each other.
    fn is_of(&self, type_name: &str) -> bool {
        *self.type_name == *type_name
            || (self.kind != HostedKind::Unbounded && HostedKind::from_type(type_name) == self.kind)
    }
}

impl HostedKind {
    /// Returns the kind of a `type` that the upstream runs.
    #[must_use]
    pub fn from_type(type_name: &str) -> Self {
        match type_name {
            "file_search" => Self::FileSearch,
            _ if type_name.starts_with("web_search") => Self::WebSearch,
            _ => Self::Unbounded,
        }
    }
}
