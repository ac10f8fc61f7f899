//! The upper bound of a request's cost, against the cost of what it may use.
#![cfg(feature = "users-file")]
#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "a test may panic")]

use std::{
    num::NonZeroU32,
    sync::{Arc, LazyLock},
    time::Duration,
};

use proptest::prelude::*;
use sparekey_policy::{
    AudioFile, Bound, BoundRequest, CacheTime, Demand, Endpoint, HostedKind, HostedTool, Limits, Period, Pictures,
    PriceTable, ServiceTier, Stream, Tier, Tokens, ToolCalls, ToolChoice, Unbounded, Usage, Usd, Zone,
};

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

#[test]
fn text_amounts() {
    let limits = limits(Some("5"));
    for (model, bytes, cap, want, floor, least) in [
        // 1,000 × $1.25/M + 100 × $10/M.
        ("gpt-5", 1_000, Some(100), "0.00225", "0.00225", "0.00225"),
        ("gpt-5", 1_000, None, "1.28125", "0.04221", "0.01149"),
        ("gpt-5", 1_000, Some(999_999_999), "1.28125", "0.04221", "0.01149"),
        // A whole context, not the bytes.
        ("gpt-5", 5_000_000, Some(0), "0.34", "0.34", "0.34"),
        // Cache writes cost $2.5/M; a long context $5/M and $15/M.
        ("gpt-6.1-sol", 1_000, Some(1_000), "0.0125", "0.0125", "0.0125"),
        ("gpt-6.1-sol", 272_000, Some(0), "0.68", "0.68", "0.68"),
        ("gpt-6.1-sol", 272_001, Some(1_000), "1.375005", "1.375005", "1.375005"),
    ] {
        let demand = chat(bytes, cap);
        let bound = Bound::new(request(&demand, model, &limits)).unwrap();
        let amounts = [bound.want(), bound.floor(), bound.least()];
        assert_eq!(amounts, [want, floor, least].map(usd), "{model} {bytes} {cap:?}");
        assert_eq!(bound.edits(bound.want()).clamped(), None, "{model} {bytes} {cap:?}");
    }
}

#[test]
fn reasoning_by_its_id_is_an_output_of_a_model() {
    let limits = limits(Some("5"));
    let mut demand = chat(1_000, Some(0));
    for (references, want) in [(0, "0.00125"), (1, "0.16125"), (2, "0.32125"), (3, "0.34")] {
        demand.extras_mut().reasoning_references = references;
        let bound = Bound::new(request(&demand, "gpt-5", &limits)).unwrap();
        assert_eq!(bound.want(), usd(want), "{references}");
    }
}

#[test]
fn granted_amount_lowers_the_cap() {
    let limits = limits(Some("5"));
    let demand = chat(1_000, None);
    let bound = Bound::new(request(&demand, "gpt-5", &limits)).unwrap();
    let clamp = |granted| bound.edits(granted).output_cap().map(|cap| (cap.tokens, cap.field));
    assert_eq!(clamp(bound.least()), Some((1_024, "max_completion_tokens")));
    assert_eq!(clamp(usd("0.50125")), Some((50_000, "max_completion_tokens")));
    assert_eq!(clamp(usd("0.501249999999")), Some((49_999, "max_completion_tokens")));
    assert_eq!(clamp(bound.want().minus(Usd::from_pico(1))), Some((127_999, "max_completion_tokens")));
    assert_eq!(clamp(bound.want()), None);
    assert_eq!(bound.edits(usd("0.50125")).clamped(), Some(50_000));

    let other = Bound::new(BoundRequest { is_openai: false, ..request(&demand, "gpt-5", &limits) }).unwrap();
    assert!(!other.edits(other.least()).sets_default_tier());
    assert!(bound.edits(bound.want()).sets_default_tier());
}

