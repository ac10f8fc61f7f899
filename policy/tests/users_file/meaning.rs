//! What a file means.

use sparekey_policy::{KeySource, Period, Timestamp, Usd, UserField};

use crate::{A, B, is_refused_line, read, tom};

#[test]
fn every_field() {
    let text = format!(
        r#"
timezone = "Europe/Berlin"

[limits]
requests_per_minute = 60
concurrent_requests = 8

[users.Tom]
keys = ["sha256:{A}", {{ digest = "sha256:Tom:{B}", expires = 2026-12-01, label = "old laptop" }}]
expires = 2027-07-01
budgets = [{{ usd = 5, per = "month" }}, {{ usd = "0.50", per = "day" }}]
tokens_per_minute = 200_000
models = ["gpt-5*", "text-embedding-3-*"]
max_output_tokens = 8192
routes = ["inference", "/v1/custom/*"]
networks = ["203.0.113.0/24", "2001:db8::1"]
disabled = false
metered = true
openai_api_key = "file:tom.key"
openai_project = "proj_abc"

[users.Ann]
"#
    );
    let users = read(&text).unwrap();
    assert_eq!(users.zone().name(), "Europe/Berlin");
    let tom = users.get("Tom").unwrap();
    assert_eq!(tom.keys[0].digest, [0xaa; 32]);
    assert_eq!(tom.keys[1].digest, [0xbb; 32]);
    assert_eq!(tom.keys[1].expires, Some(Timestamp::from_seconds(1_796_079_600)), "00:00 in winter is 23:00 UTC");
    assert_eq!(tom.keys[1].label.as_deref(), Some("old laptop"));
    assert!(!format!("{tom:?}").contains("170, 170"), "Debug shows no digest");
    assert_eq!(tom.expires, Some(Timestamp::from_seconds(1_814_392_800)), "00:00 in summer is 22:00 UTC");
    assert_eq!(tom.limits.budgets.get(Period::Month), Usd::parse("5"));
    assert_eq!(tom.limits.budgets.get(Period::Day), Usd::parse("0.5"));
    assert_eq!(tom.limits.budgets.get(Period::Week), None);
    assert_eq!(tom.limits.tokens_per_minute.unwrap().get(), 200_000);
    assert_eq!(tom.limits.max_output_tokens.unwrap().get(), 8_192);
    assert_eq!(tom.limits.requests_per_minute.unwrap().get(), 60);
    assert_eq!(tom.limits.concurrency(), Some(8));
    assert!(tom.allows_model("gpt-5-mini") && !tom.allows_model("gpt-4o"));
    assert!(tom.allows_address("203.0.113.9".parse().unwrap()) && !tom.allows_address("203.0.114.9".parse().unwrap()));
    assert_eq!(tom.routes.as_deref().unwrap(), ["inference", "/v1/custom/*"]);
    assert!(tom.limits.metered && !tom.disabled);
    assert_eq!(tom.api_key, Some(KeySource::File("tom.key".to_owned())));
    assert_eq!(tom.project.as_deref(), Some("proj_abc"));

    let ann = users.get("Ann").unwrap();
    assert!(ann.keys.is_empty() && ann.models.is_none() && ann.networks.is_none() && ann.expires.is_none());
    assert_eq!(ann.routes.as_deref().unwrap(), ["inference"]);
    assert_eq!(ann.limits.requests_per_minute.unwrap().get(), 60);
    assert!(!ann.limits.is_metered());
    assert!(users.get("Eve").is_none());
}

#[test]
fn files_of_windows_editors() {
    let text = "\u{feff}[users.Tom]\r\ndisabled = true\r\n";
    assert!(tom(text).disabled);
    assert_eq!(read(&format!("{text}x = 1\r\n")).unwrap_err().problems()[0].line, 3);
}

#[test]
fn empty_file_is_valid() {
    assert_eq!(read("# no user yet\n").unwrap().iter().count(), 0);
}

#[test]
fn defaults_are_lifted() {
    let defaults = "[limits]\nrequests_per_minute = 1\nconcurrent_requests = 1\ntokens_per_minute = 1\n\
                    max_output_tokens = 1\nbudgets = [{ usd = 1, per = \"day\" }]\nmodels = [\"a\"]\n\
                    networks = [\"10.0.0.0/8\"]\nroutes = [\"/v1/a\"]\nexpires = 2026-01-01\nmetered = true\n[users.Tom]\n";
    let limited = tom(defaults);
    for field in UserField::ALL.into_iter().filter(|field| field.is_limit()) {
        assert!(limited.has(field), "{field:?}");
    }
    let lifted = tom(&format!(
        "{defaults}requests_per_minute = \"unlimited\"\nconcurrent_requests = \"unlimited\"\n\
         tokens_per_minute = \"unlimited\"\nmax_output_tokens = \"unlimited\"\nbudgets = []\nmodels = [\"*\"]\n\
         networks = \"unlimited\"\nroutes = \"unlimited\"\nexpires = \"unlimited\"\nmetered = false"
    ));
    for field in UserField::ALL {
        assert!(!lifted.has(field), "{field:?}");
    }
    assert!(!lifted.limits.needs_state());
    // Own lists replace those of the defaults.
    let budgets = tom(&format!("{defaults}budgets = [{{ usd = 2, per = \"week\" }}]")).limits.budgets;
    assert_eq!(budgets.iter().collect::<Vec<_>>(), [(Period::Week, Usd::parse("2").unwrap())]);
}

#[test]
fn dates() {
    let expires = |zone: &str, date: &str| {
        let text = format!("timezone = \"{zone}\"\n[users.Tom]\nexpires = {date}");
        tom(&text).expires.unwrap().as_micros() / 1_000
    };
    assert_eq!(expires("UTC", "2027-01-01"), 1_798_761_600_000);
    assert_eq!(expires("Asia/Kathmandu", "2027-01-01T05:45:00"), 1_798_761_600_000);
    assert_eq!(expires("Asia/Kathmandu", "2027-01-01 00:00:00.25Z"), 1_798_761_600_250);
    assert_eq!(expires("Asia/Kathmandu", "2026-12-31T19:00:00-05:00"), 1_798_761_600_000);
    // Midnight does not exist on the day on which Santiago sets its clocks.
    assert_eq!(expires("America/Santiago", "2027-09-05"), expires("America/Santiago", "2027-09-05T01:00:00"));
    let message = "must be a date such as 2027-01-01, or a time such as 2027-01-01T18:00:00, without quotes";
    for date in ["\"2027-01-01\"", "18:00:00", "20270101", "true"] {
        is_refused_line(&format!("expires = {date}"), &format!("expires {message}"));
    }
    assert!(read("[users.Tom]\nexpires = 2027-02-29").is_err());
}
