//! The README's tables of settings and errors are those of the program; links between the pages lead somewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use http::StatusCode;

use super::Test;
use crate::{adapter::Settings, process::Process, server::binary};

pub(super) const TESTS: &[Test] =
    &[("has_all_settings_with_their_defaults", settings), ("has_all_errors", errors), ("links_lead_somewhere", links)];

/// The folders with pages, below the workspace's.
const FOLDERS: [&str; 6] = [".", "adapter-lambda", "adapter-worker", "bench", "docs", "docs/decisions"];

const README: &str = include_str!("../../../README.md");

/// The tables of the error responses.
const REJECTIONS: [&str; 3] = [
    include_str!("../../../core/src/rejection.rs"),
    include_str!("../../../core/src/limit_rejection.rs"),
    include_str!("../../../core/src/spending_rejection.rs"),
];

/// Codes that have a name.
const ERROR_CODES: &str = include_str!("../../../core/src/error_code.rs");

/// The cells of a table of the README, by its first line.
fn rows(first_line: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let (_, table) = README.split_once(first_line).expect("the README has the table");
    let rows = table.lines().skip(1).map_while(|line| line.strip_prefix('|'));
    rows.map(|row| row.split('|').map(str::trim).collect())
}

/// What is in backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn settings() {
    let help = Process::start(Command::new(binary()).arg("--help"), &Settings::new()).wait().1;
    let in_help = settings_in(&help);
    let mut in_readme = BTreeMap::new();
    for row in rows("| setting | default | |\n") {
        in_readme.extend(quoted(row[0]).map(|name| (name.to_owned(), row[1].replace('`', ""))));
    }
    let names = |table: &BTreeMap<String, String>| table.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&in_readme), names(&in_help));
    for (name, default) in &in_help {
        // One of them may be explained after a comma.
        assert_eq!(in_readme[name].split(", ").next(), default.split(", ").next(), "{name}");
    }
}

/// The settings and their defaults in `--help`, whose lines are wrapped.
fn settings_in(help: &str) -> BTreeMap<String, String> {
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let parts: Vec<_> = words.split("[env: ").collect();
    let settings = parts.windows(2).map(|part| {
        let name = part[1].split([',', ']']).next().unwrap_or_default();
        // The part begins with the names of the setting before.
        let own = part[0].split_once(']').map_or(part[0], |(_, own)| own);
        let default = own.rsplit_once("[default: ").and_then(|(_, default)| default.trim().strip_suffix(']'));
        (name.to_owned(), default.unwrap_or_default().to_owned())
    });
    settings.collect()
}

fn errors() {
    let mut in_readme = BTreeSet::new();
    for row in rows("| status | code | when |\n") {
        for status in row[0].split(", ") {
            let status = status.parse::<u16>().expect("a status");
            in_readme.extend(quoted(row[1]).map(|code| (status, code)));
        }
    }
    let in_code: BTreeSet<_> = REJECTIONS.into_iter().flat_map(rejections).collect();
    let missing: Vec<_> = in_code.difference(&in_readme).collect();
    assert!(missing.is_empty(), "not in the README: {missing:?}");
    let codes: BTreeSet<_> = in_code.iter().map(|(_, code)| code).collect();
    let unknown: Vec<_> = in_readme.iter().filter(|(_, code)| !codes.contains(code)).collect();
    assert!(unknown.is_empty(), "only in the README: {unknown:?}");
}

/// The statuses of a table in the code, each with the code that follows it, a string or its name. That of a missing key is null.
fn rejections(source: &str) -> impl Iterator<Item = (u16, &str)> {
    source.split("StatusCode::").skip(1).filter_map(|after| {
        let (name, rest) = after.split_once(',')?;
        let status = (100..600).find(|status| constant(*status).as_deref() == Some(name))?;
        let rest = rest.trim_start();
        let text = rest.strip_prefix('"').or_else(|| {
            let name = rest.split(|c: char| !c.is_ascii_uppercase() && c != '_').next()?;
            Some(ERROR_CODES.split_once(&format!("pub const {name}: &str = \""))?.1)
        });
        let code = text?.split('"').next()?;
        (code != "missing_api_key").then_some((status, code))
    })
}

/// The name of a status in the crate `http`.
fn constant(status: u16) -> Option<String> {
    Some(StatusCode::from_u16(status).ok()?.canonical_reason()?.to_uppercase().replace([' ', '-'], "_"))
}

/// All relative links of the pages: the file exists, and has the heading.
fn links() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = FOLDERS.iter().flat_map(|folder| fs::read_dir(workspace.join(folder)).expect("the folder exists"));
    let paths = files.map(|file| file.expect("readable").path());
    let pages: Vec<_> = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    let mut broken = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page).expect("UTF-8");
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        // The badge's is a page of the repository's host.
        for target in targets.filter(|target| !target.starts_with("http") && !target.starts_with("../../actions")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { page.clone() } else { page.with_file_name("").join(file) };
            let has_anchor = || fs::read_to_string(&path).is_ok_and(|text| anchors(&text).any(|found| found == anchor));
            if !path.exists() || !anchor.is_empty() && !has_anchor() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(pages.len() > 20, "{pages:?}");
    assert!(broken.is_empty(), "{broken:?}");
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> impl Iterator<Item = String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let is_kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let anchor = move |line: &str| line.trim_start_matches('#').trim().to_lowercase().chars().filter(is_kept).collect();
    headings.map(move |line| {
        let kept: String = anchor(line);
        kept.replace(' ', "-")
    })
}
