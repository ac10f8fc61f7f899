//! The gate's cost per request in instructions, which do not depend on the load of the machine.

use std::{path::Path, process::Command};

use crate::programs::ProgramTest;

pub(super) const TEST: ProgramTest = ("core::instructions::gate_costs_no_more", "valgrind", measure);

/// Rows of the measurement, the most instructions of each, and the most calls of the C library. A change that needs more has to
/// say why. A bound is 8 % above the count, for processors on which a search takes other instructions.
const BOUNDS: [(&str, [u64; 2]); 5] = [
    ("admit, 1 key", [12_850, 46]),
    ("admit, 10,000 keys", [12_850, 46]),
    ("reject, 1 key", [7_300, 5]),
    ("reject, 10,000 keys", [7_300, 5]),
    ("admit a response", [4_650, 9]),
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
        let counts = row.unwrap_or_else(|| panic!("no {name} in {table}")).split(" | ");
        let counts: Vec<u64> = counts.map(|count| count.parse().expect("a number")).collect();
        println!("{name}: {counts:?} instructions and calls of the C library of {most:?}");
        assert!(
            counts.len() == most.len() && counts.iter().zip(most).all(|(count, most)| *count <= most),
            "{name}: too much"
        );
    }
}
