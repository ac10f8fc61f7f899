//! Bodies that arrive in pieces.

/// Splits an input: the number of cuts, their positions, and the body. Returns the body, and its pieces.
pub(crate) fn pieces(input: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let Some((count, rest)) = input.split_first() else { return (&[], Vec::new()) };
    let (positions, body) = rest.split_at((2 * usize::from(count % 8)).min(rest.len()));
    let (positions, _) = positions.as_chunks::<2>();
    let mut cuts: Vec<_> =
        positions.iter().map(|position| usize::from(u16::from_be_bytes(*position)) % (body.len() + 1)).collect();
    cuts.extend([0, body.len()]);
    cuts.sort_unstable();
    (body, cuts.windows(2).map(|cut| &body[cut[0]..cut[1]]).collect())
}
