//! The table of the README has the metrics of the registry.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const README: &str = include_str!("../../../README.md");
const SOURCE: &str = include_str!("../metrics.rs");

/// The labels of each metric.
type Table = BTreeMap<String, BTreeSet<String>>;

/// All metrics with a value each, because the text has no others.
fn text() -> String {
    let (connections, reloads) = (ConnectionMetrics::default(), ReloadMetrics::default());
    reloads.certificate_expires(1);
    let metrics = Metrics::new(Arc::default(), &connections, &reloads);
    let user = || Some(Arc::from("Tom"));
    connections.closed(Bound::Connections).inc();
    reloads.user_expiry.get_or_create(&UserLabels { user: user() }).set(1);
    metrics.requests.get_or_create(&RequestLabels { user: user(), class: "2xx" }).inc();
    metrics.rejections.get_or_create(&RejectionLabels { user: user(), code: "invalid_path" }).inc();
    metrics.open_by_user.get_or_create(&UserLabels { user: user() }).inc();
    metrics.sent.get_or_create(&UserLabels { user: user() }).inc();
    metrics.text(&HeaderMap::new()).1
}

fn of_registry() -> Table {
    let text = text();
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    names.map(|name| (name.to_owned(), labels(&text, name))).collect()
}

fn labels(text: &str, metric: &str) -> BTreeSet<String> {
    let sample = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix('{')?.split('}').next());
    sample
        .into_iter()
        .flat_map(|labels| labels.split(','))
        .filter_map(|label| label.split('=').next())
        .map(String::from)
        .collect()
}

fn of_readme() -> Table {
    let (_, table) = README.split_once("| metric | labels |").expect("the README has the table");
    let rows = table.lines().skip(2).map_while(|line| line.trim().strip_prefix('|'));
    let backticked = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').collect();
        (backticked(cells[0]).concat(), backticked(cells[1]).into_iter().collect())
    })
    .collect()
}

#[test]
fn readme_has_all_metrics_with_their_labels() {
    let registry = of_registry();
    assert_eq!(of_readme(), registry);
    // None is missing above.
    assert_eq!(SOURCE.matches("registry.register").count(), registry.len());
}
