//! What was read of one body, or of one event.

use sparekey_policy::{Tokens, ToolCalls, Usage, Usd};

use super::{
    ModelTokens, PictureTool, ResponseIdentity, ResponseUsage,
    event_type::EventType,
    fields::{Field, Owner},
    figures::{Figure, Figures},
    lexer::Scalar,
};
use crate::name;

/// Containers that are distinguished. Each further one counts, even if it is one of them.
const CONTAINERS_MAX: usize = 16;

/// Fields as they are read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) identity: ResponseIdentity,
    pub(super) event_type: EventType,
    /// Whether `choices` has no item; `None` without `choices`.
    pub(super) is_choices_empty: Option<bool>,
    main: Account,
    groq: Account,
    pictures: Account,
    svg: Account,
    svg_model: Option<Box<str>>,
    picture_model: Option<Box<str>>,
    duration: Figures,
    has_text: bool,
    calls: ToolCalls,
    pictures_made: u64,
    containers: Vec<u64>,
    item: Item,
}

/// Figures, and whether their object was there.
#[derive(Debug, Default)]
struct Account {
    figures: Figures,
    is_begun: bool,
}

/// An item of `output` or `tools`.
#[derive(Debug, Default)]
struct Item {
    kind: ItemKind,
    is_other_action: bool,
    container: Option<u64>,
    model: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum ItemKind {
    #[default]
    Other,
    WebSearch,
    FileSearch,
    CodeInterpreter,
    Picture,
    /// A tool that makes pictures.
    PictureTool,
}

impl Draft {
    /// Whether an object with figures of the response was there.
    pub(super) fn has_usage(&self) -> bool {
        self.main.is_begun || self.groq.is_begun
    }

    fn account(&mut self, owner: Owner) -> &mut Account {
        match owner {
            Owner::Main => &mut self.main,
            Owner::Groq => &mut self.groq,
            Owner::Pictures => &mut self.pictures,
            Owner::Svg => &mut self.svg,
        }
    }

    /// An object with figures begins. A second one would leave open which of them counts.
    pub(super) fn begin_figures(&mut self, owner: Owner) {
        let account = self.account(owner);
        if account.is_begun {
            account.figures.reject();
        }
        account.is_begun = true;
    }

    /// A field with details has no details, but something else.
    pub(super) fn reject(&mut self, owner: Owner) {
        self.account(owner).figures.reject();
    }

    pub(super) fn figure(&mut self, owner: Owner, figure: Figure, scalar: Scalar<'_>) {
        self.account(owner).figures.set(figure, scalar);
    }

    pub(super) fn reject_duration(&mut self) {
        self.duration.reject();
    }

    pub(super) fn duration(&mut self, scalar: Scalar<'_>) {
        self.duration.set(Figure::Seconds, scalar);
    }

    /// Reads a text. Values of another type, and texts that name nothing, are ignored.
    pub(super) fn text(&mut self, field: Field, scalar: Scalar<'_>) {
        let Scalar::Text(Some(content)) = scalar else {
            self.has_text |= field == Field::Text && matches!(scalar, Scalar::Text(None));
            return;
        };
        match field {
            Field::Id => replace(&mut self.identity.id, content),
            Field::Model => replace(&mut self.identity.model, content),
            Field::ServiceTier => replace(&mut self.identity.service_tier, content),
            Field::ToolModel => replace(&mut self.item.model, content),
            Field::SvgModel => replace(&mut self.svg_model, content),
            Field::EventType => self.event_type = EventType::parse(content),
            Field::ItemType => self.item.kind = ItemKind::parse(content),
            Field::ActionType => self.item.is_other_action = content != b"search",
            Field::ContainerId => self.item.container = Some(hash(content)),
            Field::Text => self.has_text = true,
        }
    }

    /// An item of `tools` ends.
    pub(super) fn end_tool(&mut self) {
        let item = std::mem::take(&mut self.item);
        if item.kind == ItemKind::PictureTool {
            self.picture_model = item.model;
        }
    }

