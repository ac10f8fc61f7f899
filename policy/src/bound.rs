//! The upper bound of a request's cost, and what has to change in its body so that a granted amount covers it.
//!
//! # The bound
//!
//! | part | bound |
//! |---|---|
//! | text of the input | one token per byte of the body without pictures and files, at most the model's `max_input` |
//! | pictures of a known size | 1,445 tokens each, and 5/2 per square of 32 × 32 pixels; with gpt-4o-mini 48,169 each |
//! | hidden input: `conversation`, ids of files and items, URLs, PDF | `max_input` |
//! | `previous_response_id` | the tokens of that response, if the caller has them; else `max_input` |
//! | reasoning of an earlier response, by its id | 128,000 tokens, the largest output of a model |
//! | output | choices × the smallest of the cap, `max_output` and the user's `max_output_tokens`; and the bytes of a prediction |
//! | a call of a hosted tool | the price of the dearest, and one more pass over `max_input` |
//! | embeddings | one token per byte; OpenAI reads at most 300,000 |
//! | pictures to make | the listed price of quality and size, or the dearest, and 1/50 for its rounding; 100 tokens per partial one |
//! | speech | the price of its characters; of a model with prices of tokens, `max_output` or else 128,000 tokens |
//! | audio files | the duration of a WAV file; one second per 1,000 bytes of MP3, the lowest rate |
//! | audio files for a model with prices of tokens | at most `max_input`, at 10 tokens per second; the price per minute is added |
//!
//! Each token has the price of the dearest kind that may occur, of the dearest row that may apply: of the tier and of `standard`,
//! because an upstream may use less than what was asked for; of a long context, if the input can be one.
//!
//! # What a restricted user cannot use
//!
//! A user with a budget, `tokens_per_minute` or `max_output_tokens` is restricted. Refused are the options that the reader of
//! the body has marked ([`Demand::refuse`]), unknown tiers, models that search the web, and a tool without a bound that
//! `tool_choice` names; an offered one is removed. A model with a price per minute only gets WAV and MP3: the bytes of other
//! formats, in which silence has next to none, do not bound their duration. A model that speaks for a price of tokens has to
//! report them. Without a price list there is no bound, so that a budget needs one.

mod fixed;
mod input;
mod options;
mod rates;
mod request;
mod text;

pub use request::{BoundRequest, Unbounded};

use std::{sync::Arc, time::Duration};

use self::text::{LEAST_OUTPUT, TextCost, USUAL_OUTPUT};
use crate::{
    body_edits::BodyEdits,
    demand::{Demand, ServiceTier, Stream},
    endpoint::Endpoint,
    prices::{ModelPrices, PriceTable},
    tier::Tier,
    usage::Usage,
    usd::Usd,
};

/// Bytes of text per token in English, for an estimate.
const BYTES_PER_TOKEN: u64 = 4;

/// The name of a model that is not in the price table. Names that a client chose are neither stored nor shown.
const OTHER: &str = "other";

/// The upper bound of a request's cost.
#[derive(Clone, Debug)]
pub struct Bound {
    prices: Arc<PriceTable>,
    /// The name in the price table.
    model: Option<Box<str>>,
    tier: Tier,
    tokens: u32,
    known_usage: Option<Usage>,
    /// The edits that do not depend on the grant.
    edits: BodyEdits,
    cost: Cost,
}

#[derive(Clone, Debug)]
enum Cost {
    /// Of a request of a user without a budget.
    Nothing,
    /// Of a request without a cap.
    Fixed(Usd),
    Text(Box<TextCost>),
}

