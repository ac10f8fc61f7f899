//! Gates with known secrets, for all targets.

use std::sync::{Arc, LazyLock};

use sparekey_core::{Config, Gate};

/// The owner's API key.
pub(crate) const API_KEY: &str = "sk-proj-RealRealRealReal";
/// The owner's AI Gateway token.
pub(crate) const TOKEN: &str = "gateway-token-TokenToken";
/// Tom's access key.
pub(crate) const TOM: &str = "sk-Tom-abcdefgh12345678";
/// Tom's key as a Basic password with an empty user ([RFC 7617 §2](https://www.rfc-editor.org/rfc/rfc7617#section-2)).
pub(crate) const TOM_BASIC: &str = "OnNrLVRvbS1hYmNkZWZnaDEyMzQ1Njc4";

/// An owner's settings.
pub(crate) struct Settings {
    pub(crate) api_base: &'static str,
    pub(crate) api_key: Option<&'static str>,
    pub(crate) token: Option<&'static str>,
}

const SETTINGS: [Settings; 3] = [
    Settings { api_base: "https://api.openai.com/v1", api_key: Some(API_KEY), token: None },
    Settings {
        api_base: "https://gateway.ai.cloudflare.com/v1/acct/gw/openai",
        api_key: Some(API_KEY),
        token: Some(TOKEN),
    },
    Settings { api_base: "http://127.0.0.1:8000/api", api_key: None, token: Some(TOKEN) },
];

pub(crate) static GATES: LazyLock<[(Arc<Gate>, Settings); 3]> = LazyLock::new(|| {
    SETTINGS.map(|settings| {
        let lookup = |name: &str| match name {
            "OPENAI_API_KEY" => settings.api_key.map(str::to_owned),
            "AI_GATEWAY_TOKEN" => settings.token.map(str::to_owned),
            "ACCESS_KEYS" => Some(TOM.to_owned()),
            "API_BASE" => Some(settings.api_base.to_owned()),
            "ROUTES" => Some("all".to_owned()),
            "PASS_HEADERS" => Some("x-*".to_owned()),
            _ => None,
        };
        (Arc::new(Gate::new(Config::from_lookup(lookup).expect("valid settings"))), settings)
    })
});
