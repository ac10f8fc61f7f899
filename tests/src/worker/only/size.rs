//! What is deployed stays small: size is what a Worker's start costs.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::worker::{CRATE, Worker, wrangler};

/// Lines of the adapter, which decides nothing.
const LINES: usize = 200;

/// Bytes, gzipped as Cloudflare counts them.
const WASM: usize = 120_000;
const JAVASCRIPT: usize = 10_000;

pub(super) fn is_bounded(worker: &Worker) {
    let [wasm, javascript] = ["index_bg.wasm", "index.js"].map(|file| gzipped(&worker.folder().join(file)));
    println!("gzipped: wasm {wasm} bytes, JavaScript {javascript} bytes");
    assert!(wasm < WASM, "{wasm} bytes of wasm");
    assert!(javascript < JAVASCRIPT, "{javascript} bytes of JavaScript");
}

pub(super) fn is_deployed(worker: &Worker) {
    let tested = fs::read(worker.folder().join("index_bg.wasm")).expect("the wasm can be read");
    assert!(wrangler::deployed() == tested, "the wasm is another");
}

pub(super) fn source_decides_nothing(_: &Worker) {
    let folder = fs::read_dir(Path::new(CRATE).join("src")).expect("the sources are there");
    let sources = folder.map(|file| fs::read_to_string(file.expect("a listed file").path()).expect("a source is text"));
    let source: String = sources.collect();
    assert!(source.lines().count() < LINES, "{} lines", source.lines().count());
    let is_status = |word: &str| word.len() == 3 && word.parse::<u16>().is_ok();
    let told: Vec<_> =
        source.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| is_status(word)).collect();
    assert!(told.is_empty(), "status codes: {told:?}");
    for text in ["header::", "StatusCode", "HeaderName::from_static", "HeaderValue::from_static"] {
        assert!(!source.contains(text), "{text} stands in the adapter");
    }
}

fn gzipped(file: &Path) -> usize {
    let mut gzip = Command::new("gzip");
    let output = gzip.args(["--best", "--stdout"]).arg(file).stdin(Stdio::null()).output().expect("gzip starts");
    assert!(output.status.success(), "{} is zipped", file.display());
    output.stdout.len()
}
