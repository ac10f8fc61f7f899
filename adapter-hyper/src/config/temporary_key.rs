//! An access key for one run, for trying the server.

use std::{
    fmt,
    io::{self, IsTerminal as _},
    net::SocketAddr,
};

use keygen::NewKey;

use super::{settings::Settings, sources::Values};

/// The user name in the key.
const USER: &str = "me";

/// Generates a key for this run if neither `ACCESS_KEYS` nor `USERS` is set, on a loopback address and a terminal, or for the demo. It is
/// printed to standard output, which must not be a log.
///
/// # Errors
/// The system has no random numbers.
pub(crate) fn generate_if_missing(values: &Values, settings: &Settings, demo: bool) -> Result<Option<NewKey>, String> {
    let is_allowed =
        demo || settings.listen.iter().all(|address| address.ip().is_loopback()) && io::stdout().is_terminal();
    if values.is_set("ACCESS_KEYS") || values.is_set("USERS") || !is_allowed {
        return Ok(None);
    }
    keygen::access_key(USER, keygen::DEFAULT_LENGTH)
        .map(Some)
        .map_err(|error| format!("no access key for this run: {error}"))
}

/// Commands to paste that use the key.
pub(crate) struct Commands<'a> {
    pub(crate) key: &'a NewKey,
    pub(crate) scheme: &'static str,
    pub(crate) address: SocketAddr,
}

impl fmt::Display for Commands<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.expose();
        let base = format!("{}://{}/v1", self.scheme, self.address);
        write!(
            f,
            "ACCESS_KEYS is not set. An access key for this run: {key}

Try it:

  curl {base}/models -H 'Authorization: Bearer {key}'

  curl -N {base}/chat/completions -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
    -d '{{\"model\": \"gpt-5.4-mini\", \"stream\": true, \"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}'

  python3 - <<'END'    # pip install openai
from openai import OpenAI
client = OpenAI(base_url=\"{base}\", api_key=\"{key}\")
print(client.responses.create(model=\"gpt-5.4-mini\", input=\"Hello\").output_text)
END
"
        )
    }
}
