//! The dearest prices of a token.

use super::request::{BoundRequest, Unbounded};
use crate::{
    demand::{CacheTime, ServiceTier},
    endpoint::Endpoint,
    prices::{
        ModelPrices, TokenKind, TokenPrices,
        cost::{TWO_FACTORS, pico},
    },
    tier::Tier,
    usd::Usd,
};

/// Kinds of input of every request.
const TEXT_IN: [TokenKind; 3] = [TokenKind::Input, TokenKind::Cached, TokenKind::CacheWrite];

/// Kinds of input of a request whose input is not text only, or hidden.
const MEDIA_IN: [TokenKind; 4] =
    [TokenKind::AudioIn, TokenKind::AudioCached, TokenKind::ImageIn, TokenKind::ImageCached];

const MEDIA_OUT: [TokenKind; 2] = [TokenKind::AudioOut, TokenKind::ImageOut];

/// Money in 10⁻¹⁸ dollars: pico-dollars with both factors, which are per mille. Sums saturate.
pub(super) type Atto = u128;

/// Prices of one token.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rates {
    pub(super) input: Atto,
    pub(super) output: Atto,
}

impl Rates {
    /// Returns the dearest prices of a token, if the input has at most so many.
    pub(super) fn of_request(
        request: &BoundRequest<'_>,
        model: &ModelPrices,
        most_input: u64,
    ) -> Result<Self, Unbounded> {
        let [standard, other] = tiers(request, model);
        let find = |tier| Self::dearest(request, model, tier, most_input);
        let standard = find(standard).ok_or(Unbounded::Model)?;
        let other = find(other)
            .ok_or(Unbounded::option("service_tier", "Leave it out, because this tier has no price for this model."))?;
        Ok(standard.max(other))
    }

    /// Returns the highest prices of all rows that may apply to a tier. `None`: there is no row.
    fn dearest(request: &BoundRequest<'_>, model: &ModelPrices, tier: Tier, most_input: u64) -> Option<Self> {
        let prices = request.prices;
        let regional = u128::from(prices.regional_factor(model));
        let mut dearest = Self::default();
        for is_long in [false, true] {
            if is_long && most_input <= prices.long_context_above() {
                continue;
            }
            for (row, factor) in prices.rows_of(model, tier, is_long)? {
                let factors = regional.saturating_mul(factor.into());
                dearest = dearest.max(Self::of(request, row)?.times(factors));
            }
        }
        Some(dearest)
    }

    /// The prices of a row, in pico-dollars.
    fn of(request: &BoundRequest<'_>, row: &TokenPrices) -> Option<Self> {
        let extras = request.demand.extras();
        let highest = |kinds: &[TokenKind]| kinds.iter().filter_map(|kind| row.get(*kind)).max().map(pico);
        let mut input = highest(&TEXT_IN)?;
        if extras.cache_time == CacheTime::Longer {
            input = input.max(highest(&[TokenKind::CacheWrite12h])?);
        }
        let is_hidden = extras.hidden_input.is_some() || extras.previous_response_id.is_some();
        let endpoint = request.demand.endpoint;
        let is_heard = matches!(endpoint, Endpoint::Transcriptions | Endpoint::Translations);
        if is_hidden || is_heard || extras.has_audio_input || extras.pictures.count > 0 {
            input = input.max(highest(&MEDIA_IN)?);
        }
        // Embeddings have no output, and need no price of it.
        let mut output = if endpoint == Endpoint::Embeddings { 0 } else { highest(&[TokenKind::Output])? };
        // Other endpoints without a cap have their own kind of output.
        if extras.has_media_output || !(endpoint.has_output_cap() || endpoint == Endpoint::Embeddings) {
            output = output.max(highest(&MEDIA_OUT)?);
        }
        Some(Self { input, output })
    }

    fn times(self, factors: u128) -> Self {
        Self { input: self.input.saturating_mul(factors), output: self.output.saturating_mul(factors) }
    }

    /// Returns the higher of each.
    fn max(self, other: Self) -> Self {
        Self { input: self.input.max(other.input), output: self.output.max(other.output) }
    }
}

/// The tiers that may apply, of which the dearest counts. The second one can be the first.
fn tiers(request: &BoundRequest<'_>, model: &ModelPrices) -> [Tier; 2] {
    let has_row = |tier| model.rows().any(|(row, _)| row.tier == tier);
    let other = match request.demand.service_tier {
        ServiceTier::Named(tier) => tier,
        // The settings of a project behind another service are unknown.
        ServiceTier::Auto if !request.is_openai && has_row(Tier::Priority) => Tier::Priority,
        ServiceTier::Auto | ServiceTier::Unknown => Tier::Standard,
    };
    [Tier::Standard, other]
}

/// Converts an amount. It saturates.
pub(super) fn to_atto(amount: Usd) -> Atto {
    pico(amount).saturating_mul(TWO_FACTORS)
}

/// Rounds up to whole pico-dollars. It saturates.
pub(super) fn to_usd(amount: Atto) -> Usd {
    Usd::from_pico(i64::try_from(amount.div_ceil(TWO_FACTORS)).unwrap_or(i64::MAX))
}
