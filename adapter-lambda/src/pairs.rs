//! A JSON object in its own order, repeated names and all.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

/// Names and values, as they stand.
#[derive(Debug)]
pub(crate) struct Pairs<T>(pub(crate) Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

struct InOrder<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
    type Value = Pairs<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

/// The pairs with one value each, whichever way the event tells them.
pub(crate) fn flat(
    many: Option<Pairs<Vec<String>>>,
    one: Option<Pairs<Option<String>>>,
) -> impl Iterator<Item = (String, String)> {
    let one = one.filter(|_| many.is_none());
    let many = many.into_iter().flat_map(|pairs| pairs.0);
    let many = many.flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)));
    many.chain(one.into_iter().flat_map(|pairs| pairs.0).filter_map(|(name, value)| Some((name, value?))))
}
