//! Which try of a request the client sends.

use http::HeaderMap;

/// The number of the try, by [OpenAI's SDKs](https://github.com/openai/openai-python).
const RETRY_COUNT: &str = "x-stainless-retry-count";

/// Returns which repetition of a request the client's SDK sends, from the headers of the request; 0 for the first try.
#[must_use]
pub fn retry_count(headers: &HeaderMap) -> u32 {
    let count = headers.get(RETRY_COUNT).and_then(|count| count.to_str().ok()?.parse().ok());
    count.unwrap_or(0)
}
