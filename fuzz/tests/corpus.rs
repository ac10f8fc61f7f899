//! Replays the corpus, with random mutations of each input.

use fuzz::{TARGETS, corpus};
use proptest::{
    prelude::RngExt as _,
    test_runner::{RngAlgorithm, TestRng},
};

/// Mutations per input: the replay takes a few seconds in a debug build.
const MUTATIONS: usize = 20;

#[test]
fn corpus_and_mutations() {
    // A fixed seed, so that a failure is reproducible.
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    for (name, target) in TARGETS {
        let inputs = corpus::read(name).expect("a corpus");
        assert!(inputs.len() > 2, "the corpus of {name} is too small");
        for input in &inputs {
            target(input);
            for _ in 0..MUTATIONS {
                target(&mutate(input, &mut rng));
            }
        }
        println!("{name}: {} inputs", inputs.len() * (MUTATIONS + 1));
    }
}

/// Overwrites, removes or inserts one to three bytes.
fn mutate(input: &[u8], rng: &mut TestRng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=rng.random_range(0..3) {
        let at = rng.random_range(0..=bytes.len());
        match rng.random_range(0..3) {
            0 if at < bytes.len() => bytes[at] = rng.random(),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.insert(at, b"\r\n\0/.%:;, -sk0"[rng.random_range(0..14)]),
        }
    }
    bytes
}
