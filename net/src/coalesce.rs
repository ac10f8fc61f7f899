//! Writes small buffers in one piece: copying them is cheaper than a vectored write.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncWrite, ReadBuf};

/// The most bytes that are copied: a head, or an event with its chunk line. Larger pieces cost more to copy.
const COPY_MAX: usize = 2048;

/// Writes like `poll_write_vectored`.
///
/// # Errors
/// Those of the stream.
pub fn poll_write_coalesced(
    stream: Pin<&mut (impl AsyncWrite + ?Sized)>,
    cx: &mut Context<'_>,
    parts: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let mut copy = [const { MaybeUninit::uninit() }; COPY_MAX];
    let mut copied = ReadBuf::uninit(&mut copy);
    for part in parts {
        if part.len() > copied.remaining() {
            return stream.poll_write_vectored(cx, parts);
        }
        copied.put_slice(part);
    }
    stream.poll_write(cx, copied.filled())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, duplex};

    use super::*;

    /// The count that one write returns, and the bytes that arrive.
    fn written(parts: &[&[u8]]) -> (usize, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut near, mut far) = duplex(1 << 20);
            let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let count =
                std::future::poll_fn(|cx| poll_write_coalesced(Pin::new(&mut near), cx, &slices)).await.unwrap();
            drop(near);
            let mut arrived = Vec::new();
            far.read_to_end(&mut arrived).await.unwrap();
            (count, arrived)
        })
    }

    #[test]
    fn order_is_kept_for_all_sizes() {
        for sizes in [&[0, 0][..], &[1, 2], &[3, 0, 4], &[2000, 48], &[2000, 49], &[5000], &[1, 5000, 1]] {
            let parts: Vec<_> = (1u8..).zip(sizes).map(|(byte, size)| vec![byte; *size]).collect();
            let (count, arrived) = written(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
            assert_eq!(arrived, parts.concat()[..count]);
            let is_small = parts.concat().len() <= COPY_MAX;
            assert!(count == parts.concat().len() || !is_small, "{sizes:?}");
        }
    }
}
