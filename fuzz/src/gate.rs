//! The whole gate: request and response heads.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, HOST},
    request,
};
use sparekey_core::{Admission, Exchange};
use sparekey_policy::Timestamp;

use crate::{
    fixtures::{API_KEY, GATES, Settings, TOKEN, TOM, TOM_BASIC},
    path_rule::relative_path,
};

/// Request headers that can contain an access key.
const KEY_HEADERS: [&str; 5] = ["authorization", "api-key", "x-api-key", "x-goog-api-key", "sec-websocket-protocol"];

/// Checks that no head leaks a secret in either direction. Input lines: method and target, then one header per line;
/// `@` stands for Tom's key, `$` for the API key, `^` for the gateway token. The response has the same headers.
pub(crate) fn gate(input: &[u8]) {
    let Some(head) = parse_head(input) else { return };
    for (gate, settings) in &*GATES {
        let secrets: Vec<&str> = [settings.api_key, settings.token].into_iter().flatten().collect();
        // The gate may return a secret that the client itself sent.
        let sent_by_client = |secret: &&str| head.headers.values().any(|value| contains(value.as_bytes(), secret));
        let hidden: Vec<&str> = secrets.iter().copied().filter(|secret| !sent_by_client(secret)).collect();
        match gate.admit(head.clone().into(), |_| None, Timestamp::default) {
            Ok(Admission::Forward(forward)) => {
                let (forwarded, exchange) = forward.into_parts();
                check_forwarded(settings, &head, &forwarded);
                check_responses(&exchange, &head.headers, &secrets);
            }
            Ok(admission @ (Admission::Limited(_) | Admission::Usage(_))) => {
                panic!("no user has limits: {admission:?}")
            }
            Ok(Admission::Reply(reply)) => assert_none_in(reply.headers(), &hidden),
            Err(rejection) => {
                let response = rejection.to_response();
                assert_none_in(response.headers(), &hidden);
                assert!(secrets.iter().chain([&TOM]).all(|secret| !contains(response.body(), secret)), "{response:?}");
            }
        }
    }
}

fn parse_head(input: &[u8]) -> Option<request::Parts> {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut words = lines.next().unwrap_or_default().splitn(2, |byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method).ok()?;
    *request.uri_mut() = Uri::try_from(target).ok()?;
    for (name, value) in lines.filter_map(parse_header) {
        request.headers_mut().append(name, value);
    }
    // Without it, the gate rejects every request over HTTP/1.1.
    request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("proxy"));
    Some(request.into_parts().0)
}

fn parse_header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':')?);
    let value: Vec<&[u8]> = value[1..]
        .chunks(1)
        .map(|byte| match byte {
            b"@" => TOM.as_bytes(),
            b"$" => API_KEY.as_bytes(),
            b"^" => TOKEN.as_bytes(),
            other => other,
        })
        .collect();
    Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(&value.concat()).ok()?))
}

/// Checks that the forwarded head has a target below the API base, each of the owner's secrets once and no access key.
fn check_forwarded(settings: &Settings, received: &request::Parts, forwarded: &request::Parts) {
    let mut key_values = KEY_HEADERS.iter().flat_map(|name| received.headers.get_all(*name)).map(HeaderValue::as_bytes);
    assert!(key_values.any(|value| contains(value, TOM) || contains(value, TOM_BASIC)), "{received:?}");

    let path = relative_path(received.uri.path(), received.uri.query(), settings.api_key.unwrap_or(TOKEN), TOM);
    assert_eq!(Ok(forwarded.uri.to_string()), path.map(|path| format!("{}{path}", settings.api_base)));
    assert_eq!(forwarded.method, received.method);

    for (name, secret) in [(AUTHORIZATION.as_str(), settings.api_key), ("cf-aig-authorization", settings.token)] {
        let actual: Vec<_> = forwarded.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        let expected = secret.map(|secret| format!("Bearer {secret}"));
        assert_eq!(actual, expected.iter().map(String::as_bytes).collect::<Vec<_>>(), "{name}");
    }
    assert_none_in(&forwarded.headers, &[TOM]);
}

/// Checks that no response header contains one of the owner's secrets.
fn check_responses(exchange: &Exchange, headers: &HeaderMap, secrets: &[&str]) {
    for status in [StatusCode::OK, StatusCode::SWITCHING_PROTOCOLS, StatusCode::FOUND, StatusCode::UNAUTHORIZED] {
        let mut response = Response::new(()).into_parts().0;
        (response.status, response.headers) = (status, headers.clone());
        let upgraded = exchange.admit_upgrade(response.clone());
        assert!(upgraded.is_err() || status == StatusCode::SWITCHING_PROTOCOLS && exchange.is_websocket());
        let admitted = exchange.admit_response(response);
        assert!(admitted.is_err() || ![StatusCode::SWITCHING_PROTOCOLS, StatusCode::UNAUTHORIZED].contains(&status));
        for head in [upgraded, admitted] {
            match head {
                Ok(head) => assert_none_in(&head.headers, secrets),
                Err(rejection) => assert_none_in(rejection.to_response().headers(), secrets),
            }
        }
    }
}

#[track_caller]
fn assert_none_in(headers: &HeaderMap, secrets: &[&str]) {
    let leak = headers.values().find(|value| secrets.iter().any(|secret| contains(value.as_bytes(), secret)));
    assert!(leak.is_none(), "{headers:?}");
}

fn contains(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|part| part == secret.as_bytes())
}