    /// An item of `output` ends.
    pub(super) fn end_call(&mut self) {
        let item = std::mem::take(&mut self.item);
        let calls = &mut self.calls;
        match item.kind {
            ItemKind::WebSearch if !item.is_other_action => calls.web_search = calls.web_search.saturating_add(1),
            ItemKind::FileSearch => calls.file_search = calls.file_search.saturating_add(1),
            ItemKind::Picture => self.pictures_made = self.pictures_made.saturating_add(1),
            ItemKind::CodeInterpreter => {
                let is_known = item.container.is_some_and(|container| self.containers.contains(&container));
                if !is_known {
                    calls.containers = calls.containers.saturating_add(1);
                    let has_room = self.containers.len() < CONTAINERS_MAX;
                    self.containers.extend(item.container.filter(|_| has_room));
                }
            }
            ItemKind::WebSearch | ItemKind::PictureTool | ItemKind::Other => {}
        }
    }

    /// Returns the usage. `None`: there is none, or it is not as any service writes it.
    pub(super) fn usage(&self) -> Option<ResponseUsage> {
        let duration = self.duration.get(Figure::Seconds).filter(|_| self.has_text && !self.duration.is_invalid());
        let Some(figures) = self.figures() else {
            let usage = Usage { audio_milliseconds: duration?, ..Usage::default() };
            return Some(self.response(usage, None, None, None));
        };
        if [&self.main, &self.groq, &self.pictures, &self.svg].iter().any(|account| account.figures.is_invalid()) {
            return None;
        }
        let seconds = figures.get(Figure::Seconds);
        let tokens = match figures.tokens() {
            None => seconds.map(|_| Tokens::default())?,
            Some(tokens) => tokens,
        };
        let searches = self.main.figures.get(Figure::Searches).unwrap_or_default();
        let tools = ToolCalls { web_search: self.calls.web_search.max(searches), ..self.calls };
        let usage = Usage { tokens, tools, audio_milliseconds: seconds.unwrap_or_default(), characters: 0 };
        let cost = figures.get(Figure::Cost).and_then(|pico| i64::try_from(pico).ok()).map(Usd::from_pico);
        let picture_tokens = self.pictures.figures.tokens().filter(|tokens| tokens.total() > 0);
        let has_pictures = picture_tokens.is_some() || self.pictures_made > 0;
        let picture_tool =
            has_pictures.then(|| PictureTool { model: self.picture_model.clone(), tokens: picture_tokens });
        let svg_tokens = self.svg.figures.tokens();
        let svg = svg_tokens.map(|tokens| ModelTokens { model: self.svg_model.clone(), tokens });
        Some(self.response(usage, cost, picture_tool, svg))
    }

    fn response(
        &self,
        usage: Usage,
        reported_cost: Option<Usd>,
        picture_tool: Option<PictureTool>,
        svg: Option<ModelTokens>,
    ) -> ResponseUsage {
        ResponseUsage { identity: self.identity.clone(), usage, picture_tool, svg, reported_cost }
    }

    fn figures(&self) -> Option<&Figures> {
        [&self.main, &self.groq].into_iter().find(|account| account.is_begun).map(|account| &account.figures)
    }

    /// Whether the usage has output, but no input: of Anthropic's events only the first one has both.
    pub(super) fn is_output_only(&self) -> bool {
        self.figures().is_some_and(Figures::is_output_only)
    }
}

impl ItemKind {
    fn parse(content: &[u8]) -> Self {
        match content {
            b"web_search_call" => Self::WebSearch,
            b"file_search_call" => Self::FileSearch,
            b"code_interpreter_call" => Self::CodeInterpreter,
            b"image_generation_call" => Self::Picture,
            b"image_generation" => Self::PictureTool,
            _ => Self::Other,
        }
    }
}

fn replace(place: &mut Option<Box<str>>, content: &[u8]) {
    if let Some(name) = name::parse_json(content) {
        *place = Some(name);
    }
}

/// 64-bit [FNV-1a](https://datatracker.ietf.org/doc/html/draft-eastlake-fnv).
fn hash(content: &[u8]) -> u64 {
    content.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
