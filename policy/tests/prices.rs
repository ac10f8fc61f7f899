//! The shipped price table: what responses cost.
#![cfg(feature = "users-file")]
#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "a test may panic")]

use std::sync::LazyLock;

use proptest::prelude::*;
use sparekey_policy::{PriceTable, RowName, Tier, TokenKind, Tokens, ToolCalls, Usage, Usd};

static SHIPPED: LazyLock<PriceTable> = LazyLock::new(|| PriceTable::shipped().unwrap());

/// Input, cached, written to the cache, written for 12 hours, output.
fn text([input, cached, cache_write, cache_write_12h, output]: [u64; 5]) -> Usage {
    Tokens { input, cached, cache_write, cache_write_12h, output, ..Tokens::default() }.into()
}

#[track_caller]
fn costs(model: &str, tier: Tier, usage: Usage, usd: &str) {
    let expected = Usd::parse(usd).unwrap();
    assert_eq!(SHIPPED.cost(model, tier, &usage), Some(expected), "{model} {tier:?} {usage:?}");
}

#[test]
fn text_costs() {
    use Tier::{Batch, Decisions, Flex, Priority, Standard, Ultrafast};
    for (model, tier, tokens, usd) in [
        // Input, cached input and output.
        ("gpt-5-mini", Standard, [1_234, 1_024, 0, 0, 567], "0.0012121"),
        ("gpt-5-mini-2025-08-07", Standard, [1_234, 1_024, 0, 0, 567], "0.0012121"),
        ("gpt-6.1-sol", Standard, [1_234, 1_024, 0, 0, 567], "0.0061924"),
        ("gpt-4.1", Standard, [1_000, 0, 0, 0, 1_000], "0.01"),
        ("gpt-4o", Standard, [1_000, 1_000, 0, 0, 0], "0.00125"),
        ("o3", Standard, [100, 40, 0, 0, 10], "0.00022"),
        ("gpt-5-nano", Standard, [1, 0, 0, 0, 0], "0.00000005"),
        ("gpt-5-nano", Standard, [1, 1, 0, 0, 0], "0.000000005"),
        // A dear model is not the cheap one whose name it begins with.
        ("gpt-5-pro", Standard, [1_000_000, 0, 0, 0, 0], "15"),
        ("gpt-5", Standard, [1_000_000, 0, 0, 0, 0], "1.25"),
        ("gpt-5", Standard, [272_000, 0, 0, 0, 0], "0.34"),
        // No price of cached input: all input costs the same.
        ("gpt-5-pro", Standard, [1_000, 1_000, 0, 0, 0], "0.015"),
        // Cache writes, for 30 minutes and for 12 hours.
        ("gpt-6.1-sol", Standard, [1_000, 0, 1_000, 0, 0], "0.0025"),
        ("gpt-6.1-sol", Standard, [1_000, 0, 1_000, 1_000, 0], "0.005"),
        ("gpt-6.1-sol", Standard, [1_000, 400, 500, 200, 10], "0.00209"),
        ("gpt-5.6", Batch, [1_000, 0, 1_000, 1_000, 0], "0.0025"),
        // Chat completions report more written tokens than were not cached.
        ("gpt-6.1-sol", Standard, [1_000, 900, 500, 0, 0], "0.00034"),
        // Before gpt-5.6 a write costs as much as input.
        ("gpt-5", Standard, [1_000, 0, 1_000, 0, 0], "0.00125"),
        // Tiers with rows, and with factors.
        ("gpt-5-mini", Priority, [1_000, 0, 0, 0, 1_000], "0.00405"),
        ("gpt-5-mini", Flex, [1_000, 0, 0, 0, 1_000], "0.001125"),
        ("gpt-5-mini", Batch, [1_000, 0, 0, 0, 1_000], "0.001125"),
        ("o3", Priority, [1_000, 0, 0, 0, 1_000], "0.0175"),
        ("gpt-5.1-codex", Batch, [1_000, 0, 0, 0, 1_000], "0.005625"),
        ("o1", Flex, [1, 1, 0, 0, 0], "0.00000375"),
        ("gpt-6.1-sol", Ultrafast, [1_000, 0, 0, 0, 1_000], "0.072"),
        ("gpt-6-luna", Decisions, [1_000, 0, 0, 0, 1_000], "0.0001"),
        // The whole request has the prices of a long context.
        ("gpt-6.1-sol", Standard, [272_000, 0, 0, 0, 1_000], "0.554"),
        ("gpt-6.1-sol", Standard, [272_001, 0, 0, 0, 1_000], "1.103004"),
        ("gpt-6.1-sol", Standard, [272_001, 272_001, 0, 0, 0], "0.0544002"),
        ("gpt-6.1-sol", Standard, [922_000, 0, 922_000, 922_000, 128_000], "11.14"),
        ("gpt-6.1-sol", Standard, [922_000, 0, 922_000, 0, 128_000], "6.53"),
        ("gpt-5.5-pro", Standard, [1_050_000, 0, 0, 0, 128_000], "97.56"),
        ("gpt-6.1-sol", Priority, [300_000, 0, 0, 0, 0], "2.4"),
        // Without a long row of the tier: the dearer of the tier's row and the long row with the tier's factor.
        ("gpt-5.5", Priority, [300_000, 0, 0, 0, 0], "6"),
        ("gpt-5.4", Priority, [300_000, 0, 0, 0, 0], "3"),
        ("gpt-5.5-pro", Flex, [300_000, 0, 0, 0, 0], "9"),
        // Without long prices a long request costs the same.
        ("gpt-4.1", Standard, [1_000_000, 0, 0, 0, 0], "2"),
        // 50,000 tokens for half a dollar.
        ("gpt-6.1-sol", Standard, [0, 0, 0, 0, 50_000], "0.5"),
        ("gpt-6.1-sol", Standard, [0, 0, 0, 0, 128_000], "1.28"),
        // Embeddings and moderations.
        ("text-embedding-3-small", Standard, [8, 0, 0, 0, 0], "0.00000016"),
        ("text-embedding-3-large", Standard, [300_000, 0, 0, 0, 0], "0.039"),
        ("omni-moderation-latest", Standard, [500, 0, 0, 0, 0], "0"),
    ] {
        costs(model, tier, text(tokens), usd);
    }
}

