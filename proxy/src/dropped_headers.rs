//! Warns once about each request header that is not forwarded.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use http::HeaderName;

/// The most names that are remembered. Users choose the names, so without a limit they could fill memory and log.
const NAMES_MAX: usize = 100;
/// New names that one request can add, so that it adds less than a kilobyte to the log.
const NAMES_PER_REQUEST: usize = 5;
/// Bytes of a name in the log.
const NAME_MAX: usize = 64;

/// The names that the log has.
#[derive(Debug, Default)]
pub(crate) struct DroppedHeaders(Mutex<HashSet<HeaderName>>);

impl DroppedHeaders {
    pub(crate) fn warn_once(&self, names: &[HeaderName]) {
        if names.is_empty() {
            return;
        }
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = Vec::new();
        for name in names {
            if name.as_str().len() > NAME_MAX || logged.len() == NAMES_MAX || new.len() == NAMES_PER_REQUEST {
                continue;
            }
            if logged.insert(name.clone()) {
                new.push(name.as_str());
            }
        }
        if !new.is_empty() {
            let limit = if logged.len() == NAMES_MAX { "; further names are not logged" } else { "" };
            tracing::warn!(
                "request headers not forwarded: {}; the setting PASS_HEADERS can pass them{limit}",
                new.join(", ")
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_limited() {
        let dropped = DroppedHeaders::default();
        for number in 0..2 * NAMES_MAX {
            let name = HeaderName::try_from(format!("x-{number}")).unwrap();
            dropped.warn_once(&[name.clone(), name]);
        }
        assert_eq!(dropped.0.lock().unwrap().len(), NAMES_MAX);
    }
}
