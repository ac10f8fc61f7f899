//! [OpenAI's costs](https://platform.openai.com/docs/api-reference/usage/costs): what the organization is billed, by day of UTC.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use sparekey_core::ApiBase;
use sparekey_policy::{Usd, scaled};
use tokio::time::sleep;

use crate::outbound;

/// Days of a page, of which the API allows 180.
const DAYS_PER_PAGE: u32 = 30;

/// A page that never ends is an error: ten years have 122.
const PAGES_MAX: usize = 200;

/// Tries of a page, and the pause before the next one. The API refuses many requests in a short time.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// The longest pause that the API may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Characters of an error of the API that are shown.
const MESSAGE_MAX: usize = 300;

/// Pico-dollars of a dollar, as a power of ten.
const DECIMALS: i32 = 12;

/// What is asked for.
pub(super) struct CostsQuery<'a> {
    pub(super) api: &'a ApiBase,
    pub(super) admin_key: HeaderValue,
    /// All projects of the organization without it.
    pub(super) projects: Vec<String>,
    /// Days of UTC since 1970, and the first one that is not asked for.
    pub(super) days: (i32, i32),
}

/// The costs of a day by line item, such as `gpt-5-2025-08-07, input`.
pub(super) type Costs = BTreeMap<(i32, Box<str>), Usd>;

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Vec<Bucket<'a>>,
    #[serde(default)]
    has_more: bool,
    #[serde(rename = "next_page")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Bucket<'a> {
    start_time: i64,
    #[serde(borrow)]
    results: Vec<Cost<'a>>,
}

#[derive(Deserialize)]
struct Cost<'a> {
    /// `None`: nothing is billed.
    #[serde(borrow)]
    amount: Option<Amount<'a>>,
    line_item: Option<Box<str>>,
}

#[derive(Deserialize)]
struct Amount<'a> {
    /// A number, or a text with one.
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    currency: Box<str>,
}

/// Reads all pages.
///
/// # Errors
/// A sentence without the key.
pub(super) async fn read(query: &CostsQuery<'_>, mut progress: impl FnMut(usize)) -> Result<Costs, String> {
    let mut costs = Costs::new();
    let mut cursor = None;
    for pages in 1..=PAGES_MAX {
        let body = page(query, cursor.as_deref()).await?;
        let page: Page<'_> = serde_json::from_slice(&body).map_err(|error| format!("an invalid response: {error}"))?;
        for Bucket { start_time, results } in page.data {
            let day = i32::try_from(start_time.div_euclid(SECONDS_PER_DAY)).unwrap_or(i32::MAX);
            for Cost { amount, line_item } in results {
                let usd = amount.as_ref().map_or(Ok(Usd::ZERO), dollars)?;
                if usd == Usd::ZERO {
                    continue;
                }
                let sum = costs.entry((day, line_item.unwrap_or_default())).or_default();
                *sum = sum.plus(usd);
            }
        }
        progress(pages);
        if !page.has_more {
            return Ok(costs);
        }
        cursor = Some(page.next.ok_or("an invalid response: has_more without next_page")?);
    }
    Err(format!("more than {PAGES_MAX} pages"))
}

const SECONDS_PER_DAY: i64 = 86_400;

fn dollars(Amount { value, currency }: &Amount<'_>) -> Result<Usd, String> {
    let Some(value) = value else { return Ok(Usd::ZERO) };
    if !currency.eq_ignore_ascii_case("usd") {
        return Err(format!("a cost in {currency}, which cannot be compared"));
    }
    let number = value.get().trim_matches('"');
    let (is_negative, digits) = number.strip_prefix('-').map_or((false, number), |digits| (true, digits));
    let pico = scaled(digits.as_bytes(), DECIMALS).and_then(|scaled| i64::try_from(scaled.value).ok());
    let usd = pico.map(Usd::from_pico).ok_or_else(|| format!("an invalid amount: {number}"))?;
    Ok(if is_negative { Usd::ZERO.minus(usd) } else { usd })
}

