//! Encodes a response as Lambda takes it: a prelude and a stream, or one JSON text.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding as _};
use http::{HeaderValue, response::Parts};
use serde::Serialize;

use crate::{event::EventSource, stream::StreamedResponse};

/// A response for the Runtime API.
#[derive(Debug)]
pub(crate) enum LambdaResponse {
    Whole(Vec<u8>),
    Stream(Box<StreamedResponse>),
}

/// A [response of a function
/// URL](https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-response-payload).
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
    /// If the event had a list of values per header, the response has lists too; otherwise one text per header.
    fn new(head: &Parts, source: EventSource) -> Self {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let values = |name| head.headers.get_all(name).iter().map(text).collect::<Vec<_>>();
        let fields = head.headers.keys().map(|name| (name.as_str().to_owned(), values(name)));
        let (multi_value_headers, headers) = if source.multi_value_headers {
            (fields.collect(), BTreeMap::new())
        } else {
            (BTreeMap::new(), fields.map(|(name, values)| (name, values.join(", "))).collect())
        };
        Self { status_code: head.status.as_u16(), headers, multi_value_headers }
    }
}

#[derive(Serialize)]
struct Prelude {
    #[serde(flatten)]
    head: Head,
    /// Always empty, but readers of preludes require it.
    cookies: [String; 0],
}

/// The prelude of a streamed response.
pub(crate) fn prelude(head: &Parts, source: EventSource) -> Vec<u8> {
    json(&Prelude { head: Head::new(head, source), cookies: [] })
}

/// A response in one piece. A body that is not UTF-8 is encoded as Base64.
pub(crate) fn whole(head: &Parts, body: &[u8], source: EventSource) -> Vec<u8> {
    let head = Head::new(head, source);
    match str::from_utf8(body) {
        Ok(body) => json(&Whole { head, body, is_base64_encoded: false }),
        Err(_) => json(&Whole { head, body: &Base64::encode_string(body), is_base64_encoded: true }),
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings and numbers can be encoded")
}