#[test]
fn audio_and_images_cost() {
    let none = Tokens::default();
    for (model, tokens, usd) in [
        ("gpt-image-2", Tokens { input: 50, output: 4_160, output_image: 4_160, ..none }, "0.12505"),
        // Without a split, the output of an image model is images.
        ("gpt-image-2", Tokens { input: 50, output: 4_160, ..none }, "0.12505"),
        ("gpt-image-1.5", Tokens { input: 100, input_image: 60, output: 10, output_image: 4, ..none }, "0.000868"),
        ("gpt-image-2", Tokens { input: 100, input_image: 80, cached: 50, cached_image: 50, ..none }, "0.00044"),
        ("gpt-4o-transcribe", Tokens { input: 14, input_audio: 14, output: 45, ..none }, "0.000534"),
        ("gpt-4o-mini-tts", Tokens { input: 20, output: 100, ..none }, "0.001212"),
        ("gpt-audio", Tokens { input: 100, input_audio: 60, output: 50, output_audio: 30, ..none }, "0.00414"),
        // No price of audio from the cache: the price of cached text, where the upstream reports the split.
        (
            "gpt-4o-mini-realtime-preview-2024-12-17",
            Tokens { input: 10, input_audio: 10, cached: 4, cached_audio: 4, ..none },
            "0.0000612",
        ),
        (
            "gpt-realtime-2.1",
            Tokens { input: 132, cached: 64, input_audio: 13, output: 121, output_audio: 91, ..none },
            "0.0072056",
        ),
        (
            "gpt-realtime-2.1",
            Tokens { input: 128_000, input_audio: 128_000, output: 32_000, output_audio: 32_000, ..none },
            "6.144",
        ),
        // Parts that are larger than their whole.
        ("gpt-audio", Tokens { input: 10, input_audio: 99, output: 1, output_audio: 99, ..none }, "0.000384"),
    ] {
        costs(model, Tier::Standard, tokens.into(), usd);
    }
    for (model, milliseconds, usd) in [
        ("whisper-1", 9_000, "0.0009"),
        ("whisper-1", 60_000, "0.006"),
        ("gpt-transcribe", 1, "0.000000075"),
        ("gpt-live-transcribe", 1, "0.000000283334"),
    ] {
        costs(model, Tier::Standard, Usage { audio_milliseconds: milliseconds, ..Usage::default() }, usd);
    }
    costs("tts-1", Tier::Standard, Usage { characters: 4_096, ..Usage::default() }, "0.06144");
}

