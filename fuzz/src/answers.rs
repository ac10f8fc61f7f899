//! What an upstream may answer over HTTP/1.1.

use bytes::BytesMut;
use http::{HeaderMap, Method, StatusCode};
use sparekey::upstream::http1::head::{self, Names};

/// What was understood: status, headers, data, whether the body is whole, and what is left.
type Understood = Result<Option<(StatusCode, HeaderMap, Vec<u8>, bool, Vec<u8>)>, ()>;

/// The first byte tells where the rest comes in two pieces. Both ways the same is understood, or nothing is.
pub(crate) fn upstream_answer(input: &[u8]) {
    let Some((cut, bytes)) = input.split_first() else { return };
    let (first, second) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    let (whole, split) = (understood(&[bytes]), understood(&[first, second]));
    assert_eq!(whole, split);
    if let Ok(Some((_, _, data, _, rest))) = whole {
        assert!(data.len() + rest.len() <= bytes.len(), "nothing is made up");
    }
}

fn understood(pieces: &[&[u8]]) -> Understood {
    let (mut buffer, mut names, mut found) = (BytesMut::new(), Names::default(), None);
    let mut data = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if found.is_none() {
            found = head::parse(&mut buffer, &mut names, &Method::GET, false).map_err(drop)?;
        }
        let Some(head) = &mut found else { continue };
        while !buffer.is_empty() && !head.body.is_done() {
            data.extend(head.body.decode(&mut buffer).map_err(drop)?);
        }
    }
    Ok(found.map(|head| (head.parts.status, head.parts.headers, data, head.body.is_done(), buffer.to_vec())))
}
