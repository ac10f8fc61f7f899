//! The modules of the crates without I/O import each other in one direction only.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Sources from the folder of this crate. A module is a file with its folder.
const CRATES: [&str; 3] = ["src", "../policy/src", "../metering/src"];

#[test]
fn modules_have_no_import_cycle() {
    for folder in CRATES {
        let mut sources = BTreeMap::<String, String>::new();
        for file in files(Path::new(folder)) {
            let below = file.strip_prefix(folder).unwrap().with_extension("");
            let module = below.iter().next().unwrap().to_str().unwrap().to_owned();
            *sources.entry(module).or_default() += &code(&fs::read_to_string(&file).unwrap());
        }
        sources.remove("lib");
        assert!(sources.len() > 5, "{folder}: {:?}", sources.keys());
        let mut left: BTreeMap<_, _> = sources.iter().map(|(module, source)| (module, imports(source))).collect();
        // What imports no module that is left is in no cycle.
        while let Some((&module, _)) = left.iter().find(|(module, imports)| {
            !imports.iter().any(|import| import != **module && left.keys().any(|other| *other == import))
        }) {
            left.remove(module);
        }
        assert!(left.is_empty(), "{folder}: in a cycle, or importing one: {:?}", left.keys());
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs")).collect()
}

/// The source without comments and tests.
fn code(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| line.to_owned() + "\n").collect()
}

/// The names in `use crate::…;`, and the first of every other path from the root.
fn imports(source: &str) -> BTreeSet<&str> {
    let uses = source.split("use crate::").skip(1).filter_map(|rest| rest.split(';').next());
    let paths = source.split("crate::").skip(1).filter_map(|rest| names(rest).next());
    uses.flat_map(names).chain(paths).collect()
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty())
}
