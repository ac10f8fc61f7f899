//! The deployed files stay small, because their size determines a Worker's startup time.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use super::Test;
use crate::worker::{CRATE, Worker, wrangler};

/// Lines of the adapter's source without limits, of what limits add, and of one file, at most: it contains no policy.
const LINES: [(&str, usize); 2] = [("src", 915), ("src/limits", 745)];
const FILE_LINES: usize = 190;

/// Bytes after gzip, as Cloudflare counts them
/// (<https://developers.cloudflare.com/workers/platform/limits/#worker-size>).
// 0.3 % above 150,147 and 242,012.
const WASM: usize = 150_600;
const WASM_WITH_LIMITS: usize = 242_700;
const JAVASCRIPT: usize = 10_000;

pub(super) fn is_bounded(worker: &Worker) {
    let most = if worker.has_ledger { WASM_WITH_LIMITS } else { WASM };
    let [wasm, javascript] = ["index_bg.wasm", "index.js"].map(|file| gzipped(&worker.folder().join(file)));
    println!("gzipped: wasm {wasm} bytes, JavaScript {javascript} bytes");
    assert!(wasm < most, "{wasm} bytes of wasm");
    assert!(javascript < JAVASCRIPT, "{javascript} bytes of JavaScript");
}

pub(super) fn is_deployed(worker: &Worker) {
    let tested = fs::read(worker.folder().join("index_bg.wasm")).expect("read the wasm");
    assert!(wrangler::deployed(worker.has_ledger) == tested, "the deployed wasm differs");
}

/// Of the Worker with limits.
pub(in crate::worker) const WITH_LIMITS: &[Test] =
    &[("is_bounded", is_bounded), ("deployed_wasm_is_the_tested_wasm", is_deployed)];

pub(super) fn source_has_no_policy(_: &Worker) {
    for (folder, lines) in LINES {
        let files = fs::read_dir(Path::new(CRATE).join(folder)).expect("list the sources");
        let files = files.map(|file| file.expect("a listed file").path());
        let files = files.filter(|file| file.extension().is_some_and(|ending| ending == "rs"));
        let sources: Vec<_> = files.map(|file| fs::read_to_string(file).expect("UTF-8 source")).collect();
        assert!(sources.iter().all(|source| source.lines().count() < FILE_LINES), "a file is too long");
        let source = sources.concat();
        assert!(source.lines().count() < lines, "{folder} has {} lines", source.lines().count());
        assert_no_policy(&source);
    }
}

fn assert_no_policy(source: &str) {
    let is_status = |word: &str| word.len() == 3 && word.parse().is_ok_and(|code: u16| (100..600).contains(&code));
    let codes: Vec<_> =
        source.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| is_status(word)).collect();
    assert!(codes.is_empty(), "status codes: {codes:?}");
    for text in ["header::", "StatusCode", "HeaderName::from_static", "HeaderValue::from_static"] {
        assert!(!source.contains(text), "{text} occurs in the adapter");
    }
}

fn gzipped(file: &Path) -> usize {
    let mut gzip = Command::new("gzip");
    let output = gzip.args(["--best", "--stdout"]).arg(file).stdin(Stdio::null()).output().expect("gzip starts");
    assert!(output.status.success(), "{} is compressed", file.display());
    output.stdout.len()
}
