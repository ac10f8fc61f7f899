//! Parts of JSON.

use sparekey_core::json_string;
pub(crate) use sparekey_core::{json_array as array, json_object as object};
use sparekey_policy::{Timestamp, Zone};

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
