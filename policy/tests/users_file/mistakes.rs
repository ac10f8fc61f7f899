//! The message of each mistake.

use sparekey_policy::{Enforced, UserField};

use crate::{A, B, is_refused, is_refused_line, read_enforcing, tom};

#[test]
fn wrong_values() {
    for (line, message) in [
        ("requests_per_minute = 0", "requests_per_minute must be a whole number from 1 to 1000000, or \"unlimited\""),
        ("requests_per_minute = -1", "requests_per_minute must be a whole number from 1 to 1000000, or \"unlimited\""),
        ("requests_per_minute = 1.5", "requests_per_minute must be a whole number from 1 to 1000000, or \"unlimited\""),
        ("requests_per_minute = nan", "requests_per_minute must be a whole number from 1 to 1000000, or \"unlimited\""),
        (
            "requests_per_minute = \"none\"",
            "requests_per_minute must be a whole number from 1 to 1000000, or \"unlimited\"",
        ),
        ("concurrent_requests = 1001", "concurrent_requests must be a whole number from 1 to 1000, or \"unlimited\""),
        (
            "tokens_per_minute = 4294967297",
            "tokens_per_minute must be a whole number from 1 to 1000000000, or \"unlimited\"",
        ),
        ("max_output_tokens = [1]", "max_output_tokens must be a whole number from 1 to 1000000000, or \"unlimited\""),
        ("disabled = \"no\"", "disabled must be true or false"),
        ("metered = 1", "metered must be true or false"),
        ("models = []", "models must be a list of models, with one at least, or \"unlimited\""),
        ("models = \"gpt-5\"", "models must be a list of models, with one at least, or \"unlimited\""),
        (
            "models = [\"gpt 5\"]",
            "models item 1 must be a model name without spaces, in which * stands for any characters",
        ),
        ("models = [5]", "models item 1 must be a text in quotes"),
        ("routes = []", "routes must be a list of routes, with one at least, or \"unlimited\""),
        ("routes = [\"inference\", \"x\"]", "routes item 2 must be a family or a path"),
        ("networks = []", "networks must be a list of networks, with one at least, or \"unlimited\""),
        (
            "networks = [\"10.0.0.0/33\"]",
            "networks item 1 must be an address or a network such as 203.0.113.0/24 or 2001:db8::/32",
        ),
        ("budgets = 5", "budgets must be a list such as [{ usd = 5, per = \"month\" }], or \"unlimited\""),
        (
            "budgets = [{ usd = 5 }]",
            "budgets item 1 must have an amount and a period, such as { usd = 5, per = \"month\" }",
        ),
        ("budgets = [5]", "budgets item 1 must have an amount and a period, such as { usd = 5, per = \"month\" }"),
        (
            "budgets = [{ usd = 5, per = \"year\" }]",
            "budgets item 1.per must be \"day\", \"week\", \"month\" or \"total\"",
        ),
        (
            "budgets = [{ usd = 0.5, per = \"day\" }]",
            "budgets item 1.usd must be a whole number or in quotes, such as \"0.50\", so that no fraction is rounded",
        ),
        (
            "budgets = [{ usd = inf, per = \"day\" }]",
            "budgets item 1.usd must be a whole number or in quotes, such as \"0.50\", so that no fraction is rounded",
        ),
        (
            "budgets = [{ usd = 0, per = \"day\" }]",
            "budgets item 1.usd must be an amount of US dollars above 0 and up to 9000000, such as 5 or \"0.50\"",
        ),
        (
            "budgets = [{ usd = \"-1\", per = \"day\" }]",
            "budgets item 1.usd must be an amount of US dollars above 0 and up to 9000000, such as 5 or \"0.50\"",
        ),
        (
            "budgets = [{ usd = 10000000, per = \"day\" }]",
            "budgets item 1.usd must be an amount of US dollars above 0 and up to 9000000, such as 5 or \"0.50\"",
        ),
        (
            "budgets = [{ usd = 1, per = \"day\", x = 1 }]",
            "budgets item 1.x is not a field of a budget; its fields are usd and per",
        ),
        (
            "budgets = [{ usd = 1, per = \"day\" }, { usd = 2, per = \"day\" }]",
            "budgets item 2 is the second budget per day; a user has at most one",
        ),
        (
            "openai_project = \"a b\"",
            "openai_project must be the id of a project: visible ASCII characters, without spaces",
        ),
        (
            "openai_api_key = \"sk-proj-abcdefgh\"",
            "openai_api_key must say where the key is stored: \"file:{path}\" or \"env:{variable}\"",
        ),
        ("openai_api_key = \"env:NOT_SET\"", "openai_api_key names a variable that is not set"),
        (
            "openai_api_key = \"env:A-B\"",
            "openai_api_key must say where the key is stored: \"file:{path}\" or \"env:{variable}\"",
        ),
        ("keys = \"sha256:00\"", "keys must be a list of digests: [\"sha256:…\"]"),
    ] {
        is_refused_line(line, message);
    }
}

