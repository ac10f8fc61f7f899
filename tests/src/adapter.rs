//! The interface between the suite and an adapter: how to start it, and which features it supports.

use std::{collections::BTreeMap, net::SocketAddr};

use serde::Deserialize;

/// Settings by name, as `sparekey_core::Config::from_lookup` expects them.
pub type Settings = BTreeMap<String, String>;

/// One way to run the proxy.
pub trait Adapter: Send + Sync + 'static {
    /// The prefix of each test name.
    fn name(&self) -> &'static str;

    /// Starts the proxy with these settings; returns once it accepts connections.
    fn start(&self, settings: &Settings) -> Box<dyn Running>;

    /// Whether the adapter's platform supports this feature.
    fn supports(&self, feature: Feature) -> bool;

    /// Why the adapter's platform can't support this case, if so; the suite then checks that the case fails.
    fn unsupported_reason(&self, _file: &str, _name: &str) -> Option<&'static str> {
        None
    }
}

/// A running proxy; dropping it stops it.
pub trait Running: Send + Sync {
    /// The address that accepts plain HTTP.
    fn address(&self) -> SocketAddr;

    /// The process id for memory measurements, if the proxy is one process.
    fn process(&self) -> Option<u32> {
        None
    }
}

/// Features that not every adapter's platform supports.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// `Upgrade: websocket`.
    WebSocket,
    /// HTTP/2 from the client.
    Http2,
    /// Response bodies are streamed.
    StreamingResponse,
    /// Request bodies are streamed.
    StreamingUpload,
    /// The proxy itself sends `100 Continue`.
    Continue,
    /// Bodies of any size, through a process whose memory can be measured.
    Unbounded,
    /// The response is read no faster than the client reads it.
    Backpressure,
    /// A client disconnect cancels the upstream request.
    Cancel,
    /// The proxy pools its upstream connections.
    Pool,
    /// A failed connection to the upstream is known to have sent nothing.
    ConnectErrors,
    /// `USERS`: users with limits.
    Users,
    /// Limits that depend on earlier requests.
    Rates,
    /// Limits on money and tokens.
    Budgets,
    /// `SSL_CERT_FILE`, so that the suite can run TLS upstreams with its own certificates.
    PrivateAuthority,
    /// A client that closes without a reset is detected before anything is sent to it.
    SilentClose,
    /// Repeated fields stay separate, and empty fields are kept.
    FieldLines,
    /// The request target reaches the upstream byte for byte.
    RawTarget,
    /// Every method reaches the proxy.
    AnyMethod,
    /// The WebSocket handshake passes unchanged between client and upstream.
    Handshake,
}
