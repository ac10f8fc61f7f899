//! The table of the README has the metrics of the registry.

use std::collections::{BTreeMap, BTreeSet};

use sparekey_policy::{Command, Limits, Outcome, Period, State, Timestamp, Usage, Usd, Zone, step};
use sparekey_proxy::Reports;

use super::*;

const README: &str = include_str!("../../../README.md");
const SOURCES: [&str; 2] = [include_str!("../metrics.rs"), include_str!("spending.rs")];

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
    metrics.authenticated(&Arc::from("Tom"));
    metrics.sent.get_or_create(&UserLabels { user: user() }).inc();
    metrics.spending.settled(&Settlement {
        user: &Arc::from("Tom"),
        model: "gpt-5",
        cost: Usd::from_pico(1),
        usage: Usage::default(),
        end: sparekey_ledger::End::Complete,
        is_estimated: true,
        is_over: true,
        is_unpriced: true,
    });
    let mut limits = Limits::none(Arc::new(Zone::utc()));
    limits.budgets.set(Period::Month, Usd::from_pico(1));
    let report = step(&limits, &mut State::default(), Timestamp::default(), &Command::Report);
    let Outcome::Report(report) = report else { panic!("{report:?}") };
    let known = vec![(Arc::from("Tom"), *report)];
    metrics.spending.report(&Reports { known, ..Reports::default() });
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
    let registered: usize = SOURCES.iter().map(|source| source.matches("registry.register").count()).sum();
    assert_eq!(registered, registry.len());
}
