//! The deployed files stay small, because their size determines a Worker's startup time.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::worker::{CRATE, Worker, wrangler};

/// Lines of the adapter's source, and of one of its files, at most: it contains no policy.
const LINES: usize = 500;
const FILE_LINES: usize = 150;

/// Bytes after gzip, as Cloudflare counts them
/// (<https://developers.cloudflare.com/workers/platform/limits/#worker-size>).
// 142,300 when it was set.
const WASM: usize = 143_300;
const JAVASCRIPT: usize = 10_000;

pub(super) fn is_bounded(worker: &Worker) {
    let [wasm, javascript] = ["index_bg.wasm", "index.js"].map(|file| gzipped(&worker.folder().join(file)));
    println!("gzipped: wasm {wasm} bytes, JavaScript {javascript} bytes");
    assert!(wasm < WASM, "{wasm} bytes of wasm");
    assert!(javascript < JAVASCRIPT, "{javascript} bytes of JavaScript");
}

pub(super) fn is_deployed(worker: &Worker) {
    let tested = fs::read(worker.folder().join("index_bg.wasm")).expect("read the wasm");
    assert!(wrangler::deployed() == tested, "the deployed wasm differs");
}

pub(super) fn source_has_no_policy(_: &Worker) {
    let folder = fs::read_dir(Path::new(CRATE).join("src")).expect("list the sources");
    let sources = folder.map(|file| fs::read_to_string(file.expect("a listed file").path()).expect("UTF-8 source"));
    let sources: Vec<String> = sources.collect();
    assert!(sources.iter().all(|source| source.lines().count() < FILE_LINES), "a file is too long");
    let source = sources.concat();
    assert!(source.lines().count() < LINES, "{} lines", source.lines().count());
    let is_status = |word: &str| word.len() == 3 && word.parse::<u16>().is_ok();
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
