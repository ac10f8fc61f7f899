//! Requests that are refused because they have no price or no bound.

use std::num::NonZeroU32;

use sparekey_policy::{Bound, BoundRequest, Demand, HostedKind, ServiceTier, Stream, Tier, Unbounded, Usd};

use crate::{chat, hosted, limits, request};

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
