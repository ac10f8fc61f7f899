//! Secrets by reference, over the [Parameters and Secrets extension][extension] in the same environment.
//!
//! [extension]: https://docs.aws.amazon.com/secretsmanager/latest/userguide/retrieving-secrets_lambda.html

use std::{collections::HashMap, io, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use sparekey_core::{Problem, SETTINGS};
use tokio::time::{Instant, sleep};

use crate::{loopback::Loopback, target};

/// A way to name a secret: what the setting's name ends in, what is asked, and where the answer holds it.
struct Way {
    suffix: &'static str,
    ask: &'static str,
    pointer: &'static str,
}

const WAYS: [Way; 2] = [
    Way {
        suffix: "_PARAMETER",
        ask: "/systemsmanager/parameters/get?withDecryption=true&name=",
        pointer: "/Parameter/Value",
    },
    Way { suffix: "_SECRET", ask: "/secretsmanager/get?secretId=", pointer: "/SecretString" },
];

/// The extension starts beside the function, and answers only once the first event is there.
const START: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(20);

/// Every secret setting that is given by reference, fetched.
///
/// # Errors
/// Every problem; none names a reference, which by mistake may be the secret itself.
pub(crate) async fn fetch(get: impl Fn(&str) -> Option<String>) -> Result<HashMap<&'static str, String>, Vec<Problem>> {
    let text = |name: &str| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let port = text("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT").unwrap_or_else(|| "2773".to_owned());
    let token = text("AWS_SESSION_TOKEN").unwrap_or_default();
    let (mut values, mut problems) = (HashMap::new(), Vec::new());
    for name in SETTINGS.iter().filter(|setting| setting.secret).map(|setting| setting.name) {
        let given: Vec<_> =
            WAYS.iter().filter_map(|way| Some((way, text(&format!("{name}{}", way.suffix))?))).collect();
        let [(way, reference)] = given.as_slice() else {
            if !given.is_empty() {
                problems.push(format!("{name} is given by two references; keep one"));
            }
            continue;
        };
        if text(name).is_some() {
            problems.push(format!("{name} and {name}{} are both set; keep one", way.suffix));
            continue;
        }
        match ask(&port, &token, way, reference).await {
            Ok(value) => {
                values.insert(name, value);
            }
            Err(reason) => problems.push(format!("{name}{} could not be read: {reason}", way.suffix)),
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems.into_iter().map(Problem::Adapter).collect()) }
}

async fn ask(port: &str, token: &str, way: &Way, reference: &str) -> Result<String, String> {
    let path = format!("{}{}", way.ask, target::encoded(reference));
    let patience = Instant::now() + START;
    loop {
        let reason = match once(port, token, &path).await {
            Ok((200, body)) => {
                let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                let value = body.pointer(way.pointer).and_then(Value::as_str);
                return value.map(str::to_owned).ok_or_else(|| "the extension's answer holds no text".to_owned());
            }
            Ok((400, body)) if body.windows(9).any(|words| words == b"not ready") => "it was not ready in time",
            Ok((status, _)) => return Err(format!("the extension answered {status}; look at the name and at IAM")),
            Err(_) => "the Parameters and Secrets extension is not there; add its layer",
        };
        if Instant::now() >= patience {
            return Err(reason.to_owned());
        }
        sleep(PAUSE).await;
    }
}

async fn once(port: &str, token: &str, path: &str) -> io::Result<(u16, Bytes)> {
    let mut extension = Loopback::new(&format!("127.0.0.1:{port}")).map_err(io::Error::other)?;
    let request = Request::get(path).header("x-aws-parameters-secrets-token", token).body(Full::<Bytes>::default());
    let response = extension.send(request.map_err(io::Error::other)?).await?;
    let status = response.status().as_u16();
    Ok((status, response.into_body().collect().await.map_err(io::Error::other)?.to_bytes()))
}