#[test]
fn wrong_keys() {
    let form = "must be \"sha256:{64 hexadecimal digits}\", as `sparekey keygen --digest NAME` prints it, or \
                { digest = \"sha256:…\", expires = 2027-01-01, label = \"laptop\" }";
    for item in [A, "sha256:00", &format!("sha256:{A}0"), &format!("md5:{A}"), ""] {
        is_refused_line(&format!("keys = [\"{item}\"]"), &format!("keys item 1 {form}"));
    }
    is_refused_line("keys = [{ label = \"x\" }]", &format!("keys item 1 {form}"));
    is_refused_line(
        "keys = [\"sk-Tom-abcdefgh\"]",
        "keys item 1 is a key in plain text, which must not be stored; write its digest: \"sha256:\" and the output of \
         `printf %s KEY | sha256sum`, or make a new key with `sparekey keygen --digest NAME`",
    );
    is_refused_line(
        &format!("keys = [\"sha256:Ann:{A}\"]"),
        "keys item 1 is a digest of another user's key; each key belongs under the user in it",
    );
    is_refused_line(
        &format!("keys = [{{ digest = \"sha256:{A}\", name = \"x\" }}]"),
        "keys item 1.name is not a field of a key; its fields are digest, expires and label",
    );
    let again = A.to_uppercase();
    is_refused(
        &format!(
            "[users.Tom]\nkeys = [\"sha256:{A}\",\n  \"sha256:Tom:{again}\"]\n[users.Ann]\nkeys = [\"sha256:{A}\"]"
        ),
        &[
            "line 3: users.Tom.keys item 2 repeats the key of line 2",
            "line 5: users.Ann.keys item 1 repeats the key of line 3",
        ],
    );
}

#[test]
fn all_problems_at_once_in_the_order_of_lines() {
    is_refused(
        "timezone = \"Mars/Olympus\"\n\
         zone = 1\n\
         [limits]\n\
         keys = []\n\
         request_per_minute = 5\n\
         [users.Tom]\n\
         expire = 2027-01-01\n\
         disabled = 1\n\
         [users.Eve]\n\
         disabled = true\n\
         [users.\"T m\"]\n\
         keys = [\"sha256:aa\"]\n\
         [users]\n\
         Ann = 5\n",
        &[
            "line 1: timezone must be a name of the IANA time zone database, such as \"Europe/Berlin\" or \"UTC\"",
            "line 2: zone is not part of a users file, which has timezone, [limits] and [users.NAME]",
            "line 4: limits.keys is not a field here; the fields are expires, networks, routes, models, \
             requests_per_minute, concurrent_requests, budgets, tokens_per_minute, max_output_tokens, metered",
            "line 5: limits.request_per_minute is not a field here; the fields are expires, networks, routes, models, \
             requests_per_minute, concurrent_requests, budgets, tokens_per_minute, max_output_tokens, metered",
            "line 7: users.Tom.expire is not a field here; the fields are keys, expires, disabled, networks, routes, \
             models, requests_per_minute, concurrent_requests, budgets, tokens_per_minute, max_output_tokens, metered, \
             openai_api_key, openai_project",
            "line 8: users.Tom.disabled must be true or false",
            "line 9: users.Eve has no key: neither keys here nor an item in ACCESS_KEYS; make one with \
             `sparekey keygen --digest NAME`",
            "line 11: users.\"T m\" cannot be the name of a user: it has a space",
            "line 12: users.\"T m\".keys item 1 must be \"sha256:{64 hexadecimal digits}\", as `sparekey keygen --digest NAME` \
             prints it, or { digest = \"sha256:…\", expires = 2027-01-01, label = \"laptop\" }",
            "line 14: users.Ann must be a table",
        ],
    );
}

