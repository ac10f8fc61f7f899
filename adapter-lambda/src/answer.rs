//! The answer to a request -> what the front takes: a prelude and a stream, or one JSON text.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding as _};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::{event::Front, stream::Streamed};

/// An answer, ready for the Runtime API.
#[derive(Debug)]
pub(crate) enum Answer {
    Whole(Vec<u8>),
    Stream(Box<Streamed>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    #[serde(flatten)]
    head: Head,
    body: &'a str,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    status_code: u16,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    multi_value_headers: BTreeMap<String, Vec<String>>,
}

impl Head {
    /// A front that told each header's values as a list takes them so; the others take one text a name.
    fn new(status: StatusCode, headers: &HeaderMap, front: Front) -> Self {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let values = |name| headers.get_all(name).iter().map(text).collect::<Vec<_>>();
        let fields = headers.keys().map(|name| (name.as_str().to_owned(), values(name)));
        let (lists, joined) = if front.lists {
            (fields.collect(), BTreeMap::new())
        } else {
            (BTreeMap::new(), fields.map(|(name, values)| (name, values.join(", "))).collect())
        };
        Self { status_code: status.as_u16(), headers: joined, multi_value_headers: lists }
    }
}

#[derive(Serialize)]
struct Prelude {
    #[serde(flatten)]
    head: Head,
    /// None ever; readers of preludes want the list all the same.
    cookies: [String; 0],
}

/// The prelude of a stream.
pub(crate) fn prelude(status: StatusCode, headers: &HeaderMap, front: Front) -> Vec<u8> {
    json(&Prelude { head: Head::new(status, headers, front), cookies: [] })
}

/// An answer in one piece; text stays text, and anything else is Base64.
pub(crate) fn whole(status: StatusCode, headers: &HeaderMap, body: &[u8], front: Front) -> Vec<u8> {
    let head = Head::new(status, headers, front);
    match str::from_utf8(body) {
        Ok(body) => json(&Whole { head, body, is_base64_encoded: false }),
        Err(_) => json(&Whole { head, body: &Base64::encode_string(body), is_base64_encoded: true }),
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("text and numbers are JSON")
}
