//! What the upstream and the load agree on: bodies that can be checked, and the time.

use std::{sync::LazyLock, time::Instant};

use bytes::Bytes;

/// The size of a block of [`blocks`].
pub(crate) const BLOCK: usize = 64 * 1024;

/// Size and FNV-1a hash of a body: loss, doubling and disorder all show.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Sum {
    pub(crate) size: u64,
    pub(crate) hash: u64,
}

impl Sum {
    pub(crate) const EMPTY: Self = Self { size: 0, hash: 0xcbf2_9ce4_8422_2325 };

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.hash = bytes.iter().fold(self.hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    }

    /// Of a body of so many bytes made of [`blocks`].
    pub(crate) fn of_blocks(size: u64) -> Self {
        let mut sum = Self::EMPTY;
        for piece in blocks(size) {
            sum.add(&piece);
        }
        sum
    }

    /// As the answer to an upload tells it.
    pub(crate) fn told(self) -> String {
        format!("{{\"size\":{},\"hash\":{}}}", self.size, self.hash)
    }
}

/// A body of so many bytes, in pieces.
pub(crate) fn blocks(size: u64) -> impl Iterator<Item = Bytes> {
    static BYTES: LazyLock<Bytes> =
        LazyLock::new(|| (0..BLOCK as u32).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect());
    let mut left = size;
    std::iter::from_fn(move || {
        let length = left.min(BLOCK as u64);
        left -= length;
        (length > 0).then(|| BYTES.slice(..usize::try_from(length).expect("a block at most")))
    })
}

/// An answer in JSON of about so many bytes.
pub(crate) fn json(size: usize) -> String {
    format!(r#"{{"id":"chatcmpl-1","object":"chat.completion","content":"{}"}}"#, "words ".repeat(size / 6))
}

/// One event of a stream, with its number and the time at which it was sent.
pub(crate) fn event(number: usize) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\
         \"gpt-5-mini\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"@{number} {} @\"}}}}]}}\n\n",
        now()
    )
}

/// The number and the time of an event.
pub(crate) fn read_event(event: &str) -> Option<(usize, u64)> {
    let (number, sent) = event.split('@').nth(1)?.trim().split_once(' ')?;
    Some((number.parse().ok()?, sent.parse().ok()?))
}

/// Nanoseconds since the bench began.
pub(crate) fn now() -> u64 {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(BEGUN.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
