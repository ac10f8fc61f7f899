//! Prometheus' rules and Grafana's dashboard of `deploy/monitoring/`.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use super::Test;
use crate::{clients::succeed, programs::ProgramTest};

pub(super) const TESTS: &[Test] = &[
    ("uses_the_metrics_of_the_server", metrics),
    ("readme_names_the_rules_and_panels_that_add_first_values", first_values),
];

pub(super) const PROGRAM_TESTS: &[ProgramTest] = &[
    ("promtool_accepts_the_rules_and_the_dashboard", "promtool", rules),
    ("first_events_are_seen", "promtool", first_events),
    ("old_events_are_not_new", "promtool", old_events),
    ("restart_after_a_first_event_shows_too_little", "promtool", restart),
    ("servers_share_a_ledger", "promtool", servers),
];

const README: &str = include_str!("../../../README.md");
const RULES: &str = include_str!("../../../deploy/monitoring/alerts.yml");
const CONFIG: &str = include_str!("../../../deploy/monitoring/prometheus.yml");
const DASHBOARD: &str = include_str!("../../../deploy/monitoring/dashboard.json");

/// Names of metrics in a text. Those of a histogram have endings.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    let metrics = words.filter(|word| word.starts_with("sparekey_"));
    metrics.map(|name| name.trim_end_matches("_bucket").to_owned()).collect()
}

/// Each query of the dashboard.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    targets.map(|target| target["expr"].as_str().expect("a query").to_owned()).collect()
}

fn metrics() {
    let (_, table) = README.split_once("| metric | labels |").expect("the README has the table");
    let known = names(table.split("\n\n").next().expect("it ends"));
    let shown = names(&queries().join("\n"));
    let used: BTreeSet<_> = names(RULES).union(&shown).cloned().collect();
    assert_eq!(used.difference(&known).collect::<Vec<_>>(), [""; 0], "no metric of the server");
    // These are on the owner's page.
    let hidden = ["sparekey_last_reload_success_timestamp_seconds", "sparekey_user_last_request_timestamp_seconds"];
    let missing: Vec<_> = known.difference(&used).filter(|name| !hidden.contains(&&***name)).collect();
    assert_eq!(missing, [""; 0], "neither in a rule nor on the dashboard");
}

fn first_values() {
    let (_, text) = README.split_once("Prometheus does not count the first value").expect("the README says it");
    let (text, _) = text.split_once(" add it;").expect("it names them");
    let named: BTreeSet<_> = text.split('`').skip(1).step_by(2).collect();
    let (_, alerts) = RULES.split_once("- alert: ").expect("rules");
    let alerts = alerts.split("- alert: ").filter(|alert| alert.contains("count_over_time"));
    let alerts = alerts.map(|alert| alert.lines().next().expect("a name").to_owned());
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let panels = panels.filter(|panel| panel["targets"].to_string().contains("count_over_time"));
    // Two titles differ after a comma.
    let titles =
        panels.map(|panel| panel["title"].as_str().expect("a title").split(',').next().unwrap_or_default().to_owned());
    let adding: BTreeSet<_> = alerts.chain(titles).collect();
    assert_eq!(named, adding.iter().map(String::as_str).collect());
}

/// The query of a panel.
fn query(title: &str) -> String {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panel = dashboard["panels"].as_array().expect("panels").iter().find(|panel| panel["title"] == title);
    panel.expect("a panel")["targets"][0]["expr"].as_str().expect("a query").to_owned()
}

/// A new folder.
fn folder() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let name = format!("sparekey-monitoring-{}-{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let folder = env::temp_dir().join(name);
    fs::create_dir_all(&folder).expect("create a temporary folder");
    folder
}

fn rules(promtool: &Path) {
    let folder = folder();
    let rule = |query: &String| json!({"record": "panel:query", "expr": query.replace("$__rate_interval", "5m")});
    let queries: Vec<_> = queries().iter().map(rule).collect();
    // YAML reads JSON.
    let dashboard = json!({"groups": [{"name": "dashboard", "rules": queries}]}).to_string();
    for (name, text) in [("alerts.yml", RULES), ("prometheus.yml", CONFIG), ("dashboard.yml", &dashboard)] {
        fs::write(folder.join(name), text).expect("write a file");
    }
    let check = |kind: &str, file: &str| {
        let checked = succeed(Command::new(promtool).args(["check", kind]).arg(folder.join(file)));
        checked.unwrap_or_else(|error| panic!("{file}: {}", error.message().unwrap_or_default()))
    };
    let found = check("config", "prometheus.yml");
    assert!(found.contains("11 rules found"), "{found}");
    check("rules", "dashboard.yml");
    fs::remove_dir_all(folder).expect("remove the folder");
}

