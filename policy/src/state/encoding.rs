//! The encoded state, as it is stored.
//!
//! ```text
//! state      = format field*
//! format     = 1                                     one byte
//! field      = tag length value                      tag: one byte; length: varint
//! 1          = last                                  instants: signed varint, microseconds
//! 2          = theoretical arrival time
//! 3          = tokens used, refilled up to
//! 4 5 6 7    = (number, spent) of the current period of day, week, month, total, then of the previous one if any
//! 8          = id (16 bytes), amount, tokens, until, process, day         once per hold
//! 9          = id (16 bytes), amount, until, day, final (0 or 1)          once per tombstone
//! 10         = microseconds of one request of field 2, signed varint, and field 2 again
//! ```
//!
//! Fields of other tags are kept and written back, so that an older version shares the state with a newer one. A new
//! fact about a hold gets a tag of its own, with the hold's id: the values of known tags never change their form.

use super::{
    Counter, State, TOMBSTONES_MAX,
    hold::{Hold, HoldId, ProcessId, Tombstone},
    varint::{put_signed, put_unsigned, take_signed, take_unsigned},
};
use crate::{limits::CONCURRENCY_MAX, timestamp::Timestamp, token_bucket::TokenBucket, usd::Usd};

const FORMAT: u8 = 1;
const LAST: u8 = 1;
const REQUESTS: u8 = 2;
const TOKENS: u8 = 3;
const COUNTERS: [u8; 4] = [4, 5, 6, 7];
const HOLD: u8 = 8;
const TOMBSTONE: u8 = 9;
const REQUESTS_INTERVAL: u8 = 10;

/// Why stored bytes are not a state.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Another format than this version's. An empty text has none.
    #[error("the state has an unknown format")]
    Format,
    /// A field that ends too early, is too long, or has an impossible value.
    #[error("the field with tag {0} of the state is invalid")]
    Field(u8),
    /// A field, or the id of a hold, that occurs twice.
    #[error("the field with tag {0} of the state occurs twice")]
    Duplicate(u8),
    /// More holds or tombstones than a state can have.
    #[error("the state has too many fields with tag {0}")]
    TooMany(u8),
}

impl State {
    /// Encodes the state.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        let mut value = Vec::with_capacity(64);
        if let Some(last) = self.last {
            put_instant(&mut value, last);
            put_field(&mut out, LAST, &mut value);
        }
        if let Some(requests) = self.requests {
            put_instant(&mut value, requests.at);
            put_field(&mut out, REQUESTS, &mut value);
            if requests.interval > 0 {
                put_signed(&mut value, requests.interval);
                put_instant(&mut value, requests.at);
                put_field(&mut out, REQUESTS_INTERVAL, &mut value);
            }
        }
        if self.tokens != TokenBucket::default() {
            put_signed(&mut value, self.tokens.used);
            put_instant(&mut value, self.tokens.at);
            put_field(&mut out, TOKENS, &mut value);
        }
        for (counter, tag) in self.counters.iter().zip(COUNTERS) {
            for &(number, spent) in counter.current.iter().chain(&counter.previous) {
                put_signed(&mut value, number.into());
                put_signed(&mut value, spent.as_pico());
            }
            if !value.is_empty() {
                put_field(&mut out, tag, &mut value);
            }
        }
        for hold in &self.holds {
            value.extend(hold.id.0.to_be_bytes());
            put_signed(&mut value, hold.amount.as_pico());
            put_unsigned(&mut value, hold.tokens.into());
            put_instant(&mut value, hold.until);
            put_unsigned(&mut value, hold.process.0);
            put_signed(&mut value, hold.day.into());
            put_field(&mut out, HOLD, &mut value);
        }
        for tombstone in &self.tombstones {
            value.extend(tombstone.id.0.to_be_bytes());
            put_signed(&mut value, tombstone.amount.as_pico());
            put_instant(&mut value, tombstone.until);
            put_signed(&mut value, tombstone.day.into());
            put_unsigned(&mut value, tombstone.is_final.into());
            put_field(&mut out, TOMBSTONE, &mut value);
        }
        out.extend(&self.unknown);
        out
    }

    /// Decodes a state.
    ///
    /// # Errors
    /// [`StateError`]. The bytes were not written by [`State::encode`]; nothing can be granted from them.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let Some((&FORMAT, mut rest)) = bytes.split_first() else { return Err(StateError::Format) };
        let mut state = Self::default();
        let mut seen = [false; 11];
        while let Some((&tag, mut after)) = rest.split_first() {
            let field = rest;
            let (value, next) = take_value(&mut after).ok_or(StateError::Field(tag))?;
            if let Some(seen) = seen.get_mut(usize::from(tag)) {
                if *seen && ![0, HOLD, TOMBSTONE].contains(&tag) {
                    return Err(StateError::Duplicate(tag));
                }
                *seen = true;
            }
            let length = field.len().saturating_sub(next.len());
            state.decode_field(tag, value, field.get(..length).unwrap_or_default())?;
            rest = next;
        }
        Ok(state)
    }

    fn decode_field(&mut self, tag: u8, mut value: &[u8], field: &[u8]) -> Result<(), StateError> {
        let input = &mut value;
        let invalid = StateError::Field(tag);
        match tag {
            LAST => self.last = Some(take_instant(input).ok_or(invalid)?),
            REQUESTS => self.requests.get_or_insert_default().at = take_instant(input).ok_or(invalid)?,
            // Versions that do not know it keep it beside another arrival.
            REQUESTS_INTERVAL => {
                let interval = take_signed(input).filter(|interval| *interval > 0).ok_or(invalid)?;
                let at = take_instant(input).ok_or(invalid)?;
                if let Some(requests) = self.requests.as_mut().filter(|requests| requests.at == at) {
                    requests.interval = interval;
                }
            }
            TOKENS => self.tokens = take_tokens(input).ok_or(invalid)?,
            HOLD => {
                let hold = take_hold(input).ok_or(invalid)?;
                check_place(tag, self.holds.len(), CONCURRENCY_MAX, self.hold(hold.id).is_some())?;
                self.holds.push(hold);
            }
            TOMBSTONE => {
                let tombstone = take_tombstone(input).ok_or(invalid)?;
                let max = u32::try_from(TOMBSTONES_MAX).unwrap_or(u32::MAX);
                check_place(tag, self.tombstones.len(), max, self.tombstone(tombstone.id).is_some())?;
                self.tombstones.push(tombstone);
            }
            _ => {
                let mut counters = self.counters.iter_mut().zip(COUNTERS);
                let Some((counter, _)) = counters.find(|(_, counter_tag)| *counter_tag == tag) else {
                    self.unknown.extend(field);
                    return Ok(());
                };
                *counter = take_counter(input).ok_or(invalid)?;
            }
        }
        if value.is_empty() { Ok(()) } else { Err(invalid) }
    }
}

