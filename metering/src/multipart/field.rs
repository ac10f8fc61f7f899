//! Which fields of a form are read.

use std::borrow::Cow;

use super::part::Part;
use sparekey_policy::{Facts, NamedModel};

use crate::{error::BodyError, models, name, parameters};

/// The fields that name a model, with their path in JSON. SDKs write the members of an object in brackets.
const MODEL_FIELDS: [(&str, &str); 2] = [("model", "model"), ("svg[model]", "svg.model")];

/// The fields of [`models::FIELDS`] that endpoints with a form have too. They have none of the others.
const IN_FORMS: [&str; 3] = ["model", "input", "svg"];

/// The models of a form so far, in the order of [`MODEL_FIELDS`].
#[derive(Debug, Default)]
pub(super) struct Fields([Option<Box<str>>; MODEL_FIELDS.len()]);

impl Fields {
    pub(super) fn add(&mut self, part: &Part<'_>) -> Result<(), BodyError> {
        for ((field, param), place) in MODEL_FIELDS.iter().copied().zip(&mut self.0) {
            if part.name == field {
                if place.replace(model_name(part, param)?).is_some() {
                    return Err(BodyError::DuplicateField { param: Cow::Borrowed(param) });
                }
                return Ok(());
            }
            if letters(part.name).eq(letters(field)) {
                return Err(BodyError::FieldSpelling { param: Cow::Borrowed(param) });
            }
        }
        let base = part.name.split(['[', '.']).next().unwrap_or_default();
        if base.eq_ignore_ascii_case("model") {
            return Err(BodyError::FieldSpelling { param: Cow::Borrowed("model") });
        }
        if part.name.eq_ignore_ascii_case("svg") {
            return Err(BodyError::JsonOnly { param: Cow::Borrowed("svg") });
        }
        let mut json_only = models::FIELDS.into_iter().filter(|name| !IN_FORMS.contains(name));
        if let Some(param) = json_only.find(|name| base.eq_ignore_ascii_case(name)) {
            return Err(BodyError::JsonOnly { param: Cow::Borrowed(param) });
        }
        // It changes how a reader decodes the other fields (RFC 7578 §4.6).
        if part.name.eq_ignore_ascii_case("_charset_") {
            return Err(BodyError::Multipart("it has the field '_charset_'"));
        }
        Ok(())
    }

    pub(super) fn into_facts(self) -> Facts {
        let [model, svg] = self.0;
        let svg = svg.map(|name| NamedModel { name, param: Cow::Borrowed("svg.model") });
        Facts { model, other_models: svg.into_iter().collect() }
    }
}

fn model_name(part: &Part<'_>, param: &'static str) -> Result<Box<str>, BodyError> {
    name::parse(plain_text(part, param)?).ok_or(BodyError::ModelName { param: Cow::Borrowed(param) })
}

/// Returns the content of a part that is no file.
pub(super) fn plain_text<'a>(part: &Part<'a>, param: &'static str) -> Result<&'a [u8], BodyError> {
    if part.is_file || !part.content_type.is_none_or(is_plain_text) {
        return Err(BodyError::Type { param: Cow::Borrowed(param), expected: "plain text" });
    }
    Ok(part.content)
}

/// Whether a media type is `text/plain` in UTF-8 or ASCII.
fn is_plain_text(content_type: &str) -> bool {
    let Some((media_type, parameters)) = parameters::parse(content_type) else { return false };
    let is_utf8 = |charset: &str| ["utf-8", "us-ascii"].iter().any(|name| charset.eq_ignore_ascii_case(name));
    media_type.eq_ignore_ascii_case("text/plain")
        && match *parameters {
            [] => true,
            [charset] => charset.name.eq_ignore_ascii_case("charset") && is_utf8(charset.value),
            _ => false,
        }
}

/// The letters and digits of a name, in lower case.
pub(super) fn letters(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase())
}
