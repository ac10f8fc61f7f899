//! The changes of a body, as bytes to replace.

use std::ops::Range;

use sparekey_policy::{BodyEdits, Endpoint, OutputCap};

use crate::demand::{EDITED, Members, Place, Places, cap_fields};

/// A change of a body: `text` replaces the bytes of `range`, which may be empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Splice {
    /// The bytes that are replaced.
    pub range: Range<usize>,
    /// What takes their place.
    pub text: Box<[u8]>,
}

/// A part of a body that was changed.
// Exhaustive: a caller sends each.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BodyPart<'s> {
    /// These bytes of the body.
    Kept(Range<usize>),
    /// What takes the place of others.
    Text(&'s [u8]),
}

/// The parts of a changed body.
struct Parts<'s> {
    length: usize,
    /// The bytes of the body before it have passed.
    position: usize,
    splices: std::slice::Iter<'s, Splice>,
    text: &'s [u8],
}

impl Splice {
    /// Returns the parts of a changed body that are not empty, in their order. All ranges lie in a body of this length; a change
    /// that is not behind those before it keeps no byte twice.
    pub fn parts(length: usize, splices: &[Self]) -> impl Iterator<Item = BodyPart<'_>> {
        Parts { length, position: 0, splices: splices.iter(), text: &[] }
    }
}

// Chained adapters of the standard library are 0.5 KB of the Worker.
impl<'s> Iterator for Parts<'s> {
    type Item = BodyPart<'s>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if !self.text.is_empty() {
                return Some(BodyPart::Text(std::mem::take(&mut self.text)));
            }
            let splice = self.splices.next();
            let (start, end) =
                splice.map_or((self.length, self.length), |Splice { range, .. }| (range.start, range.end));
            let kept = self.position..start.min(self.length);
            self.position = self.position.max(end);
            self.text = splice.map_or(&[], |splice| &splice.text);
            if !kept.is_empty() {
                return Some(BodyPart::Kept(kept));
            }
            splice?;
        }
    }
}

/// Returns the changes in the order of their ranges, which do not overlap.
pub(crate) fn splices(endpoint: Endpoint, places: &Places, edits: &BodyEdits) -> Vec<Splice> {
    let Some(root) = places.root.filter(|_| !edits.is_empty()) else { return Vec::new() };
    let mut changes = Changes { places, splices: Vec::new(), new_members: String::new() };
    if let Some(cap) = edits.output_cap() {
        changes.lower(endpoint, cap);
    }
    if edits.sets_default_tier() {
        changes.set("service_tier", "\"default\"");
    }
    if let Some(calls) = edits.max_tool_calls() {
        changes.set("max_tool_calls", &calls.to_string());
    }
    if edits.hides_usage() {
        changes.include_usage();
    }
    changes.remove_tools(edits.removed_indexes());
    if !changes.new_members.is_empty() {
        changes.add(insertion(root, &changes.new_members));
    }
    changes.splices
}

struct Changes<'p> {
    places: &'p Places,
    /// In the order of their ranges.
    splices: Vec<Splice>,
    /// Members of the body that are put in, separated by commas.
    new_members: String,
}