#[test]
fn field_of_a_cap_that_is_put_in() {
    let limits = limits(Some("5"));
    let table = Arc::new(PriceTable::from_json(&ODD.to_json(|_| true)).unwrap());
    for prices in [&*ODD, &table] {
        for (endpoint, model, is_openai, is_azure, expected) in [
            (Endpoint::ChatCompletions, "unsized", true, false, "max_completion_tokens"),
            (Endpoint::ChatCompletions, "gpt-5", false, false, "max_completion_tokens"),
            (Endpoint::ChatCompletions, "gpt-5-2025-08-07", false, false, "max_completion_tokens"),
            (Endpoint::ChatCompletions, "unsized", false, false, "max_tokens"),
            (Endpoint::ChatCompletions, "unsized", false, true, "max_completion_tokens"),
            (Endpoint::Completions, "gpt-5", true, true, "max_tokens"),
            (Endpoint::Responses, "unsized", false, true, "max_output_tokens"),
        ] {
            let mut demand = Demand::new(endpoint);
            demand.is_azure = is_azure;
            let request = BoundRequest { is_openai, prices, ..request(&demand, model, &limits) };
            let bound = Bound::new(request).unwrap();
            let cap = bound.edits(bound.least()).output_cap().map(|cap| cap.field);
            let expected = Some(expected).filter(|_| endpoint != Endpoint::Completions || cap.is_some());
            assert_eq!(cap, expected, "{endpoint:?} {model} {is_openai} {is_azure}");
        }
    }
}

#[test]
fn estimates_of_ends_without_usage() {
    let limits = limits(Some("5"));
    let demand = chat(1_000, Some(50_000));
    let bound = Bound::new(request(&demand, "gpt-5", &limits)).unwrap();
    let want = bound.want();
    for (sent_for, expected) in [
        (None, want),
        (Some(Duration::ZERO), usd("0.00125")),
        (Some(Duration::from_millis(1)), usd("0.01125")),
        (Some(Duration::from_secs(1)), usd("0.01125")),
        (Some(Duration::from_millis(1_001)), usd("0.02125")),
        (Some(Duration::from_secs(50)), want),
        (Some(Duration::MAX), want),
    ] {
        assert_eq!(bound.estimate(want, sent_for), expected, "{sent_for:?}");
    }
    assert_eq!(bound.estimate(bound.least(), Some(Duration::from_secs(9))), bound.least());
}

#[test]
fn model_without_a_price() {
    let demand = chat(1_000, Some(100));
    let budget = limits(Some("5"));
    assert_eq!(Bound::new(request(&demand, "gpt-unknown", &budget)).err(), Some(Unbounded::Model));
    let unnamed = BoundRequest { model: None, ..request(&demand, "", &budget) };
    assert_eq!(Bound::new(unnamed).err(), Some(Unbounded::Model));

    let mut tokens = limits(None);
    tokens.tokens_per_minute = NonZeroU32::new(1_000);
    let bound = Bound::new(request(&demand, "gpt-unknown", &tokens)).unwrap();
    assert_eq!((bound.want(), bound.least(), bound.tokens()), (Usd::ZERO, Usd::ZERO, 350));
    assert_eq!(bound.model(), "other");
    let snapshot = Bound::new(request(&demand, "gpt-5-2031-01-01", &budget)).unwrap();
    assert_eq!(snapshot.model(), "gpt-5");
}

#[test]
fn output_limit_of_a_user() {
    let mut limits = limits(None);
    limits.max_output_tokens = NonZeroU32::new(500);
    let edits = |model, cap, endpoint| {
        let mut demand = Demand::new(endpoint);
        demand.output_cap = cap;
        let bound = Bound::new(request(&demand, model, &limits)).unwrap();
        bound.edits(bound.want()).output_cap().map(|cap| (cap.tokens, cap.field))
    };
    for model in ["gpt-5", "gpt-unknown"] {
        assert_eq!(edits(model, None, Endpoint::ChatCompletions), Some((500, "max_completion_tokens")));
        assert_eq!(edits(model, Some(501), Endpoint::ChatCompletions), Some((500, "max_completion_tokens")));
        assert_eq!(edits(model, Some(500), Endpoint::ChatCompletions), None);
        assert_eq!(edits(model, None, Endpoint::Responses), Some((500, "max_output_tokens")));
        // Its default is 16.
        assert_eq!(edits(model, None, Endpoint::Completions), None);
        assert_eq!(edits(model, None, Endpoint::Embeddings), None);
    }
    limits.max_output_tokens = NonZeroU32::new(5);
    let demand = Demand::new(Endpoint::Responses);
    let bound = Bound::new(request(&demand, "gpt-5", &limits)).unwrap();
    assert_eq!(bound.edits(Usd::ZERO).clamped(), Some(16), "responses take no less");
}

