//! What the stand-in refuses, in OpenAI's words and envelope.

use http::{Method, Response, StatusCode};
use serde_json::json;

use super::body::{self, Body};

#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    param: Option<&'static str>,
    code: Option<&'static str>,
}

impl Refusal {
    pub(super) fn wrong_key() -> Self {
        let message = "Incorrect API key provided. The demo takes only the key that it was started with.";
        Self { code: Some("invalid_api_key"), ..Self::new(StatusCode::UNAUTHORIZED, message) }
    }

    pub(super) fn unknown_url(method: &Method, path: &str) -> Self {
        let message = format!(
            "Invalid URL ({method} {path}). The demo answers /v1/models, /v1/chat/completions and /v1/responses."
        );
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn unknown_model(id: &str) -> Self {
        let message = format!("The model '{id}' does not exist. GET /v1/models lists those of the demo.");
        Self { param: Some("model"), code: Some("model_not_found"), ..Self::new(StatusCode::NOT_FOUND, message) }
    }

    pub(super) fn unparsable() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "We could not parse the body of your request: send a JSON object.")
    }

    pub(super) fn missing(param: &'static str) -> Self {
        Self {
            param: Some(param),
            code: Some("missing_required_parameter"),
            ..Self::new(StatusCode::BAD_REQUEST, format!("Missing required parameter: '{param}'."))
        }
    }

    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("The demo takes bodies of at most {limit} bytes."))
    }

    pub(super) fn to_response(&self) -> Response<Body> {
        let mut response = body::json(&json!({"error": {
            "message": self.message,
            "type": "invalid_request_error",
            "param": self.param,
            "code": self.code,
        }}));
        *response.status_mut() = self.status;
        response
    }

    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None, code: None }
    }
}
