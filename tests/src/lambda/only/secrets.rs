//! Secrets by name, read from the Parameters and Secrets extension.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{OK, STREAMING, Test, get, read_response};
use crate::{
    adapter::{Running as _, Settings},
    case_files::{API_KEY, KEY},
    lambda::RunningFunction,
    raw_connection::RawConnection,
    upstream::{ReceivedRequest, RespondingUpstream},
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("read_from_parameter_store", parameters),
    ("read_from_secrets_manager", secrets),
    ("retries_until_the_extension_is_ready", not_ready),
    ("error_hides_the_name_and_is_retried", error),
    ("missing_extension_is_reported", not_there),
    ("two_sources_are_rejected", two),
];

const GATEWAY_TOKEN: &str = "session-token-of-the-environment";

fn json(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into()
}

/// The extension's response for a name.
fn stored(received: &ReceivedRequest) -> Vec<u8> {
    assert_eq!(received.head.header("x-aws-parameters-secrets-token"), Some(GATEWAY_TOKEN));
    match received.head.word(1) {
        "/systemsmanager/parameters/get?withDecryption=true&name=%2Fsparekey%2Fapi%20key" => {
            json(200, &format!(r#"{{"Parameter":{{"Name":"x","Type":"SecureString","Value":"{API_KEY}"}}}}"#))
        }
        "/systemsmanager/parameters/get?withDecryption=true&name=keys" => {
            json(200, &format!(r#"{{"Parameter":{{"Value":"{KEY}\n"}}}}"#))
        }
        "/secretsmanager/get?secretId=arn%3Aaws%3Asecretsmanager%3Ax" => {
            json(200, &format!(r#"{{"Name":"x","SecretString":"{API_KEY}"}}"#))
        }
        _ => json(404, "an unknown name, and more that must not be shown"),
    }
}

const BY_PARAMETER: [(&str, &str); 2] =
    [("OPENAI_API_KEY_PARAMETER", "/sparekey/api key"), ("ACCESS_KEYS_PARAMETER", "keys")];

fn start(upstream: &RespondingUpstream, port: u16, settings: &[(&str, &str)]) -> RunningFunction {
    let (base, port) = (format!("http://{}", upstream.address()), port.to_string());
    let common =
        [("API_BASE", &*base), ("AWS_SESSION_TOKEN", GATEWAY_TOKEN), ("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", &port)];
    let all = common.iter().chain(settings).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    STREAMING.start_function(&all.collect::<Settings>())
}

/// Checks that Tom's request is forwarded with the API key.
fn assert_served(function: &RunningFunction, upstream: &RespondingUpstream) {
    let mut client = RawConnection::connect(function.address());
    for _ in 0..2 {
        client.send(get("/v1/models"));
        assert_eq!(read_response(&mut client).1, b"ok");
        let seen = upstream.take().remove(0);
        assert_eq!(seen.head.header("authorization"), Some(&*format!("Bearer {API_KEY}")));
    }
    assert!(!function.process.output().contains(API_KEY) && !function.process.output().contains(KEY));
}

fn assert_misconfigured(function: &RunningFunction, word: &str) {
    let mut client = RawConnection::connect(function.address());
    client.send(get("/v1/models"));
    let (head, body) = read_response(&mut client);
    assert_eq!((head.status(), wire::error_code(&body).as_str()), (500, "misconfigured"));
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(!body.contains("PARAMETER"), "{body}");
    let line = function.process.wait_for(|line| line.contains(word).then(|| line.to_owned()));
    assert!(!line.contains("must not be shown") && !line.contains("/sparekey"), "{line}");
}

fn parameters() {
    let (upstream, extension) = (RespondingUpstream::start(|_| OK.into()), RespondingUpstream::start(stored));
    let function = start(&upstream, extension.address().port(), &BY_PARAMETER);
    assert_served(&function, &upstream);
    assert_eq!(extension.take().len(), 2, "each is read once");
}

fn secrets() {
    let (upstream, extension) = (RespondingUpstream::start(|_| OK.into()), RespondingUpstream::start(stored));
    let by_secret = [("OPENAI_API_KEY_SECRET", "arn:aws:secretsmanager:x"), ("ACCESS_KEYS", KEY)];
    assert_served(&start(&upstream, extension.address().port(), &by_secret), &upstream);
}

fn not_ready() {
    let requests = AtomicUsize::new(0);
    let extension = RespondingUpstream::start(move |received| {
        let first = requests.fetch_add(1, Ordering::Relaxed) < 3;
        if first { json(400, "not ready to serve traffic, please wait") } else { stored(received) }
    });
    let upstream = RespondingUpstream::start(|_| OK.into());
    assert_served(&start(&upstream, extension.address().port(), &BY_PARAMETER), &upstream);
}

fn error() {
    let requests = AtomicUsize::new(0);
    let extension = RespondingUpstream::start(move |received| {
        let first = requests.fetch_add(1, Ordering::Relaxed) < 2;
        if first { json(400, "access denied: must not be shown") } else { stored(received) }
    });
    let upstream = RespondingUpstream::start(|_| OK.into());
    let function = start(&upstream, extension.address().port(), &BY_PARAMETER);
    assert_misconfigured(&function, "OPENAI_API_KEY_PARAMETER could not be read: the extension responded with 400");
    let lookups = extension.take().len();
    assert_eq!(lookups, 2);
    // The failure is remembered, and then tried again.
    let mut client = RawConnection::connect(function.address());
    let mut misconfigured = 0;
    while {
        client.send(get("/v1/models"));
        read_response(&mut client).0.status() == 500
    } {
        misconfigured += 1;
    }
    assert!(misconfigured > lookups, "{misconfigured}");
    assert_eq!(extension.take().len(), lookups, "one lookup of each secret");
    assert_eq!(upstream.take().len(), 1);
    assert_served(&function, &upstream);
}

fn not_there() {
    let upstream = RespondingUpstream::start(|_| OK.into());
    let function = start(&upstream, 1, &BY_PARAMETER);
    assert_misconfigured(
        &function,
        "ACCESS_KEYS_PARAMETER could not be read: no Parameters and Secrets extension is running",
    );
}

fn two() {
    let (upstream, extension) = (RespondingUpstream::start(|_| OK.into()), RespondingUpstream::start(stored));
    let start = |settings: &[(&str, &str)]| start(&upstream, extension.address().port(), settings);
    let both = [BY_PARAMETER[0], BY_PARAMETER[1], ("ACCESS_KEYS", KEY)];
    assert_misconfigured(&start(&both), "ACCESS_KEYS and ACCESS_KEYS_PARAMETER are both set; keep one");
    let both = [BY_PARAMETER[0], BY_PARAMETER[1], ("OPENAI_API_KEY_SECRET", "x")];
    assert_misconfigured(&start(&both), "OPENAI_API_KEY_PARAMETER and OPENAI_API_KEY_SECRET are both set; keep one");
    assert!(upstream.take().is_empty());
}
