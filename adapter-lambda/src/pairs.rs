//! A JSON object as a list of pairs: order and repeated names are kept.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

/// Names and values in the object's order.
#[derive(Debug)]
pub(crate) struct Pairs<T>(pub(crate) Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

struct PairsVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for PairsVisitor<T> {
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

/// One pair per value. The multi-value form is used if the event has it, because it contains the single-value form.
pub(crate) fn flatten(
    multi: Option<Pairs<Vec<String>>>,
    single: Option<Pairs<Option<String>>>,
) -> impl Iterator<Item = (String, String)> {
    let single = single.filter(|_| multi.is_none());
    let multi = multi.into_iter().flat_map(|pairs| pairs.0);
    let multi = multi.flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)));
    multi.chain(single.into_iter().flat_map(|pairs| pairs.0).filter_map(|(name, value)| Some((name, value?))))
}
