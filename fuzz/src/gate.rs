//! The whole gate: a request's head in, and what it promises of the heads that come out, each way.

use std::sync::LazyLock;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header::AUTHORIZATION, request,
};
use sparekey_core::{Admission, Answer, Config, Exchange, Gate};

use crate::path;

pub(crate) const REAL: &str = "sk-proj-RealRealRealReal";
const TOKEN: &str = "gateway-token-TokenToken";
pub(crate) const TOM: &str = "sk-Tom-abcdefgh12345678";
/// Tom's key as the password beside a blank user.
const TOM_BASIC: &str = "OnNrLVRvbS1hYmNkZWZnaDEyMzQ1Njc4";

/// The headers that a key may be presented in.
const KEY_PLACES: [&str; 5] = ["authorization", "api-key", "x-api-key", "x-goog-api-key", "sec-websocket-protocol"];

/// What the owner set.
pub(crate) struct Owner {
    pub(crate) base: &'static str,
    key: Option<&'static str>,
    token: Option<&'static str>,
}

const OWNERS: [Owner; 3] = [
    Owner { base: "https://api.openai.com/v1", key: Some(REAL), token: None },
    Owner { base: "https://gateway.ai.cloudflare.com/v1/acct/gw/openai", key: Some(REAL), token: Some(TOKEN) },
    Owner { base: "http://127.0.0.1:8000/api", key: None, token: Some(TOKEN) },
];

pub(crate) static GATES: LazyLock<[(Gate, Owner); 3]> = LazyLock::new(|| {
    OWNERS.map(|owner| {
        let settings = |name: &str| match name {
            "OPENAI_API_KEY" => owner.key.map(str::to_owned),
            "AI_GATEWAY_TOKEN" => owner.token.map(str::to_owned),
            "ACCESS_KEYS" => Some(TOM.to_owned()),
            "API_BASE" => Some(owner.base.to_owned()),
            _ => None,
        };
        (Gate::new(Config::from_lookup(settings).expect("these settings are good")), owner)
    })
});

/// Lines: method and target, then a header each; `@` stands for Tom's key, `$` and `^` for the owner's secrets.
/// The upstream answers with the same headers.
pub(crate) fn gate(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut words = lines.next().unwrap_or_default().splitn(2, |byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (Ok(method), Ok(uri)) = (Method::from_bytes(method), Uri::try_from(target)) else { return };
    let mut request = Request::new(());
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    *request.headers_mut() = lines.filter_map(field).fold(HeaderMap::new(), |mut headers, (name, value)| {
        headers.append(name, value);
        headers
    });
    let (head, ()) = request.into_parts();
    for (gate, owner) in &*GATES {
        let secrets: Vec<&str> = [owner.key, owner.token].into_iter().flatten().collect();
        // What the client itself says may come back to it.
        let told = |secret: &&str| head.headers.values().any(|value| holds(value.as_bytes(), secret));
        let unknown: Vec<&str> = secrets.iter().copied().filter(|secret| !told(secret)).collect();
        match gate.admit(head.clone()) {
            Ok(Admission::Forward(forward)) => {
                let (sent, exchange) = forward.into_parts();
                judge(owner, &head, &sent);
                answers(gate, &exchange, &head.headers, &secrets);
            }
            Ok(Admission::Reply(reply)) => shows_none(reply.headers(), &unknown),
            Err(rejection) => {
                let response = rejection.to_response();
                shows_none(response.headers(), &unknown);
                assert!(secrets.iter().chain([&TOM]).all(|secret| !holds(response.body(), secret)), "{response:?}");
            }
        }
    }
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':')?);
    let value: Vec<&[u8]> = value[1..]
        .chunks(1)
        .map(|byte| match byte {
            b"@" => TOM.as_bytes(),
            b"$" => REAL.as_bytes(),
            b"^" => TOKEN.as_bytes(),
            other => other,
        })
        .collect();
    Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(&value.concat()).ok()?))
}

/// What goes upstream is below the base, bears the owner's secrets once, and no access key.
fn judge(owner: &Owner, before: &request::Parts, sent: &request::Parts) {
    let mut presented = KEY_PLACES.iter().flat_map(|name| before.headers.get_all(*name)).map(HeaderValue::as_bytes);
    assert!(presented.any(|value| holds(value, TOM) || holds(value, TOM_BASIC)), "{before:?}");

    let below = path::judged(before.uri.path(), before.uri.query());
    assert_eq!(Ok(sent.uri.to_string()), below.map(|below| format!("{}{below}", owner.base)));
    assert_eq!(sent.method, before.method);

    let bearers = [(AUTHORIZATION.as_str(), owner.key), ("cf-aig-authorization", owner.token)];
    for (name, secret) in bearers {
        let found: Vec<_> = sent.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        let wanted = secret.map(|secret| format!("Bearer {secret}"));
        assert_eq!(found, wanted.iter().map(String::as_bytes).collect::<Vec<_>>(), "{name}");
    }
    shows_none(&sent.headers, &[TOM]);
}

/// Whatever the upstream answers, no header of it that reaches the client holds a secret of the owner's.
fn answers(gate: &Gate, exchange: &Exchange, headers: &HeaderMap, secrets: &[&str]) {
    for status in [StatusCode::OK, StatusCode::SWITCHING_PROTOCOLS, StatusCode::FOUND, StatusCode::UNAUTHORIZED] {
        let mut answer = Response::new(()).into_parts().0;
        (answer.status, answer.headers) = (status, headers.clone());
        match gate.answer(exchange, answer) {
            Ok(Answer::Respond(head)) => {
                assert!(status != StatusCode::SWITCHING_PROTOCOLS && status != StatusCode::UNAUTHORIZED);
                shows_none(&head.headers, secrets);
            }
            Ok(Answer::Tunnel(head)) => {
                assert!(status == StatusCode::SWITCHING_PROTOCOLS && exchange.asks_for_websocket());
                shows_none(&head.headers, secrets);
            }
            Err(rejection) => shows_none(rejection.to_response().headers(), secrets),
        }
    }
}

#[track_caller]
fn shows_none(headers: &HeaderMap, secrets: &[&str]) {
    let shown = headers.values().find(|value| secrets.iter().any(|secret| holds(value.as_bytes(), secret)));
    assert!(shown.is_none(), "{headers:?}");
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|part| part == secret.as_bytes())
}