/// An alert: its name, the minute, its labels at that time, one for each.
type Expected<'a> = (&'a str, u32, &'a [Value]);

/// A value of a panel: its title, the minute, the labels and values.
type Shown<'a> = (&'a str, u32, &'a [(&'a str, f64)]);

/// Runs the rules and queries over series, which have a value every 15 s.
#[track_caller]
fn run(promtool: &Path, series: &[(&str, &str)], alerts: &[Expected<'_>], panels: &[Shown<'_>]) {
    let folder = folder();
    fs::write(folder.join("alerts.yml"), RULES).expect("write a file");
    let series: Vec<_> = series.iter().map(|(name, values)| json!({"series": name, "values": values})).collect();
    // Annotations are not compared.
    let firing = |(name, _, labels): &Expected<'_>| {
        let samples = labels.iter().map(|labels| {
            let mut labels = labels.as_object().expect("labels").clone();
            labels.extend([("alertname".to_owned(), json!(name)), ("alertstate".to_owned(), json!("firing"))]);
            let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            json!({"labels": format!("ALERTS{{{}}}", labels.join(",")), "value": 1})
        });
        samples.collect::<Vec<_>>()
    };
    let of_alerts = alerts.iter().map(|alert| {
        let expr = format!("ALERTS{{alertname=\"{}\"}}", alert.0);
        json!({"expr": expr, "eval_time": format!("{}m", alert.1), "exp_samples": firing(alert)})
    });
    let of_panels = panels.iter().map(|(title, minute, values)| {
        let samples = values.iter().map(|(labels, value)| json!({"labels": labels, "value": value}));
        // `increase()` extrapolates to the borders.
        let expr = format!("round({}, 0.1)", query(title));
        json!({"expr": expr, "eval_time": format!("{minute}m"), "exp_samples": samples.collect::<Vec<_>>()})
    });
    let queries: Vec<_> = of_alerts.chain(of_panels).collect();
    let test = json!({"interval": "15s", "input_series": series, "promql_expr_test": queries});
    let file = json!({"rule_files": ["alerts.yml"], "evaluation_interval": "15s", "tests": [test]});
    fs::write(folder.join("test.yml"), file.to_string()).expect("write a file");
    let tested = succeed(Command::new(promtool).args(["test", "rules"]).arg(folder.join("test.yml")));
    tested.unwrap_or_else(|error| panic!("{}", error.message().unwrap_or_default()));
    fs::remove_dir_all(folder).expect("remove the folder");
}

