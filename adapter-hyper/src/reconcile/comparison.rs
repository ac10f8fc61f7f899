//! What the ledger and OpenAI have for the same days.

use std::collections::BTreeMap;

use sparekey_policy::{PriceTable, Usd, is_snapshot_of};

use super::costs::Costs;

/// Two amounts of the same day or model.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Pair {
    pub(super) ledger: Usd,
    pub(super) openai: Usd,
}

/// By day of UTC since 1970, and by model or line item.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) days: BTreeMap<i32, Pair>,
    pub(super) models: BTreeMap<Box<str>, Pair>,
}

impl Pair {
    /// What the ledger has more.
    pub(super) fn difference(self) -> Usd {
        self.ledger.minus(self.openai)
    }

    /// Whether the difference is at most so many percent of OpenAI's amount, or at most `least`.
    pub(super) fn is_within(self, percent: u32, least: Usd) -> bool {
        let difference = i128::from(self.difference().as_pico()).abs();
        difference <= i128::from(least.as_pico())
            || difference * 100 <= i128::from(self.openai.as_pico()).abs() * i128::from(percent)
    }

    fn plus(self, other: Self) -> Self {
        Self { ledger: self.ledger.plus(other.ledger), openai: self.openai.plus(other.openai) }
    }
}

impl Comparison {
    /// Shows each of these days, even without an amount.
    pub(super) fn of_days(days: std::ops::Range<i32>) -> Self {
        Self { days: days.map(|day| (day, Pair::default())).collect(), models: BTreeMap::new() }
    }

    /// Adds a request of the ledger.
    pub(super) fn add_request(&mut self, day: i32, model: &str, usd: Usd) {
        let Some(of_day) = self.days.get_mut(&day) else { return };
        of_day.ledger = of_day.ledger.plus(usd);
        let of_model = self.models.entry(model.into()).or_default();
        of_model.ledger = of_model.ledger.plus(usd);
    }

    /// Adds OpenAI's costs, after all requests. A line item counts for the model that it names.
    pub(super) fn add_costs(&mut self, costs: &Costs, prices: &PriceTable) {
        for ((day, line_item), usd) in costs {
            let Some(of_day) = self.days.get_mut(day) else { continue };
            of_day.openai = of_day.openai.plus(*usd);
            let model: Box<str> = self.model(line_item, prices).into();
            let of_model = self.models.entry(model).or_default();
            of_model.openai = of_model.openai.plus(*usd);
        }
    }

    /// Returns the model whose amounts differ most, of those of the ledger that are not within the tolerance: differences of
    /// several models can cancel each other in the total. What only OpenAI has may be no model, such as its calls of tools; it
    /// is in the total.
    pub(super) fn worst_model(&self, percent: u32, least: Usd) -> Option<(&str, Pair)> {
        let of_ledger = self.models.iter().filter(|(_, pair)| pair.ledger != Usd::ZERO);
        let beyond = of_ledger.filter(|(_, pair)| !pair.is_within(percent, least));
        beyond.map(|(name, pair)| (&**name, *pair)).max_by_key(|(_, pair)| pair.difference().as_pico().unsigned_abs())
    }

    pub(super) fn total(&self) -> Pair {
        self.days.values().fold(Pair::default(), |total, pair| total.plus(*pair))
    }

    /// The model of a line item such as `gpt-5-2025-08-07, cached input`: one that was requested, else one of the price table;
    /// the line item itself if it names none.
    fn model<'a>(&'a self, line_item: &'a str, prices: &'a PriceTable) -> &'a str {
        let name = line_item.split(',').next().unwrap_or_default().trim();
        let requested = |model: &&str| !model.is_empty() && is_snapshot_of(name, model);
        let exact = self.models.get_key_value(name).map(|(model, _)| &**model).filter(requested);
        let requested = exact.or_else(|| self.models.keys().map(|model| &**model).find(requested));
        requested.or_else(|| prices.find_entry(name).map(|(name, _)| name)).unwrap_or(line_item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Usd {
        Usd::parse(text).unwrap()
    }

    #[test]
    fn line_items_are_models() {
        let prices = PriceTable::shipped().unwrap();
        let mut comparison = Comparison::of_days(0..1);
        for model in ["", "gpt-5.4", "my-model"] {
            comparison.add_request(0, model, Usd::ZERO);
        }
        for (line_item, expected) in [
            ("gpt-5-2025-08-07, input", "gpt-5-2025-08-07"),
            ("gpt-5.4-2026-03-05, input", "gpt-5.4"),
            ("my-model-2026-01-01, output", "my-model"),
            ("gpt-5-mini, cached input", "gpt-5-mini"),
            ("web search tool calls", "web search tool calls"),
            ("", ""),
        ] {
            assert_eq!(comparison.model(line_item, &prices), expected);
        }
    }

    #[test]
    fn tolerance() {
        let pair = |ledger: &str, openai: &str| Pair { ledger: usd(ledger), openai: usd(openai) };
        let least = usd("0.01");
        for (ledger, openai, is_within) in [
            ("1.05", "1", true),
            ("0.95", "1", true),
            ("1.06", "1", false),
            ("0.01", "0", true),
            ("0.02", "0", false),
            ("0", "0.5", false),
        ] {
            assert_eq!(pair(ledger, openai).is_within(5, least), is_within, "{ledger} {openai}");
        }
    }

    #[test]
    fn opposite_differences() {
        let mut comparison = Comparison::of_days(0..1);
        for (model, ledger) in [("gpt-5", "1"), ("gpt-5-mini", "2"), ("o3", "0")] {
            comparison.add_request(0, model, usd(ledger));
        }
        let items = [("gpt-5, input", "2"), ("gpt-5-mini, input", "1"), ("o3, input", "0.01")];
        let costs = items.map(|(item, cost)| ((0, item.into()), usd(cost))).into();
        comparison.add_costs(&costs, &PriceTable::shipped().unwrap());
        assert!(comparison.total().is_within(5, usd("0.01")));
        let worst = comparison.worst_model(5, usd("0.01")).map(|(model, _)| model);
        assert!(matches!(worst, Some("gpt-5" | "gpt-5-mini")), "{worst:?}");
        assert_eq!(comparison.worst_model(100, usd("0.01")), None);
    }

    #[test]
    fn billed_as_another_model() {
        let mut comparison = Comparison::of_days(0..1);
        comparison.add_request(0, "gpt-5", usd("0.55"));
        let costs = [((0, "gpt-5-mini, input".into()), usd("0.55"))].into();
        comparison.add_costs(&costs, &PriceTable::shipped().unwrap());
        assert!(comparison.total().is_within(0, usd("0")));
        assert_eq!(comparison.worst_model(5, usd("0.01")).map(|(model, _)| model), Some("gpt-5"));
    }

    #[test]
    fn other_days_do_not_count() {
        let mut comparison = Comparison::of_days(10..12);
        for day in 9..13 {
            comparison.add_request(day, "gpt-5", usd("1"));
        }
        let costs = (9..13).map(|day| ((day, "gpt-5, input".into()), usd("2"))).collect();
        comparison.add_costs(&costs, &PriceTable::shipped().unwrap());
        assert_eq!(comparison.total(), Pair { ledger: usd("2"), openai: usd("4") });
        assert_eq!(comparison.models["gpt-5"], comparison.total());
    }
}
