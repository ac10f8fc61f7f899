use proptest::prelude::*;

use super::*;

fn memory(body: usize, total: usize) -> (Arc<BodyMemory>, [Arc<str>; 2]) {
    (BodyMemory::new(BodySizes { body, total }), ["Tom".into(), "Ann".into()])
}

#[test]
fn one_body_has_its_own_bound() {
    let (memory, [tom, _]) = memory(10, 100);
    let mut body = memory.begin(&tom);
    assert_eq!(body.grow(10), Ok(()));
    assert_eq!(body.grow(0), Ok(()));
    assert_eq!(body.grow(1), Err(BodyFailure::TooLarge(10)));
    assert_eq!(body.grow(usize::MAX), Err(BodyFailure::TooLarge(10)));
    assert_eq!(memory.held(), 10);
}

#[test]
fn a_user_gets_a_quarter_but_always_one_body() {
    let (memory, [tom, ann]) = memory(80, 100);
    let [mut first, mut second, mut of_ann] = [&tom, &tom, &ann].map(|user| memory.begin(user));
    assert_eq!(first.grow(20), Ok(()));
    assert_eq!(second.grow(5), Ok(()));
    assert_eq!(second.grow(1), Err(BodyFailure::OwnMemory));
    assert_eq!(first.grow(40), Err(BodyFailure::OwnMemory));
    drop(second);
    // The first is the user's only body now.
    assert_eq!(first.grow(40), Ok(()));
    assert_eq!(of_ann.grow(35), Ok(()));
    assert_eq!(of_ann.grow(6), Err(BodyFailure::Memory));
    assert_eq!(memory.held(), 95);
}

#[test]
fn a_panic_frees_memory() {
    let (memory, [tom, _]) = memory(80, 100);
    let result = std::panic::catch_unwind({
        let memory = memory.clone();
        move || {
            let mut body = memory.begin(&tom);
            body.grow(80).unwrap();
            panic!("a body ends in any way");
        }
    });
    assert!(result.is_err());
    assert_eq!(memory.held(), 0);
    assert!(memory.lock().users.is_empty());
}

#[test]
fn threads_share_the_count() {
    let (memory, users) = memory(8, 64);
    std::thread::scope(|scope| {
        for user in users.iter().cycle().take(8) {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let mut body = memory.begin(user);
                    let _full = body.grow(5).and_then(|()| body.grow(5));
                    assert!(memory.held() <= 64);
                }
            });
        }
    });
    assert_eq!(memory.held(), 0);
    assert!(memory.lock().users.is_empty());
}

#[test]
fn a_permit_that_is_never_dropped_expires() {
    let (memory, [tom, ann]) = memory(80, 100);
    let at = Timestamp::from_seconds;
    let mut abandoned = memory.begin_expiring(&tom, at(1_000));
    assert_eq!(abandoned.grow(80), Ok(()));
    let mut kept = memory.begin(&ann);
    assert_eq!(kept.grow(10), Ok(()));
    let mut next = memory.begin_expiring(&tom, at(1_149));
    assert_eq!(next.grow(1), Err(BodyFailure::OwnMemory));
    drop(memory.begin_expiring(&ann, at(1_150)));
    assert_eq!(memory.held(), 10);
    assert_eq!(next.grow(80), Ok(()), "it is the user's first body now");
    assert_eq!(abandoned.grow(0), Err(BodyFailure::Memory));
    drop(abandoned);
    assert_eq!(memory.held(), 90, "it was free before");
    drop([next, kept]);
    assert_eq!(memory.held(), 0);
    assert!(memory.lock().users.is_empty());
    drop(memory.begin_expiring(&tom, at(1_150)));
    assert_eq!(memory.lock().expiring.len(), 1, "permits that were dropped are forgotten");
}

#[derive(Clone, Debug)]
enum Step {
    Begin(usize),
    Grow(usize, usize),
    End(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..3_usize).prop_map(Step::Begin),
        ((0..8_usize), (0..30_usize)).prop_map(|(body, bytes)| Step::Grow(body, bytes)),
        (0..8_usize).prop_map(Step::End),
    ];
    proptest::collection::vec(step, 0..60)
}

fn user_of(permit: &BodyPermit) -> Arc<str> {
    lock(&permit.body).user.clone()
}

fn held_by(permit: &BodyPermit) -> usize {
    lock(&permit.body).held
}

fn is_first(permit: &BodyPermit) -> bool {
    lock(&permit.body).is_first
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bounds_hold_in_every_order(steps in steps()) {
        let users: [Arc<str>; 3] = ["Tom".into(), "Ann".into(), "Bob".into()];
        let memory = BodyMemory::new(BodySizes { body: 40, total: 100 });
        let mut bodies: Vec<BodyPermit> = Vec::new();
        for step in steps {
            match step {
                Step::Begin(user) => bodies.push(memory.begin(&users[user])),
                Step::Grow(index, bytes) if index < bodies.len() => {
                    let held = memory.held();
                    let alone = bodies.iter().filter(|body| user_of(body) == user_of(&bodies[index])).count() == 1;
                    let is_below_40 = held_by(&bodies[index]).saturating_add(bytes) <= 40;
                    let result = bodies[index].grow(bytes);
                    prop_assert_eq!(memory.held(), if result.is_ok() { held.saturating_add(bytes) } else { held });
                    if alone && is_below_40 && held.saturating_add(bytes) <= 100 {
                        prop_assert_eq!(result, Ok(()), "a user always has one body");
                    }
                }
                Step::End(index) if index < bodies.len() => drop(bodies.swap_remove(index)),
                Step::Grow(..) | Step::End(_) => {}
            }
            prop_assert_eq!(memory.held(), bodies.iter().map(held_by).sum::<usize>());
            prop_assert!(memory.held() <= 100);
            for user in &users {
                let of_user = bodies.iter().filter(|body| user_of(body) == *user);
                prop_assert!(of_user.clone().filter(|body| is_first(body)).count() <= 1);
                // The other bodies stay within the share.
                let others: usize = of_user.filter(|body| !is_first(body)).map(held_by).sum();
                prop_assert!(others <= 25, "{} bytes", others);
            }
        }
        drop(bodies);
        prop_assert_eq!(memory.held(), 0);
        prop_assert!(memory.lock().users.is_empty());
    }
}
