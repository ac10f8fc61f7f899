//! Reads the whole request of a metered user.

use std::borrow::Cow;

use sparekey_policy::{BodyEdits, BodyFailure, Demand, Endpoint, Facts};

use crate::{
    content_type::BodyForm,
    demand::{self, Body, ONE_MODEL, Places},
    error::BodyError,
    multipart,
    request::{Target, locate_models},
    splices::{Splice, splices},
};

/// Paths of [Azure](https://learn.microsoft.com/azure/ai-foundry/openai/reference).
const AZURE: [&str; 2] = ["/openai/", "/deployments/"];

/// A request of a metered user that was read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MeteredBody {
    /// The models that it names.
    pub facts: Facts,
    /// What it can use at most.
    pub demand: Demand,
    places: Places,
}

impl MeteredBody {
    /// Returns the changes of the body, in the order of their ranges, which do not overlap. Every other byte stays.
    #[must_use]
    pub fn splices(&self, edits: &BodyEdits) -> Vec<Splice> {
        splices(self.demand.endpoint, &self.places, edits)
    }
}

/// Reads the models of a request and what it can use at most, in one pass over the whole body. `content_types` and `encodings`
/// are the values of its `content-type` and `content-encoding`.
///
/// # Errors
///
/// A body of another form than the route's, one that another reader may read in another way, or one with a field of another
/// type than the API's. Nothing is sent then.
pub fn read_metered<'a>(
    endpoint: Endpoint,
    target: Target<'_>,
    content_types: impl IntoIterator<Item = &'a [u8]>,
    encodings: impl IntoIterator<Item = &'a [u8]>,
    body: &[u8],
) -> Result<MeteredBody, BodyFailure> {
    let form = BodyForm::from_headers(content_types, encodings)?;
    Ok(read(endpoint, target, &form, body)?)
}

fn read(endpoint: Endpoint, target: Target<'_>, form: &BodyForm, body: &[u8]) -> Result<MeteredBody, BodyError> {
    let has_forms = matches!(endpoint, Endpoint::ImageEdits | Endpoint::Transcriptions | Endpoint::Translations);
    let Body { facts, mut demand, places } = match form {
        _ if body.is_empty() => return Err(BodyError::EmptyBody),
        BodyForm::Absent => return Err(BodyError::MissingContentType),
        BodyForm::Multipart(_) if !has_forms => return Err(BodyError::MediaType),
        BodyForm::Json => demand::read(endpoint, body)?,
        BodyForm::Multipart(boundary) => multipart::read_metered(endpoint, boundary, body)?,
    };
    demand.is_azure = AZURE.iter().any(|prefix| target.path.starts_with(prefix));
    let facts = locate_models(target, facts)?;
    // The price is that of one model. A tool with a model of its own is removed or refused.
    let is_other = |name: &str, param: &str| Some(name) != facts.model.as_deref() && !param.starts_with("tools[");
    if let Some(other) = facts.other_models.iter().find(|other| is_other(&other.name, &other.param)) {
        demand.refuse(Cow::clone(&other.param), ONE_MODEL);
    }
    Ok(MeteredBody { facts, demand, places })
}

#[cfg(test)]
mod tests;
