//! The encoded state: its size, its round trip, and what it does with other bytes.
#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "a test may panic")]

use std::{num::NonZeroU32, sync::Arc};

use proptest::prelude::*;
use sparekey_policy::{
    Command, HoldId, Limits, Outcome, Period, ProcessId, Reserve, State, StateError, Timestamp, Usd, Zone, step,
};

const NOW: Timestamp = Timestamp::from_seconds(1_795_780_800);

fn limits() -> Limits {
    let mut limits = Limits::none(Arc::new(Zone::utc()));
    limits.requests_per_minute = NonZeroU32::new(1_000_000);
    limits.tokens_per_minute = NonZeroU32::new(u32::MAX);
    limits.concurrent_requests = NonZeroU32::new(64);
    limits.budgets.set(Period::Total, Usd::MAX);
    limits
}

fn reserve(id: u128, amount: i64, tokens: u32, now: Timestamp, process: u64) -> Command {
    let amount = Usd::from_pico(amount);
    Command::Reserve(Reserve {
        id: HoldId(id),
        want: amount,
        floor: amount,
        least: amount,
        tokens,
        until: now.plus(Timestamp::HOUR),
        process: ProcessId(process),
    })
}

/// A state with counters of two periods, the holds, and as many tombstones.
fn state(holds: &[(u128, i64, u32, u64)], tombstones: &[(u128, i64)]) -> State {
    let (limits, mut state) = (limits(), State::default());
    for (id, amount) in tombstones {
        let before = NOW.plus(-3 * Timestamp::HOUR);
        step(&limits, &mut state, before, &reserve(*id, *amount, 1, before, 1));
    }
    step(&limits, &mut state, NOW.plus(-Timestamp::HOUR), &Command::Report);
    let last_month = NOW.plus(-32 * 24 * Timestamp::HOUR);
    step(
        &limits,
        &mut state,
        NOW,
        &Command::Adjust { id: HoldId(1 << 100), at: last_month, amount: Usd::from_pico(-1_234_567_890_123_456) },
    );
    for (id, amount, tokens, process) in holds {
        let outcome = step(&limits, &mut state, NOW, &reserve(*id, *amount, *tokens, NOW, *process));
        assert!(matches!(outcome, Outcome::Granted { .. }), "{outcome:?}");
    }
    state
}

proptest! {
    #[test]
    fn round_trip_and_size(
        holds in prop::collection::vec((any::<u128>(), 0..100_000_000_000_000_000_i64, 0..1_000_000_u32, any::<u64>()), 0..=15),
    ) {
        let state = state(&holds, &[]);
        let bytes = state.encode();
        prop_assert!(bytes.len() < 1_024, "{}", bytes.len());
        prop_assert_eq!(State::decode(&bytes), Ok(state));
    }

    #[test]
    fn round_trip_with_tombstones(tombstones in prop::collection::vec((any::<u128>(), 0..1_000_000_000_000_i64), 0..=40)) {
        let state = state(&[], &tombstones);
        prop_assert_eq!(State::decode(&state.encode()), Ok(state));
    }

    /// Fields of newer versions survive a step of this one.
    #[test]
    fn unknown_tags_are_kept(
        fields in prop::collection::vec((11..=255_u8, prop::collection::vec(any::<u8>(), 0..100)), 0..8),
        place: prop::sample::Index,
    ) {
        let fields: Vec<u8> = fields.into_iter().flat_map(|(tag, value)| [vec![tag, u8::try_from(value.len()).unwrap()], value].concat()).collect();
        let original = state(&[(1, 2, 3, 4), (5, 6, 7, 8)], &[(9, 10)]);
        // Between two known fields, at any place.
        let known = original.encode();
        let mut starts = vec![1];
        while let Some(length) = starts.last().and_then(|start| known.get(start + 1)) {
            starts.push(starts.last().unwrap() + 2 + usize::from(*length));
        }
        let (before, after) = known.split_at(*place.get(&starts));
        let mut decoded = State::decode(&[before, &fields, after].concat()).unwrap();
        step(&limits(), &mut decoded, NOW, &Command::Settle { id: HoldId(1), amount: Usd::ZERO, tokens: 0 });
        let encoded = decoded.encode();
        prop_assert!(encoded.ends_with(&fields));
        let mut expected = original;
        step(&limits(), &mut expected, NOW, &Command::Settle { id: HoldId(1), amount: Usd::ZERO, tokens: 0 });
        prop_assert_eq!([expected.encode(), fields].concat(), encoded);
    }

    /// Any bytes are a state or an error. A state that was read is written and read again.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), format: bool) {
        let bytes = if format { [vec![1], bytes].concat() } else { bytes };
        if let Ok(state) = State::decode(&bytes) {
            prop_assert_eq!(State::decode(&state.encode()), Ok(state));
        }
    }

    /// One changed byte of a real state.
    #[test]
    fn damaged_bytes(at: prop::sample::Index, byte: u8, cut: bool) {
        let mut bytes = state(&[(1, 2, 3, 4), (5, 6, 7, 8)], &[(9, 10)]).encode();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else if let Some(damaged) = bytes.get_mut(at) {
            *damaged = byte;
        }
        if let Ok(mut state) = State::decode(&bytes) {
            step(&limits(), &mut state, NOW, &reserve(77, 1, 1, NOW, 1));
            prop_assert_eq!(State::decode(&state.encode()), Ok(state));
        }
    }
}

