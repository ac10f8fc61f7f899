//! An access key for one run, if none is set and the server listens on a loopback address.

use std::{fmt, net::SocketAddr};

use keygen::{KeygenError, NewKey};

/// The user name in the key.
const USER: &str = "me";

/// Generates the key.
pub(crate) fn generate() -> Result<NewKey, KeygenError> {
    keygen::access_key(USER, keygen::DEFAULT_LENGTH)
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
    -d '{{\"model\": \"gpt-5-mini\", \"stream\": true, \"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}'

  python3 - <<'END'    # pip install openai
from openai import OpenAI
client = OpenAI(base_url=\"{base}\", api_key=\"{key}\")
print(client.responses.create(model=\"gpt-5-mini\", input=\"Hello\").output_text)
END
"
        )
    }
}
