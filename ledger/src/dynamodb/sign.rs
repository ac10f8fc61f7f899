//! Signatures of requests: [AWS Signature Version 4][sigv4].
//!
//! [sigv4]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

use base16ct::lower::encode_string;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use sparekey_policy::Timestamp;

use super::table::Table;

pub(super) const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// Returns the headers of a request, with its signature. `target` is an operation such as `DynamoDB_20120810.PutItem`.
pub(super) fn headers(table: &Table, target: &str, body: &[u8], now: Timestamp) -> Vec<(&'static str, String)> {
    let time = amz_date(now);
    let mut headers = vec![
        ("content-type", CONTENT_TYPE.to_owned()),
        ("host", table.host().to_owned()),
        ("x-amz-date", time.clone()),
    ];
    let token = &table.credentials.session_token;
    headers.extend(token.as_ref().map(|token| ("x-amz-security-token", token.clone())));
    headers.push(("x-amz-target", target.to_owned()));

    let mut lines = String::new();
    for (name, value) in &headers {
        lines.extend([name, ":", value, "\n"]);
    }
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    let signed = names.join(";");
    let canonical = format!("POST\n/\n\n{lines}\n{signed}\n{}", encode_string(&Sha256::digest(body)));

    let date = time.get(..8).unwrap_or_default();
    let scope = format!("{date}/{}/dynamodb/aws4_request", table.region);
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", encode_string(&Sha256::digest(canonical)));
    let secret = format!("AWS4{}", table.credentials.secret_access_key);
    let parts = [date, &table.region, "dynamodb", "aws4_request", &text];
    let signature = parts.into_iter().fold(secret.into_bytes(), |key, part| hmac(&key, part));
    let id = &table.credentials.access_key_id;
    let signature = encode_string(&signature);
    let value = format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={signed}, Signature={signature}");
    headers.push(("authorization", value));
    headers
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    // A key of any length is valid.
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    hmac.update(text.as_bytes());
    hmac.finalize().into_bytes().to_vec()
}

/// `20261127T120000Z`.
fn amz_date(now: Timestamp) -> String {
    // Of `2026-11-27 12:00:00 UTC`.
    let text = now.to_string().replace(['-', ':'], "").replace(' ', "T");
    format!("{}Z", text.trim_end_matches("TUTC"))
}

#[cfg(test)]
mod tests;