#[test]
fn calls_of_tools_cost() {
    let calls = |web_search, file_search, containers| Usage {
        tools: ToolCalls { web_search, file_search, containers },
        ..text([1_234, 1_024, 0, 0, 567])
    };
    costs("gpt-6.1-sol", Tier::Standard, calls(2, 0, 0), "0.0261924");
    costs("gpt-6.1-sol", Tier::Flex, calls(0, 3, 1), "0.0405962");
    costs(
        "gpt-4.1-mini",
        Tier::Standard,
        Usage { tools: ToolCalls { web_search: 1, ..ToolCalls::default() }, ..Usage::default() },
        "0.025",
    );

    let picture = Tokens { input: 50, output: 100, ..Tokens::default() };
    assert_eq!(SHIPPED.picture_tool_cost(Some("gpt-image-2"), picture), Usd::parse("0.00325"));
    assert_eq!(SHIPPED.picture_tool_cost(None, picture), Usd::parse("0.00425"), "gpt-image-1 is the dearest");
    assert_eq!(SHIPPED.picture_tool_cost(Some("other"), picture), None);
}

#[test]
fn data_residency_costs() {
    let table = SHIPPED.clone().with_data_residency(true);
    let cost = |model, input| table.cost(model, Tier::Standard, &text([input, 0, 0, 0, 0]));
    assert_eq!(cost("gpt-6.1-sol", 1_000), Usd::parse("0.0022"));
    assert_eq!(cost("gpt-5", 1_000), Usd::parse("0.00125"), "a model without the factor");
    assert_eq!(cost("gpt-5.4", 1), Usd::parse("0.00000275"));
    assert_eq!(table.cost("gpt-6-luna", Tier::Flex, &text([1, 1, 0, 0, 0])), Usd::parse("0.0000000055"));
}

#[test]
fn unknown_is_no_price_and_zero_is_one() {
    let one = text([1, 0, 0, 0, 1]);
    for model in [
        "gpt-7",
        "gpt-5-",
        "gpt-5-huge",
        "GPT-5",
        "",
        "ft:gpt-5:org::id",
        "ft:",
        "-2025-01-01",
        "gpt-5-2025-1-01",
        "gpt-5-2025-ab-01",
    ] {
        assert_eq!(SHIPPED.cost(model, Tier::Standard, &one), None, "{model}");
    }
    for (model, row) in [
        ("gpt-5-2099-01-01", "gpt-5"),
        ("ft:gpt-4o-2024-08-06:org:name:id", "ft:gpt-4o-2024-08-06"),
        ("ft:gpt-4o-2024-08-06:org::id:ckpt-step-20", "ft:gpt-4o-2024-08-06"),
        ("ft:gpt-3.5-turbo-9999-99-99:org", "ft:gpt-3.5-turbo"),
    ] {
        assert_eq!(SHIPPED.find(model), SHIPPED.find(row), "{model}");
        assert!(SHIPPED.find(model).is_some(), "{model}");
    }
    assert_eq!(SHIPPED.cost("gpt-5-nano", Tier::Priority, &one), None, "no row, and no factor is safe");
    assert_eq!(SHIPPED.cost("whisper-1", Tier::Standard, &one), None, "tokens of a model that bills minutes");
    assert_eq!(SHIPPED.cost("gpt-5", Tier::Standard, &Usage { audio_milliseconds: 1, ..Usage::default() }), None);
    assert_eq!(SHIPPED.cost("gpt-5", Tier::Standard, &Usage { characters: 1, ..Usage::default() }), None);
    assert_eq!(SHIPPED.cost("whisper-1", Tier::Standard, &Usage::default()), Some(Usd::ZERO));
    assert_eq!(SHIPPED.cost("omni-moderation-latest", Tier::Standard, &one), Some(Usd::ZERO));
}

