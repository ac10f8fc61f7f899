//! The figures of a usage object, and the tokens that they mean.

use sparekey_policy::{Scaled, Tokens, scaled};

use super::lexer::Scalar;

/// The highest figure that is believed, in tokens.
const FIGURE_MAX: u64 = 1_000_000_000;

/// Decimals of a second that are kept.
const MILLISECONDS: i32 = 3;

/// Decimals of a dollar that are kept.
const PICO_DOLLARS: i32 = 12;

/// A figure. Two names of the same quantity are two figures, because some services send both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Figure {
    /// `prompt_tokens`.
    Prompt,
    /// `input_tokens`.
    Input,
    /// `completion_tokens`.
    Completion,
    /// `output_tokens`.
    Output,
    Total,
    Cached,
    /// `prompt_cache_hit_tokens` of DeepSeek.
    CacheHit,
    /// `cache_read_input_tokens` of Anthropic, which are not in `input_tokens`.
    CacheRead,
    /// `cache_creation_input_tokens` of Anthropic, likewise.
    CacheCreation,
    CacheWrite,
    CacheWrite12h,
    InputAudio,
    InputImage,
    CachedAudio,
    CachedImage,
    Reasoning,
    OutputAudio,
    OutputImage,
    /// `seconds`, kept in milliseconds.
    Seconds,
    /// `cost` of OpenRouter, kept in pico-dollars.
    Cost,
    /// `num_requests` of web searches.
    Searches,
}

/// The figures of an object.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Figures {
    values: Vec<(Figure, u64)>,
    /// Whether one of them is not a number of its kind, or stands twice.
    is_invalid: bool,
}

impl Figure {
    /// Returns the decimals that are kept of a figure that can be a fraction; it is rounded up.
    fn decimals(self) -> Option<i32> {
        [(Self::Seconds, MILLISECONDS), (Self::Cost, PICO_DOLLARS)]
            .into_iter()
            .find(|(figure, _)| *figure == self)
            .map(|(_, decimals)| decimals)
    }
}

impl Figures {
    /// Reads a figure. `null` counts as absent.
    pub(super) fn set(&mut self, figure: Figure, scalar: Scalar<'_>) {
        let Scalar::Number(number) = scalar else {
            self.is_invalid |= scalar != Scalar::Null;
            return;
        };
        let decimals = figure.decimals();
        let scaled = number.and_then(|number| scaled(number, decimals.unwrap_or(0)));
        let is_whole = |scaled: &Scaled| scaled.is_exact && scaled.value <= FIGURE_MAX;
        let value = scaled.filter(|scaled| decimals.is_some() || is_whole(scaled)).map(|scaled| scaled.value);
        match value {
            Some(value) if self.get(figure).is_none() => self.values.push((figure, value)),
            _ => self.is_invalid = true,
        }
    }

    /// Rejects the object, because it is not as any service writes it.
    pub(super) fn reject(&mut self) {
        self.is_invalid = true;
    }

    pub(super) fn is_invalid(&self) -> bool {
        self.is_invalid
    }

    pub(super) fn get(&self, figure: Figure) -> Option<u64> {
        self.values.iter().find(|(listed, _)| *listed == figure).map(|(_, value)| *value)
    }

    fn count(&self, figure: Figure) -> u64 {
        self.get(figure).unwrap_or_default()
    }

    /// Whether it has tokens of the output, and none of the input.
    pub(super) fn is_output_only(&self) -> bool {
        let has = |figures: [Figure; 2]| figures.into_iter().any(|figure| self.get(figure).is_some());
        has([Figure::Completion, Figure::Output]) && !has([Figure::Prompt, Figure::Input])
    }

    /// Returns the tokens. `None`: the object has no total of any kind.
    pub(super) fn tokens(&self) -> Option<Tokens> {
        let (prompt, input) = (self.get(Figure::Prompt), self.get(Figure::Input));
        let output = self.get(Figure::Completion).max(self.get(Figure::Output));
        let total = self.get(Figure::Total);
        // `None` is less than any figure.
        prompt.max(input).max(output).max(total)?;
        let (read, created) = (self.count(Figure::CacheRead), self.count(Figure::CacheCreation));
        let is_anthropic = prompt.is_none() && input.is_some();
        let (read, created) = if is_anthropic { (read, created) } else { (0, 0) };
        let input = prompt.max(input).unwrap_or_default().saturating_add(read).saturating_add(created);
        let rest = total.unwrap_or_default().saturating_sub(input);
        // Rerankers have a total only; other services leave reasoning out of the output, but not out of the total.
        let (input, output) = match output {
            None if prompt.is_none() && !is_anthropic => (total.unwrap_or_default(), 0),
            output => (input, output.unwrap_or_default().max(rest)),
        };
        Some(Tokens {
            input,
            cached: self.get(Figure::Cached).or(self.get(Figure::CacheHit)).unwrap_or(read),
            cache_write: self.get(Figure::CacheWrite).unwrap_or(created),
            cache_write_12h: self.count(Figure::CacheWrite12h),
            input_audio: self.count(Figure::InputAudio),
            cached_audio: self.count(Figure::CachedAudio),
            input_image: self.count(Figure::InputImage),
            cached_image: self.count(Figure::CachedImage),
            output,
            reasoning: self.count(Figure::Reasoning),
            output_audio: self.count(Figure::OutputAudio),
            output_image: self.count(Figure::OutputImage),
        })
    }
}
