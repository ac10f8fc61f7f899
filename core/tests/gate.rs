//! Properties of a gate that a case cannot state: of very many headers, and of texts that only the owner sees.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::{num::NonZeroU32, sync::Arc};

use http::{HeaderValue, Request, StatusCode, Version};
use sparekey_core::{Admission, CompiledUsers, Config, Forward, Gate, Limited, Places, Rejection, read_env_key};
use sparekey_policy::{
    Command, Enforced, HoldId, KeySource, Limits, Outcome, ProcessId, Reserve, State, Timestamp, Usd, step,
};

const API_KEY: &str = "sk-proj-RealRealRealReal";
const TOKEN: &str = "gateway-token-123456";
const TOM: &str = "sk-Tom-abcdefgh12345678";

fn setting(name: &str) -> Option<String> {
    let value = match name {
        "OPENAI_API_KEY" => API_KEY,
        "AI_GATEWAY_TOKEN" => TOKEN,
        "ACCESS_KEYS" => TOM,
        "API_BASE" => "https://gateway.ai.cloudflare.com/v1/account/gateway/openai",
        _ => return None,
    };
    Some(value.to_owned())
}

fn gate() -> Arc<Gate> {
    Arc::new(Gate::new(Config::from_lookup(setting).unwrap()))
}

