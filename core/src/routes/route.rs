//! A row of the table of routes.

use http::Method;
use sparekey_policy::{Endpoint, ModelSource};

/// A group of routes that the owner opens together with `ROUTES`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Family {
    /// Requests to a model.
    Inference,
    /// Stored objects, which all users of the API key share.
    Data,
    /// Routes of compatible services.
    Compatible,
    /// Routes that create keys which work without the proxy, and after the access key was removed.
    Ephemeral,
    /// The owner's account. Never open.
    Administration,
}

/// What a request costs the owner.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RouteCost {
    Free,
    /// The cost has an upper bound that follows from the request.
    Bounded(Endpoint),
    Unbounded,
}

/// Where a request names its model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RouteModel {
    Body,
    Multipart,
    Query,
    Path,
    /// The request uses no model.
    NoneNeeded,
    /// The model cannot be read from the request.
    Hidden,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Route {
    /// `*` is any method. HEAD matches GET, and OPTIONS any method.
    method: &'static str,
    /// `{}` is one segment; a last `*` is one or more.
    pub(super) pattern: &'static str,
    /// The pattern before its first `{` or `*`.
    literal: &'static str,
    pub(crate) family: Family,
    pub(crate) cost: RouteCost,
    pub(super) model: RouteModel,
}

pub(super) const fn row(
    method: &'static str,
    pattern: &'static str,
    family: Family,
    cost: RouteCost,
    model: RouteModel,
) -> Route {
    Route { method, pattern, literal: literal_prefix(pattern), family, cost, model }
}

#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated at compile time")]
const fn literal_prefix(pattern: &str) -> &str {
    let mut end = 0;
    while end < pattern.len() && !matches!(pattern.as_bytes()[end], b'{' | b'*') {
        end += 1;
    }
    pattern.split_at(end).0
}

impl Route {
    pub(super) fn allows(&self, method: &Method) -> bool {
        match self.method {
            "*" => true,
            "GET" if *method == Method::HEAD => true,
            allowed => method.as_str() == allowed || *method == Method::OPTIONS,
        }
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        self.pattern == path
            // Compared first, because most rows differ there.
            || self.literal.len() < self.pattern.len() && path.starts_with(self.literal) && matches(self.pattern, path)
    }

    /// Whether a request does not show which model it uses.
    pub(crate) fn hides_model(&self) -> bool {
        self.model == RouteModel::Hidden
    }

    /// Where a request names its model. `None` if it uses none, or hides it.
    pub(crate) fn model_source(&self) -> Option<ModelSource> {
        match self.model {
            RouteModel::Body => Some(ModelSource::Body),
            RouteModel::Multipart => Some(ModelSource::Multipart),
            RouteModel::Query => Some(ModelSource::Query),
            RouteModel::Path => Some(ModelSource::Path),
            RouteModel::NoneNeeded | RouteModel::Hidden => None,
        }
    }

    /// Whether the pattern matches one path only.
    pub(crate) fn is_literal(&self) -> bool {
        self.literal.len() == self.pattern.len()
    }
}

/// Whether a path matches a pattern: literal segments, `{}` for one segment, a last `*` for one or more.
fn matches(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some("*"), Some(rest)) => return !rest.is_empty(),
            (Some("{}"), Some(segment)) if !segment.is_empty() => {}
            (Some(literal), Some(segment)) if literal == segment => {}
            _ => return false,
        }
    }
}
