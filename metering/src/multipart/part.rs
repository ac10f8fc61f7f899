//! One part of a form: its headers ([RFC 7578 §4](https://www.rfc-editor.org/rfc/rfc7578#section-4)) and its content.

use crate::{
    error::BodyError,
    parameters::{self, is_token},
};

/// Bytes. Clients send less than 500.
const MAX_HEADERS: usize = 8 * 1024;

/// A part whose name every reader reads alike.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// Letters, digits, and `_ - . [ ]`.
    pub(super) name: &'a str,
    pub(super) is_file: bool,
    pub(super) content_type: Option<&'a str>,
    pub(super) content: &'a [u8],
}

impl<'a> Part<'a> {
    /// Parses what stands between two delimiters.
    pub(super) fn parse(part: &'a [u8]) -> Result<Self, BodyError> {
        let start = part.get(..MAX_HEADERS).unwrap_or(part);
        let end = start.windows(4).position(|window| window == b"\r\n\r\n");
        let (headers, content) = end
            .and_then(|end| part.split_at_checked(end))
            .ok_or(BodyError::Multipart("the headers of a part have no end, or are too long"))?;
        let content = content.get(4..).unwrap_or_default();
        let headers = std::str::from_utf8(headers).map_err(|_| BodyError::Multipart("a part's header is not UTF-8"))?;

        let (mut disposition, mut content_type, mut encoding) = (None, None, None);
        for line in headers.split("\r\n") {
            let (name, value) = parse_header(line)?;
            let place = match name.to_ascii_lowercase().as_str() {
                "content-disposition" => &mut disposition,
                "content-type" => &mut content_type,
                "content-transfer-encoding" => &mut encoding,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(BodyError::Multipart("a part has a header twice"));
            }
        }
        let is_plain =
            |encoding: &str| ["binary", "8bit", "7bit"].iter().any(|plain| encoding.eq_ignore_ascii_case(plain));
        if !encoding.is_none_or(is_plain) {
            return Err(BodyError::Multipart("a part has a content-transfer-encoding"));
        }
        let disposition = disposition.ok_or(BodyError::Multipart("a part has no content-disposition"))?;
        let (name, is_file) = parse_disposition(disposition)?;
        Ok(Self { name, is_file, content_type, content })
    }
}

/// Splits a header line. A folded line, which begins with a space, has no valid name.
fn parse_header(line: &str) -> Result<(&str, &str), BodyError> {
    let header = line
        .split_once(':')
        .filter(|(name, value)| is_token(name) && !value.contains(|c: char| c.is_ascii_control() && c != '\t'));
    let (name, value) = header.ok_or(BodyError::Multipart("a part has a malformed header"))?;
    Ok((name, value.trim_matches([' ', '\t'])))
}

/// Returns the name, and whether there is a file name.
fn parse_disposition(disposition: &str) -> Result<(&str, bool), BodyError> {
    let (kind, parameters) = parameters::parse(disposition).ok_or(BodyError::Multipart(
        "a content-disposition is malformed; rename the file if its name has a quote, a backslash or a ';'",
    ))?;
    if !kind.eq_ignore_ascii_case("form-data") {
        return Err(BodyError::Multipart("a content-disposition is not form-data"));
    }
    // .NET sends `filename` and `filename*`. No reader takes them for the name.
    let (mut name, mut file, mut extended_file) = (None, None, None);
    for parameter in parameters {
        let place = match parameter.name.to_ascii_lowercase().as_str() {
            "name" => &mut name,
            "filename" => &mut file,
            "filename*" => &mut extended_file,
            _ => return Err(BodyError::Multipart("a content-disposition has an unknown parameter")),
        };
        if place.replace(parameter.value).is_some() {
            return Err(BodyError::Multipart("a content-disposition has a parameter twice"));
        }
    }
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte);
    let name = name.filter(|name| !name.is_empty() && name.bytes().all(is_name_byte));
    let name = name
        .ok_or(BodyError::Multipart("a part has no name, or one with other characters than A-Z a-z 0-9 _ - . [ ]"))?;
    Ok((name, file.is_some() || extended_file.is_some()))
}