#[test]
fn metered_user_is_never_refused() {
    let mut metered = limits(None);
    metered.metered = true;
    let mut demand = chat(10, None);
    demand.stream = Stream::Yes;
    demand.service_tier = ServiceTier::Unknown;
    demand.refuse("background".into(), "Leave it out.");
    demand.extras_mut().tools.hosted.push(hosted(HostedKind::Unbounded, "image_generation", 0));
    let bound = Bound::new(request(&demand, "gpt-unknown", &metered)).unwrap();
    let edits = bound.edits(bound.want());
    assert!(edits.hides_usage());
    assert!(!edits.sets_default_tier() && edits.removed_tools().is_empty() && edits.clamped().is_none());
    demand.stream = Stream::WithUsage;
    assert!(Bound::new(request(&demand, "gpt-5", &metered)).unwrap().edits(Usd::ZERO).is_empty());
}

#[test]
fn refused_options() {
    let mut restricted = limits(None);
    restricted.tokens_per_minute = NonZeroU32::new(1_000);
    let param = |demand: &Demand, model: &str| match Bound::new(request(demand, model, &restricted)) {
        Err(Unbounded::Option { param, .. }) => Some(param.into_owned()),
        other => panic!("{other:?}"),
    };
    let mut demand = chat(10, None);
    demand.refuse("background".into(), "Leave it out.");
    demand.refuse("prompt".into(), "Leave it out.");
    assert_eq!(param(&demand, "gpt-5").as_deref(), Some("background"));
    let mut demand = chat(10, None);
    assert_eq!(param(&demand, "gpt-4o-search-preview").as_deref(), Some("model"));
    demand.service_tier = ServiceTier::Unknown;
    assert_eq!(param(&demand, "gpt-5").as_deref(), Some("service_tier"));

    let budget = limits(Some("5"));
    let option = |demand: &Demand, model: &str| match Bound::new(request(demand, model, &budget)) {
        Err(Unbounded::Option { param, .. }) => Some(param.into_owned()),
        _ => None,
    };
    demand.service_tier = ServiceTier::Named(Tier::Ultrafast);
    assert_eq!(option(&demand, "gpt-5").as_deref(), Some("service_tier"));
    assert_eq!(option(&demand, "gpt-6.1-sol"), None);
    let mut demand = chat(10, None);
    demand.extras_mut().previous_response_id = Some("resp_1".into());
    assert_eq!(option(&demand, "gpt-5.5-cyber").as_deref(), Some("previous_response_id"));
    assert_eq!(option(&demand, "gpt-5"), None);
}

