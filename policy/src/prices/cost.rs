//! The cost of a response.
//!
//! All amounts are whole pico-dollars, so that a sum of tokens is exact. Factors and durations round up, once, at the end.
//! Sums saturate: a cost that is too large to count is [`Usd::MAX`], never a small amount.

use super::{
    PriceTable,
    factors::Factors,
    model::{ModelMode, ModelPrices},
    row::{RowName, TokenKind, TokenPrices},
};
use crate::{
    tier::Tier,
    usage::{Tokens, Usage},
    usd::Usd,
};

/// Milliseconds of a minute.
pub(crate) const MINUTE_MILLISECONDS: u128 = 60_000;

/// Per mille, twice: the factor of the tier and the factor of data residency.
pub(crate) const TWO_FACTORS: u128 = 1_000_000;

impl PriceTable {
    /// Returns the cost of what a response used. `None`: the model is not listed, or something that was used has no price.
    #[must_use]
    pub fn cost(&self, model: &str, tier: Tier, usage: &Usage) -> Option<Usd> {
        let model = self.find(model)?;
        let tokens = if usage.tokens.total() == 0 { 0 } else { self.tokens_cost(model, tier, &usage.tokens)? };
        let sum = tokens
            .saturating_add(audio_cost(model, usage.audio_milliseconds)?)
            .saturating_add(characters_cost(model, usage.characters)?)
            .saturating_add(self.tools_cost(model, usage));
        Some(Usd::from_pico(i64::try_from(sum).unwrap_or(i64::MAX)))
    }

    /// Returns the cost of pictures that a tool made: `tool_usage.image_gen` of a response. Without a model, the dearest
    /// image model counts.
    #[must_use]
    pub fn picture_tool_cost(&self, model: Option<&str>, tokens: Tokens) -> Option<Usd> {
        let usage = Usage::from(tokens);
        if let Some(model) = model {
            return self.cost(model, Tier::Standard, &usage);
        }
        let image_models = self.models().filter(|(_, model)| model.mode == ModelMode::ImageGeneration);
        image_models.filter_map(|(name, _)| self.cost(name, Tier::Standard, &usage)).max()
    }

    fn tokens_cost(&self, model: &ModelPrices, tier: Tier, tokens: &Tokens) -> Option<u128> {
        let regional = self.regional_factor(model);
        let is_long = tokens.input > self.long_context_above;
        let mut dearest = None;
        for (row, factor) in self.rows_of(model, tier, is_long)? {
            let factors = u128::from(factor).saturating_mul(regional.into());
            // A product that does not fit is far above `Usd::MAX`, and so stays after the division.
            let cost = row.sum(tokens)?.saturating_mul(factors).div_ceil(TWO_FACTORS);
            dearest = dearest.max(Some(cost));
        }
        dearest
    }

    /// Returns the factor of data residency, per mille.
    pub(crate) fn regional_factor(&self, model: &ModelPrices) -> u32 {
        if self.is_regional && model.has_regional_factor { self.factors.regional } else { Factors::ONE }
    }

    /// Returns the rows that may apply, of which the dearest counts, with their factors.
    pub(crate) fn rows_of<'m>(
        &self,
        model: &'m ModelPrices,
        tier: Tier,
        is_long: bool,
    ) -> Option<impl Iterator<Item = (&'m TokenPrices, u32)>> {
        let row = |tier, is_long| model.row(RowName { tier, is_long });
        let with_factor = |row| Some((row, self.factors.of(tier)));
        let own = row(tier, false).map(|row| (row, Factors::ONE));
        // The factors of priority and ultrafast are too low for some older models, so that these need a row.
        let has_factor = matches!(tier, Tier::Batch | Tier::Flex);
        let short = own.or_else(|| row(Tier::Standard, false).filter(|_| has_factor).and_then(with_factor))?;
        let standard_long = row(Tier::Standard, true).filter(|_| is_long);
        let rows = match standard_long {
            None => [Some(short), None],
            Some(standard_long) => match row(tier, true) {
                Some(long) => [Some((long, Factors::ONE)), None],
                None => [Some(short), with_factor(standard_long)],
            },
        };
        Some(rows.into_iter().flatten())
    }

    fn tools_cost(&self, model: &ModelPrices, usage: &Usage) -> u128 {
        let calls = [
            (usage.tools.web_search, model.web_search_call.unwrap_or(self.tools.web_search)),
            (usage.tools.file_search, self.tools.file_search),
            (usage.tools.containers, self.tools.container),
        ];
        calls.into_iter().fold(0, |sum, (count, price)| sum.saturating_add(times(count, pico(price))))
    }
}

impl TokenPrices {
    /// Returns the price of these tokens. `None`: a kind that was used has no price.
    fn sum(&self, tokens: &Tokens) -> Option<u128> {
        parts(tokens).into_iter().try_fold(0_u128, |sum, (kind, count)| {
            let cost = if count == 0 { 0 } else { times(count, pico(self.get(kind)?)) };
            Some(sum.saturating_add(cost))
        })
    }
}

/// Splits tokens into parts that do not overlap, and whose sum is the input and the output.
///
/// A part that is larger than its whole is lowered to it. Where the upstream does not report how much of the audio was
/// cached, cached tokens count as text first, because audio costs more.
fn parts(tokens: &Tokens) -> [(TokenKind, u64); TokenKind::ALL.len()] {
    let mut input = tokens.input;
    let mut cached = take(&mut input, tokens.cached);
    let mut written = take(&mut input, tokens.cache_write);
    let written_12h = take(&mut written, tokens.cache_write_12h);
    let cached_audio = take(&mut cached, tokens.cached_audio);
    let cached_image = take(&mut cached, tokens.cached_image);
    let audio = take(&mut input, tokens.input_audio.saturating_sub(cached_audio));
    let image = take(&mut input, tokens.input_image.saturating_sub(cached_image));
    let mut output = tokens.output;
    let output_audio = take(&mut output, tokens.output_audio);
    let output_image = take(&mut output, tokens.output_image);
    [
        (TokenKind::Input, input),
        (TokenKind::Cached, cached),
        (TokenKind::CacheWrite, written),
        (TokenKind::CacheWrite12h, written_12h),
        (TokenKind::Output, output),
        (TokenKind::AudioIn, audio),
        (TokenKind::AudioCached, cached_audio),
        (TokenKind::AudioOut, output_audio),
        (TokenKind::ImageIn, image),
        (TokenKind::ImageCached, cached_image),
        (TokenKind::ImageOut, output_image),
    ]
}

/// Removes a part from the rest, and returns its size.
fn take(rest: &mut u64, part: u64) -> u64 {
    let part = part.min(*rest);
    *rest = rest.saturating_sub(part);
    part
}

fn audio_cost(model: &ModelPrices, milliseconds: u64) -> Option<u128> {
    if milliseconds == 0 {
        return Some(0);
    }
    Some(times(milliseconds, pico(model.per_minute_audio?)).div_ceil(MINUTE_MILLISECONDS))
}

fn characters_cost(model: &ModelPrices, characters: u64) -> Option<u128> {
    if characters == 0 { Some(0) } else { model.per_character.map(|price| times(characters, pico(price))) }
}

/// Returns the price of so many. It saturates.
pub(crate) fn times(count: u64, price: u128) -> u128 {
    price.saturating_mul(count.into())
}

/// A price is never negative.
pub(crate) fn pico(amount: Usd) -> u128 {
    u128::try_from(amount.as_pico()).unwrap_or(0)
}