#[test]
fn syntax() {
    is_refused(
        "[users.Tom]\n\nkeys = [\"sha256:00\"\n",
        &["line 3: the file cannot be read: unclosed array, expected `]`"],
    );
    is_refused("[users.Tom]\ndisabled = true\ndisabled = false", &["line 3: the file cannot be read: duplicate key"]);
    is_refused("[users.Tom]\n[users.Tom]", &["line 2: the file cannot be read: duplicate key"]);
    is_refused("limits = 5", &["line 1: limits must be a table"]);
    is_refused("[[users]]", &["line 1: users must be a table"]);
}

#[test]
fn names_with_a_dot_need_quotes() {
    is_refused(
        &format!("[users.tom.smith]\nkeys = [\"sha256:{A}\"]\n[users.tom]\nkeys = [\"sha256:{B}\"]"),
        &["line 1: users.tom.smith is not a field here; a name with a dot needs quotes: [users.\"tom.smith\"]"],
    );
    is_refused(
        &format!("[users.Tom]\nkeys = [\"sha256:{A}\"]\nbudget = {{ usd = 5, per = \"month\" }}"),
        &[
            "line 3: users.Tom.budget is not a field here; the fields are keys, expires, disabled, networks, routes, models, \
           requests_per_minute, concurrent_requests, budgets, tokens_per_minute, max_output_tokens, metered, \
           openai_api_key, openai_project",
        ],
    );
}

#[test]
fn names_that_are_keys_are_refused_and_not_shown() {
    is_refused(
        &format!(
            "[users.sk-Tom-abcdefgh]\nkeys = [\"sha256:{A}\"]\n[users.sk]\nkeys = [\"sha256:{B}\"]\n[users.{A}]\nx = 1"
        ),
        &[
            "line 1: users.… must be the name of a user, not a key; its keys belong in keys",
            "line 5: users.… has no key: neither keys here nor an item in ACCESS_KEYS; make one with `sparekey keygen --digest NAME`",
            "line 6: users.….x is not a field here; the fields are keys, expires, disabled, networks, routes, models, \
             requests_per_minute, concurrent_requests, budgets, tokens_per_minute, max_output_tokens, metered, \
             openai_api_key, openai_project",
        ],
    );
}

#[test]
fn metered_users_have_at_most_64_open_requests() {
    let message = "must be at most 64 for users with budgets, tokens_per_minute, max_output_tokens or metered";
    is_refused(
        "[limits]\nconcurrent_requests = 65\n[users.Tom]\nmetered = true\n[users.Ann]\nmax_output_tokens = 9",
        &[&format!("line 2: limits.concurrent_requests {message}")],
    );
    is_refused_line("concurrent_requests = 65\nmetered = true", &format!("concurrent_requests {message}"));
    assert_eq!(tom("[users.Tom]\nmetered = true").limits.concurrency(), Some(8));
    assert_eq!(tom("[users.Tom]\nmetered = true\nconcurrent_requests = \"unlimited\"").limits.concurrency(), Some(64));
    assert_eq!(tom("[users.Tom]\nconcurrent_requests = 1000").limits.concurrency(), Some(1_000));
}

#[test]
fn limits_that_are_not_enforced_are_refused() {
    let text = "[limits]\nbudgets = [{ usd = 1, per = \"day\" }]\n[users.Tom]\nmetered = true\nrequests_per_minute = 1";
    let enforced = [UserField::RequestsPerMinute, UserField::Routes];
    let error = read_enforcing(text, Enforced { fields: &enforced, remedy: "set LEDGER" }).unwrap_err();
    let reason = "is not enforced without a ledger: set LEDGER, or remove it, because a limit is never ignored";
    assert_eq!(error.to_string(), format!("line 2: limits.budgets {reason}\nline 4: users.Tom.metered {reason}"));
}
