//! Values of one type.

use super::{Reader, Result};
use crate::{digits, error::BodyError, param::Param};

impl<'a> Reader<'a> {
    /// Reads a string. Returns its content as it was sent, escapes included.
    ///
    /// # Errors
    ///
    /// [`BodyError::Type`], as the next two.
    pub(crate) fn text(&mut self, param: Param<'_>) -> Result<&'a [u8]> {
        self.expect_type(param, "a string", |byte| byte == b'"')?;
        self.string()
    }

    /// Reads `true` or `false`.
    pub(crate) fn boolean(&mut self, param: Param<'_>) -> Result<bool> {
        self.expect_type(param, "true or false", |byte| matches!(byte, b't' | b'f'))?;
        let value = self.peek()? == b't';
        self.skip()?;
        Ok(value)
    }

    /// Reads a whole number that is not negative. A number that is too large is the largest.
    pub(crate) fn unsigned(&mut self, param: Param<'_>) -> Result<u64> {
        const EXPECTED: &str = "a whole number that is not negative";
        self.expect_type(param, EXPECTED, |byte| byte == b'-' || byte.is_ascii_digit())?;
        let start = self.rest;
        self.number()?;
        let digits = start.get(..start.len().saturating_sub(self.rest.len())).unwrap_or_default();
        digits::parse(digits).ok_or_else(|| BodyError::Type { param: param.to_text(), expected: EXPECTED })
    }

    fn expect_type(&self, param: Param<'_>, expected: &'static str, is_it: impl FnOnce(u8) -> bool) -> Result<()> {
        if is_it(self.peek()?) { Ok(()) } else { Err(BodyError::Type { param: param.to_text(), expected }) }
    }
}
