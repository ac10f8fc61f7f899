//! The changes of a body: caps, tools.

use std::{num::NonZeroU32, sync::Arc};

use sparekey_policy::{Bound, BoundRequest, Demand, Endpoint, HostedKind, PriceTable, ToolChoice, Unbounded, Usd};

use crate::{ODD, chat, hosted, limits, request, usd};

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