#[test]
fn service_tiers() {
    for (value, tier) in [
        ("default", Some(Tier::Standard)),
        ("auto", Some(Tier::Standard)),
        ("scale", Some(Tier::Standard)),
        ("flex", Some(Tier::Flex)),
        ("priority", Some(Tier::Priority)),
        ("fast", Some(Tier::Priority)),
        ("ultrafast", Some(Tier::Ultrafast)),
        ("batch", Some(Tier::Batch)),
        ("decisions", None),
        ("Priority", None),
        ("", None),
    ] {
        assert_eq!(Tier::from_service_tier(value), tier, "{value}");
    }
}

/// A row that is malformed fails here; a table that is old does not.
#[test]
fn shipped_table_is_complete() {
    let table = &*SHIPPED;
    assert_eq!(format!("{} 00:00:00 UTC", table.version()), table.date().to_string());
    assert_eq!(table.long_context_above(), 272_000);
    assert!(
        [table.tools().web_search, table.tools().file_search, table.tools().container].iter().all(|p| *p > Usd::ZERO)
    );
    assert!(table.models().count() > 100);
    for (name, model) in table.models() {
        for (row, prices) in model.rows() {
            let highest = Usd::from_pico(1_000_000_000);
            assert!(prices.listed().all(|(_, price)| (Usd::ZERO..=highest).contains(&price)), "{name}");
            let input = prices.get(TokenKind::Input).unwrap();
            // `ft:gpt-4o-2024-11-20` is listed with a write that is cheaper than input.
            let write = prices.get(TokenKind::CacheWrite).unwrap();
            assert!(write >= input || name == "ft:gpt-4o-2024-11-20", "{name} {}", row.name());
            assert!(prices.get(TokenKind::Cached).unwrap() <= input, "{name} {}", row.name());
            if row.is_long {
                let short = model.row(RowName { is_long: false, ..row }).unwrap();
                assert_eq!(
                    input.as_pico(),
                    2 * short.get(TokenKind::Input).unwrap().as_pico(),
                    "{name} {}",
                    row.name()
                );
            }
        }
    }
    assert_eq!(table.find("gpt-image-1").unwrap().picture("high", "1024x1024"), Usd::parse("0.167"));
    assert_eq!(table.find("gpt-image-1").unwrap().picture("high", "1024x1025"), None);
    let high = table
        .find("gpt-image-1")
        .unwrap()
        .pictures()
        .find(|(quality, size, _)| (*quality, *size) == ("high", "1024x1024"));
    assert_eq!(high.map(|(_, _, price)| price), Usd::parse("0.167"));
    let gpt_5 = table.find("gpt-5").unwrap();
    assert_eq!((gpt_5.max_input, gpt_5.max_output), (Some(272_000), Some(128_000)));
    assert_eq!(gpt_5.ends.unwrap().to_string(), "2026-12-12 00:00:00 UTC");
}

#[test]
fn compact_form() {
    assert_eq!(PriceTable::from_json(&SHIPPED.to_json(|_| true)).as_ref(), Ok(&*SHIPPED));
    let some = PriceTable::from_json(&SHIPPED.to_json(|name| name.starts_with("gpt-5-mini"))).unwrap();
    assert_eq!(some.models().map(|(name, _)| name).collect::<Vec<_>>(), ["gpt-5-mini", "gpt-5-mini-2025-08-07"]);
    let text = some.to_json(|name| name == "gpt-5-mini");
    for (from, to) in [
        ("250000", "-250000"),
        ("\"flex\"", "\"flexible\""),
        ("\"input\"", "\"inputs\""),
        ("\"chat\"", "\"talk\""),
        ("\"max_input\"", "\"max_in\""),
        ("{\"version\"", "{\"more\":1,\"version\""),
        ("}", ""),
    ] {
        assert!(text.contains(from), "{text}");
        assert!(PriceTable::from_json(&text.replacen(from, to, 1)).is_err(), "{from}");
    }
}

fn tokens() -> impl Strategy<Value = Tokens> {
    let count = || prop_oneof![4 => 0..2_000_000_u64, 1 => any::<u64>()];
    (prop::array::uniform12(count())).prop_map(|[a, b, c, d, e, f, g, h, i, j, k, l]| Tokens {
        input: a,
        cached: b,
        cache_write: c,
        cache_write_12h: d,
        input_audio: e,
        cached_audio: f,
        input_image: g,
        cached_image: h,
        output: i,
        reasoning: j,
        output_audio: k,
        output_image: l,
    })
}