#[test]
fn typical_size() {
    let holds: Vec<_> = (0..15).map(|id| (u128::MAX - id, 50_000_000_000, 5_000, u64::MAX)).collect();
    assert_eq!(state(&holds, &[]).encode().len(), 839);
    assert_eq!(State::default().encode(), [1]);
}

#[test]
fn errors() {
    let hold = [&[8, 23][..], &[7; 16], &[2, 0, 2, 0, 2, 0, 0]].concat();
    for (fields, error) in [
        (vec![], Ok(())),
        (vec![1], Err(StateError::Field(1))),
        (vec![1, 2, 0], Err(StateError::Field(1))),
        (vec![1, 2, 0, 0], Err(StateError::Field(1))),
        (vec![1, 1, 0, 1, 1, 0], Err(StateError::Duplicate(1))),
        (vec![3, 2, 1, 0], Err(StateError::Field(3))),
        (vec![4, 4, 2, 0, 2, 0], Err(StateError::Field(4))),
        (hold.clone(), Err(StateError::Field(8))),
        (vec![0, 0, 0, 0], Ok(())),
        (vec![10, 2, 6, 0], Ok(())),
        (vec![10, 1, 6], Err(StateError::Field(10))),
        (vec![10, 2, 0, 0], Err(StateError::Field(10))),
        (vec![10, 2, 5, 0], Err(StateError::Field(10))),
        (vec![10, 3, 6, 0, 6], Err(StateError::Field(10))),
        (vec![10, 2, 6, 0, 10, 2, 6, 0], Err(StateError::Duplicate(10))),
    ] {
        let bytes = [vec![1], fields.clone()].concat();
        assert_eq!(State::decode(&bytes).map(|_| ()), error, "{fields:?}");
    }
    assert_eq!(State::decode(&[]), Err(StateError::Format));
    assert_eq!(State::decode(&[2]), Err(StateError::Format));
}

/// The fields of an encoded state, each shorter than 128 bytes.
fn fields(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut fields) = (bytes.get(1..).unwrap(), Vec::new());
    while let [_, length, ..] = rest {
        let (field, next) = rest.split_at(2 + usize::from(*length));
        fields.push(field);
        rest = next;
    }
    fields
}

/// As a version writes it that does not know the interval.
#[test]
fn interval_of_another_arrival_is_ignored() {
    let passed = |per_minute: u32, now: Timestamp| {
        let mut limits = Limits::none(Arc::new(Zone::utc()));
        limits.requests_per_minute = NonZeroU32::new(per_minute);
        let mut state = State::default();
        step(&limits, &mut state, now, &reserve(1, 0, 0, now, 1));
        state.encode()
    };
    let (three, sixty) = (passed(3, NOW), passed(60, NOW.plus(Timestamp::SECOND)));
    let interval = |bytes| fields(bytes).into_iter().find(|field| field.first() == Some(&10)).unwrap().to_vec();
    let others: Vec<u8> =
        fields(&sixty).into_iter().filter(|field| field.first() != Some(&10)).flatten().copied().collect();
    let without = [&[1], &*others].concat();
    let stale = [&without[..], &interval(&three)].concat();
    assert_eq!(State::decode(&stale).unwrap().encode(), State::decode(&without).unwrap().encode());
    assert_ne!(State::decode(&sixty).unwrap().encode(), State::decode(&without).unwrap().encode());
}
