//! What is deployed stays small: size is what a Worker's start costs.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::worker::{Worker, wrangler};

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

fn gzipped(file: &Path) -> usize {
    let mut gzip = Command::new("gzip");
    let output = gzip.args(["--best", "--stdout"]).arg(file).stdin(Stdio::null()).output().expect("gzip starts");
    assert!(output.status.success(), "{} is zipped", file.display());
    output.stdout.len()
}
