//! Secrets by name, read from the [AWS Parameters and Secrets Lambda Extension][extension].
//!
//! [extension]: https://docs.aws.amazon.com/secretsmanager/latest/userguide/retrieving-secrets_lambda.html

use std::{collections::HashMap, io, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use sparekey_core::{ConfigProblem, SETTINGS};
use tokio::time::{Instant, sleep, timeout};

use crate::{loopback::Loopback, prices::PRICES, target};

/// Read apart from the other settings, because it is read again.
pub(crate) const USERS: &str = "USERS";

/// A service that stores secrets.
struct SecretStore {
    /// End of the setting's name.
    suffix: &'static str,
    /// Start of the request target; the secret's name follows.
    target: &'static str,
    /// Where the response holds the value ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)).
    pointer: &'static str,
}

const STORES: [SecretStore; 2] = [
    SecretStore {
        suffix: "_PARAMETER",
        target: "/systemsmanager/parameters/get?withDecryption=true&name=",
        pointer: "/Parameter/Value",
    },
    SecretStore { suffix: "_SECRET", target: "/secretsmanager/get?secretId=", pointer: "/SecretString" },
];

/// The extension starts together with the function and serves only after the first event has arrived. Three seconds
/// are many times its start, and a tenth of the shortest limit of an event source.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(3);
/// The extension asks AWS, which responds within a fraction of a second.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);
/// Short against the extension's start, long against one request to it.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// Reads every setting that is given by name, but for `USERS`: secrets, and prices, which can be longer than variables.
///
/// # Errors
/// All problems. None contains the name, because an owner may have put the secret there by mistake.
pub(crate) async fn fetch_all(
    get: impl Fn(&str) -> Option<String>,
) -> Result<HashMap<&'static str, String>, Vec<ConfigProblem>> {
    let (mut values, mut problems) = (HashMap::new(), Vec::new());
    let secrets = SETTINGS.iter().filter(|setting| setting.is_secret && setting.name != USERS);
    for name in secrets.map(|setting| setting.name).chain([PRICES]) {
        match fetch(&get, name, START_TIMEOUT).await {
            Ok(value) => values.extend(value.map(|value| (name, value))),
            Err(problem) => problems.push(ConfigProblem::Adapter(problem)),
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

/// Reads a setting that is given by name; `None` if it is not. The extension may take `start_timeout` to start.
///
/// # Errors
/// The problem, without the name.
pub(crate) async fn fetch(
    get: impl Fn(&str) -> Option<String>,
    setting: &str,
    start_timeout: Duration,
) -> Result<Option<String>, String> {
    let text = |name: &str| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let given: Vec<_> =
        STORES.iter().filter_map(|store| Some((store, text(&format!("{setting}{}", store.suffix))?))).collect();
    let [(store, secret_name)] = given.as_slice() else {
        let both = format!("{setting}_PARAMETER and {setting}_SECRET are both set; keep one");
        return if given.is_empty() { Ok(None) } else { Err(both) };
    };
    if text(setting).is_some() {
        return Err(format!("{setting} and {setting}{} are both set; keep one", store.suffix));
    }
    let port = text("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT").unwrap_or_else(|| "2773".to_owned());
    let token = text("AWS_SESSION_TOKEN").unwrap_or_default();
    let value = fetch_one(&port, &token, store, secret_name, start_timeout).await;
    value.map(Some).map_err(|reason| format!("{setting}{} could not be read: {reason}", store.suffix))
}

async fn fetch_one(
    port: &str,
    token: &str,
    store: &SecretStore,
    name: &str,
    start_timeout: Duration,
) -> Result<String, String> {
    let path = format!("{}{}", store.target, target::encode(name));
    let give_up = Instant::now() + start_timeout;
    loop {
        let response = timeout(RESPONSE_TIMEOUT, send(port, token, &path)).await;
        let reason = match response.map_err(|_| "the extension did not respond in time")? {
            Ok((200, body)) => {
                let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                let value = body.pointer(store.pointer).and_then(Value::as_str);
                return value.map(str::to_owned).ok_or_else(|| "the extension's response has no text value".to_owned());
            }
            Ok((400, body)) if body.windows(9).any(|words| words == b"not ready") => {
                "the extension was not ready in time"
            }
            Ok((status, _)) => return Err(format!("the extension responded with {status}; check the name and IAM")),
            Err(_) => "no Parameters and Secrets extension is running; add its layer",
        };
        if Instant::now() >= give_up {
            return Err(reason.to_owned());
        }
        sleep(RETRY_INTERVAL).await;
    }
}

async fn send(port: &str, token: &str, path: &str) -> io::Result<(u16, Bytes)> {
    let mut extension = Loopback::new(&format!("127.0.0.1:{port}")).map_err(io::Error::other)?;
    let request = Request::get(path).header("x-aws-parameters-secrets-token", token).body(Full::<Bytes>::default());
    let response = extension.send(request.map_err(io::Error::other)?).await?;
    let status = response.status().as_u16();
    Ok((status, response.into_body().collect().await.map_err(io::Error::other)?.to_bytes()))
}
