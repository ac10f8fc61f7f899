//! Parts of JSON.

use sparekey_core::json_string;
use sparekey_policy::{Timestamp, Zone};

/// Writes an array of values.
pub(crate) fn array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// Writes an object of values.
pub(crate) fn object<N: AsRef<str>>(members: &[(N, String)]) -> String {
    let members = members.iter().map(|(name, value)| format!("{}:{value}", json_string(name.as_ref())));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// Writes an instant as [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339#section-5.6) has it, with the offset of the zone.
pub(crate) fn instant(instant: Timestamp, zone: &Zone) -> String {
    json_string(&rfc3339(instant, zone))
}

/// An instant with the offset of the zone.
pub(crate) fn rfc3339(instant: Timestamp, zone: &Zone) -> String {
    let offset = jiff::tz::Offset::from_seconds(zone.offset_at(instant)).unwrap_or(jiff::tz::Offset::UTC);
    let at = jiff::Timestamp::from_second(instant.as_seconds());
    at.map_or_else(|_| instant.to_string(), |at| at.display_with_offset(offset).to_string())
}