fn check_place(tag: u8, count: usize, max: u32, is_duplicate: bool) -> Result<(), StateError> {
    if is_duplicate {
        return Err(StateError::Duplicate(tag));
    }
    if u32::try_from(count).is_ok_and(|count| count < max) { Ok(()) } else { Err(StateError::TooMany(tag)) }
}

fn put_field(out: &mut Vec<u8>, tag: u8, value: &mut Vec<u8>) {
    out.push(tag);
    put_unsigned(out, u64::try_from(value.len()).unwrap_or(u64::MAX));
    out.append(value);
}

fn put_instant(out: &mut Vec<u8>, instant: Timestamp) {
    put_signed(out, instant.as_micros());
}

/// Splits a field's value from what follows it.
fn take_value<'a>(input: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let length = usize::try_from(take_unsigned(input)?).ok()?;
    input.split_at_checked(length)
}

fn take_instant(input: &mut &[u8]) -> Option<Timestamp> {
    take_signed(input).map(Timestamp::from_micros)
}

fn take_tokens(input: &mut &[u8]) -> Option<TokenBucket> {
    let used = take_signed(input).filter(|used| *used >= 0)?;
    Some(TokenBucket { used, at: take_instant(input)? })
}

fn take_usd(input: &mut &[u8]) -> Option<Usd> {
    take_signed(input).map(Usd::from_pico)
}

fn take_number(input: &mut &[u8]) -> Option<i32> {
    i32::try_from(take_signed(input)?).ok()
}

fn take_id(input: &mut &[u8]) -> Option<HoldId> {
    let (id, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(HoldId(u128::from_be_bytes(*id)))
}

fn take_counter(input: &mut &[u8]) -> Option<Counter> {
    let current = (take_number(input)?, take_usd(input)?);
    let previous = if input.is_empty() { None } else { Some((take_number(input)?, take_usd(input)?)) };
    let is_ordered = previous.is_none_or(|(previous, _)| previous < current.0);
    is_ordered.then_some(Counter { current: Some(current), previous })
}

fn take_hold(input: &mut &[u8]) -> Option<Hold> {
    let id = take_id(input)?;
    let amount = take_usd(input).filter(|amount| *amount >= Usd::ZERO)?;
    let tokens = u32::try_from(take_unsigned(input)?).ok()?;
    let until = take_instant(input)?;
    let process = ProcessId(take_unsigned(input)?);
    Some(Hold { id, amount, tokens, until, process, day: take_number(input)? })
}

fn take_tombstone(input: &mut &[u8]) -> Option<Tombstone> {
    let id = take_id(input)?;
    let amount = take_usd(input).filter(|amount| *amount >= Usd::ZERO)?;
    let until = take_instant(input)?;
    let day = take_number(input)?;
    let is_final = match take_unsigned(input)? {
        0 => false,
        1 => true,
        _ => return None,
    };
    Some(Tombstone { id, amount, until, day, is_final })
}
