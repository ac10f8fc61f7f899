//! What a case says: settings and a request, then what the upstream must see and the client must get.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::adapter::Feature;

use crate::case_files::KEY;

/// A header's name and value; in a value, `\xNN` stands for one byte.
pub type Field = (String, String);

/// One case, as a `[[case]]` of `cases/*.toml` says it, its placeholders replaced.
///
/// What a case leaves out is a request that passes: `GET /v1/models` with Tom's key, and an upstream that answers
/// `200` with `{}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unlike any other of its file.
    pub name: String,
    /// Over the default settings; an empty text takes a setting away.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The settings must be refused, and the reason name all of these texts; nothing else of the case counts.
    #[serde(default)]
    pub refused: Vec<String>,
    /// Why only the core can be asked, where that is so.
    pub core_only: Option<String>,
    /// What surroundings must carry, for those where not all do.
    #[serde(default)]
    pub needs: Vec<Feature>,
    /// What the client sends.
    #[serde(default)]
    pub request: Request,
    /// What the upstream must see.
    #[serde(default)]
    pub upstream: Upstream,
    /// What the upstream answers.
    #[serde(default)]
    pub response: UpstreamResponse,
    /// What the client must get.
    #[serde(default)]
    pub client: ExpectedResponse,
}

/// What the client sends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    /// `GET` unless output otherwise.
    pub method: String,
    /// The request target in the bytes sent; `\xNN` stands for one byte.
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
    /// All headers to send, in their order, as bytes.
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

/// What the upstream must see: `"untouched"`, or a request. Its method and body are always the client's.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "toml::Value")]
pub enum Upstream {
    /// Nothing, not even a connection's first byte.
    Untouched,
    /// Exactly one request.
    Receives(ExpectedRequest),
}

impl Default for Upstream {
    fn default() -> Self {
        Self::Receives(ExpectedRequest::default())
    }
}

/// What must be true of the request that reaches the upstream.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectedRequest {
    /// The request target, byte for byte.
    pub target: Option<String>,
    /// For each name, all its values in order.
    pub headers: Vec<Field>,
    /// Lists that hold this member, in any case, among others.
    pub members: Vec<Field>,
    /// Names that must not stand.
    pub absent: Vec<String>,
}

impl TryFrom<toml::Value> for Upstream {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        match value.as_str() {
            Some("untouched") => Ok(Self::Untouched),
            Some(word) => Err(format!("upstream = {word:?} means nothing")),
            None => value.try_into().map(Self::Receives).map_err(|error| error.to_string()),
        }
    }
}

/// What the upstream answers: `"unreachable"`, `"timeout"`, or a response.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "toml::Value")]
pub enum UpstreamResponse {
    /// It takes no connection.
    Unreachable,
    /// It takes the request and gives no head.
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
    /// `200` unless output otherwise.
    pub status: u16,
    /// In the order sent.
    pub headers: Vec<Field>,
    /// `{}` unless output otherwise.
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
            Some(word) => Err(format!("answer = {word:?} means nothing")),
            None => value.try_into().map(Self::Response).map_err(|error| error.to_string()),
        }
    }
}

/// What the client must get. A response that passes has the upstream's status and body, unless output otherwise.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectedResponse {
    /// Needed where the upstream does not answer.
    pub status: Option<u16>,
    /// For each name, all its values in order.
    pub headers: Vec<Field>,
    /// Lists that hold this member, in any case, among others.
    pub members: Vec<Field>,
    /// Names that must stand, whatever their value.
    pub present: Vec<String>,
    /// Names that must not stand.
    pub absent: Vec<String>,
    /// The whole body.
    pub body: Option<String>,
    /// Texts of the body.
    pub contains: Vec<String>,
    /// Texts that neither head nor body may have.
    pub excludes: Vec<String>,
    /// A rejection in the API's envelope, with all that belongs to it.
    pub error: Option<Error>,
}

/// A rejection's particulars.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Error {
    /// The status.
    pub status: u16,
    /// `error.type`.
    pub r#type: String,
    /// `error.code`; left out, it is `null`.
    pub code: Option<String>,
}

/// The bytes that a text of a case stands for.
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
