//! Service tiers.

/// The prices that apply to a request: its `service_tier`, or an endpoint with prices of its own.
// Exhaustive: a caller that admits a request decides on each tier.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Tier {
    /// The prices of a request without a tier.
    #[default]
    Standard,
    /// The Batch API.
    Batch,
    /// Cheaper and slower.
    Flex,
    /// Faster.
    Priority,
    /// Faster still.
    Ultrafast,
    /// The endpoint `/decisions`.
    Decisions,
}

impl Tier {
    /// All tiers.
    pub const ALL: [Self; 6] =
        [Self::Standard, Self::Batch, Self::Flex, Self::Priority, Self::Ultrafast, Self::Decisions];

    /// Returns the tier of a value of `service_tier`; `None` for one that has no price. A response has the tier that was
    /// used, and `auto` only before it is chosen.
    ///
    /// Capacity of the scale tier is paid in advance; its list price is the standard one.
    #[must_use]
    pub fn from_service_tier(value: &str) -> Option<Self> {
        Some(match value {
            "default" | "standard" | "auto" | "scale" => Self::Standard,
            "flex" => Self::Flex,
            "priority" | "fast" => Self::Priority,
            "batch" => Self::Batch,
            "ultrafast" => Self::Ultrafast,
            _ => return None,
        })
    }

    /// Returns the name of its row in the price table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Batch => "batch",
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Ultrafast => "ultrafast",
            Self::Decisions => "decisions",
        }
    }

    /// Returns the tier with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.name() == name)
    }
}
