#!/usr/bin/env bash
# All checks: formatting, lints, docs, the core for wasm, all tests, OpenAI's own clients.
# Needs Rust, Python 3 and Node 20. Installs other tools, pinned, in ~/.cache/sparekey.
set -euo pipefail
cd "$(dirname "$0")"

step() { printf '\n== %s\n' "$*"; }

if command -v rustup >/dev/null; then
  step "Rust components"
  rustup component add rustfmt clippy
  rustup target add wasm32-unknown-unknown aarch64-unknown-linux-gnu
fi

step "Formatting"
cargo fmt --all --check

step "Lints"
cargo clippy --workspace --all-targets --quiet -- -D warnings
# The Worker is an empty crate for other targets than wasm.
cargo clippy --package sparekey-worker --target wasm32-unknown-unknown --all-features --quiet -- -D warnings

step "Docs"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

step "Core for wasm"
cargo build --package sparekey-core --target wasm32-unknown-unknown --quiet

step "Sources of the container image"
image=$(mktemp -d)
trap 'rm -rf "$image"' EXIT
cp -r $(sed -n 's/^!//p' .dockerignore) "$image"
cargo check --locked --package sparekey --manifest-path "$image/Cargo.toml" --target-dir "${CARGO_TARGET_DIR:-target}" --quiet

step "Tests"
cargo test --workspace --quiet