impl Bound {
    /// Computes the bound.
    ///
    /// # Errors
    ///
    /// [`Unbounded::Option`] for a restricted user, [`Unbounded::Model`] for a user with a budget. A user whose usage is only
    /// counted is never refused.
    pub fn new(request: BoundRequest<'_>) -> Result<Self, Unbounded> {
        let BoundRequest { demand, model, limits, prices, .. } = request;
        let entry = model.and_then(|model| prices.find_entry(model));
        let tier = if let ServiceTier::Named(tier) = demand.service_tier { tier } else { Tier::Standard };
        let mut bound = Self {
            prices: Arc::clone(prices),
            model: entry.map(|(name, _)| name.into()),
            tier,
            tokens: 0,
            known_usage: known_usage(demand, entry.map(|(_, model)| model)),
            edits: BodyEdits {
                hides_usage: demand.endpoint.must_ask_usage() && demand.stream == Stream::Yes,
                ..BodyEdits::default()
            },
            cost: Cost::Nothing,
        };
        let mut cap = demand.output_cap;
        if limits.is_restricted() {
            options::check(&request)?;
            bound.edits.sets_default_tier =
                request.is_openai && demand.endpoint.has_tiers() && demand.service_tier == ServiceTier::Auto;
            if demand.endpoint.has_output_cap() {
                let (text_cap, text) = text::bound(&request, entry, &mut bound.edits)?;
                cap = text_cap.map(u64::from).or(cap);
                bound.cost = text.map_or(Cost::Nothing, |text| Cost::Text(Box::new(text)));
            } else if !limits.budgets.is_empty() {
                bound.cost = Cost::Fixed(fixed::cost(&request, entry.ok_or(Unbounded::Model)?.1)?);
            }
        }
        bound.tokens = estimate_tokens(demand, cap);
        Ok(bound)
    }

    /// Returns the most that the request may cost: [`Reserve::want`](crate::Reserve::want).
    #[must_use]
    pub fn want(&self) -> Usd {
        match &self.cost {
            Cost::Nothing => Usd::ZERO,
            Cost::Fixed(amount) => *amount,
            Cost::Text(text) => text.want(),
        }
    }

    /// Returns the cost of its input and of 4,096 output tokens: [`Reserve::floor`](crate::Reserve::floor).
    #[must_use]
    pub fn floor(&self) -> Usd {
        self.with_output(USUAL_OUTPUT)
    }

    /// Returns the cost of its input and of 1,024 output tokens: [`Reserve::least`](crate::Reserve::least).
    #[must_use]
    pub fn least(&self) -> Usd {
        self.with_output(LEAST_OUTPUT)
    }

    fn with_output(&self, tokens: u32) -> Usd {
        if let Cost::Text(text) = &self.cost { text.least(tokens) } else { self.want() }
    }

    /// Returns an estimate of its tokens, for a limit per minute.
    #[must_use]
    pub fn tokens(&self) -> u32 {
        self.tokens
    }

    /// Returns the changes of the body after which the granted amount covers the request. An amount of [`want`](Self::want)
    /// lowers nothing.
    #[must_use]
    pub fn edits(&self, granted: Usd) -> BodyEdits {
        let mut edits = self.edits.clone();
        if let Cost::Text(text) = &self.cost {
            text.edit(granted, &mut edits);
        }
        edits
    }

    /// Returns the estimated cost of a request that ended without a usage. `sent_for` is the time since it was sent, if its
    /// response is a stream: output that cannot exist yet costs nothing. Otherwise the whole amount counts.
    #[must_use]
    pub fn estimate(&self, granted: Usd, sent_for: Option<Duration>) -> Usd {
        match (&self.cost, sent_for) {
            (Cost::Text(text), Some(sent_for)) => text.estimate(granted, sent_for).min(granted),
            _ => granted,
        }
    }

    /// Returns the usage that follows from the request, where responses report none.
    #[must_use]
    pub fn known_usage(&self) -> Option<Usage> {
        self.known_usage
    }

    /// Returns the price table that priced the request, and prices its response.
    #[must_use]
    pub fn prices(&self) -> &Arc<PriceTable> {
        &self.prices
    }

    /// Returns the name of the model in the price table, or `other`.
    #[must_use]
    pub fn model(&self) -> &str {
        self.model.as_deref().unwrap_or(OTHER)
    }

    /// Returns the tier of the request, for a response that names none.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.tier
    }
}

fn known_usage(demand: &Demand, model: Option<&ModelPrices>) -> Option<Usage> {
    let is_by_character =
        demand.endpoint == Endpoint::Speech && model.is_some_and(|model| model.per_character.is_some());
    is_by_character.then(|| Usage { characters: demand.extras().characters, ..Usage::default() })
}

fn estimate_tokens(demand: &Demand, cap: Option<u64>) -> u32 {
    let pictures = demand.extras().pictures.count.saturating_mul(input::PICTURE_TOKENS);
    let input = demand.text_bytes.div_ceil(BYTES_PER_TOKEN).saturating_add(pictures);
    let usual = u64::from(USUAL_OUTPUT);
    let output = if demand.endpoint.has_output_cap() { cap.map_or(usual, |cap| cap.min(usual)) } else { 0 };
    u32::try_from(input.saturating_add(output)).unwrap_or(u32::MAX)
}
