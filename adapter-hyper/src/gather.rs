//! Small pieces leave as one: to copy some bytes is cheaper than to have the kernel gather them.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncWrite, ReadBuf};

/// What is copied at most.
const SMALL: usize = 2048;

/// Writes as `poll_write_vectored` does.
///
/// # Errors
/// The stream's.
pub fn poll_write(
    stream: Pin<&mut (impl AsyncWrite + ?Sized)>,
    cx: &mut Context<'_>,
    parts: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let mut space = [const { MaybeUninit::uninit() }; SMALL];
    let mut whole = ReadBuf::uninit(&mut space);
    for part in parts {
        if part.len() > whole.remaining() {
            return stream.poll_write_vectored(cx, parts);
        }
        whole.put_slice(part);
    }
    stream.poll_write(cx, whole.filled())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, duplex};

    use super::*;

    /// How much one write takes, and what arrives of it.
    fn written(parts: &[&[u8]]) -> (usize, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut near, mut far) = duplex(1 << 20);
            let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let count = std::future::poll_fn(|cx| poll_write(Pin::new(&mut near), cx, &slices)).await.unwrap();
            drop(near);
            let mut arrived = Vec::new();
            far.read_to_end(&mut arrived).await.unwrap();
            (count, arrived)
        })
    }

    #[test]
    fn pieces_arrive_in_order_whatever_their_size() {
        for sizes in [&[0, 0][..], &[1, 2], &[3, 0, 4], &[2000, 48], &[2000, 49], &[5000], &[1, 5000, 1]] {
            let parts: Vec<_> = (1u8..).zip(sizes).map(|(byte, size)| vec![byte; *size]).collect();
            let (count, arrived) = written(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
            assert_eq!(arrived, parts.concat()[..count]);
            let is_small = parts.concat().len() <= SMALL;
            assert!(count == parts.concat().len() || !is_small, "{sizes:?}");
        }
    }
}
