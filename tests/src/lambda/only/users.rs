//! `USERS` from a variable, a parameter and a secret; the address of the client.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{OK, STREAMING, Test, assert_error, get, read_response, start};
use crate::{
    adapter::Running as _,
    lambda::{EventSource, Lambda},
    raw_connection::RawConnection,
    upstream::RespondingUpstream,
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("invalid_value_refuses_each_key", invalid),
    ("other_invalid_settings_are_named_too", all_problems),
    ("read_from_parameter_store_and_secrets_manager", by_name),
    ("failed_lookup_refuses_each_key_and_is_retried", failed_lookup),
    ("address_is_that_of_the_event_source", addresses),
    ("access_log_has_the_address_of_a_refused_request", access_log),
];

const NETWORK: &str = "[users.Tom]\nnetworks = [\"198.51.100.0/24\", \"2001:db8::/32\"]";

fn invalid() {
    for (users, problem) in [
        ("[users.Tom]\nrequests_per_minute = 60", "USERS line 2: users.Tom.requests_per_minute is not enforced"),
        ("[users.Tom]\nconcurrent_requests = 1", "USERS line 2: users.Tom.concurrent_requests is not enforced"),
        ("[limits]\nrequests_per_minute = 60\n[users.Tom]", "USERS line 2: limits.requests_per_minute is not enforced"),
        (
            "[users.Tom]\nbudgets = [{ usd = 5, per = \"month\" }]",
            "USERS line 2: users.Tom.budgets is not enforced without a ledger: set LEDGER=dynamodb:TABLE",
        ),
        ("[users.Tom]\nmodels = []", "USERS line 2"),
        ("[users.Tom", "USERS line 1"),
        ("[users.Eve]", "USERS line 1"),
        (
            "[users.Tom]\nopenai_api_key = \"file:tom.key\"",
            "USERS line 2: users.Tom.openai_api_key names a file, and this platform has none; use env:VARIABLE",
        ),
        (
            "[users.Tom]\nopenai_api_key = \"env:NOT_SET\"",
            "USERS line 2: users.Tom.openai_api_key names the variable NOT_SET, which is not set",
        ),
    ] {
        let function = start(STREAMING, ([127, 0, 0, 1], 1).into(), &[("USERS", users)]);
        let mut client = RawConnection::connect(function.address());
        client.send(get("/v1/models"));
        assert_error(&mut client, 503, "misconfigured");
        let line = function.process.wait_for(|line| line.contains("invalid settings").then(|| line.to_owned()));
        assert!(line.contains(problem), "no {problem} in {line}");
        client.send("GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n");
        assert_eq!(read_response(&mut client).0.status(), 401, "without a key");
        client.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
        assert_eq!(read_response(&mut client).0.status(), 200);
    }
}

fn all_problems() {
    let function = start(STREAMING, ([127, 0, 0, 1], 1).into(), &[("USERS_PARAMETER", "users"), ("ROUTES", "none")]);
    let mut client = RawConnection::connect(function.address());
    client.send(get("/v1/models"));
    assert_error(&mut client, 500, "misconfigured");
    let line = function.process.wait_for(|line| line.contains("invalid settings").then(|| line.to_owned()));
    assert!(line.contains("USERS_PARAMETER could not be read") && line.contains("ROUTES"), "{line}");
}

/// A stand-in for the extension that returns users, or nothing.
fn extension(users: &Arc<Mutex<Option<&'static str>>>) -> RespondingUpstream {
    let users = Arc::clone(users);
    RespondingUpstream::start(move |received| {
        let users = *users.lock().unwrap();
        let body = match received.head.word(1) {
            "/systemsmanager/parameters/get?withDecryption=true&name=users" => {
                json!({ "Parameter": { "Value": users } })
            }
            "/secretsmanager/get?secretId=users" => json!({ "SecretString": users }),
            other => panic!("no such name: {other}"),
        };
        let status = if users.is_some() { 200 } else { 404 };
        format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.to_string().len()).into()
    })
}

