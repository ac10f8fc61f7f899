//! The routes of the API, by family, and which of them are open.
//!
//! A literal segment matches byte for byte, so that an upstream cannot read another route than the gate. Escapes may stand
//! in variable segments only; a path that a tolerant upstream may read as a closed route is closed. A path with one trailing
//! slash is the same route.

mod route;
mod table;
#[cfg(test)]
mod tests;

use http::Method;

pub(crate) use self::route::{Family, Route, RouteCost};
use self::{
    route::Family::{Administration, Ephemeral},
    table::ROUTES,
};

/// The methods of the API, and those of browsers.
pub(crate) const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Finds the row of a path below the API base.
pub(crate) fn find(method: &Method, path: &str) -> Option<&'static Route> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let letter = path.as_bytes().get(1).copied().map(usize::from)?;
    let (start, end) = RANGES.get(letter).copied()?;
    let mut rows = ROUTES.get(start..end)?.iter();
    rows.find(|route| route.allows(method) && route.matches(path))
}

/// The range of the rows that begin with each ASCII character, so that a lookup compares few patterns.
static RANGES: [(usize, usize); 128] = ranges();

#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated at compile time")]
const fn ranges() -> [(usize, usize); 128] {
    let mut ranges = [(0, 0); 128];
    let mut row = 0;
    while row < ROUTES.len() {
        let letter = ROUTES[row].pattern.as_bytes()[1] as usize;
        if ranges[letter].1 == 0 {
            ranges[letter].0 = row;
        }
        ranges[letter].1 = row + 1;
        row += 1;
    }
    ranges
}

/// The family of a closed route that an upstream may read in a path, however it is spelled: it may ignore escapes, case,
/// empty segments, `;parameters`, or the prefixes `/v1`, `/openai` and `/deployments/{}` of
/// [Azure](https://learn.microsoft.com/azure/ai-foundry/openai/reference). `decoded` is the path with all escapes decoded.
pub(crate) fn closed_reading(method: &Method, decoded: &[u8]) -> Option<Family> {
    let mut families = tolerant_readings(method, decoded).map(|route| route.family);
    families.find(|family| matches!(family, Ephemeral | Administration))
}

/// The rows that a tolerant upstream may find: it decodes escapes, ignores case and empty segments, and removes parameters or
/// not.
pub(crate) fn tolerant_readings(method: &Method, decoded: &[u8]) -> impl Iterator<Item = &'static Route> {
    let decoded = String::from_utf8_lossy(decoded).to_ascii_lowercase();
    let with_parameters = decoded.contains(';').then_some(true);
    let readings = [Some(false), with_parameters].into_iter().flatten();
    readings.filter_map(move |with_parameters| tolerant_reading(method, &decoded, with_parameters))
}

fn tolerant_reading(method: &Method, decoded: &str, with_parameters: bool) -> Option<&'static Route> {
    let name = |segment| if with_parameters { Some(segment) } else { str::split(segment, ';').next() };
    let segments = decoded.split('/').filter_map(name);
    let mut segments = segments.filter(|segment| !segment.is_empty()).peekable();
    while let Some(prefix) = segments.next_if(|segment| ["v1", "openai", "deployments"].contains(segment)) {
        if prefix == "deployments" {
            let _name = segments.next();
        }
    }
    let path = segments.fold(String::new(), |path, segment| path + "/" + segment);
    find(method, &path)
}

/// Whether a path is that of the Responses API, which is also opened as a WebSocket.
pub(crate) fn is_responses(path: &str) -> bool {
    path.strip_suffix('/').unwrap_or(path) == "/responses"
}
