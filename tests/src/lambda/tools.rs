//! Tools for builds, emulation and checks: `cargo-lambda`, `zig` for cross builds, SAM.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::clients;

/// The virtual environment with the tools in `bin`.
///
/// # Panics
/// If they cannot be installed.
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

/// The Python of the virtual environment.
#[must_use]
pub(super) fn python() -> Command {
    tool("python")
}

/// A folder for cross builds, in the target folder.
///
/// # Panics
/// If the path of this program is unknown.
#[must_use]
pub(super) fn scratch() -> PathBuf {
    let tests = std::env::current_exe().expect("the path of this program");
    tests.ancestors().nth(3).expect("the target folder").join("lambda-suite")
}