#[test]
fn tools_without_a_bound_are_removed() {
    let budget = limits(Some("5"));
    let mut demand = Demand::new(Endpoint::Responses);
    (demand.text_bytes, demand.output_cap) = (1_000, Some(2_000));
    let tools = &mut demand.extras_mut().tools;
    tools.of_client = 1;
    tools.hosted = vec![
        hosted(HostedKind::Unbounded, "image_generation", 0),
        hosted(HostedKind::WebSearch, "web_search", 2),
        hosted(HostedKind::Unbounded, "x", 3),
    ];
    let bound = Bound::new(request(&demand, "gpt-5", &budget)).unwrap();
    let removed = |granted| {
        let edits = bound.edits(granted);
        (edits.removed_indexes().to_vec(), edits.max_tool_calls())
    };
    assert_eq!(removed(bound.want()), (vec![0, 3], Some(16)));
    // Each search reads up to 272,000 tokens: $0.35.
    assert_eq!(removed(usd("2.2")), (vec![0, 3], Some(3)));
    assert_eq!(removed(bound.floor()), (vec![0, 2, 3], None));
    let types = bound.edits(bound.floor());
    assert_eq!(
        types.removed_tools().iter().map(|tool| &**tool).collect::<Vec<_>>(),
        ["image_generation", "web_search", "x"]
    );

    // A forced one stays.
    demand.extras_mut().tools.choice = ToolChoice::Types(vec!["web_search_preview".into()]);
    let bound = Bound::new(request(&demand, "gpt-5", &budget)).unwrap();
    assert_eq!(bound.edits(bound.least()).max_tool_calls(), Some(1));
    assert_eq!(bound.edits(bound.least()).removed_indexes(), [0, 3]);
    assert_eq!(bound.edits(bound.least()).clamped(), Some(1_024));
    demand.extras_mut().tools.choice = ToolChoice::Types(vec!["x".into()]);
    let refused = Bound::new(request(&demand, "gpt-5", &budget)).err();
    assert!(matches!(refused, Some(Unbounded::Option { param, .. }) if param == "tools[3].type"));
    demand.extras_mut().tools.choice = ToolChoice::Any;
    assert!(Bound::new(request(&demand, "gpt-5", &budget)).is_ok(), "another tool stays");
    demand.extras_mut().tools.of_client = 0;
    assert!(Bound::new(request(&demand, "gpt-5", &budget)).is_err());
}

#[test]
fn requests_without_a_cap() {
    let budget = limits(Some("5"));
    let want = |model: &str, demand: &Demand| Bound::new(request(demand, model, &budget)).map(|bound| bound.want());
    let mut demand = Demand::new(Endpoint::Embeddings);
    demand.text_bytes = 1_000;
    assert_eq!(want("text-embedding-3-small", &demand), Ok(usd("0.00002")));
    demand.text_bytes = 30_000_000;
    assert_eq!(want("text-embedding-3-small", &demand), Ok(usd("0.006")));

    let mut demand = Demand::new(Endpoint::Speech);
    demand.extras_mut().characters = 4_096;
    assert_eq!(want("tts-1", &demand), Ok(usd("0.06144")));
    let bound = Bound::new(request(&demand, "tts-1", &budget)).unwrap();
    assert_eq!(bound.known_usage().map(|usage| usage.characters), Some(4_096));
    assert_eq!(bound.estimate(bound.want(), Some(Duration::ZERO)), bound.want());
}

#[test]
fn speech_by_tokens() {
    let budget = limits(Some("5"));
    let want = |demand: &Demand| Bound::new(request(demand, "gpt-4o-mini-tts", &budget)).map(|bound| bound.want());
    let refused = |demand: &Demand| match want(demand) {
        Err(Unbounded::Option { param, .. }) => param.into_owned(),
        other => panic!("{other:?}"),
    };
    let mut demand = Demand::new(Endpoint::Speech);
    (demand.text_bytes, demand.stream) = (5_000, Stream::Yes);
    demand.extras_mut().characters = 4_096;
    // 5,000 × $0.6/M, and 128,000 × $12/M.
    assert_eq!(want(&demand), Ok(usd("1.539")));
    demand.extras_mut().characters = 4_097;
    assert_eq!(refused(&demand), "input");
    demand.extras_mut().characters = 4_096;
    demand.stream = Stream::No;
    assert_eq!(refused(&demand), "stream_format");
    let table = "[models.gpt-4o-mini-tts]\nmax_output = 10000";
    let prices = Arc::new(SHIPPED.with_overrides(table).unwrap());
    demand.stream = Stream::Yes;
    let bound = Bound::new(BoundRequest { prices: &prices, ..request(&demand, "gpt-4o-mini-tts", &budget) }).unwrap();
    assert_eq!(bound.want(), usd("0.123"));
}

