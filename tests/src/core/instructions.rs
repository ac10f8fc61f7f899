//! The gate's cost per request in instructions, which do not depend on the load of the machine.

use std::{path::Path, process::Command};

use crate::programs::ProgramTest;

pub(super) const TEST: ProgramTest = ("core::instructions::gate_costs_no_more", "valgrind", measure);

/// Rows of the measurement, and the most instructions of each. A change that needs more has to say why. A bound is 5 to 9 %
/// above the count with glibc 2.36: with the allocator and the copy functions of other machines, a refusal takes up to 5 % more.
const BOUNDS: [(&str, u64); 5] = [
    ("admit, 1 key", 12_300),
    ("admit, 10,000 keys", 12_300),
    ("reject, 1 key", 7_250),
    ("reject, 10,000 keys", 7_400),
    ("admit a response", 5_900),
];

fn measure(valgrind: &Path) {
    let folder = valgrind.parent().expect("a file in a folder");
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::env::join_paths([folder.to_owned()].into_iter().chain(std::env::split_paths(&paths)));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--release", "--quiet", "--package", "bench-pure", "--example", "gate_instructions"]);
    cargo.env("PATH", paths.expect("valid folders"));
    // A package that is unpacked elsewhere than it was built for.
    let libraries = folder.join("../libexec/valgrind");
    if libraries.is_dir() {
        cargo.env("VALGRIND_LIB", libraries);
    }
    let output = cargo.output().expect("cargo runs");
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (name, most) in BOUNDS {
        let row = table.lines().find_map(|line| line.strip_prefix(&format!("| {name} | "))?.strip_suffix(" |"));
        let count: u64 = row.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no {name} in {table}"));
        println!("{name}: {count} instructions of {most}");
        assert!(count <= most, "{name}: {count} instructions, {most} at most");
    }
}
