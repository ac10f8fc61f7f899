//! Many users at their limits at the same time.

use std::{
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use super::{OK, QUIET, get_with};
use crate::{
    adapter::Running as _,
    case_files::digest,
    only::{Test, settings_for},
    raw_connection::{RawConnection, STEP_TIMEOUT},
    server::RunningServer,
    upstream::RespondingUpstream,
};

pub(crate) const TESTS: &[Test] = &[("no_limit_is_exceeded", no_limit_is_exceeded)];

const USERS: usize = 64;
/// Seconds, or `SPAREKEY_LOAD_SECONDS`.
const SECONDS: u64 = 3;

/// Many users with different limits send as fast as they can; the upstream counts.
fn no_limit_is_exceeded() {
    let seconds = std::env::var("SPAREKEY_LOAD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let rate = |user: usize| 10 + user;
    let places = |user: usize| 1 + user % 4;
    let name = |user: usize| format!("user{user}");
    let key = |user: usize| format!("sk-user{user}-abcdefgh12345678");
    let counts: &'static Vec<Counts> = Box::leak(Box::new((0..USERS).map(|_| Counts::default()).collect()));
    let upstream = RespondingUpstream::start(|request| {
        let target = request.head.word(1);
        let user: usize = target.rsplit('/').next().and_then(|user| user.parse().ok()).expect("the user's number");
        let counts = &counts[user];
        counts.start();
        thread::yield_now();
        counts.end();
        OK.into()
    });
    let users = (0..USERS).fold(String::new(), |text, user| {
        let (name, rate, places, digest) = (name(user), rate(user), places(user), digest(&key(user)));
        text + &format!(
            "[users.{name}]\nkeys = [\"{digest}\"]\nrequests_per_minute = {rate}\nconcurrent_requests = {places}\n"
        )
    });
    let mut settings = settings_for(&format!("http://{}", upstream.address()), &[("USERS", &users), QUIET]);
    settings.remove("ACCESS_KEYS");
    let proxy = RunningServer::start(&settings);
    let start = Instant::now();
    thread::scope(|scope| {
        for user in 0..USERS {
            for _ in 0..=places(user) {
                let (proxy, key) = (&proxy, key(user));
                scope.spawn(move || {
                    let mut client = RawConnection::connect(proxy.address());
                    let request = get_with(&key, &format!("/v1/models/{user}"));
                    // A limit is reached, however slow the machine is.
                    let mut refused = false;
                    while start.elapsed() < if refused { Duration::from_secs(seconds) } else { STEP_TIMEOUT } {
                        client.send(&request);
                        let head = client.head();
                        client.body(&head);
                        assert!([200, 429].contains(&head.status()), "{}", head.status());
                        refused |= head.status() == 429;
                    }
                });
            }
        }
    });
    let mut passed = 0;
    for (user, counts) in counts.iter().enumerate() {
        let (requests, most, window) = counts.take();
        // The burst, and the rate over the time from the first to the last, rounded up.
        let seconds = usize::try_from(window.as_secs()).expect("a short time") + 1;
        let allowed = rate(user) + (rate(user) * seconds).div_ceil(60);
        assert!(requests <= allowed, "user {user}: {requests} requests, {allowed} allowed");
        assert!(most <= places(user), "user {user}: {most} at once, {} allowed", places(user));
        passed += requests;
    }
    println!("{USERS} users for {seconds} s: {passed} requests passed, no limit exceeded");
}

/// What the upstream receives from one user.
#[derive(Default)]
struct Counts(Mutex<Count>);

#[derive(Default)]
struct Count {
    requests: usize,
    open: usize,
    most: usize,
    first_and_last: Option<(Instant, Instant)>,
}

impl Counts {
    fn start(&self) {
        let mut count = self.0.lock().expect("no panic");
        count.requests += 1;
        count.open += 1;
        count.most = count.most.max(count.open);
        let now = Instant::now();
        let first = count.first_and_last.map_or(now, |(first, _)| first);
        count.first_and_last = Some((first, now));
    }

    fn end(&self) {
        self.0.lock().expect("no panic").open -= 1;
    }

    fn take(&self) -> (usize, usize, Duration) {
        let count = self.0.lock().expect("no panic");
        let window = count.first_and_last.map_or(Duration::ZERO, |(first, last)| last - first);
        (count.requests, count.most, window)
    }
}
