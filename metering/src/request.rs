//! Reads the models of a whole request.

use std::borrow::Cow;

use sparekey_policy::{BodyFailure, Facts, ModelSource, NamedModel};

use crate::{content_type::BodyForm, error::BodyError, models, multipart, path, query};

/// The target of a request.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Where the route names its main model.
    pub source: ModelSource,
    /// The path below the API base, without `/v1`.
    pub path: &'a str,
    /// The query, without `?`.
    pub query: Option<&'a str>,
}

/// Checks what the head of a request says of its body, before a byte of it is read. `length` is its `content-length`, `max`
/// the bytes that a body may have. A body without a length is checked when it has been read, if `source` needs none.
///
/// # Errors
///
/// [`BodyFailure::TooLarge`]; and those of [`BodyForm::from_headers`].
pub fn check_head<'a>(
    source: ModelSource,
    length: Option<u64>,
    max: usize,
    content_types: impl IntoIterator<Item = &'a [u8]>,
    encodings: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(), BodyFailure> {
    match length {
        Some(0) => return Ok(()),
        // A platform whose `usize` has 32 bits counts here too.
        Some(length) if u64::try_from(max).is_ok_and(|max| length > max) => return Err(BodyFailure::TooLarge(max)),
        None if !source.needs_body() => return Ok(()),
        _ => {}
    }
    BodyForm::from_headers(content_types, encodings)?;
    Ok(())
}

/// Reads the models of a request. `content_types` and `encodings` are the values of its `content-type` and
/// `content-encoding`. The body is the whole one.
///
/// # Errors
///
/// See [`read_facts`].
pub fn read_request<'a>(
    target: Target<'_>,
    content_types: impl IntoIterator<Item = &'a [u8]>,
    encodings: impl IntoIterator<Item = &'a [u8]>,
    body: &[u8],
) -> Result<Facts, BodyFailure> {
    let is_read = target.source.needs_body() || !body.is_empty();
    let form = if is_read { BodyForm::from_headers(content_types, encodings)? } else { BodyForm::Absent };
    Ok(read_facts(target, &form, body)?)
}

/// Reads the models of a request from its target and from its whole body.
///
/// All places are read, whatever the source: LiteLLM, for one, prefers `?model=` to the model in the body.
///
/// # Errors
///
/// A body of another form than the route's, or one that another reader may read in another way. Nothing is sent then.
pub fn read_facts(target: Target<'_>, form: &BodyForm, body: &[u8]) -> Result<Facts, BodyError> {
    let needs_body = target.source.needs_body();
    let facts = match form {
        _ if body.is_empty() => {
            if needs_body {
                return Err(BodyError::EmptyBody);
            }
            Facts::default()
        }
        BodyForm::Absent => return Err(BodyError::MissingContentType),
        BodyForm::Multipart(_) if target.source == ModelSource::Body => return Err(BodyError::MediaType),
        BodyForm::Json => models::read(body)?,
        BodyForm::Multipart(boundary) => multipart::read(boundary, body)?,
    };
    locate_models(target, facts)
}

