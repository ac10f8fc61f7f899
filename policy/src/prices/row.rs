//! Prices of tokens.

use crate::{tier::Tier, usd::Usd};

/// A kind of token with a price.
// Exhaustive: the cost of a response is the sum over all kinds.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum TokenKind {
    /// Input that is of no other kind.
    Input,
    /// Input from the cache.
    Cached,
    /// Input that is written to the cache for 30 minutes.
    CacheWrite,
    /// Input that is written to the cache for 12 hours.
    CacheWrite12h,
    /// Output that is of no other kind.
    Output,
    /// Audio in the input.
    AudioIn,
    /// Audio from the cache.
    AudioCached,
    /// Audio in the output.
    AudioOut,
    /// Images in the input.
    ImageIn,
    /// Images from the cache.
    ImageCached,
    /// Images in the output.
    ImageOut,
}

/// The name of a row of a model: `standard`, `flex_long` and so on.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct RowName {
    /// The tier.
    pub tier: Tier,
    /// Whether it applies to long contexts.
    pub is_long: bool,
}

/// The prices of one token of each kind that the row lists.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TokenPrices {
    pub(crate) listed: Vec<(TokenKind, Usd)>,
}

impl TokenKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Input,
        Self::Cached,
        Self::CacheWrite,
        Self::CacheWrite12h,
        Self::Output,
        Self::AudioIn,
        Self::AudioCached,
        Self::AudioOut,
        Self::ImageIn,
        Self::ImageCached,
        Self::ImageOut,
    ];

    /// Returns the name of its field in the price table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Cached => "cached",
            Self::CacheWrite => "cache_write",
            Self::CacheWrite12h => "cache_write_12h",
            Self::Output => "output",
            Self::AudioIn => "audio_in",
            Self::AudioCached => "audio_cached",
            Self::AudioOut => "audio_out",
            Self::ImageIn => "image_in",
            Self::ImageCached => "image_cached",
            Self::ImageOut => "image_out",
        }
    }

    /// The kinds whose price applies in the place of a price that is not listed, in their order.
    const fn substitutes(self) -> &'static [Self] {
        match self {
            Self::Input => &[],
            Self::Cached | Self::CacheWrite | Self::AudioIn | Self::ImageIn => &[Self::Input],
            Self::CacheWrite12h => &[Self::CacheWrite, Self::Input],
            Self::AudioCached => &[Self::Cached, Self::AudioIn, Self::Input],
            Self::ImageCached => &[Self::Cached, Self::ImageIn, Self::Input],
            // An image model without a price of text bills all its output as images.
            Self::Output => &[Self::ImageOut],
            Self::AudioOut | Self::ImageOut => &[Self::Output],
        }
    }
}

impl RowName {
    /// The row of most requests.
    pub const STANDARD: Self = Self { tier: Tier::Standard, is_long: false };

    /// Parses the name of a row.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (tier, is_long) = name.strip_suffix("_long").map_or((name, false), |tier| (tier, true));
        let tier = Tier::from_name(tier)?;
        Some(Self { tier, is_long })
    }

    /// Returns the name in the price table.
    #[must_use]
    pub fn name(self) -> String {
        format!("{}{}", self.tier.name(), if self.is_long { "_long" } else { "" })
    }
}

impl TokenPrices {
    /// Returns the listed prices of one token.
    pub fn listed(&self) -> impl Iterator<Item = (TokenKind, Usd)> {
        self.listed.iter().copied()
    }

    /// Returns the price of one token: that of its kind, or of the first substitute that is listed.
    #[must_use]
    pub fn get(&self, kind: TokenKind) -> Option<Usd> {
        let find = |kind: TokenKind| self.listed.iter().find(|(listed, _)| *listed == kind).map(|(_, price)| *price);
        find(kind).or_else(|| kind.substitutes().iter().copied().find_map(find))
    }
}