/// A series begins with its first event, in minute 10, where its labels are not known before.
fn first_events(promtool: &Path) {
    let series = [
        (r#"up{job="s",instance="a"}"#, "1x240"),
        (r#"sparekey_rejections_total{job="s",instance="a",user="Tom",code="upstream_auth_failed"}"#, "_x39 1x200"),
        (r#"sparekey_requests_unpriced_total{job="s",instance="a",user="Tom"}"#, "0x39 1x200"),
        (r#"sparekey_requests_over_reserved_total{job="s",instance="a",user="Tom"}"#, "0x39 1x200"),
        // 5 at first, and 2 more in minute 20.
        (r#"sparekey_spent_usd_total{job="s",instance="a",user="Tom",model="gpt-5"}"#, "_x39 5x39 7x160"),
    ];
    let tom = [json!({"user": "Tom", "severity": "warning"})];
    let alerts: [Expected<'_>; 7] = [
        ("SparekeyApiKeyRefused", 9, &[]),
        ("SparekeyApiKeyRefused", 11, &[json!({"severity": "critical"})]),
        ("SparekeyApiKeyRefused", 21, &[]),
        ("SparekeyPriceMissing", 9, &[]),
        ("SparekeyPriceMissing", 11, &tom),
        ("SparekeyCostAboveReservation", 9, &[]),
        ("SparekeyCostAboveReservation", 11, &tom),
    ];
    let panels: [Shown<'_>; 5] = [
        ("Spent in the last 24 hours", 15, &[("{}", 5.0)]),
        ("Spent in the last 24 hours", 50, &[("{}", 7.0)]),
        ("Spent per hour, by user", 50, &[(r#"{user="Tom"}"#, 7.0)]),
        ("Spent per hour, by model", 50, &[(r#"{model="gpt-5"}"#, 7.0)]),
        ("Refused requests per hour, by code", 50, &[(r#"{code="upstream_auth_failed"}"#, 1.0)]),
    ];
    run(promtool, &series, &alerts, &panels);
}

/// A server that is older than the database of metrics and whose scrape fails once, and a server that restarts.
fn old_events(promtool: &Path) {
    let series = [
        (r#"up{job="s",instance="a"}"#, "1x39 0 1x400"),
        (r#"sparekey_rejections_total{job="s",instance="a",user="Tom",code="upstream_auth_failed"}"#, "7x39 _ 7x400"),
        (r#"sparekey_spent_usd_total{job="s",instance="a",user="Tom",model="gpt-5"}"#, "7x39 _ 7x400"),
        // The restart is in minute 70, the next request in minute 80.
        (r#"up{job="s",instance="b"}"#, "1x400"),
        (r#"sparekey_rejections_total{job="s",instance="b",user="Ann",code="upstream_auth_failed"}"#, "9x279 stale"),
        (r#"sparekey_spent_usd_total{job="s",instance="b",user="Ann",model="gpt-5"}"#, "9x279 stale _x39 2x80"),
    ];
    let alerts = [1, 11, 15, 71, 75].map(|minute| -> Expected<'_> { ("SparekeyApiKeyRefused", minute, &[]) });
    let panels: [Shown<'_>; 4] = [
        ("Refused requests per hour, by code", 15, &[(r#"{code="upstream_auth_failed"}"#, 0.0)]),
        ("Spent per hour, by user", 75, &[(r#"{user="Ann"}"#, 0.0), (r#"{user="Tom"}"#, 0.0)]),
        ("Spent per hour, by user", 95, &[(r#"{user="Ann"}"#, 2.0), (r#"{user="Tom"}"#, 0.0)]),
        ("Refused requests per hour, by code", 75, &[(r#"{code="upstream_auth_failed"}"#, 0.0)]),
    ];
    run(promtool, &series, &alerts, &panels);
}

/// 9 are counted: 5 at first, 2 more, and 2 after the restart. Panels add the lowest value, 2, for the first one.
fn restart(promtool: &Path) {
    let values = "_x39 5x39 7x39 2x80";
    let series = [
        (r#"up{job="s",instance="a"}"#, "1x240"),
        (r#"sparekey_rejections_total{job="s",instance="a",user="Tom",code="upstream_auth_failed"}"#, values),
        (r#"sparekey_spent_usd_total{job="s",instance="a",user="Tom",model="gpt-5"}"#, values),
    ];
    let panels: [Shown<'_>; 4] = [
        ("Spent in the last 24 hours", 45, &[("{}", 6.0)]),
        ("Spent per hour, by user", 45, &[(r#"{user="Tom"}"#, 6.0)]),
        ("Spent per hour, by model", 45, &[(r#"{model="gpt-5"}"#, 6.0)]),
        ("Refused requests per hour, by code", 45, &[(r#"{code="upstream_auth_failed"}"#, 6.0)]),
    ];
    run(promtool, &series, &[], &panels);
    // The panels say so.
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let adds_minimum = |panel: &&Value| panel["targets"].to_string().contains("min_over_time");
    let descriptions: Vec<_> = panels.filter(adds_minimum).map(|panel| &panel["description"]).collect();
    assert_eq!(descriptions.len(), 4);
    let is_stated = |text: &&Value| text.as_str().is_some_and(|text| text.contains("the panel shows too little"));
    assert!(descriptions.iter().all(is_stated), "{descriptions:?}");
}

/// Each server shows the state of the ledger, and what it counted itself.
fn servers(promtool: &Path) {
    let names = ["a", "b"].map(|instance| {
        let metric =
            |name: &str, labels: &str| format!("{name}{{job=\"s\",instance=\"{instance}\",user=\"Tom\"{labels}}}");
        let spent = metric("sparekey_spent_usd_total", ",model=\"gpt-5\"");
        [
            (format!("up{{job=\"s\",instance=\"{instance}\"}}"), "1x240"),
            (metric("sparekey_holds_open", ""), "1x240"),
            (metric("sparekey_budget_left_ratios", ",period=\"month\""), "0.1x240"),
            (metric("sparekey_user_expiry_timestamp_seconds", ""), "86400x240"),
            (spent, "_x39 1x200"),
        ]
    });
    let series: Vec<_> = names.iter().flatten().map(|(name, values)| (&**name, *values)).collect();
    let alerts: [Expected<'_>; 2] = [
        ("SparekeyBudgetNearlySpent", 5, &[json!({"user": "Tom", "period": "month", "severity": "info"})]),
        ("SparekeyUserExpires", 5, &[json!({"user": "Tom", "severity": "info"})]),
    ];
    let panels: [Shown<'_>; 3] = [
        ("Open reservations", 5, &[(r#"{user="Tom"}"#, 1.0)]),
        ("Budget left", 5, &[(r#"{period="month", user="Tom"}"#, 0.1)]),
        ("Spent in the last 24 hours", 15, &[("{}", 2.0)]),
    ];
    run(promtool, &series, &alerts, &panels);
}
