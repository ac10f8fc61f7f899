//! Visits the objects and arrays whose contents are read.

use super::{MAX_DEPTH, Names, Reader, Result, names::Key};
use crate::{error::BodyError, param::Param};

/// Members of an object that is read. No client comes near it; an object that is only validated may have more.
const MAX_MEMBERS: u32 = 100_000;

/// Reads the value of a field, or of an item. `None` is a key that is not in the caller's list. The position may stay before
/// the value, which is then skipped.
pub(crate) type Visit<'v, 'a> = &'v mut dyn FnMut(&mut Reader<'a>, Param<'_>, Option<&'static str>) -> Result<()>;

impl<'a> Reader<'a> {
    /// Reads an object, and visits each value but `null`, which counts as absent.
    ///
    /// # Errors
    ///
    /// A key that another reader could take for one of `fields`: one that stands twice, has an escape or a character that is
    /// not ASCII, or differs in case only. More than [`MAX_MEMBERS`] members.
    pub(crate) fn object(&mut self, param: Param<'_>, fields: &Names, visit: Visit<'_, 'a>) -> Result<()> {
        self.object_with_null(param, fields, &mut |reader, param, field| {
            if field.is_some() && reader.peek()? == b'n' { Ok(()) } else { visit(reader, param, field) }
        })
    }

    /// The same, but visits each `null` too.
    pub(crate) fn object_with_null(&mut self, param: Param<'_>, fields: &Names, visit: Visit<'_, 'a>) -> Result<()> {
        self.enter(b'{', param, "an object")?;
        let (mut seen, mut members) = (0_u64, 0_u32);
        let mut is_end = self.take(b'}');
        while !is_end {
            members = members.saturating_add(1);
            if members > MAX_MEMBERS {
                return Err(BodyError::TooManyMembers);
            }
            let field = match fields.find(self.key()?) {
                Key::Name(at, name) => {
                    let bit = 1_u64.wrapping_shl(at);
                    if seen & bit != 0 {
                        return Err(BodyError::DuplicateField { param: Param::Field(&param, name).to_text() });
                    }
                    seen |= bit;
                    Some(name)
                }
                Key::OtherCase(name) => {
                    return Err(BodyError::FieldSpelling { param: Param::Field(&param, name).to_text() });
                }
                Key::Ambiguous => return Err(BodyError::FieldName { param: param.to_text() }),
                Key::Other => None,
            };
            self.value(field.map_or(param, |name| Param::Field(&param, name)), field, visit)?;
            is_end = self.comma_or(b'}')?;
        }
        self.leave();
        Ok(())
    }

    /// Reads an array, and visits each item, `null` too.
    pub(crate) fn array(&mut self, param: Param<'_>, visit: Visit<'_, 'a>) -> Result<()> {
        self.enter(b'[', param, "an array")?;
        let mut index = 0_usize;
        let mut is_end = self.take(b']');
        while !is_end {
            self.value(Param::Item(&param, index), None, visit)?;
            index = index.wrapping_add(1);
            is_end = self.comma_or(b']')?;
        }
        self.leave();
        Ok(())
    }

    fn value(&mut self, param: Param<'_>, field: Option<&'static str>, visit: Visit<'_, 'a>) -> Result<()> {
        let start = self.rest.len();
        visit(self, param, field)?;
        if self.rest.len() == start { self.skip() } else { Ok(()) }
    }

    fn enter(&mut self, bracket: u8, param: Param<'_>, expected: &'static str) -> Result<()> {
        if self.peek()? != bracket {
            return Err(match param {
                Param::Root => BodyError::NotAnObject,
                Param::Field(..) | Param::Item(..) => BodyError::Type { param: param.to_text(), expected },
            });
        }
        if self.depth >= MAX_DEPTH {
            return Err(BodyError::TooDeep);
        }
        self.depth = self.depth.saturating_add(1);
        self.next()?;
        self.whitespace();
        Ok(())
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Reads what follows a value. Returns whether it is the closing bracket.
    fn comma_or(&mut self, bracket: u8) -> Result<bool> {
        self.whitespace();
        if self.take(b',') {
            self.whitespace();
            return Ok(false);
        }
        self.expect(bracket).map(|()| true)
    }
}
