//! Reads request bodies.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;

use crate::refusal::Refusal;

/// The largest request body, in bytes: enough for any text; a larger one holds images or files, which the demo does not
/// read.
const BODY_MAX: usize = 1024 * 1024;

/// Reads a body to its end, also if it is larger than [`BODY_MAX`].
pub(crate) async fn read(mut incoming: Incoming) -> Result<Vec<u8>, Refusal> {
    let mut body = Vec::new();
    let mut fits = true;
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|_| Refusal::unparsable())?;
        if let Ok(data) = frame.into_data() {
            fits &= body.len() + data.len() <= BODY_MAX;
            if fits {
                body.extend_from_slice(&data);
            }
        }
    }
    if fits { Ok(body) } else { Err(Refusal::too_large(BODY_MAX)) }
}

/// Parses a JSON object.
pub(crate) fn parse(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).ok().filter(Value::is_object).ok_or_else(Refusal::unparsable)
}
