//! Warns once about each request header that is not forwarded.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use http::HeaderName;

/// The most names that are remembered. Users choose the names, so without a limit they could fill memory and log.
const NAMES_MAX: usize = 100;
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
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            if name.as_str().len() <= NAME_MAX && known.len() < NAMES_MAX && known.insert(name.clone()) {
                tracing::warn!("request header {name} is not forwarded; the setting PASS_HEADERS can pass it");
            }
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
