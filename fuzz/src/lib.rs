//! Properties that must hold for any input: one function per parser, which panics where its property does not hold.
//!
//! `tests/corpus.rs` replays the corpus, `libfuzzer/` is the fuzzer.

mod fixtures;
mod gate;
mod keys;
mod path;
mod path_rule;
mod settings;
mod upstream_response;

/// A function that panics if its property does not hold for the input.
pub type Target = fn(&[u8]);

/// All targets by name. Each has its corpus in `corpus/{name}`.
pub const TARGETS: [(&str, Target); 6] = [
    ("access_key", keys::access_key),
    ("access_keys", keys::access_keys),
    ("gate", gate::gate),
    ("path", path::path),
    ("settings", settings::settings),
    ("upstream_response", upstream_response::upstream_response),
];
