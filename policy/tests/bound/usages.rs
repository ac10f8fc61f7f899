//! No usage that the bound allows costs more than what is granted.

use std::{num::NonZeroU32, time::Duration};

use proptest::prelude::*;
use sparekey_policy::{
    Bound, BoundRequest, CacheTime, Demand, Endpoint, HostedKind, Pictures, ServiceTier, Tier, Tokens, ToolCalls,
    ToolChoice, Usage, Usd,
};

use crate::{ODD, hosted, limits};

/// Models of each kind of rows.
const MODELS: [&str; 13] = [
    "gpt-5",
    "gpt-5-nano",
    "gpt-6.1-sol",
    "gpt-5.5",
    "gpt-5.5-pro",
    "gpt-5.5-cyber",
    "gpt-4o-mini",
    "ft:gpt-4o-mini-2024-07-18",
    "gpt-audio",
    "gpt-6-cyber",
    "odd",
    "long",
    "unsized",
];

fn any_demand() -> impl Strategy<Value = Demand> {
    let endpoint = prop_oneof![Just(Endpoint::ChatCompletions), Just(Endpoint::Responses), Just(Endpoint::Completions)];
    let tier = prop_oneof![
        4 => Just(ServiceTier::Auto),
        1 => proptest::sample::select(Tier::ALL.to_vec()).prop_map(ServiceTier::Named),
    ];
    let size = prop_oneof![0_u64..5_000, 0_u64..2_000_000];
    let cap = proptest::option::of(prop_oneof![0_u64..5_000, 0_u64..1_000_000, Just(u64::MAX)]);
    let input = (size, proptest::option::weighted(0.2, 0_u64..9_000), any::<[bool; 7]>(), 0_u64..4, 0_u64..9_000);
    let tools = (0_u64..3, proptest::option::of(0_u64..6), 0_usize..5, any::<bool>());
    (endpoint, tier, cap, prop_oneof![3 => Just(1_u64), 1 => 1_u64..5], input, tools).prop_map(
        |(
            endpoint,
            tier,
            cap,
            choices,
            (bytes, previous, flags, pictures, patches),
            (of_client, calls, hosted_tools, is_forced),
        )| {
            let mut demand = Demand::new(endpoint);
            (demand.service_tier, demand.text_bytes) = (tier, bytes);
            (demand.output_cap, demand.choices) = (cap, choices);
            let [is_hidden, has_audio, has_media, is_prewarmed, is_long, has_prediction, has_tools] = flags;
            if is_hidden && has_audio {
                demand.hide_input("conversation".into());
            }
            let extras = demand.extras_mut();
            extras.previous_response_id = previous.map(|_| "resp_1".into());
            (extras.has_audio_input, extras.has_media_output) = (has_audio, has_media);
            extras.is_prewarmed = is_prewarmed && is_hidden;
            extras.cache_time = if is_long { CacheTime::Longer } else { CacheTime::HalfHour };
            extras.prediction_bytes = if has_prediction { bytes.min(1_000) } else { 0 };
            extras.pictures = Pictures { count: pictures, patches: pictures * patches };
            if has_tools {
                (extras.tools.of_client, extras.tools.max_calls) = (of_client, calls);
                let kinds =
                    [HostedKind::WebSearch, HostedKind::FileSearch, HostedKind::Unbounded, HostedKind::WebSearch];
                let hosted_tools = kinds.into_iter().zip(0..).take(hosted_tools);
                extras.tools.hosted = hosted_tools.map(|(kind, index)| hosted(kind, "x", index)).collect();
                extras.tools.choice = if is_forced { ToolChoice::Any } else { ToolChoice::Free };
            }
            demand
        },
    )
}

