#!/usr/bin/env bash
# Everything that the Lambda function has to show: lints, then the suite behind every kind of front, OpenAI's clients,
# the template, builds for both architectures. Needs Rust with aarch64-unknown-linux-gnu, Python 3 and Node.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo clippy --quiet --package sparekey-lambda --all-targets -- -D warnings
cargo test --quiet --package sparekey-lambda
exec cargo test --quiet --package conformance --test lambda
