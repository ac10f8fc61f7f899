#![allow(missing_docs, clippy::all, clippy::pedantic, unused)]
use std::ops::Range;
use sparekey_policy::*;
use crate::Target;
pub struct MeteredBody { pub facts: Facts, pub demand: Demand }
pub fn read_metered<'a>(endpoint: Endpoint, target: Target<'_>, content_types: impl IntoIterator<Item = &'a [u8]>, encodings: impl IntoIterator<Item = &'a [u8]>, body: &[u8]) -> Result<MeteredBody, BodyFailure> { todo!() }
pub struct Splice { pub range: Range<usize>, pub text: Box<[u8]> }
impl MeteredBody { pub fn splices(&self, edits: &BodyEdits) -> Vec<Splice> { vec![] } }
