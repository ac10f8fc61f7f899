//! The prices and sizes of a model.

use super::row::{RowName, TokenPrices};
use crate::{timestamp::Timestamp, usd::Usd};

/// A model of the price table.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ModelPrices {
    /// Its endpoint.
    pub mode: ModelMode,
    /// The most tokens of a request's input.
    pub max_input: Option<u32>,
    /// The most tokens of a response, reasoning included.
    pub max_output: Option<u32>,
    /// The most output tokens that it writes in a second.
    pub output_tokens_per_second: Option<u32>,
    /// The end of its last day.
    pub ends: Option<Timestamp>,
    /// Whether data residency has a factor.
    pub has_regional_factor: bool,
    /// Whether it is in the shipped table, so that it is OpenAI's.
    pub is_shipped: bool,
    /// A web search.
    pub web_search_call: Option<Usd>,
    /// A minute of audio.
    pub per_minute_audio: Option<Usd>,
    /// A character of text.
    pub per_character: Option<Usd>,
    /// Pictures by `{quality}/{size}`: what a request may cost.
    pub(crate) pictures: Vec<(String, Usd)>,
    /// Tokens.
    pub(crate) rows: Vec<(RowName, TokenPrices)>,
}

/// The endpoint of a model.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum ModelMode {
    /// Chat completions, and mostly responses.
    #[default]
    Chat,
    /// Responses only.
    Responses,
    /// Legacy completions.
    Completion,
    /// Embeddings.
    Embedding,
    /// Moderations.
    Moderation,
    /// Images.
    ImageGeneration,
    /// Speech.
    AudioSpeech,
    /// Transcriptions and translations.
    AudioTranscription,
    /// Realtime.
    Realtime,
}

impl ModelMode {
    /// The modes and their names in the price table.
    pub(crate) const NAMES: [(Self, &'static str); 9] = [
        (Self::Chat, "chat"),
        (Self::Responses, "responses"),
        (Self::Completion, "completion"),
        (Self::Embedding, "embedding"),
        (Self::Moderation, "moderation"),
        (Self::ImageGeneration, "image_generation"),
        (Self::AudioSpeech, "audio_speech"),
        (Self::AudioTranscription, "audio_transcription"),
        (Self::Realtime, "realtime"),
    ];

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(_, known)| *known == name).map(|(mode, _)| mode)
    }

    /// Whether its responses have no output that is billed.
    #[cfg(feature = "users-file")]
    pub(crate) fn has_no_output(self) -> bool {
        matches!(self, Self::Embedding | Self::Moderation)
    }

    /// Returns its name in the price table.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.into_iter().find(|(mode, _)| *mode == self).map_or("", |(_, name)| name)
    }
}

impl ModelPrices {
    /// Returns a row of token prices.
    #[must_use]
    pub fn row(&self, name: RowName) -> Option<&TokenPrices> {
        self.rows.iter().find(|(listed, _)| *listed == name).map(|(_, prices)| prices)
    }

    /// Returns the rows of token prices.
    pub fn rows(&self) -> impl Iterator<Item = (RowName, &TokenPrices)> {
        self.rows.iter().map(|(name, prices)| (*name, prices))
    }

    /// Returns the prices of pictures, by quality and size.
    pub fn pictures(&self) -> impl Iterator<Item = (&str, &str, Usd)> {
        self.pictures.iter().filter_map(|(name, price)| {
            let (quality, size) = name.split_once('/')?;
            Some((quality, size, *price))
        })
    }

    /// Returns the price of a picture, such as of quality `high` and size `1024x1024`: what a request may cost.
    #[must_use]
    pub fn picture(&self, quality: &str, size: &str) -> Option<Usd> {
        self.pictures()
            .find(|(its_quality, its_size, _)| (*its_quality, *its_size) == (quality, size))
            .map(|found| found.2)
    }
}
