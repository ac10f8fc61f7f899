//! Thousands of seeded runs with crashes, power cuts, lost, delayed and repeated settles. After each request that is sent, the
//! truth (the cost of all requests sent so far) stays within each budget. Three wrong variants are caught.
//!
//! A run that fails prints its seed. `SIMULATION_RUNS` sets the number of runs.

mod random;
mod store;
mod world;

use std::env;

use store::Variant;
use world::{Violation, World};

/// Seeds of a wrong variant: most of them find it.
const WRONG_RUNS: u64 = 60;

const STEPS: usize = 250;

fn run(seed: u64, variant: Variant) -> Result<World, Violation> {
    let mut world = World::new(seed, variant);
    for _ in 0..STEPS {
        world.step()?;
    }
    Ok(world)
}

#[test]
fn truth_stays_within_the_budgets() {
    let runs = env::var("SIMULATION_RUNS").map_or(2_000, |runs| runs.parse().unwrap());
    let (mut sent, mut refused, mut lost) = (0, 0, 0);
    for seed in 0..runs {
        let mut world = run(seed, Variant::Right).unwrap_or_else(|violation| panic!("seed {seed}: {violation:?}"));
        world.check_sums();
        sent += world.sent;
        refused += world.refused;
        lost += world.lost;
    }
    // The runs are about full budgets and lost settles, not idle ones.
    assert!(sent > 20 * runs && refused > 5 * runs && lost > runs, "{sent} sent, {refused} refused, {lost} lost");
}

fn violations(variant: Variant) -> usize {
    let count = (0..WRONG_RUNS).filter(|seed| run(*seed, variant).is_err()).count();
    println!("{variant:?}: {count} of {WRONG_RUNS} runs overspend");
    count
}

#[test]
fn expiry_that_releases_is_caught() {
    assert!(violations(Variant::ExpiryReleases) > 0);
}

#[test]
fn check_then_add_is_caught() {
    assert!(violations(Variant::CheckThenAdd) > 0);
}

#[test]
fn settle_that_is_not_idempotent_is_caught() {
    assert!(violations(Variant::SettleRepeats) > 0);
}

#[test]
fn reservation_that_is_not_durable_is_caught() {
    assert!(violations(Variant::ReserveNotDurable) > 0);
}
