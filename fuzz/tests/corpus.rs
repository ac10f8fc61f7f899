//! Every input that is kept, and some that chance makes of them.

use std::{fs, path::PathBuf};

use fuzz::TARGETS;
use proptest::{
    prelude::RngExt as _,
    test_runner::{RngAlgorithm, TestRng},
};

/// Changed inputs for each that is kept.
const CHANGED: usize = 20;

#[test]
fn what_is_kept_holds_and_so_does_what_is_near() {
    // The same inputs in every run.
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    for (name, target) in TARGETS {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let mut files: Vec<_> =
            fs::read_dir(&folder).expect("it has a corpus").map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(files.len() > 2, "{name} has a corpus");
        for file in &files {
            let input = fs::read(file).expect("it can be read");
            target(&input);
            for _ in 0..CHANGED {
                target(&changed(&input, &mut random));
            }
        }
        println!("{name}: {} inputs", files.len() * (CHANGED + 1));
    }
}

/// Some bytes overwritten, taken out or doubled.
fn changed(input: &[u8], random: &mut TestRng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.random_range(0..3) {
        let at = random.random_range(0..=bytes.len());
        match random.random_range(0..3) {
            0 if at < bytes.len() => bytes[at] = random.random(),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.insert(at, b"\r\n\0/.%:;, -sk0"[random.random_range(0..14)]),
        }
    }
    bytes
}