fn by_name() {
    let upstream = RespondingUpstream::start(|_| OK.into());
    let extension = extension(&Arc::new(Mutex::new(Some("[users.Tom]\nmodels = [\"gpt-5\"]"))));
    let port = extension.address().port().to_string();
    for setting in ["USERS_PARAMETER", "USERS_SECRET"] {
        let more = [(setting, "users"), ("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", &port)];
        let function = start(STREAMING, upstream.address(), &more);
        let mut client = RawConnection::connect(function.address());
        client.send(get("/v1/models/gpt-5"));
        assert_eq!(read_response(&mut client).1, b"ok");
        client.send(get("/v1/models/gpt-4o"));
        assert_error(&mut client, 403, "model_not_found");
        assert_eq!((extension.take().len(), upstream.take().len()), (1, 1));
    }
}

fn failed_lookup() {
    let upstream = RespondingUpstream::start(|_| OK.into());
    let users = Arc::new(Mutex::new(None));
    let extension = extension(&users);
    let port = extension.address().port().to_string();
    let more = [("USERS_PARAMETER", "users"), ("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", &port)];
    let function = start(STREAMING, upstream.address(), &more);
    let mut client = RawConnection::connect(function.address());
    client.send(get("/v1/models"));
    assert_error(&mut client, 503, "misconfigured");
    function.process.wait_for(|line| line.contains("USERS_PARAMETER could not be read").then_some(()));
    *users.lock().unwrap() = Some("[users.Tom]");
    let mut refused = 0;
    while {
        client.send(get("/v1/models"));
        read_response(&mut client).0.status() == 503
    } {
        refused += 1;
    }
    assert!(refused > 2, "{refused}");
    assert_eq!(extension.take().len(), 2, "the failure is remembered");
    assert_eq!(upstream.take().len(), 1);
}

/// What a client says of its address counts for nothing.
fn addresses() {
    let upstream = RespondingUpstream::start(|_| OK.into());
    let function = Lambda::new("lambda", EventSource::HttpApi, "buffer")
        .start_function(&wire::settings(&format!("http://{}", upstream.address()), &[("USERS", NETWORK)]));
    let key = format!("Bearer {}", crate::case_files::KEY);
    let status = |context: &Value, forwarded: &[&str]| {
        let event = if context["http"].is_object() {
            json!({
                "version": "2.0", "routeKey": "$default", "rawPath": "/v1/models", "rawQueryString": "",
                "headers": { "authorization": key, "x-forwarded-for": forwarded.join(",") },
                "requestContext": context, "isBase64Encoded": false,
            })
        } else {
            json!({
                "path": "/v1/models", "httpMethod": "GET", "requestContext": context,
                "multiValueHeaders": { "authorization": [key], "x-forwarded-for": forwarded },
            })
        };
        let response = String::from_utf8(function.invoke(&event.to_string())).unwrap();
        response.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    let http = |address: &str| json!({ "http": { "method": "GET", "sourceIp": address } });
    let rest = |address: &str| json!({ "stage": "prod", "httpMethod": "GET", "identity": { "sourceIp": address } });
    let balancer = json!({ "elb": {} });
    for (context, forwarded, expected) in [
        (http("198.51.100.1"), &["203.0.113.9"][..], 200),
        (http("2001:db8::7"), &[], 200),
        (http("203.0.113.9"), &["198.51.100.1"], 403),
        (rest("198.51.100.1"), &["203.0.113.9"], 200),
        (rest("203.0.113.9"), &["198.51.100.1"], 403),
        (rest("test-invoke-source-ip"), &["198.51.100.1"], 403),
        (json!({ "stage": "prod", "httpMethod": "GET" }), &["198.51.100.1"], 403),
        (balancer.clone(), &["203.0.113.9, 198.51.100.1"], 200),
        (balancer.clone(), &["203.0.113.9", "198.51.100.1:4711"], 200),
        (balancer.clone(), &["[2001:db8::7]:4711"], 200),
        (balancer.clone(), &["198.51.100.1, 203.0.113.9"], 403),
        (balancer.clone(), &["198.51.100.1", "203.0.113.9"], 403),
        (balancer, &[], 403),
    ] {
        assert_eq!(status(&context, forwarded), expected, "{context} {forwarded:?}");
    }
}

fn access_log() {
    let function = start(STREAMING, ([127, 0, 0, 1], 1).into(), &[]);
    let mut client = RawConnection::connect(function.address());
    client.send("GET /v1/models HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 198.51.100.1\r\n\r\n");
    assert_eq!(read_response(&mut client).0.status(), 401);
    function.process.wait_for(|line| line.contains(r#""client":"198.51.100.1""#).then_some(()));
}
