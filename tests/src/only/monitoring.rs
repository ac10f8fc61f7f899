//! Prometheus' rules and Grafana's dashboard of `deploy/monitoring/`.

use std::{collections::BTreeSet, env, fs, path::Path, process, process::Command};

use serde_json::{Value, json};

use super::Test;
use crate::{clients::succeed, programs::ProgramTest};

pub(super) const TESTS: &[Test] = &[("uses_the_metrics_of_the_server", metrics)];

pub(super) const PROGRAM_TESTS: &[ProgramTest] = &[("promtool_accepts_the_rules_and_the_dashboard", "promtool", rules)];

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

fn rules(promtool: &Path) {
    let folder = env::temp_dir().join(format!("sparekey-monitoring-{}", process::id()));
    fs::create_dir_all(&folder).expect("create a temporary folder");
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
