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

mod demand;
mod field;
mod part;
mod search;

use sparekey_policy::{Endpoint, Facts};

use crate::{
    content_type::Boundary,
    demand::{Body, Places},
    error::BodyError,
};

use self::{demand::FormDemand, field::Fields, part::Part, search::Needle};

/// Reads the models of a whole body.
///
/// # Errors
///
/// The body is not `multipart/form-data`, or another reader may find other names in it.
pub(crate) fn read(boundary: &Boundary, body: &[u8]) -> Result<Facts, BodyError> {
    let mut fields = Fields::default();
    read_parts(boundary, body, &mut |part| fields.add(part))?;
    Ok(fields.into_facts())
}

/// Reads the same, and what the request can use at most.
///
/// # Errors
///
/// The same, or a field has another type than the API's.
pub(crate) fn read_metered(endpoint: Endpoint, boundary: &Boundary, body: &[u8]) -> Result<Body, BodyError> {
    let mut fields = Fields::default();
    let mut demand = FormDemand::new(endpoint);
    read_parts(boundary, body, &mut |part| {
        fields.add(part)?;
        demand.add(part)
    })?;
    Ok(Body { facts: fields.into_facts(), demand: demand.finish(body.len()), places: Places::default() })
}

fn read_parts(
    boundary: &Boundary,
    body: &[u8],
    add: &mut dyn FnMut(&Part<'_>) -> Result<(), BodyError>,
) -> Result<(), BodyError> {
    let delimiter = boundary.delimiter();
    let needle = Needle::new(&delimiter);
    let mut rest = body.strip_prefix(&*delimiter).ok_or(BodyError::Multipart("it does not begin with the boundary"))?;
    loop {
        if let Some(epilogue) = rest.strip_prefix(b"--") {
            let is_end = epilogue.is_empty() || epilogue == b"\r\n";
            return if is_end { Ok(()) } else { Err(BodyError::Multipart("it has data after the final boundary")) };
        }
        let part =
            rest.strip_prefix(b"\r\n").ok_or(BodyError::Multipart("a boundary is not at the end of its line"))?;
        let (part, after) = needle.split(part).ok_or(BodyError::Multipart("it has no final boundary"))?;
        let part =
            part.strip_suffix(b"\r\n").ok_or(BodyError::Multipart("a boundary is not at the start of a line"))?;
        add(&Part::parse(part)?)?;
        rest = after;
    }
}

#[cfg(test)]
mod tests;