/// A request that passes.
fn forward() -> Forward {
    let request = Request::get("/v1/models").header("host", "proxy").header("x-api-key", TOM).body(()).unwrap();
    match gate().admit(request.into_parts().0.into(), |_| None, Timestamp::default) {
        Ok(Admission::Forward(forward)) => forward,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_thousand_headers_pass_and_one_more_is_rejected() {
    let admit = |count: usize| {
        let mut request = Request::get("/v1/models").header("host", "proxy").header("x-api-key", TOM).body(()).unwrap();
        while request.headers().len() < count {
            request.headers_mut().append("accept-language", HeaderValue::from_static("en"));
        }
        gate().admit(request.into_parts().0.into(), |_| None, Timestamp::default)
    };
    assert!(matches!(admit(1000), Ok(Admission::Forward(_))));
    let response = admit(1001).unwrap_err().to_response();
    assert_eq!(response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

/// [RFC 9112 §3.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2).
#[test]
fn over_http_1_1_a_request_has_one_host() {
    let admit = |version, hosts: &[&'static str]| {
        let mut request = Request::get("/v1/models").version(version).header("x-api-key", TOM).body(()).unwrap();
        for host in hosts {
            request.headers_mut().append("host", HeaderValue::from_static(host));
        }
        let result = gate().admit(request.into_parts().0.into(), |_| None, Timestamp::default);
        result.map(|_| ()).map_err(|rejection| rejection.code())
    };
    assert_eq!(admit(Version::HTTP_11, &["proxy"]), Ok(()));
    assert_eq!(admit(Version::HTTP_2, &[]), Ok(()));
    for hosts in [&[][..], &["proxy", "proxy"], &["proxy", "other"]] {
        assert_eq!(admit(Version::HTTP_11, hosts), Err("invalid_host"), "{hosts:?}");
    }
}

/// A gate with this user.
fn gate_with(user: &str) -> Arc<Gate> {
    gate_with_places(user, Places::Memory)
}

fn gate_with_places(user: &str, places: Places) -> Arc<Gate> {
    let users = format!(r#"{{"version":1,"timezone":{{"name":"UTC","offset":0,"transitions":[]}},"users":[{user}]}}"#);
    let setting = |name: &str| if name == "USERS" { Some(users.clone()) } else { setting(name) };
    let read_key = |source: &KeySource| read_env_key(source, |name| Some(format!("sk-of-{name}-abcdefgh")));
    let reader = CompiledUsers { enforced: Enforced::ALL, before: None, places, read_key };
    Arc::new(Gate::new(Config::with_users(setting, &reader).unwrap()))
}

fn admit_limited(gate: &Arc<Gate>, now: Timestamp) -> Result<Limited, Rejection> {
    let request = Request::get("/v1/models").header("host", "proxy").header("x-api-key", TOM).body(()).unwrap();
    let admission = gate.admit(request.into_parts().0.into(), |_| None, || now)?;
    let Admission::Limited(limited) = admission else { panic!("{admission:?}") };
    Ok(limited)
}

#[test]
fn a_key_ends_with_its_user() {
    let gate_with_end = gate_with(r#"{"name":"Tom","expires":5000000}"#);
    let limited = admit_limited(&gate_with_end, Timestamp::from_micros(4_999_999)).unwrap();
    assert_eq!(gate_with_end.expires(limited.key()), Some(Timestamp::from_seconds(5)));
    assert_eq!(gate().expires(limited.key()), None);
    assert_eq!(admit_limited(&gate_with_end, Timestamp::from_seconds(5)).unwrap_err().code(), "expired_api_key");
}

/// Where servers share the ledger, it counts all requests: those that cost something with their reservation.
#[test]
fn places_of_the_ledger() {
    let rates = r#"{"name":"Tom","requests_per_minute":5}"#;
    let budget = r#"{"name":"Tom","requests_per_minute":5,"budgets":[{"usd":"1","per":"month"}]}"#;
    for user in [rates, budget] {
        let limited = admit_limited(&gate_with_places(user, Places::Ledger), Timestamp::default()).unwrap();
        assert!(limited.limits().is_none(), "nothing is counted in memory");
        let check = limited.reserve(None).unwrap();
        let limits = check.ledger_place().expect("a place in the ledger").clone();
        assert_eq!(limits.requests_per_minute.map(NonZeroU32::get), Some(5));
        let denied = step(&limits, &mut used_up(&limits), Timestamp::default(), &reserve(2));
        assert_eq!(check.reserve(&denied).unwrap_err().code(), "rate_limit_exceeded");
        let limited = admit_limited(&gate_with(user), Timestamp::default()).unwrap();
        assert!(limited.limits().is_some(), "counted in memory");
    }
    let models =
        admit_limited(&gate_with_places(r#"{"name":"Tom","models":["*"]}"#, Places::Ledger), Timestamp::default());
    assert!(models.unwrap().reserve(None).unwrap().ledger_place().is_none(), "nothing to count");
}

fn reserve(id: u128) -> Command {
    Command::Reserve(Reserve::place(HoldId(id), ProcessId(0)))
}

/// A state in which no request passes.
fn used_up(limits: &Limits) -> State {
    let mut state = State::default();
    while let Outcome::Granted { .. } = step(limits, &mut state, Timestamp::default(), &reserve(1)) {
        let end = Command::Settle { id: HoldId(1), amount: Usd::ZERO, tokens: 0 };
        step(limits, &mut state, Timestamp::default(), &end);
    }
    state
}

#[test]
fn an_api_key_of_the_users_own_is_sent() {
    let gate = gate_with(r#"{"name":"Tom","openai_api_key":"env:TOM"}"#);
    let limited = admit_limited(&gate, Timestamp::default()).unwrap();
    let (head, _) = limited.reserve(None).unwrap().admit(None).unwrap().into_parts();
    assert_eq!(head.headers["authorization"], "Bearer sk-of-TOM-abcdefgh");
}

#[test]
fn debug_output_contains_no_secret() {
    for text in [format!("{:?}", gate()), format!("{:?}", forward())] {
        assert!(text.contains("cf-aig-authorization"), "the owner's headers are part of it");
        for secret in [API_KEY, TOKEN, TOM] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn logged_texts_of_the_upstream_contain_no_secret() {
    let text = format!("no scope for {API_KEY}, {TOKEN}\nor {TOM}!");
    let (_, exchange) = forward().into_parts();
    for masked in [gate().mask_secrets(&text), exchange.mask_secrets(&text)] {
        assert_eq!(masked, "no scope for …, … or sk-…!");
    }
}

#[test]
fn too_many_open_requests_may_be_repeated() {
    let response = forward().reject_too_many_requests().to_response();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(!response.headers().contains_key("x-should-retry"));
    let body = str::from_utf8(response.body()).unwrap();
    assert!(body.contains(r#""type":"requests","param":null,"code":"rate_limit_exceeded""#), "{body}");
}

#[test]
fn logs_show_texts_without_keys_only() {
    let limited = admit_limited(&gate_with(r#"{"name":"Tom","models":["*"]}"#), Timestamp::from_seconds(0)).unwrap();
    let check = limited.reserve(None).unwrap();
    for (model, is_shown) in [("gpt-5", true), ("sk-Mod-abcdefgh", false), ("my-sk-model", false), (TOKEN, false)] {
        assert_eq!(check.is_loggable(model), is_shown, "{model}");
    }
    let shown =
        |path: &str| gate().loggable_path(&Request::get(path).body(()).unwrap().into_parts().0.into()).to_owned();
    assert_eq!(shown("/v1/models"), "/v1/models");
    assert_ne!(shown("/v1/%73k-Tom-abcdefgh"), "/v1/%73k-Tom-abcdefgh");
}
