//! What a response used.

use sparekey_policy::{ModelPrices, PriceTable, Tier, Tokens, Usage, Usd, is_snapshot_of};

/// What a response used, as the upstream reports it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ResponseUsage {
    /// The names in the response.
    pub identity: ResponseIdentity,
    /// What its model used, and calls of tools.
    pub usage: Usage,
    /// Pictures that a tool made, with a model of its own.
    pub picture_tool: Option<PictureTool>,
    /// The model that drew an SVG.
    pub svg: Option<ModelTokens>,
    /// The cost that OpenRouter reports.
    pub reported_cost: Option<Usd>,
}

/// The names in a response.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ResponseIdentity {
    /// Its id. A response that is retrieved later has the same usage again.
    pub id: Option<Box<str>>,
    /// The model that was used.
    pub model: Option<Box<str>>,
    /// The tier that was used.
    pub service_tier: Option<Box<str>>,
}

/// Tokens of another model than the response's.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ModelTokens {
    /// The model, if the response names it.
    pub model: Option<Box<str>>,
    /// Its tokens.
    pub tokens: Tokens,
}

/// Pictures that a tool made.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct PictureTool {
    /// The model, if the response names it.
    pub model: Option<Box<str>>,
    /// Its tokens. `None`: there are pictures, but the response does not report their tokens.
    pub tokens: Option<Tokens>,
}

impl ResponseUsage {
    /// Returns the cost by the tier and the model of the response; by those of the request where it names none, or an
    /// unlisted snapshot of the requested model. `None`: something that was used has no price.
    #[must_use]
    pub fn cost(&self, prices: &PriceTable, requested_model: Option<&str>, requested_tier: Tier) -> Option<Usd> {
        let (name, model) = self.model(prices, requested_model)?;
        let tier = match self.identity.service_tier.as_deref() {
            None => requested_tier,
            // Other services have tiers of their own, such as Groq's `on_demand`.
            Some(tier) => Tier::from_service_tier(tier).or((!model.is_shipped).then_some(requested_tier))?,
        };
        let main = prices.cost(name, tier, &self.usage)?;
        let pictures = match &self.picture_tool {
            None => Usd::ZERO,
            Some(tool) => prices.picture_tool_cost(tool.model.as_deref(), tool.tokens?)?,
        };
        let svg = match &self.svg {
            None => Usd::ZERO,
            Some(svg) => prices.cost(svg.model.as_deref()?, Tier::Standard, &svg.tokens.into())?,
        };
        Some(main.plus(pictures).plus(svg))
    }

    /// Returns the model whose prices apply.
    fn model<'a>(&'a self, prices: &'a PriceTable, requested: Option<&'a str>) -> Option<(&'a str, &'a ModelPrices)> {
        let named = self.identity.model.as_deref();
        let requested = requested.filter(|requested| named.is_none_or(|named| is_snapshot_of(named, requested)));
        let find = |name: Option<&'a str>| name.and_then(|name| Some((name, prices.find(name)?)));
        find(named).or_else(|| find(requested))
    }

    /// Adds what an earlier event of the same stream used.
    pub(super) fn plus(mut self, earlier: &Self) -> Self {
        let sum = |tokens: &mut Tokens, other: &Tokens| {
            for (count, other) in counts(tokens).into_iter().zip(counts(&mut other.clone())) {
                *count = count.saturating_add(*other);
            }
        };
        sum(&mut self.usage.tokens, &earlier.usage.tokens);
        match (&mut self.svg, &earlier.svg) {
            (Some(svg), Some(earlier)) => sum(&mut svg.tokens, &earlier.tokens),
            (svg @ None, earlier) => svg.clone_from(earlier),
            (Some(_), None) => {}
        }
        self
    }

    /// Takes the input of an earlier event of the same stream.
    pub(super) fn with_input_of(mut self, earlier: &Self) -> Self {
        let Tokens { output, reasoning, output_audio, output_image, .. } = self.usage.tokens;
        self.usage.tokens = Tokens { output, reasoning, output_audio, output_image, ..earlier.usage.tokens };
        self
    }
}

impl ResponseIdentity {
    /// Replaces the names that a later event of the same stream has.
    pub(super) fn update(&mut self, later: &Self) {
        let Self { id, model, service_tier } = later;
        for (name, later) in [(&mut self.id, id), (&mut self.model, model), (&mut self.service_tier, service_tier)] {
            if later.is_some() {
                name.clone_from(later);
            }
        }
    }
}

/// All counts.
fn counts(tokens: &mut Tokens) -> [&mut u64; 12] {
    let Tokens {
        input,
        cached,
        cache_write,
        cache_write_12h,
        input_audio,
        cached_audio,
        input_image,
        cached_image,
        output,
        reasoning,
        output_audio,
        output_image,
    } = tokens;
    [
        input,
        cached,
        cache_write,
        cache_write_12h,
        input_audio,
        cached_audio,
        input_image,
        cached_image,
        output,
        reasoning,
        output_audio,
        output_image,
    ]
}
