//! The upper bound of a request's cost, against the cost of what it may use.
#![cfg(feature = "users-file")]
#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "a test may panic")]

mod amounts;
mod edits;
mod fixed;
mod refusals;
mod usages;

use std::sync::{Arc, LazyLock};

use sparekey_policy::{BoundRequest, Demand, Endpoint, HostedKind, HostedTool, Limits, Period, PriceTable, Usd, Zone};

static SHIPPED: LazyLock<Arc<PriceTable>> = LazyLock::new(|| Arc::new(PriceTable::shipped().unwrap()));

/// Prices that no vendor has: what is cheap elsewhere is dear.
static ODD: LazyLock<Arc<PriceTable>> = LazyLock::new(|| {
    let table = r#"
        [models.odd]
        max_input = 4000
        max_output = 900
        output_tokens_per_second = 10
        regional = true
        web_search_call = "0.003"
        standard = { input = "1", cached = "7", cache_write_12h = "30", output = "2", audio_out = "3.000001", image_in = "9" }
        flex = { input = "3", output = "1", audio_cached = "50" }
        priority = { input = "2", output = "5" }
        [models.long]
        max_input = 1000000
        max_output = 64000
        standard = { input = "3", output = "4" }
        standard_long = { input = "2", output = "9" }
        priority = { input = "4", output = "5" }
        [models.vectors]
        mode = "embedding"
        standard = { input = "1" }
        [models.unsized]
        standard = { input = "3", output = "4" }
    "#;
    Arc::new(PriceTable::shipped().unwrap().with_overrides(table).unwrap().with_data_residency(true))
});

fn limits(budget: Option<&str>) -> Limits {
    let mut limits = Limits::none(Arc::new(Zone::utc()));
    if let Some(budget) = budget {
        limits.budgets.set(Period::Month, Usd::parse(budget).unwrap());
    }
    limits
}

fn request<'a>(demand: &'a Demand, model: &'a str, limits: &'a Limits) -> BoundRequest<'a> {
    BoundRequest { demand, model: Some(model), limits, prices: &SHIPPED, is_openai: true, hidden_tokens: None }
}

fn chat(text_bytes: u64, output_cap: Option<u64>) -> Demand {
    let mut demand = Demand::new(Endpoint::ChatCompletions);
    (demand.text_bytes, demand.output_cap) = (text_bytes, output_cap);
    demand
}

fn hosted(kind: HostedKind, type_name: &str, index: u32) -> HostedTool {
    HostedTool { index, kind, type_name: type_name.into() }
}

fn usd(text: &str) -> Usd {
    Usd::parse(text).unwrap()
}
