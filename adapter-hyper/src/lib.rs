//! What Sparekey's server shares with others: the way out, and the demo.
//!
//! **In scope:** connections to the upstream, TLS, timeouts, streaming; a stand-in for OpenAI. **Out of scope:**
//! every decision over heads, which [`sparekey_core`] owns; the server, which is this package's binary.

pub mod demo;
mod download;
mod upload;
pub mod upstream;

pub use download::Download;
