//! The facts of a request that limits need.

use std::borrow::Cow;

/// Where a route names its main model.
// Exhaustive: a reader of requests handles each place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ModelSource {
    /// In a JSON body.
    Body,
    /// In a `multipart/form-data` or JSON body.
    Multipart,
    /// In the query: `/realtime?model=…`.
    Query,
    /// In the path: `/models/{id}`, `/deployments/{name}/…`.
    Path,
}

/// The models that a request names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Facts {
    /// The model of the request: `model` of its body or query, or the name in its path. `None`: the upstream chooses one.
    pub model: Option<Box<str>>,
    /// All other models, in the order in which they were read.
    pub other_models: Vec<NamedModel>,
}

/// A model that a request names beside its main one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedModel {
    /// The name: printable ASCII, not empty.
    pub name: Box<str>,
    /// The path of its field, such as `tools[0].model`: `error.param` of OpenAI's error envelope.
    pub param: Cow<'static, str>,
}

/// A model that a user may not use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RefusedModel<'a> {
    /// The name. `None`: the request names no model, so that the upstream would choose one.
    pub name: Option<&'a str>,
    /// `error.param`.
    pub param: &'a str,
}

impl ModelSource {
    /// Whether the whole body must be read.
    #[must_use]
    pub fn needs_body(self) -> bool {
        matches!(self, Self::Body | Self::Multipart)
    }
}

impl Facts {
    /// Returns the first model that is not allowed. A request that leaves the choice of its main model to the upstream is
    /// refused, because the choice may be any.
    pub fn refused_model(&self, mut is_allowed: impl FnMut(&str) -> bool) -> Option<RefusedModel<'_>> {
        let main = [(self.model.as_deref(), "model")];
        let others = self.other_models.iter().map(|model| (Some(&*model.name), &*model.param));
        let mut all = main.into_iter().chain(others);
        let (name, param) = all.find(|(name, _)| !name.is_some_and(&mut is_allowed))?;
        Some(RefusedModel { name, param })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_in_the_url_needs_no_body() {
        let sources = [ModelSource::Body, ModelSource::Multipart, ModelSource::Query, ModelSource::Path];
        assert_eq!(sources.map(ModelSource::needs_body), [true, true, false, false]);
    }

    #[test]
    fn every_model_must_be_allowed() {
        let other = |name: &str| NamedModel { name: name.into(), param: Cow::Borrowed("models[0]") };
        for (model, others, expected) in [
            (Some("a"), &[][..], None),
            (Some("a"), &["a2"], None),
            (Some("b"), &["a"], Some((Some("b"), "model"))),
            (Some("a"), &["a", "b"], Some((Some("b"), "models[0]"))),
            (None, &[], Some((None, "model"))),
            (None, &["a"], Some((None, "model"))),
        ] {
            let facts =
                Facts { model: model.map(Into::into), other_models: others.iter().copied().map(other).collect() };
            let refused = facts.refused_model(|name| name.starts_with('a'));
            assert_eq!(refused.map(|refused| (refused.name, refused.param)), expected, "{model:?} {others:?}");
        }
    }
}