fn usage() -> impl Strategy<Value = Usage> {
    let small = || prop_oneof![2 => Just(0), 1 => any::<u64>()];
    (tokens(), [small(), small(), small(), small(), small()]).prop_map(
        |(tokens, [web_search, file_search, containers, audio_milliseconds, characters])| Usage {
            tokens,
            tools: ToolCalls { web_search, file_search, containers },
            audio_milliseconds,
            characters,
        },
    )
}

fn model() -> impl Strategy<Value = &'static str> {
    prop::sample::select(SHIPPED.models().map(|(name, _)| name).collect::<Vec<_>>())
}

proptest! {
    /// A cost is not negative, more of anything never costs less, and what is too much is the largest amount.
    #[test]
    fn costs_grow_and_saturate(model in model(), tier in prop::sample::select(&Tier::ALL[..]), usage in usage(), is_regional: bool) {
        let table = SHIPPED.clone().with_data_residency(is_regional);
        if let Some(cost) = table.cost(model, tier, &usage) {
            prop_assert!(cost >= Usd::ZERO);
            let mut more = usage;
            more.tokens.input = more.tokens.input.saturating_add(1);
            more.tokens.output = more.tokens.output.saturating_add(1);
            more.tools.web_search = more.tools.web_search.saturating_add(1);
            prop_assert!(table.cost(model, tier, &more).unwrap() >= cost);
            let most = Usage { tools: ToolCalls { web_search: u64::MAX, ..usage.tools }, ..usage };
            prop_assert_eq!(table.cost(model, tier, &most), Some(Usd::MAX));
        }
    }

    /// Without factors a cost is the exact sum; with factors it is the exact product, rounded up.
    #[test]
    fn rounds_up(tokens in tokens(), factor in 1_u32..=5_000) {
        let tokens = Tokens { input: tokens.input % 272_000, output: tokens.output % 1_000_000, ..Tokens::default() };
        let text = "[models.a]\nregional = true\nstandard = { input = \"0.000001\", output = \"0.000003\" }";
        let table = SHIPPED.with_overrides(text).unwrap();
        let exact = u128::from(tokens.input) + 3 * u128::from(tokens.output);
        let pico = |table: &PriceTable, tier| u128::try_from(table.cost("a", tier, &tokens.into()).unwrap().as_pico()).unwrap();
        prop_assert_eq!(pico(&table, Tier::Standard), exact);
        prop_assert_eq!(pico(&table, Tier::Flex), exact.div_ceil(2));
        let regional = table.to_json(|_| true).replace("\"regional\":1100", &format!("\"regional\":{factor}"));
        let regional = PriceTable::from_json(&regional).unwrap().with_data_residency(true);
        prop_assert_eq!(pico(&regional, Tier::Standard), (exact * u128::from(factor)).div_ceil(1_000));
        prop_assert_eq!(pico(&regional, Tier::Flex), (exact * u128::from(factor)).div_ceil(2_000));
    }
}

#[test]
fn snapshots_have_a_date_or_version() {
    for (name, model, expected) in [
        ("gpt-5", "gpt-5", true),
        ("gpt-5-2025-08-07", "gpt-5", true),
        ("gpt-4-0613", "gpt-4", true),
        ("gpt-3.5-turbo-instruct:20230824-v2", "gpt-3.5-turbo-instruct", true),
        ("claude-sonnet-4@20250514", "claude-sonnet-4", true),
        ("gpt-5-pro", "gpt-5", false),
        ("gpt-5-pro-2025-10-06", "gpt-5", false),
        ("gpt-5-2025-08-07-pro", "gpt-5", false),
        ("gpt-4-32k-0613", "gpt-4", false),
        ("gpt-40613", "gpt-4", false),
        ("gpt-5.1-2025-11-13", "gpt-5", false),
        ("llama-3-70", "llama-3", false),
        ("m-v", "m", false),
        ("gpt-5", "gpt-5-2025-08-07", false),
        ("-2025-08-07", "", false),
    ] {
        assert_eq!(sparekey_policy::is_snapshot_of(name, model), expected, "{name} {model}");
    }
}
