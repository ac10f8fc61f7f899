#!/usr/bin/env bash
# Builds the Worker into build/; wrangler's build command. Installs missing tools, pinned. Arguments are passed to
# worker-build.
set -eu
cd "$(dirname "$0")"
lock=../Cargo.lock
# wasm-bindgen's program and library must have the same version.
bindgen=$(sed -n '/^name = "wasm-bindgen"$/{n;s/^version = "\(.*\)"$/\1/p;}' "$lock")
worker=$(tools/install.sh cargo worker-build 0.8.7)
# Without its test runner, which depends on a web server and TLS.
WASM_BINDGEN_BIN=$(tools/install.sh cargo wasm-bindgen-cli "$bindgen" "--no-default-features --bin wasm-bindgen")/wasm-bindgen
npm=$(tools/install.sh npm tools)
export WASM_BINDGEN_BIN WASM_OPT_BIN="$npm/wasm-opt" ESBUILD_BIN="$npm/esbuild"
"$worker/worker-build" --profile worker "$@"

out=build
[ "${1:-}" != --out-dir ] || out=$2
# Function names are a fifth of the module, and are not used.
"$WASM_OPT_BIN" --strip-debug "$out/index_bg.wasm" -o "$out/index_bg.wasm"