#[test]
fn audio_files() {
    let budget = limits(Some("5"));
    let want = |model: &str, file: Option<AudioFile>| {
        let mut demand = Demand::new(Endpoint::Transcriptions);
        demand.extras_mut().audio_file = file;
        Bound::new(request(&demand, model, &budget)).map(|bound| bound.want())
    };
    let minute = Some(AudioFile::AtMost(60_000));
    let long = Some(AudioFile::AtMost(36_000_000));
    assert_eq!(want("whisper-1", minute), Ok(usd("0.006")));
    assert_eq!(want("whisper-1", Some(AudioFile::AtMost(59_001))), Ok(usd("0.006")), "whole seconds");
    assert_eq!(want("whisper-1", long), Ok(usd("3.6")));
    assert_eq!(want("gpt-transcribe", minute), Ok(usd("0.0045")));
    // 600 tokens × $6/M + 2,000 × $10/M, and a minute.
    assert_eq!(want("gpt-4o-transcribe", minute), Ok(usd("0.0296")));
    // 16,000 tokens × $6/M + 2,000 × $10/M, and 1,600 seconds.
    for file in [long, Some(AudioFile::Unknown), None] {
        assert_eq!(want("gpt-4o-transcribe", file), Ok(usd("0.276")), "{file:?}");
    }
    for (model, file) in [("whisper-1", Some(AudioFile::Unknown)), ("whisper-1", None), ("gpt-transcribe", None)] {
        let refused = want(model, file);
        assert!(matches!(&refused, Err(Unbounded::Option { param, .. }) if param == "file"), "{model} {refused:?}");
    }
    assert_eq!(want("tts-1", minute), Err(Unbounded::Model));
    assert_eq!(want("gpt-5", minute).err(), None, "OpenAI refuses it");

    // An owner's models: one without a listed size, and one whose size does not limit minutes.
    let table = "[models.w]\nmax_output = 9\nstandard = { input = 1, output = 1 }\n[models.whisper-1]\nmax_input = 9";
    let prices = Arc::new(SHIPPED.with_overrides(table).unwrap());
    let demand = Demand::new(Endpoint::Transcriptions);
    for model in ["w", "whisper-1"] {
        let refused = Bound::new(BoundRequest { prices: &prices, ..request(&demand, model, &budget) }).err();
        assert!(matches!(refused, Some(Unbounded::Option { param, .. }) if param == "file"), "{model}");
    }
}

#[test]
fn pictures() {
    let budget = limits(Some("5"));
    let want = |model: &str, quality: Option<&str>, size: Option<&str>| {
        let mut demand = Demand::new(Endpoint::ImageGenerations);
        demand.choices = 2;
        demand.extras_mut().picture_quality = quality.map(Into::into);
        demand.extras_mut().picture_size = size.map(Into::into);
        Bound::new(request(&demand, model, &budget)).map(|bound| bound.want())
    };
    let option = |param: &'static str| move |error: Unbounded| matches!(error, Unbounded::Option { param: refused, .. } if refused == param);
    assert_eq!(want("gpt-image-1.5", Some("low"), Some("1024x1024")), Ok(usd("0.01836")));
    assert_eq!(want("gpt-image-1.5", None, Some("auto")), Ok(usd("0.408")));
    assert_eq!(want("gpt-image-1.5", Some("medium"), None), Ok(usd("0.102")));
    assert_eq!(want("gpt-image-1.5", Some("auto"), Some("1024x1024")), Ok(usd("0.27132")));
    assert_eq!(want("gpt-image-2", Some("low"), Some("1024x1024")), Err(Unbounded::Model));
    assert!(want("gpt-image-1.5", Some("max"), None).is_err_and(option("quality")));
    assert!(want("gpt-image-1.5", Some("high"), Some("64x64")).is_err_and(option("size")));

    // Tokens of the pictures as OpenAI documents them: the listed prices are rounded.
    for (quality, size, tokens) in [
        ("low", "1024x1024", 272),
        ("medium", "1024x1536", 1_584),
        ("high", "1024x1024", 4_160),
        ("high", "1536x1024", 6_208),
    ] {
        let usage = Tokens { output: 2 * tokens, output_image: 2 * tokens, ..Tokens::default() };
        for model in ["gpt-image-1", "gpt-image-1.5"] {
            let cost = SHIPPED.cost(model, Tier::Standard, &usage.into()).unwrap();
            assert!(cost <= want(model, Some(quality), Some(size)).unwrap(), "{model} {quality} {size}");
        }
    }
}

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
