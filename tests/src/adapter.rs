//! What the suite knows of an adapter: how to start it, and what it can't carry.

use std::{collections::BTreeMap, net::SocketAddr};

use serde::Deserialize;

/// Settings by name, as `sparekey_core::Config::from_lookup` takes them.
pub type Settings = BTreeMap<String, String>;

/// One way to run the proxy.
pub trait Adapter: Send + Sync + 'static {
    /// The name that stands before each test.
    fn name(&self) -> &'static str;

    /// Starts the proxy with these settings; returns once it takes connections.
    fn start(&self, settings: &Settings) -> Box<dyn Running>;

    /// Whether the adapter's surroundings can carry this at all.
    fn supports(&self, feature: Feature) -> bool;

    /// Why the adapter's surroundings can't carry this case, where that is so; the suite then looks that they don't.
    fn unsupported_reason(&self, _file: &str, _name: &str) -> Option<&'static str> {
        None
    }
}

/// A proxy that takes connections; dropping it ends it.
pub trait Running: Send + Sync {
    /// Where it takes plain HTTP.
    fn address(&self) -> SocketAddr;

    /// The process whose memory is looked at, where one process is the proxy.
    fn process(&self) -> Option<u32> {
        None
    }
}

/// What not every adapter's surroundings can carry.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// `Upgrade: websocket`.
    WebSocket,
    /// HTTP/2 from the client.
    Http2,
    /// An answer that passes while it is still coming.
    StreamingResponse,
    /// A request body that passes while it is still being sent.
    StreamingUpload,
    /// `100 Continue`, given here.
    Continue,
    /// Bodies of any size, through a process whose memory can be looked at.
    Unbounded,
    /// An answer that is read no faster than the client takes it.
    Backpressure,
    /// A client that leaves is noticed.
    Cancel,
    /// Connections to the upstream that the proxy keeps itself.
    Pool,
    /// `SSL_CERT_FILE`, and so upstreams of the suite's own over TLS.
    PrivateAuthority,
    /// A client that closes without a reset is noticed before something is sent to it.
    SilentClose,
    /// Repeated fields stay apart, and an empty field is a field.
    FieldLines,
    /// The target reaches the upstream in exactly the bytes of the client.
    RawTarget,
    /// Every method reaches the proxy.
    AnyMethod,
    /// The handshake of a WebSocket is the client's and the upstream's own.
    Handshake,
}
