//! HTTP request -> event, for each event source.

use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};

use crate::raw_connection::Head;

/// A service that invokes functions for HTTP requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventSource {
    /// A [Function URL](https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html): payload 2.0, path as
    /// received, headers joined.
    FunctionUrl,
    /// An [HTTP API](https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html)
    /// with a stage: payload 2.0, path decoded, headers joined.
    HttpApi,
    /// A [REST API](https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html)
    /// with a stage: query decoded, headers in lists.
    RestApi,
    /// A [load balancer](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html) with
    /// multi-value headers: query as received, headers in lists.
    Balancer,
    /// A load balancer with its default settings: the last value of each header and of each query parameter.
    PlainBalancer,
}

/// The stage of the APIs.
const STAGE: &str = "prod";

impl EventSource {
    /// The event's JSON.
    #[must_use]
    pub fn event(self, head: &Head, body: &[u8]) -> String {
        let target = String::from_utf8_lossy(&target(head)).into_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let fields = fields(head, body);
        let (body, encoded) = match text(head, body) {
            _ if body.is_empty() => (Value::Null, false),
            Some(text) => (text.into(), false),
            None => (Base64::encode_string(body).into(), true),
        };
        let mut event = match self {
            Self::FunctionUrl => payload_2(head, path, query, "x.lambda-url.us-east-1.on.aws", "$default"),
            Self::HttpApi => {
                let path = format!("/{STAGE}{}", decoded(path));
                payload_2(head, &path, query, "x.execute-api.us-east-1.amazonaws.com", STAGE)
            }
            Self::RestApi => json!({
                "resource": "/{proxy+}", "path": path, "httpMethod": head.word(0),
                "requestContext": {
                    "stage": STAGE, "resourcePath": "/{proxy+}", "path": format!("/{STAGE}{path}"),
                    "httpMethod": head.word(0), "protocol": "HTTP/1.1", "identity": { "sourceIp": client(head) },
                    "domainName": "x.execute-api.us-east-1.amazonaws.com",
                },
            }),
            Self::Balancer | Self::PlainBalancer => json!({
                "path": path, "httpMethod": head.word(0),
                "requestContext": { "elb": { "targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:x" } },
            }),
        };
        event["body"] = body;
        event["isBase64Encoded"] = encoded.into();
        let query = pairs(query, matches!(self, Self::RestApi));
        match self {
            Self::FunctionUrl | Self::HttpApi => event["headers"] = single(&fields, |values| values.join(",")),
            Self::RestApi => {
                event["headers"] = single(&fields, last);
                event["multiValueHeaders"] = lists(&fields);
                event["queryStringParameters"] = single(&query, last);
                event["multiValueQueryStringParameters"] = lists(&query);
            }
            Self::Balancer => {
                event["multiValueHeaders"] = lists(&fields);
                event["multiValueQueryStringParameters"] = lists(&query);
            }
            Self::PlainBalancer => {
                event["headers"] = single(&fields, last);
                event["queryStringParameters"] = single(&query, last);
            }
        }
        event.to_string()
    }
}

/// Path and query; an event source removes the authority of an absolute form.
fn target(head: &Head) -> Vec<u8> {
    let line = head.raw.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let target = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    let is_absolute = target.starts_with(b"http://") || target.starts_with(b"https://");
    let authority = if is_absolute { target.windows(3).position(|part| part == b"://").unwrap_or(0) + 3 } else { 0 };
    let path = if is_absolute { target[authority..].iter().position(|byte| b"/?".contains(byte)) } else { Some(0) };
    path.map_or(b"/".to_vec(), |path| target[authority + path..].to_vec())
}

fn payload_2(head: &Head, path: &str, query: &str, domain: &str, stage: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
        "requestContext": {
            "domainName": domain, "stage": stage,
            "http": { "method": head.word(0), "path": path, "protocol": "HTTP/1.1", "sourceIp": client(head) },
        },
    })
}

/// The address of the client: the last one of `x-forwarded-for`, so that a case can have another.
fn client(head: &Head) -> String {
    let last = head.header("x-forwarded-for").and_then(|addresses| addresses.rsplit(',').next());
    last.unwrap_or("203.0.113.7").trim().to_owned()
}

/// The headers of an event: those of the request without the transfer's own, and those that AWS adds.
fn fields(head: &Head, body: &[u8]) -> Vec<(String, String)> {
    let of_the_transfer = ["transfer-encoding", "te", "trailer", "expect", "content-length"];
    let mut fields: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), String::from_utf8_lossy(value).into_owned()))
        .filter(|(name, _)| !of_the_transfer.contains(&name.as_str()))
        .collect();
    let mut add = |name: &str, value: &str| fields.push((name.to_owned(), value.to_owned()));
    if !body.is_empty() || head.header("content-length").is_some() {
        add("content-length", &body.len().to_string());
    }
    add("x-forwarded-for", &client(head));
    add("x-forwarded-port", "443");
    add("x-forwarded-proto", "https");
    add("x-amzn-trace-id", "Root=1-5c34e93e-4dea0086f9763ac0667b115a");
    fields
}

/// The body, if its media type makes it text in the event.
fn text(head: &Head, body: &[u8]) -> Option<String> {
    let kind = head.header("content-type").unwrap_or("application/octet-stream");
    let is_text = kind.starts_with("text/") || kind.contains("json");
    String::from_utf8(body.to_vec()).ok().filter(|_| is_text)
}

pub(super) fn pairs(query: &str, decode: bool) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let text = |text: &str| if decode { decoded(&text.replace('+', " ")) } else { text.to_owned() };
    pairs.map(|(name, value)| (text(name), text(value))).collect()
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [byte, after @ ..] = rest {
        let digits = after.get(..2).filter(|_| *byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => (bytes.push(byte), rest = &after[2..]),
            None => (bytes.push(*byte), rest = after),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn grouped(fields: &[(String, String)]) -> Vec<(&str, Vec<&str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, value) in fields {
        match groups.iter_mut().find(|(group, _)| group == name) {
            Some((_, values)) => values.push(value),
            None => groups.push((name, vec![value])),
        }
    }
    groups
}

fn last(values: &[&str]) -> String {
    values.last().copied().unwrap_or_default().to_owned()
}

fn single(fields: &[(String, String)], join: impl Fn(&[&str]) -> String) -> Value {
    grouped(fields).into_iter().map(|(name, values)| (name.to_owned(), join(&values))).collect()
}

fn lists(fields: &[(String, String)]) -> Value {
    grouped(fields).into_iter().map(|(name, values)| (name.to_owned(), values)).collect()
}
