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
# SHA-256: half the time and a third of the size of unrolled rounds (2.5 KB gzipped). The threshold: what `std` and
# `sparekey-metering` mark with `#[inline]` is inlined if it is small (1.8 KB; no difference in CPU time).
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS='--cfg sha2_backend_soft="compact" -C llvm-args=-inlinehint-threshold=0'
# Optimised below, once: a second run encodes the code worse.
"$worker/worker-build" --no-opt --profile worker "$@"

out=build
[ "${1:-}" != --out-dir ] || out=$2
# Without inlining, which makes functions so large that the runtime compiles them slowly. Function names are a fifth of the
# module, and are not used.
# Exports of the crate `worker` whose names begin so belong to classes that are not used (2.1 KB gzipped). Functions of
# similar names are similar, so that gzip finds more in common (0.7 KB). The first KB of the memory is the end of the stack,
# so that no valid address is below: offsets can be a part of an instruction (0.5 KB).
"$WASM_OPT_BIN" --remove-exports='__wbg_*' --remove-exports='intounderlying*' -Oz -ocimfs 0 -aimfs 0 \
  --low-memory-unused --reorder-functions-by-name --enable-exception-handling --enable-reference-types \
  --strip-debug --strip-producers --strip-target-features \
  "$out/index_bg.wasm" -o "$out/index_bg.wasm"

# With limits: the class of the ledger's object, in the same module.
case " $* " in *" --features limits "* | *" --features=limits "*)
  cp src/ledger.js "$out/ledger.js"
  # wasm-bindgen names the module of the streams once per import, and wrangler warns of such a literal.
  sed -E 's|("\./snippets/[^"]*/streams\.js":[^,}]+),\1([,}])|\1\2|' "$out/index.js" > "$out/entry.js"
  mv "$out/entry.js" "$out/index.js"
  echo 'export * from "./index.js"; export { default } from "./index.js"; export { Ledger } from "./ledger.js";' > "$out/entry.js"
  "$ESBUILD_BIN" "$out/entry.js" --bundle --format=esm --minify --external:cloudflare:workers \
    --external:./index_bg.wasm --outfile="$out/index.js" --allow-overwrite --log-level=error
  rm "$out/ledger.js" "$out/entry.js"
esac
