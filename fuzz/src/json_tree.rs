//! A JSON value as `serde_json` reads it, with all keys of an object.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// A value.
#[derive(Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Boolean,
    /// A number that is whole, not negative, and written so.
    Unsigned(u64),
    Negative,
    /// A fraction, a number with an exponent, or one that no integer holds.
    Float,
    Text(String),
    Array(Vec<Json>),
    /// All members, those with the same key too.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Returns all values of a key as it is written.
    pub(crate) fn values<'t>(&'t self, key: &'t str) -> impl Iterator<Item = &'t Json> {
        let members = if let Self::Object(members) = self { members.as_slice() } else { &[] };
        members.iter().filter(move |(name, _)| name == key).map(|(_, value)| value)
    }

    /// Returns all values of a key, in any case.
    pub(crate) fn get<'t>(&'t self, key: &'t str) -> impl Iterator<Item = &'t Json> {
        let members = if let Self::Object(members) = self { members.as_slice() } else { &[] };
        members.iter().filter(move |(name, _)| fold_case(name) == key).map(|(_, value)| value)
    }

    pub(crate) fn is_text(&self, text: &str) -> bool {
        matches!(self, Self::Text(own) if own == text)
    }

    pub(crate) fn items(&self) -> &[Json] {
        if let Self::Array(items) = self { items } else { &[] }
    }

    /// Returns the value and all values in it.
    pub(crate) fn all(&self) -> Vec<&Json> {
        let mut all = vec![self];
        match self {
            Self::Array(items) => all.extend(items.iter().flat_map(Self::all)),
            Self::Object(members) => all.extend(members.iter().flat_map(|(_, value)| value.all())),
            Self::Null | Self::Boolean | Self::Unsigned(_) | Self::Negative | Self::Float | Self::Text(_) => {}
        }
        all
    }
}

/// The most tolerant comparison: `ſ` is `s`, the Kelvin sign is `k`.
fn fold_case(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Boolean)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Negative)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Unsigned(number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Float)
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Json::Object(object))
    }
}
