//! The demo's error responses.

use http::{Method, Response, StatusCode};

use crate::{
    response::{self, Body},
    shapes,
};

/// An error response, in [OpenAI's envelope](https://platform.openai.com/docs/guides/error-codes).
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    message: String,
    param: Option<&'static str>,
    code: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn wrong_key() -> Self {
        let message = "Incorrect API key provided. The demo accepts only the key that it was started with.";
        Self { code: Some("invalid_api_key"), ..Self::new(StatusCode::UNAUTHORIZED, message) }
    }

    pub(crate) fn unknown_url(method: &Method, path: &str) -> Self {
        let message = format!(
            "Invalid URL ({method} {path}). The demo serves /v1/models, /v1/chat/completions and /v1/responses."
        );
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn unknown_model(id: &str) -> Self {
        let message = format!("The model '{id}' does not exist. GET /v1/models lists the models of the demo.");
        Self { param: Some("model"), code: Some("model_not_found"), ..Self::new(StatusCode::NOT_FOUND, message) }
    }

    pub(crate) fn unparsable() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "We could not parse the body of your request: send a JSON object.")
    }

    pub(crate) fn missing(param: &'static str) -> Self {
        Self {
            param: Some(param),
            code: Some("missing_required_parameter"),
            ..Self::new(StatusCode::BAD_REQUEST, format!("Missing required parameter: '{param}'."))
        }
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("The demo accepts bodies of at most {limit} bytes."))
    }

    pub(crate) fn to_response(&self) -> Response<Body> {
        let error = shapes::error(self.status.as_u16(), &self.message, self.param, self.code);
        let mut response = response::json(&error);
        *response.status_mut() = self.status;
        response
    }

    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None, code: None }
    }
}
