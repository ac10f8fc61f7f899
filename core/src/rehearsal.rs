//! A made-up exchange, for runtimes that compile code at its first use.

use std::sync::Arc;

use crate::{config::Config, gate::Gate};

/// A header's name and value.
type Header = (&'static str, &'static str);

/// A gate with made-up settings, a request that it admits, and the headers of a response to it.
///
/// Some runtimes compile a function when it is called first, which costs more than the call. An adapter for them passes
/// this exchange through the gate when it starts, so that the first request does not wait for the compiler. Nothing is
/// sent.
#[derive(Debug)]
pub struct Rehearsal {
    /// The gate. Its user has no limits.
    pub gate: Arc<Gate>,
}

impl Rehearsal {
    /// The URL of the request, whose method is GET.
    pub const URL: &'static str = "https://proxy.example/v1/models?made-up";
    /// The headers of the request, of which one is not forwarded.
    pub const REQUEST: [Header; 5] = [
        ("host", "proxy.example"),
        ("authorization", "Bearer sk-User-abcdefgh"),
        ("content-type", "application/json"),
        ("x-stainless-lang", "python"),
        ("x-made-up", "dropped"),
    ];
    /// The headers of the response.
    pub const RESPONSE: [Header; 2] = [("content-type", "application/json"), ("x-request-id", "made-up")];

    /// Creates the gate: always `Some`, because the settings are valid.
    #[must_use]
    pub fn new() -> Option<Self> {
        let value = |name: &str| match name {
            "OPENAI_API_KEY" => Some("sk-made-up".to_owned()),
            "ACCESS_KEYS" => Some("sk-User-abcdefgh".to_owned()),
            _ => None,
        };
        Some(Self { gate: Arc::new(Gate::new(Config::from_lookup(value).ok()?)) })
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};

    use super::*;
    use crate::gate::Admission;

    #[test]
    fn request_and_response_are_admitted() {
        let gate = Rehearsal::new().unwrap().gate;
        let request = Request::get(Rehearsal::URL);
        let request = Rehearsal::REQUEST.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let (head, ()) = request.body(()).unwrap().into_parts();
        let Ok(Admission::Forward(forward)) = gate.admit(head.into(), |_| None, Default::default) else {
            panic!("the user has no limits")
        };
        let (head, exchange) = forward.into_parts();
        assert_eq!(head.headers["x-stainless-lang"], "python");
        assert!(!head.headers.contains_key("x-made-up"));
        let response = Rehearsal::RESPONSE.iter().fold(Response::builder(), |r, (name, value)| r.header(*name, *value));
        let (head, ()) = response.body(()).unwrap().into_parts();
        assert!(exchange.admit_response_or_upgrade(head).is_ok());
    }
}
