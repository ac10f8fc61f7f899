//! Users: the users file and its compiled form.

use sparekey_core::AccessKey;
use sparekey_policy::{Checks, Enforced, Timestamp, Users};

/// Checks that problems have a line of the file and none of its secrets, and that users survive compiling. `~` stands for
/// a digest.
pub(crate) fn users_file(input: &[u8]) {
    const DIGEST: &str = "5eC2e7fFa05eC2e7fFa05eC2e7fFa05eC2e7fFa05eC2e7fFa05eC2e7fFa0beef";
    let Ok(text) = std::str::from_utf8(input) else { return };
    // Fuzzers find the digest through comparisons, and would cut it into pieces that a message may contain.
    if text.contains("5eC2e7") {
        return;
    }
    let text = text.replace('~', DIGEST);
    let checks = Checks {
        user_name: &|name| AccessKey::check_user(name).map_err(|error| error.to_string()),
        route: &|_| Ok(()),
        has_key: &|name| name == "Tom",
        api_key: &|_| Ok(()),
        enforced: Enforced::ALL,
    };
    match Users::from_toml(&text, Timestamp::from_seconds(1_795_780_800), &checks) {
        Ok(users) => assert_eq!(Users::from_json(&users.to_json()).as_ref(), Ok(&users)),
        Err(error) => {
            let lines = text.split('\n').count();
            assert!(!error.problems().is_empty());
            assert!(error.problems().iter().all(|problem| (1..=lines).contains(&problem.line)), "{error}");
            assert!(!format!("{error} {error:?}").contains("5eC2e7"), "{error}");
        }
    }
}

/// Checks that a text that is read as compiled users is written and read again as the same users.
pub(crate) fn compiled_users(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(users) = Users::from_json(text) {
        assert_eq!(Users::from_json(&users.to_json()).as_ref(), Ok(&users));
    }
}
