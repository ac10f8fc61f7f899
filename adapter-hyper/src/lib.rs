//! What Sparekey's server shares with others: the way out, the log, and the demo.
//!
//! **In scope:** connections to the upstream, TLS, timeouts, streaming; a line and counts for each request; a stand-in for
//! OpenAI.
//! **Out of scope:** every decision over heads, which [`sparekey_core`] owns; the server, which is this package's
//! binary.

pub mod access_log;
pub mod aside;
pub mod demo;
mod download;
pub mod gather;
pub mod log;
pub mod metrics;
pub mod stream;
mod timer;
mod upload;
pub mod upstream;

pub use download::Download;
