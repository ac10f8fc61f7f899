//! Bodies that the upstream and the load generator both compute, and the clock that they share.

use std::{sync::LazyLock, time::Instant};

use bytes::Bytes;
use sparekey_demo::shapes::{Generation, chat};

/// Size of one of the [`blocks`], in bytes.
pub(crate) const BLOCK: usize = 64 * 1024;

/// Size and FNV-1a hash of a body: detects lost, repeated and reordered bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Checksum {
    pub(crate) size: u64,
    pub(crate) hash: u64,
}

impl Checksum {
    pub(crate) const EMPTY: Self = Self { size: 0, hash: 0xcbf2_9ce4_8422_2325 };

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.hash = bytes.iter().fold(self.hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    }

    /// Returns the checksum of `size` bytes of [`blocks`].
    pub(crate) fn of_blocks(size: u64) -> Self {
        let mut sum = Self::EMPTY;
        for piece in blocks(size) {
            sum.update(&piece);
        }
        sum
    }

    /// Returns the response body to an upload.
    pub(crate) fn to_json(self) -> String {
        format!("{{\"size\":{},\"hash\":{}}}", self.size, self.hash)
    }
}

/// Returns a body of `size` bytes, in blocks of at most [`BLOCK`].
pub(crate) fn blocks(size: u64) -> impl Iterator<Item = Bytes> {
    static BYTES: LazyLock<Bytes> =
        LazyLock::new(|| (0..BLOCK as u32).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect());
    let mut left = size;
    std::iter::from_fn(move || {
        let length = left.min(BLOCK as u64);
        left -= length;
        (length > 0).then(|| BYTES.slice(..usize::try_from(length).expect("at most BLOCK")))
    })
}

/// Stands for the text in [`json`] and [`event`], which OpenAI's shapes do not contain.
const MARKER: &str = "@";

fn generation() -> Generation<'static> {
    let (created, model) = (1_700_000_000, "gpt-5-mini");
    Generation { id: "1", created, model, text: MARKER, input_tokens: 1, ..Generation::default() }
}

/// Returns a chat completion of about `size` bytes.
pub(crate) fn json(size: usize) -> String {
    static TEMPLATE: LazyLock<String> = LazyLock::new(|| chat::completion(&generation()).to_string());
    TEMPLATE.replacen(MARKER, &"words ".repeat(size.saturating_sub(TEMPLATE.len()) / 6), 1)
}

/// The events of a stream of chat completions, without and with usage.
static EVENTS: LazyLock<[Vec<String>; 2]> =
    LazyLock::new(|| [false, true].map(|has_usage| chat::events(&generation(), has_usage)));

/// Returns a chat completion event that contains its number and the current time. With usage, it has `"usage":null`.
pub(crate) fn event(number: usize, has_usage: bool) -> String {
    EVENTS[usize::from(has_usage)][1].replacen(MARKER, &format!("@{number} {} @", now()), 1)
}

/// Returns the events that end a chat completion: its last chunk, its usage, `[DONE]`.
pub(crate) fn last_events(has_usage: bool) -> &'static str {
    &EVENTS[usize::from(has_usage)][2]
}

/// Parses the number and the time of an event.
pub(crate) fn parse_event(event: &str) -> Option<(usize, u64)> {
    let (number, sent) = event.split('@').nth(1)?.trim().split_once(' ')?;
    Some((number.parse().ok()?, sent.parse().ok()?))
}

/// Returns nanoseconds since the first call.
pub(crate) fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
