//! What is reserved, and what is charged without a usage.

use std::time::Duration;

use sparekey_policy::Bound;

use crate::{chat, limits, request, usd};

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
