//! What must hold for any input: one function a parser, which panics where it does not.
//!
//! `tests/corpus.rs` calls them with every input that a fuzzer found worth keeping; `libfuzzer/` is the fuzzer.

mod answers;
mod gate;
mod keys;
mod path;
mod settings;

/// A function that panics where its input breaks a promise.
pub type Target = fn(&[u8]);

/// Every target by its name, which is its corpus's folder.
pub const TARGETS: [(&str, Target); 6] = [
    ("access_key", keys::access_key),
    ("access_keys", keys::access_keys),
    ("gate", gate::gate),
    ("path", path::path),
    ("settings", settings::settings),
    ("upstream_answer", answers::upstream_answer),
];
