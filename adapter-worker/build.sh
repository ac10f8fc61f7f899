#!/usr/bin/env bash
# Builds the Worker into build/; wrangler's build command. Installs the pinned tools where they are missing.
# Arguments go to worker-build.
set -eu
cd "$(dirname "$0")"
lock=../Cargo.lock
# wasm-bindgen works only on code of its own version.
bindgen=$(sed -n '/^name = "wasm-bindgen"$/{n;s/^version = "\(.*\)"$/\1/p;}' "$lock")
worker=$(tools/install.sh cargo worker-build 0.8.7)
# Its test runner, left out, would bring a web server and TLS along.
WASM_BINDGEN_BIN=$(tools/install.sh cargo wasm-bindgen-cli "$bindgen" "--no-default-features --bin wasm-bindgen")/wasm-bindgen
npm=$(tools/install.sh npm tools)
export WASM_BINDGEN_BIN WASM_OPT_BIN="$npm/wasm-opt" ESBUILD_BIN="$npm/esbuild"
"$worker/worker-build" --profile worker "$@"

out=build
[ "${1:-}" != --out-dir ] || out=$2
# The names of functions are a fifth of the module, and nothing reads them.
"$WASM_OPT_BIN" --strip-debug "$out/index_bg.wasm" -o "$out/index_bg.wasm"