async fn page(query: &CostsQuery<'_>, cursor: Option<&str>) -> Result<Bytes, String> {
    let (first, end) = query.days;
    let seconds = |day: i32| (i64::from(day) * SECONDS_PER_DAY).to_string();
    let mut parameters = vec![
        ("start_time", seconds(first)),
        ("end_time", seconds(end)),
        ("bucket_width", "1d".to_owned()),
        ("limit", DAYS_PER_PAGE.to_string()),
        ("group_by[]", "line_item".to_owned()),
    ];
    parameters.extend(query.projects.iter().map(|project| ("project_ids[]", project.clone())));
    parameters.extend(cursor.map(|cursor| ("page", encoded(cursor))));
    let parameters = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let uri = format!("{}/organization/costs?{parameters}", query.api);
    let mut tried = 0;
    loop {
        let request = Request::get(&uri).header(header::AUTHORIZATION, query.admin_key.clone());
        let request = request.body(Bytes::new()).map_err(|error| error.to_string())?;
        let response = outbound::exchange(request).await;
        tried += 1;
        let mut pause = PAUSE * 2_u32.pow(tried - 1);
        let failure = match response {
            Ok(response) if response.status() == StatusCode::OK => return Ok(response.into_body()),
            Ok(response) => {
                let status = response.status();
                let failure = refusal(status, response.body());
                if status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error() {
                    return Err(failure);
                }
                pause = pause.max(retry_after(response.headers()));
                failure
            }
            Err(failure) => failure,
        };
        if tried == TRIES || pause > PAUSE_MAX {
            return Err(failure);
        }
        sleep(pause).await;
    }
}

fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or_default())
}

fn refusal(status: StatusCode, body: &[u8]) -> String {
    let error = serde_json::from_slice::<serde_json::Value>(body).ok();
    let message = error.as_ref().and_then(|error| error["error"]["message"].as_str()).unwrap_or_default();
    let advice = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "; OPENAI_ADMIN_KEY must be an admin key with the scope api.usage.read"
        }
        StatusCode::TOO_MANY_REQUESTS => "; run this again in some minutes",
        _ => "",
    };
    // An error of OpenAI contains the ends of the key.
    let words = message.split_whitespace().map(|word| if word.contains("sk-") { "…" } else { word });
    let message: String = words.collect::<Vec<_>>().join(" ").chars().take(MESSAGE_MAX).collect();
    format!("status {}: {message}{advice}", status.as_u16())
}

/// A cursor is a text of the API, which may have characters that a query has not.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str, currency: &str) -> Result<String, String> {
        let text = format!(r#"{{"value":{value},"currency":"{currency}"}}"#);
        dollars(&serde_json::from_str(&text).unwrap()).map(|usd| usd.to_string())
    }

    #[test]
    fn amounts_are_exact() {
        for (value, expected) in [
            ("0.06", "0.06"),
            ("1.2e-5", "0.000012"),
            ("\"12.345678901234\"", "12.345678901234"),
            ("-0.5", "-0.50"),
            ("0", "0.00"),
            ("1e-13", "0.000000000001"),
        ] {
            assert_eq!(read(value, "usd").as_deref(), Ok(expected), "{value}");
        }
        assert_eq!(read("null", "usd").as_deref(), Ok("0.00"));
        assert!(read("1", "eur").unwrap_err().contains("eur"));
        assert!(read("\"one\"", "usd").is_err());
    }

    #[test]
    fn errors_have_no_key() {
        let body = br#"{"error":{"message":"Incorrect API key provided: sk-adm...abcd. Find it."}}"#;
        let text = refusal(StatusCode::UNAUTHORIZED, body);
        assert!(text.starts_with("status 401: Incorrect API key provided: … Find it.; OPENAI_ADMIN_KEY"), "{text}");
    }

    #[test]
    fn cursors_are_encoded() {
        assert_eq!(encoded("page_Az0-=/ü"), "page_Az0-%3D%2F%C3%BC");
    }
}
