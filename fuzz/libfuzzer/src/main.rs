//! Runs libFuzzer on the target in the variable `TARGET`. `../run.sh` builds and runs it.
#![no_main]

use std::{env, sync::LazyLock};

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<fuzz::Target> = LazyLock::new(|| {
    let name = env::var("TARGET").unwrap_or_default();
    let found = fuzz::TARGETS.iter().find(|(target, _)| *target == name);
    found.unwrap_or_else(|| panic!("TARGET must be one of {:?}", fuzz::TARGETS.map(|(name, _)| name))).1
});

fuzz_target!(|input: &[u8]| TARGET(input));
