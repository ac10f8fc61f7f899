//! The schema of a case: settings and a request, then what the upstream and the client must receive.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::adapter::Feature;

use crate::case_files::KEY;

/// A header's name and value; in a value, `\xNN` stands for one byte.
pub type Field = (String, String);

/// One `[[case]]` of `cases/*.toml`, with its placeholders replaced.
///
/// The defaults are a request that passes: `GET /v1/models` with Tom's key, and an upstream that responds
/// with `200` and `{}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique within its file.
    pub name: String,
    /// Override the default settings; an empty value removes a setting.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The settings must be rejected with a reason that contains all of these texts; the other fields are ignored.
    #[serde(default)]
    pub rejected: Vec<String>,
    /// Why only the core runs this case, if so.
    pub core_only: Option<String>,
    /// Features that the adapter's platform must support.
    #[serde(default)]
    pub needs: Vec<Feature>,
    /// The client's request.
    #[serde(default)]
    pub request: Request,
    /// What the upstream must receive.
    #[serde(default)]
    pub upstream: Upstream,
    /// The upstream's response.
    #[serde(default)]
    pub response: UpstreamResponse,
    /// What the client must receive.
    #[serde(default)]
    pub client: ExpectedResponse,
}

/// The client's request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    /// `GET` by default.
    pub method: String,
    /// The request target as sent; `\xNN` stands for one byte.
    pub target: String,
    /// Without Tom's key in `Authorization`.
    pub anonymous: bool,
    /// In the order sent.
    pub headers: Vec<Field>,
    /// Sent with its `content-length`, unless empty.
    pub body: String,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            method: "GET".into(),
            target: "/v1/models".into(),
            anonymous: false,
            headers: Vec::new(),
            body: String::new(),
        }
    }
}

impl Request {
    /// All headers to send, in order, as bytes.
    #[must_use]
    pub fn fields(&self) -> Vec<(&str, Vec<u8>)> {
        let mut fields = Vec::new();
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            fields.push(("host", b"sparekey.test".to_vec()));
        }
        if !self.anonymous {
            fields.push(("authorization", format!("Bearer {KEY}").into()));
        }
        if !self.body.is_empty() {
            fields.push(("content-length", bytes(&self.body).len().to_string().into()));
        }
        fields.extend(self.headers.iter().map(|(name, value)| (&**name, bytes(value))));
        fields
    }
}

/// What the upstream must receive: `"untouched"`, or a request. Method and body are always the client's.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "toml::Value")]
pub enum Upstream {
    /// Nothing, not even a connection.
    Untouched,
    /// Exactly one request.
    Receives(ExpectedRequest),
}

impl Default for Upstream {
    fn default() -> Self {
        Self::Receives(ExpectedRequest::default())
    }
}

/// Requirements on the upstream request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectedRequest {
    /// The request target, byte for byte.
    pub target: Option<String>,
    /// For each name, all its values in order.
    pub headers: Vec<Field>,
    /// Lists that contain this member, compared without case.
    pub members: Vec<Field>,
    /// Names that must be absent.
    pub absent: Vec<String>,
}

impl TryFrom<toml::Value> for Upstream {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        match value.as_str() {
            Some("untouched") => Ok(Self::Untouched),
            Some(word) => Err(format!("upstream = {word:?} is not defined")),
            None => value.try_into().map(Self::Receives).map_err(|error| error.to_string()),
        }
    }
}

/// The upstream's response: `"unreachable"`, `"timeout"`, or a response.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "toml::Value")]
pub enum UpstreamResponse {
    /// It accepts no connection.
    Unreachable,
    /// It reads the request and sends no response head.
    Timeout,
    /// It responds.
    Response(ResponseSpec),
}

impl Default for UpstreamResponse {
    fn default() -> Self {
        Self::Response(ResponseSpec::default())
    }
}

/// The upstream's response.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResponseSpec {
    /// `200` by default.
    pub status: u16,
    /// In the order sent.
    pub headers: Vec<Field>,
    /// `{}` by default.
    pub body: String,
}

impl Default for ResponseSpec {
    fn default() -> Self {
        Self { status: 200, headers: Vec::new(), body: "{}".into() }
    }
}

impl TryFrom<toml::Value> for UpstreamResponse {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        match value.as_str() {
            Some("unreachable") => Ok(Self::Unreachable),
            Some("timeout") => Ok(Self::Timeout),
            Some(word) => Err(format!("response = {word:?} is not defined")),
            None => value.try_into().map(Self::Response).map_err(|error| error.to_string()),
        }
    }
}

/// What the client must receive. By default, a forwarded response has the upstream's status and body.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectedResponse {
    /// Required where the upstream sends no response.
    pub status: Option<u16>,
    /// For each name, all its values in order.
    pub headers: Vec<Field>,
    /// Lists that contain this member, compared without case.
    pub members: Vec<Field>,
    /// Names that must be present, with any value.
    pub present: Vec<String>,
    /// Names that must be absent.
    pub absent: Vec<String>,
    /// The whole body.
    pub body: Option<String>,
    /// Texts that the body must contain.
    pub contains: Vec<String>,
    /// Texts that neither head nor body may contain.
    pub excludes: Vec<String>,
    /// A rejection in the API's error envelope.
    pub error: Option<Error>,
}

/// The expected status and error fields of a rejection.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Error {
    /// The status.
    pub status: u16,
    /// `error.type`.
    pub r#type: String,
    /// `error.code`; `null` by default.
    pub code: Option<String>,
    /// `error.param`; `null` by default.
    pub param: Option<String>,
}

/// Decodes the `\xNN` escapes of a text.
#[must_use]
pub fn bytes(text: &str) -> Vec<u8> {
    let mut pieces = text.split(r"\x");
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        match piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&piece.as_bytes()[2..]);
            }
            None => bytes.extend_from_slice(format!(r"\x{piece}").as_bytes()),
        }
    }
    bytes
}
