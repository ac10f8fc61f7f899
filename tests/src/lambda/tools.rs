//! Tools that build, emulate and check: `cargo-lambda`, `zig` for what is built for another machine, SAM.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::clients;

/// The folder that has them in `bin`.
///
/// # Panics
/// Where they can't be installed.
#[must_use]
pub(super) fn folder() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/lambda/requirements.txt");
    FOLDER.get_or_init(|| clients::python_with("lambda-tools", Path::new(lock)).expect("tools install")).clone()
}

/// A tool by its name.
#[must_use]
pub(super) fn tool(name: &str) -> Command {
    Command::new(folder().join("bin").join(name))
}

/// The Python that has them.
#[must_use]
pub(super) fn python() -> Command {
    tool("python")
}

/// Where what is built for other machines may lie: beside what is built for this one.
///
/// # Panics
/// Where the program does not know where it stands.
#[must_use]
pub(super) fn scratch() -> PathBuf {
    let tests = std::env::current_exe().expect("a program knows where it stands");
    tests.ancestors().nth(3).expect("the target folder").join("lambda-suite")
}
