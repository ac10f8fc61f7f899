//! A made-up exchange, for runtimes that compile code at its first use.
//!
//! Such a runtime compiles a function when it is called first, which costs more than the call. An adapter passes this exchange
//! through a gate when it starts, so that the first request does not wait for the compiler. Nothing is sent.

/// A header's name and value.
type Header = (&'static str, &'static str);

/// The URL of the request, whose method is GET.
pub const URL: &str = "https://proxy.example/v1/models?made-up";

/// The headers of the request, of which the last one is not forwarded.
pub const REQUEST: [Header; 5] = [
    ("host", "proxy.example"),
    ("authorization", "Bearer sk-User-abcdefgh"),
    ("content-type", "application/json"),
    ("x-stainless-lang", "python"),
    ("x-made-up", "dropped"),
];

/// The headers of the response, of which the last one is removed.
pub const RESPONSE: [Header; 3] =
    [("content-type", "application/json"), ("x-request-id", "made-up"), ("openai-organization", "made-up")];

/// Returns the settings of the gate, whose user has no limits, for [`Config::from_lookup`](crate::Config::from_lookup).
#[must_use]
pub fn setting(name: &str) -> Option<String> {
    match name {
        "OPENAI_API_KEY" => Some("sk-made-up".to_owned()),
        "ACCESS_KEYS" => Some("sk-User-abcdefgh".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Request, Response};

    use super::*;
    use crate::{admission::Admission, config::Config, gate::Gate};

    #[test]
    fn request_is_rewritten_and_response_is_filtered() {
        let gate = Arc::new(Gate::new(Config::from_lookup(setting).unwrap()));
        let request = REQUEST.iter().fold(Request::get(URL), |request, (name, value)| request.header(*name, *value));
        let (head, ()) = request.body(()).unwrap().into_parts();
        let Ok(Admission::Forward(forward)) = gate.admit(head.into(), |_| None, Default::default) else {
            panic!("the user has no limits")
        };
        let (head, exchange) = forward.into_parts();
        assert_eq!(head.uri, "https://api.openai.com/v1/models?made-up");
        assert_eq!(head.headers["authorization"], "Bearer sk-made-up");
        assert_eq!(head.headers["x-stainless-lang"], "python");
        assert!(!head.headers.contains_key("x-made-up"));
        let response = RESPONSE.iter().fold(Response::builder(), |r, (name, value)| r.header(*name, *value));
        let (head, ()) = response.body(()).unwrap().into_parts();
        let head = exchange.admit_response_or_upgrade(head).unwrap();
        assert_eq!(head.headers["x-request-id"], "made-up");
        assert!(!head.headers.contains_key("openai-organization"));
    }
}
