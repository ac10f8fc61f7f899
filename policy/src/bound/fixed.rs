//! The bound of a request whose output has no cap.

use std::borrow::Cow;

use super::{
    rates::{Atto, Rates, to_atto, to_usd},
    request::{BoundRequest, Unbounded},
};
use crate::{
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

/// Bytes of a second of audio at 6 kbit/s, the lowest rate of speech codecs in use.
const AUDIO_BYTES_PER_SECOND: u64 = 750;

/// Tokens of a second of audio.
const AUDIO_TOKENS_PER_SECOND: u64 = 10;

/// Milliseconds of a second.
const SECOND_MILLISECONDS: u64 = 1_000;

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
    if let Some(price) = model.per_character {
        return Ok(to_usd(times(request.demand.extras().characters, to_atto(price))));
    }
    tokens(request, model, request.demand.text_bytes).map(to_usd)
}

/// The response reports the duration, or tokens, or nothing.
fn audio(request: &BoundRequest<'_>, model: &ModelPrices) -> Result<Usd, Unbounded> {
    let (demand, extras) = (request.demand, request.demand.extras());
    let milliseconds = extras.audio_bytes.saturating_mul(SECOND_MILLISECONDS).div_ceil(AUDIO_BYTES_PER_SECOND);
    let by_time = model.per_minute_audio.map(|price| {
        // As the cost of a response: rounded up by itself.
        let pico = u128::from(milliseconds).saturating_mul(pico(price)).div_ceil(MINUTE_MILLISECONDS);
        to_atto(Usd::from_pico(i64::try_from(pico).unwrap_or(i64::MAX)))
    });
    if model.rows().next().is_none() {
        return by_time.map(to_usd).ok_or(Unbounded::Model);
    }
    let heard = milliseconds.div_ceil(SECOND_MILLISECONDS).saturating_mul(AUDIO_TOKENS_PER_SECOND);
    let by_tokens = tokens(request, model, demand.text_bytes.saturating_add(heard))?;
    Ok(to_usd(by_tokens.saturating_add(by_time.unwrap_or_default())))
}

/// The cost of the input and of the largest output.
fn tokens(request: &BoundRequest<'_>, model: &ModelPrices, input: u64) -> Result<Atto, Unbounded> {
    let output = model.max_output.ok_or(Unbounded::Model)?;
    let input = model.max_input.map_or(input, |largest| input.min(largest.into()));
    let Rates { input: input_price, output: output_price } = Rates::of_request(request, model, input)?;
    Ok(times(input, input_price).saturating_add(times(output.into(), output_price)))
}