impl Changes<'_> {
    /// Lowers each cap that is larger, or puts one in where there is none.
    fn lower(&mut self, endpoint: Endpoint, cap: OutputCap) {
        let caps = cap_fields(endpoint).iter().filter_map(|field| self.place(field));
        let caps: Vec<_> = caps.filter_map(|place| Some((place.range.clone(), place.number?))).collect();
        if caps.is_empty() {
            return self.set(cap.field, &cap.tokens.to_string());
        }
        for (range, tokens) in caps {
            if tokens > cap.tokens.into() {
                self.replace(range, &cap.tokens.to_string());
            }
        }
    }

    /// Replaces the value of a field, or puts the field in.
    fn set(&mut self, field: &str, value: &str) {
        if let Some(place) = self.place(field) {
            return self.replace(place.range.clone(), value);
        }
        if !self.new_members.is_empty() {
            self.new_members.push(',');
        }
        for text in ["\"", field, "\":", value] {
            self.new_members.push_str(text);
        }
    }

    fn include_usage(&mut self) {
        const MEMBER: &str = "\"include_usage\":true";
        match (&self.places.include_usage, self.places.stream_options) {
            (Some(value), _) => self.replace(value.clone(), "true"),
            (None, Some(members)) => self.add(insertion(members, MEMBER)),
            (None, None) => self.set("stream_options", &format!("{{{MEMBER}}}")),
        }
    }

    /// Removes items of `tools`, each with the comma before it, or behind it if no item before it stays.
    fn remove_tools(&mut self, indexes: &[u32]) {
        let tools = &self.places.tools;
        let is_removed = |index: usize| u32::try_from(index).is_ok_and(|index| indexes.binary_search(&index).is_ok());
        let mut kept_end = None;
        for (index, tool) in tools.iter().enumerate() {
            if !is_removed(index) {
                kept_end = Some(tool.end);
                continue;
            }
            let before = index.checked_sub(1).and_then(|index| tools.get(index));
            let next = tools.get(index.saturating_add(1));
            let range = match (kept_end, before, next) {
                (Some(_), Some(before), _) => before.end..tool.end,
                (_, _, Some(next)) => tool.start..next.start,
                (_, _, None) => tool.clone(),
            };
            self.replace(range, "");
        }
    }

    fn place(&self, field: &str) -> Option<&Place> {
        let at = EDITED.iter().position(|name| *name == field)?;
        self.places.fields.get(at)?.as_ref()
    }

    fn replace(&mut self, range: Range<usize>, text: &str) {
        self.add(Splice { range, text: text.as_bytes().into() });
    }

    /// Inserts a change in its place: a sort of the few changes would be 1.2 KB of the Worker.
    fn add(&mut self, splice: Splice) {
        let place = self.splices.partition_point(|other| other.range.start < splice.range.start);
        self.splices.insert(place, splice);
    }
}

/// Puts members in at the beginning of an object.
fn insertion(members: Members, text: &str) -> Splice {
    let comma = if members.is_empty { "" } else { "," };
    Splice { range: members.start..members.start, text: format!("{text}{comma}").into_bytes().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splice(range: Range<usize>, text: &str) -> Splice {
        Splice { range, text: text.as_bytes().into() }
    }

    fn joined(body: &str, splices: &[Splice]) -> String {
        let parts = Splice::parts(body.len(), splices).map(|part| match part {
            BodyPart::Kept(range) => body.get(range).unwrap().to_owned(),
            BodyPart::Text(text) => String::from_utf8_lossy(text).into_owned(),
        });
        parts.inspect(|part| assert!(!part.is_empty())).collect()
    }

    #[test]
    fn parts() {
        for (splices, expected) in [
            (vec![], "abcdef"),
            (vec![splice(0..0, "x")], "xabcdef"),
            (vec![splice(0..2, "x"), splice(2..3, ""), splice(4..4, "yz")], "xdyzef"),
            (vec![splice(0..6, "")], ""),
            (vec![splice(6..6, "x")], "abcdefx"),
            // No body has such changes, and no range is out of it.
            (vec![splice(3..4, "x"), splice(1..2, "y"), splice(5..5, "z")], "abcxyezf"),
            (vec![splice(8..9, "x")], "abcdefx"),
            (vec![splice(1..5, "x"), splice(2..3, "y")], "axyf"),
            (vec![splice(4..9, "x"), splice(8..8, "y")], "abcdxy"),
        ] {
            assert_eq!(joined("abcdef", &splices), expected, "{splices:?}");
        }
        assert_eq!(joined("", &[splice(0..0, "x")]), "x");
        assert_eq!(joined("", &[]), "");
    }
}
