//! Validates a value that is not read.

use super::{MAX_DEPTH, Reader, Result};
use crate::error::BodyError;

/// The open arrays and objects, the innermost in the lowest bit: 1 for an object.
#[derive(Default)]
struct Open {
    kinds: u128,
    count: u32,
}

impl<'a> Reader<'a> {
    /// Reads a value of any type.
    pub(crate) fn skip(&mut self) -> Result<()> {
        let mut open = Open::default();
        loop {
            if !self.begin_value(&mut open)? {
                continue;
            }
            // A value is complete: close what it is the last of.
            loop {
                if open.count == 0 {
                    return Ok(());
                }
                let is_object = open.kinds & 1 == 1;
                self.whitespace();
                if self.take(b',') {
                    self.whitespace();
                    if is_object {
                        self.key()?;
                    }
                    break;
                }
                self.expect(if is_object { b'}' } else { b']' })?;
                open.kinds >>= 1;
                open.count = open.count.saturating_sub(1);
            }
        }
    }

    /// Reads a value up to its first inner one. Returns whether it has none, and is complete.
    fn begin_value(&mut self, open: &mut Open) -> Result<bool> {
        match self.peek()? {
            b'"' => self.string().map(|_content| true),
            byte @ (b'{' | b'[') => {
                let is_object = byte == b'{';
                if open.count.saturating_add(self.depth) >= MAX_DEPTH {
                    return Err(BodyError::TooDeep);
                }
                self.next()?;
                self.whitespace();
                if self.take(if is_object { b'}' } else { b']' }) {
                    return Ok(true);
                }
                open.kinds = open.kinds << 1 | u128::from(is_object);
                open.count = open.count.saturating_add(1);
                if is_object {
                    self.key()?;
                }
                Ok(false)
            }
            b't' => self.literal(b"true").map(|()| true),
            b'f' => self.literal(b"false").map(|()| true),
            b'n' => self.literal(b"null").map(|()| true),
            _ => self.number().map(|()| true),
        }
    }

    /// Reads a key and the colon. Returns the key as it was sent.
    pub(super) fn key(&mut self) -> Result<&'a [u8]> {
        let key = self.string()?;
        self.whitespace();
        self.expect(b':')?;
        self.whitespace();
        Ok(key)
    }
}
