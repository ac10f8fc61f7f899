//! The model in `multipart/form-data` ([RFC 7578](https://www.rfc-editor.org/rfc/rfc7578)).
//!
//! ```text
//! --boundary CRLF
//! content-disposition: form-data; name="model" CRLF
//! CRLF
//! gpt-5 CRLF
//! --boundary-- [CRLF]
//! ```
//!
//! Readers of forms differ in many ways. A body is refused if another reader may find other fields in it: it has exactly
//! this form, and no delimiter stands anywhere else.

mod field;
mod part;
mod search;

use sparekey_policy::Facts;

use crate::{content_type::Boundary, error::BodyError};

use self::{field::Fields, part::Part, search::Needle};

/// Reads a whole body.
///
/// # Errors
///
/// The body is not `multipart/form-data`, or another reader may find other names in it.
pub(crate) fn read(boundary: &Boundary, body: &[u8]) -> Result<Facts, BodyError> {
    let delimiter = boundary.delimiter();
    let needle = Needle::new(&delimiter);
    let mut fields = Fields::default();
    let mut rest = body.strip_prefix(&*delimiter).ok_or(BodyError::Multipart("it does not begin with the boundary"))?;
    loop {
        if let Some(epilogue) = rest.strip_prefix(b"--") {
            let is_end = epilogue.is_empty() || epilogue == b"\r\n";
            return if is_end {
                Ok(fields.into_facts())
            } else {
                Err(BodyError::Multipart("it has data after the final boundary"))
            };
        }
        let part =
            rest.strip_prefix(b"\r\n").ok_or(BodyError::Multipart("a boundary is not at the end of its line"))?;
        let (part, after) = needle.split(part).ok_or(BodyError::Multipart("it has no final boundary"))?;
        let part =
            part.strip_suffix(b"\r\n").ok_or(BodyError::Multipart("a boundary is not at the start of a line"))?;
        fields.add(&Part::parse(part)?)?;
        rest = after;
    }
}

#[cfg(test)]
mod tests;