/// Shares of the largest usage, per 256.
fn any_shares() -> impl Strategy<Value = [u64; 13]> {
    let any = proptest::array::uniform13(prop_oneof![Just(256_u64), Just(0_u64), 0_u64..=256]);
    let dearest = |of_audio| [256, 256, 0, 256, 256, of_audio, 0, 256, 0, 256, 256, 256, 256];
    prop_oneof![2 => any, 1 => Just(dearest(0)), 1 => Just(dearest(256))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_usage_within_the_bound_costs_more_than_the_grant(
        demand in any_demand(),
        model in proptest::sample::select(MODELS.to_vec()),
        is_openai: bool,
        hidden_tokens in proptest::option::of(0_u64..50_000),
        max_output in proptest::option::weighted(0.2, 1_u32..9_000),
        shares in any_shares(),
        share_of_grant in 0_i64..=256,
        answered_by in 0_usize..3,
    ) {
        let mut limits = limits(Some("100000"));
        limits.max_output_tokens = max_output.and_then(NonZeroU32::new);
        let prices = &ODD;
        let request = BoundRequest { demand: &demand, model: Some(model), limits: &limits, prices, is_openai, hidden_tokens };
        let Ok(bound) = Bound::new(request) else { return Ok(()) };
        prop_assert!(bound.least() <= bound.floor() && bound.floor() <= bound.want());
        let room = bound.want().minus(bound.least()).as_pico();
        let granted = bound.least().plus(Usd::from_pico(i64::try_from(i128::from(room) * i128::from(share_of_grant) / 256).unwrap()));
        let edits = bound.edits(granted);

        // The request as it is sent.
        let extras = demand.extras();
        let prices_of_model = prices.find(model).unwrap();
        let max_input = prices_of_model.max_input.map_or(u64::MAX, u64::from);
        let asked = demand.output_cap.unwrap_or(u64::MAX).min(prices_of_model.max_output.map_or(u64::MAX, u64::from));
        let cap = edits.output_cap().map_or(asked, |cap| asked.min(cap.tokens.into()));
        prop_assert!(cap < u64::MAX);
        if granted == bound.want() && max_output.is_none() && prices_of_model.max_output.is_some() {
            prop_assert_eq!(edits.clamped(), None);
        }
        let tools_left = extras.tools.hosted.iter().filter(|tool| !edits.removed_indexes().contains(&tool.index));
        prop_assert!(tools_left.clone().all(|tool| tool.kind != HostedKind::Unbounded));
        let calls = if tools_left.count() == 0 { 0 } else {
            edits.max_tool_calls().map(u64::from).or(extras.tools.max_calls).unwrap()
        };

        // The largest usage of it, and a part of that.
        let hidden = match (&extras.hidden_input, &extras.previous_response_id, hidden_tokens) {
            (Some(_), _, _) | (None, Some(_), None) => max_input,
            (None, Some(_), Some(tokens)) => tokens,
            (None, None, _) => 0,
        };
        let of_pictures = if model.contains("gpt-4o-mini") { 48_169 * extras.pictures.count } else { 1_445 * extras.pictures.count + extras.pictures.patches * 246 / 100 };
        let visible = demand.text_bytes + of_pictures;
        let pass = visible.saturating_add(hidden);
        let pass = if demand.endpoint == Endpoint::Completions { pass } else { pass.min(max_input) };
        let first = if extras.is_prewarmed { 2 * pass } else { pass };
        let input = first.saturating_add(calls.saturating_mul(max_input));
        let output = (cap + extras.prediction_bytes) * demand.choices;
        let part = |whole: u64, at: usize| u64::try_from(u128::from(whole) * u128::from(shares[at]) / 256).unwrap();
        let is_media = extras.has_audio_input || extras.pictures.count > 0 || hidden > 0;
        let media_in = |whole, at| if is_media { part(whole, at) } else { 0 };
        let media_out = |whole, at| if extras.has_media_output { part(whole, at) } else { 0 };
        let (input, output) = (part(input, 0), part(output, 1));
        let (cached, cache_write) = (part(input, 2), part(input, 3));
        let usage = Usage {
            tokens: Tokens {
                input,
                cached,
                cache_write,
                cache_write_12h: if extras.cache_time == CacheTime::Longer { part(cache_write, 4) } else { 0 },
                input_audio: media_in(input, 5),
                cached_audio: media_in(cached, 6),
                input_image: media_in(input, 7),
                cached_image: media_in(cached, 8),
                output,
                reasoning: part(output, 9),
                output_audio: media_out(output, 10),
                output_image: media_out(output, 11),
            },
            tools: ToolCalls { web_search: part(calls, 12), file_search: calls - part(calls, 12), containers: 0 },
            ..Usage::default()
        };
        let answered = match (answered_by, demand.service_tier) {
            (0, _) => Tier::Standard,
            (_, ServiceTier::Named(tier)) => tier,
            // Behind another service the project's default is not known.
            (_, _) if !is_openai && prices_of_model.rows().any(|(row, _)| row.tier == Tier::Priority) => Tier::Priority,
            (_, _) => Tier::Standard,
        };
        if let Some(cost) = prices.cost(model, answered, &usage) {
            prop_assert!(cost <= granted, "{cost} > {granted}: {usage:?} {edits:?}");
        } else {
            prop_assert!(false, "no price of {answered:?}");
        }
        for seconds in [0, 1, 60] {
            prop_assert!(bound.estimate(granted, Some(Duration::from_secs(seconds))) <= granted);
        }
    }
}
