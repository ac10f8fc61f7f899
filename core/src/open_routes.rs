//! `ROUTES`: which routes are open.

use http::Method;

use crate::{
    list::{self, Position},
    routes::{self, Family, Route},
};

/// The setting's value if it is not set.
pub(crate) const DEFAULT: &str = "inference,data,compatible";

/// The names of the families that can be opened.
const FAMILIES: [(&str, Family); 4] = [
    ("inference", Family::Inference),
    ("data", Family::Data),
    ("compatible", Family::Compatible),
    ("ephemeral", Family::Ephemeral),
];

/// The open routes.
#[derive(Debug, Default)]
pub(crate) struct OpenRoutes {
    families: Vec<Family>,
    patterns: Vec<String>,
    /// `all`: also routes that are not in the table.
    all: bool,
}

/// Why a route is closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RouteError {
    /// The owner has not opened it.
    Closed,
    /// It is not in the table of routes.
    Unknown,
    /// It administers the owner's account.
    Administration,
}

/// Why an item of `ROUTES` is invalid.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RoutesError {
    /// Not a family, `all` or a path.
    #[error(
        "item {position} is none of inference, data, compatible, ephemeral, all, or a path that begins with '/', such \
         as /v1/custom/*"
    )]
    Item {
        /// The item's position, counted from 1.
        position: usize,
    },
    /// The family that is never open.
    #[error("item {position} cannot be opened: these routes administer your account")]
    Administration {
        /// The item's position, counted from 1.
        position: usize,
    },
}

impl OpenRoutes {
    /// Parses a list separated by commas or newlines; `None` is [`DEFAULT`], which opens compatible routes only at a
    /// compatible service.
    ///
    /// # Errors
    /// Every invalid item.
    pub(crate) fn parse(list: Option<&str>, is_openai: bool) -> Result<Self, Vec<RoutesError>> {
        let mut open = Self::default();
        let mut errors = Vec::new();
        for (Position { number: position, .. }, item) in list::items(list.unwrap_or(DEFAULT)) {
            let family = FAMILIES.iter().find(|(name, _)| *name == item);
            match (family, item) {
                (Some((_, family)), _) => open.families.push(*family),
                (None, "all") => open.all = true,
                (None, "administration") => errors.push(RoutesError::Administration { position }),
                (None, path) if is_pattern(path) => open
                    .patterns
                    .push(path.strip_prefix("/v1/").map_or_else(|| path.to_owned(), |relative| format!("/{relative}"))),
                (None, _) => errors.push(RoutesError::Item { position }),
            }
        }
        if list.is_none() && is_openai {
            open.families.retain(|family| *family != Family::Compatible);
        }
        if errors.is_empty() { Ok(open) } else { Err(errors) }
    }

    /// Checks the route of a request. `path` is below the API base; `decoded` is the whole path with all escapes decoded.
    ///
    /// # Errors
    /// [`RouteError`].
    pub(crate) fn check(
        &self,
        method: &Method,
        path: &str,
        decoded: &[u8],
    ) -> Result<Option<&'static Route>, RouteError> {
        let route = routes::find(method, path);
        let is_literal = route.is_some_and(Route::is_literal);
        let closed = if is_literal { None } else { routes::closed_reading(method, decoded) };
        match closed.or(route.map(|route| route.family)) {
            Some(Family::Administration) => Err(RouteError::Administration),
            Some(family) if self.all || self.families.contains(&family) => Ok(route),
            None if self.all => Ok(None),
            _ if self.patterns.iter().any(|pattern| matches(pattern, path)) => Ok(route),
            Some(_) => Err(RouteError::Closed),
            None => Err(RouteError::Unknown),
        }
    }
}

/// A path, whose last character may be `*`.
fn is_pattern(text: &str) -> bool {
    let path = text.strip_suffix('*').unwrap_or(text);
    path.starts_with('/') && path.len() > 1 && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*')
}

/// A last `*` spans the rest of the path.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path.strip_suffix('/').unwrap_or(path) == pattern.strip_suffix('/').unwrap_or(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: Option<&str>, is_openai: bool, route: &str) -> Result<bool, RouteError> {
        let (method, path) = route.split_once(' ').unwrap();
        let open = OpenRoutes::parse(list, is_openai).unwrap();
        open.check(&method.parse().unwrap(), path, path.as_bytes()).map(|route| route.is_some())
    }

    #[test]
    fn default_families() {
        assert_eq!(check(None, true, "POST /responses"), Ok(true));
        assert_eq!(check(None, true, "GET /files"), Ok(true));
        assert_eq!(check(None, true, "POST /rerank"), Err(RouteError::Closed));
        assert_eq!(check(None, false, "POST /rerank"), Ok(true));
        assert_eq!(check(None, true, "POST /realtime/sessions"), Err(RouteError::Closed));
        assert_eq!(check(None, true, "GET /organization/users"), Err(RouteError::Administration));
        assert_eq!(check(None, true, "GET //organization"), Err(RouteError::Administration));
        assert_eq!(check(None, true, "GET /nowhere"), Err(RouteError::Unknown));
    }

    #[test]
    fn listed_routes() {
        assert_eq!(check(Some("inference"), true, "GET /files"), Err(RouteError::Closed));
        assert_eq!(check(Some("inference, ephemeral"), true, "POST /realtime/sessions"), Ok(true));
        assert_eq!(check(Some("compatible"), true, "POST /rerank"), Ok(true));
        for list in ["inference\n/v1/custom/*", "/custom/*"] {
            assert_eq!(check(Some(list), true, "GET /custom/a/b"), Ok(false));
            assert_eq!(check(Some(list), true, "GET /custom2"), Err(RouteError::Unknown));
        }
        assert_eq!(check(Some("/files/"), true, "GET /files"), Ok(true));
        assert_eq!(check(Some("/m*"), true, "GET /me"), Err(RouteError::Administration));
        assert_eq!(check(Some("all"), true, "GET /nowhere"), Ok(false));
        assert_eq!(check(Some("all"), true, "GET /me"), Err(RouteError::Administration));
    }

    #[test]
    fn administration_in_every_spelling() {
        for path in ["/organization", "//organization", "/%6frganization", "/ORGANIZATION", "/Projects/x", "/me;x=y"] {
            let decoded = path.replace("%6f", "o");
            let open = OpenRoutes::parse(Some("all"), true).unwrap();
            assert_eq!(open.check(&Method::GET, path, decoded.as_bytes()).unwrap_err(), RouteError::Administration);
        }
    }

    #[test]
    fn invalid_items() {
        let errors = OpenRoutes::parse(Some("data,administration,,v1/x,/a*b,/,/é"), true).unwrap_err();
        let expected = [
            RoutesError::Administration { position: 2 },
            RoutesError::Item { position: 3 },
            RoutesError::Item { position: 4 },
            RoutesError::Item { position: 5 },
            RoutesError::Item { position: 6 },
        ];
        assert_eq!(errors, expected);
    }
}