/// Adds the models of the target to those of the body, and makes that of the source the main one.
pub(crate) fn locate_models(target: Target<'_>, mut facts: Facts) -> Result<Facts, BodyError> {
    let mut other = target.query.map_or(Ok(None), query::model)?;
    let main = match target.source {
        ModelSource::Body | ModelSource::Multipart => facts.model.take(),
        ModelSource::Query => other.take(),
        ModelSource::Path => Some(path::model(target.path)?),
    };
    let others = [facts.model.take(), other];
    facts.model = main;
    for name in others.into_iter().flatten() {
        models::add_other(&mut facts, NamedModel { name, param: Cow::Borrowed("model") })?;
    }
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_is_checked_before_the_body() {
        const MAX: usize = 100;
        let text = &b"text/plain"[..];
        let json = &b"application/json"[..];
        let too_large = || Err(BodyFailure::TooLarge(MAX));
        let media_type = || Err(BodyError::MediaType.into());
        let encoding = || Err(BodyError::ContentEncoding.into());
        for (source, length, content_type, content_encoding, expected) in [
            (ModelSource::Body, Some(100), json, None, Ok(())),
            (ModelSource::Body, Some(101), json, None, too_large()),
            (ModelSource::Query, Some(101), json, None, too_large()),
            (ModelSource::Body, Some(1 << 32), json, None, too_large()),
            (ModelSource::Body, Some(u64::MAX), json, None, too_large()),
            (ModelSource::Body, None, json, None, Ok(())),
            (ModelSource::Body, None, text, None, media_type()),
            (ModelSource::Multipart, None, text, None, media_type()),
            (ModelSource::Path, None, text, None, Ok(())),
            (ModelSource::Path, Some(1), text, None, media_type()),
            (ModelSource::Body, Some(0), text, None, Ok(())),
            (ModelSource::Body, Some(1), json, Some(&b"gzip"[..]), encoding()),
            (ModelSource::Body, None, json, Some(b"gzip"), encoding()),
            (ModelSource::Query, None, json, Some(b"gzip"), Ok(())),
        ] {
            let checked = check_head(source, length, MAX, [content_type], content_encoding);
            assert_eq!(checked, expected, "{source:?} {length:?} {content_encoding:?}");
        }
    }

    #[track_caller]
    fn read(source: ModelSource, path: &str, content_type: &str, body: &str) -> Result<Vec<String>, BodyError> {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let content_type = Some(content_type.as_bytes()).filter(|content_type| !content_type.is_empty());
        let form = BodyForm::from_headers(content_type, [])?;
        let facts = read_facts(Target { source, path, query }, &form, body.as_bytes())?;
        let others = facts.other_models.into_iter().map(|model| format!("{}: {}", model.param, model.name));
        Ok(facts.model.map(String::from).into_iter().chain(others).collect())
    }

    #[test]
    fn every_place_is_read() {
        let json = "application/json";
        let form = "multipart/form-data; boundary=b";
        let form_body = "--b\r\ncontent-disposition: form-data; name=model\r\n\r\nx\r\n--b--";
        for (source, path, content_type, body, expected) in [
            (ModelSource::Body, "/responses", json, r#"{"model":"x"}"#, Ok(&["x"][..])),
            (ModelSource::Body, "/responses", json, "{}", Ok(&[])),
            (ModelSource::Body, "/responses?model=y", json, r#"{"model":"x"}"#, Ok(&["x", "model: y"])),
            (ModelSource::Body, "/responses?model=y", json, "{}", Ok(&["model: y"])),
            (ModelSource::Body, "/responses?Model=y", json, "{}", Err(BodyError::QueryModel)),
            (ModelSource::Body, "/responses", json, "", Err(BodyError::EmptyBody)),
            (ModelSource::Body, "/responses", "", "", Err(BodyError::EmptyBody)),
            (ModelSource::Body, "/responses", "", "{}", Err(BodyError::MissingContentType)),
            (ModelSource::Body, "/responses", form, form_body, Err(BodyError::MediaType)),
            (ModelSource::Multipart, "/audio/transcriptions", form, form_body, Ok(&["x"])),
            (ModelSource::Multipart, "/images/edits", json, r#"{"model":"x"}"#, Ok(&["x"])),
            (ModelSource::Multipart, "/images/edits", form, "", Err(BodyError::EmptyBody)),
            (ModelSource::Query, "/realtime?model=x", "", "", Ok(&["x"])),
            (ModelSource::Query, "/realtime?call_id=1", "", "", Ok(&[])),
            (ModelSource::Query, "/realtime", "", "", Ok(&[])),
            (ModelSource::Query, "/realtime?model=x", json, r#"{"model":"y"}"#, Ok(&["x", "model: y"])),
            (ModelSource::Query, "/realtime?model=x", "", "{}", Err(BodyError::MissingContentType)),
            (ModelSource::Path, "/models/x", "", "", Ok(&["x"])),
            (ModelSource::Path, "/models/x", json, "", Ok(&["x"])),
            (ModelSource::Path, "/models/%zz", "", "", Err(BodyError::UrlModel)),
            (ModelSource::Path, "/deployments/x/embeddings", json, r#"{"model":"y"}"#, Ok(&["x", "model: y"])),
            (ModelSource::Path, "/deployments/x/audio/translations", form, form_body, Ok(&["x", "model: x"])),
        ] {
            let expected = expected.map(|models| models.iter().map(|model| (*model).to_owned()).collect());
            assert_eq!(read(source, path, content_type, body), expected, "{path} {body}");
        }
    }
}
