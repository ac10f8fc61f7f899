//! Requests without a cap of output: embeddings, speech, audio files, pictures.

use std::{sync::Arc, time::Duration};

use sparekey_policy::{AudioFile, Bound, BoundRequest, Demand, Endpoint, Stream, Tier, Tokens, Unbounded};

use crate::{ODD, SHIPPED, chat, limits, request, usd};

#[test]
fn requests_without_a_cap() {
    let budget = limits(Some("5"));
    let want = |model: &str, demand: &Demand| Bound::new(request(demand, model, &budget)).map(|bound| bound.want());
    let mut demand = Demand::new(Endpoint::Embeddings);
    demand.text_bytes = 1_000;
    assert_eq!(want("text-embedding-3-small", &demand), Ok(usd("0.00002")));
    demand.text_bytes = 30_000_000;
    assert_eq!(want("text-embedding-3-small", &demand), Ok(usd("0.006")));
    let embeddings = BoundRequest { prices: &ODD, ..request(&demand, "vectors", &budget) };
    assert_eq!(Bound::new(embeddings).map(|bound| bound.want()), Ok(usd("0.3")), "without a price of output");
    let text = chat(1_000, None);
    let text = BoundRequest { prices: &ODD, ..request(&text, "vectors", &budget) };
    assert_eq!(Bound::new(text).map(|_| ()), Err(Unbounded::Model));

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
