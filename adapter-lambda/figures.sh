#!/usr/bin/env bash
# Measures size, start-up, added latency and the time that a budget takes, with and without TCP_NODELAY.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
without=$target/without-nodelay
cargo build --quiet --profile function --package sparekey-lambda

mkdir -p "$without/source"
git ls-files -z | tar --create --null --files-from=- | tar --extract --directory "$without/source"
grep --quiet 'set_nodelay(true)' "$without/source/adapter-lambda/src/loopback.rs"
sed -i 's/set_nodelay(true)/set_nodelay(false)/' "$without/source/adapter-lambda/src/loopback.rs"
(cd "$without/source" && cargo build --quiet --profile function --package sparekey-lambda --target-dir "$without")

cargo run --quiet --release --package bench --example lambda_figures -- \
  "$target/function/sparekey-lambda" "$without/function/sparekey-lambda"
