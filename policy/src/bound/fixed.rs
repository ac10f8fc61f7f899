//! The bound of a request whose output has no cap.

use std::borrow::Cow;

use super::{
    input::LARGEST_OUTPUT,
    rates::{Atto, Rates, to_atto, to_usd},
    request::{BoundRequest, Unbounded},
};
use crate::{
    demand::AudioFile,
    endpoint::Endpoint,
    prices::{
        ModelPrices,
        cost::{MINUTE_MILLISECONDS, pico, times},
    },
    usd::Usd,
};

/// The most tokens of a request for embeddings.
/// <https://platform.openai.com/docs/api-reference/embeddings/create>
const EMBEDDINGS_MAX: u64 = 300_000;

/// Tokens of a picture that is edited: 65 + 8 × 129 of its tiles, and 6,240 of `input_fidelity: high`, rounded up.
const EDITED_PICTURE_TOKENS: u64 = 8_192;

/// Tokens of a partial picture.
/// <https://platform.openai.com/docs/guides/image-generation#streaming>
const PARTIAL_PICTURE_TOKENS: u64 = 100;

/// Listed prices of pictures are rounded: gpt-image-1.5 costs $0.13312 where $0.133 is listed.
const ROUNDING_OF_PICTURES: u128 = 50;

/// Tokens of a second of audio.
const AUDIO_TOKENS_PER_SECOND: u64 = 10;

const FILE_ADVICE: &str = "Send WAV or MP3, or use a model that is billed by tokens.";

/// Milliseconds of a second.
const SECOND_MILLISECONDS: u64 = 1_000;

/// Characters of a text that is spoken.
/// <https://platform.openai.com/docs/api-reference/audio/createSpeech>
const SPEECH_MAX: u64 = 4_096;

/// Returns the most that the request may cost.
pub(super) fn cost(request: &BoundRequest<'_>, model: &ModelPrices) -> Result<Usd, Unbounded> {
    match request.demand.endpoint {
        Endpoint::Embeddings => embeddings(request, model),
        Endpoint::ImageGenerations | Endpoint::ImageEdits => pictures(request, model),
        Endpoint::Speech => speech(request, model),
        Endpoint::Transcriptions | Endpoint::Translations => audio(request, model),
        Endpoint::ChatCompletions | Endpoint::Completions | Endpoint::Responses => Err(Unbounded::Route),
    }
}

fn embeddings(request: &BoundRequest<'_>, model: &ModelPrices) -> Result<Usd, Unbounded> {
    let tokens = request.demand.text_bytes;
    let tokens = if request.is_openai { tokens.min(EMBEDDINGS_MAX) } else { tokens };
    let rates = Rates::of_request(request, model, tokens)?;
    Ok(to_usd(times(tokens, rates.input)))
}

fn pictures(request: &BoundRequest<'_>, model: &ModelPrices) -> Result<Usd, Unbounded> {
    let (demand, extras) = (request.demand, request.demand.extras());
    let each = picture(request, model)?;
    let edited = extras.pictures.count.saturating_mul(EDITED_PICTURE_TOKENS);
    let input = demand.text_bytes.saturating_add(edited);
    let rates = Rates::of_request(request, model, input)?;
    let partial = times(extras.partial_pictures.saturating_mul(PARTIAL_PICTURE_TOKENS), rates.output);
    let output = times(demand.choices, each.saturating_add(partial));
    Ok(to_usd(output.saturating_add(times(input, rates.input))))
}

/// Returns the price of one picture: the dearest of those that the request may mean.
fn picture(request: &BoundRequest<'_>, model: &ModelPrices) -> Result<Atto, Unbounded> {
    let extras = request.demand.extras();
    let is_it = |asked: &Option<Box<str>>, listed: &str| {
        asked.as_deref().is_none_or(|asked| asked == "auto" || asked == listed)
    };
    let (mut has_any, mut has_quality, mut dearest) = (false, false, None);
    for (quality, size, price) in model.pictures() {
        has_any = true;
        if is_it(&extras.picture_quality, quality) {
            has_quality = true;
            dearest = dearest.max(Some(price).filter(|_| is_it(&extras.picture_size, size)));
        }
    }
    let Some(dearest) = dearest.map(to_atto) else {
        let param = Cow::Borrowed(if has_quality { "size" } else { "quality" });
        let advice = "Send one that has a listed price, such as 'low' and '1024x1024'.";
        return Err(if has_any { Unbounded::Option { param, advice } } else { Unbounded::Model });
    };
    Ok(dearest.saturating_add(dearest.div_ceil(ROUNDING_OF_PICTURES)))
}

fn speech(request: &BoundRequest<'_>, model: &ModelPrices) -> Result<Usd, Unbounded> {
    let demand = request.demand;
    let characters = demand.extras().characters;
    if let Some(price) = model.per_character {
        return Ok(to_usd(times(characters, to_atto(price))));
    }
    if characters > SPEECH_MAX {
        return Err(Unbounded::option("input", "Send at most 4,096 characters."));
    }
    // Most of the largest output would be charged for nothing.
    if !demand.is_streamed() {
        let advice = "Send 'sse', because other responses of this model do not report what they cost.";
        return Err(Unbounded::option("stream_format", advice));
    }
    tokens(request, model, demand.text_bytes, model.max_output.unwrap_or(LARGEST_OUTPUT)).map(to_usd)
}

/// The response reports the duration, or tokens. A model with prices of tokens reads no more audio than its largest input.
fn audio(request: &BoundRequest<'_>, model: &ModelPrices) -> Result<Usd, Unbounded> {
    let (demand, extras) = (request.demand, request.demand.extras());
    let has_rows = model.rows().next().is_some();
    if !has_rows && model.per_minute_audio.is_none() {
        return Err(Unbounded::Model);
    }
    let of_file = extras.audio_file.and_then(|file| match file {
        AudioFile::AtMost(milliseconds) => Some(milliseconds.div_ceil(SECOND_MILLISECONDS)),
        AudioFile::Unknown => None,
    });
    let of_model = model.max_input.filter(|_| has_rows);
    let of_model = of_model.map(|tokens| u64::from(tokens).div_ceil(AUDIO_TOKENS_PER_SECOND));
    let seconds = of_file.into_iter().chain(of_model).min();
    let seconds = seconds.ok_or(Unbounded::option("file", FILE_ADVICE))?;
    let by_time = model.per_minute_audio.map(|price| {
        // As the cost of a response: rounded up by itself.
        let pico = times(seconds.saturating_mul(SECOND_MILLISECONDS), pico(price)).div_ceil(MINUTE_MILLISECONDS);
        to_atto(Usd::from_pico(i64::try_from(pico).unwrap_or(i64::MAX)))
    });
    let by_time = by_time.unwrap_or_default();
    if !has_rows {
        return Ok(to_usd(by_time));
    }
    let heard = seconds.saturating_mul(AUDIO_TOKENS_PER_SECOND);
    let output = model.max_output.ok_or(Unbounded::Model)?;
    let by_tokens = tokens(request, model, demand.text_bytes.saturating_add(heard), output)?;
    Ok(to_usd(by_tokens.saturating_add(by_time)))
}

/// The cost of the input and of so much output.
fn tokens(request: &BoundRequest<'_>, model: &ModelPrices, input: u64, output: u32) -> Result<Atto, Unbounded> {
    let input = model.max_input.map_or(input, |largest| input.min(largest.into()));
    let Rates { input: input_price, output: output_price } = Rates::of_request(request, model, input)?;
    Ok(times(input, input_price).saturating_add(times(output.into(), output_price)))
}
