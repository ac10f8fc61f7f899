//! Properties that must hold for any input: one function per parser, which panics where its property does not hold.
//!
//! `tests/corpus.rs` replays the corpus, `libfuzzer/` is the fuzzer.

pub mod corpus;
mod fixtures;
mod gate;
mod json_tree;
mod keys;
mod metered_body;
mod metered_form;
mod models_in_form;
mod models_in_json;
mod models_in_url;
mod path;
mod path_rule;
mod pieces;
mod policy_state;
mod prices;
mod settings;
mod upstream_response;
mod usage;
mod usage_oracle;
mod users;

/// A function that panics if its property does not hold for the input.
pub type Target = fn(&[u8]);

/// All targets by name. Each has its inputs in `corpus/{name}.txt`.
pub const TARGETS: [(&str, Target); 18] = [
    ("access_key", keys::access_key),
    ("access_keys", keys::access_keys),
    ("compiled_users", users::compiled_users),
    ("gate", gate::gate),
    ("metered_body", metered_body::metered_body),
    ("metered_form", metered_form::metered_form),
    ("models_in_form", models_in_form::models_in_form),
    ("models_in_json", models_in_json::models_in_json),
    ("models_in_url", models_in_url::models_in_url),
    ("path", path::path),
    ("policy_state", policy_state::policy_state),
    ("prices_file", prices::prices_file),
    ("settings", settings::settings),
    ("upstream_response", upstream_response::upstream_response),
    ("usage_filter", usage::usage_filter),
    ("usage_in_events", usage::usage_in_events),
    ("usage_in_json", usage::usage_in_json),
    ("users_file", users::users_file),
];
