#!/usr/bin/env bash
# Fuzzes all targets, or those given, for SECONDS each (default 60): fuzz/run.sh [SECONDS [TARGET...]]
# Needs Rust and a C++ compiler. Inputs that reach new code are added to fuzz/corpus. An input that makes a target panic
# is written to fuzz/, and the other targets still run; after the fix, `cargo run --package fuzz --bin corpus -- add` adds it.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(ls corpus | sed 's/\.txt$//')

# The LLVM options that `-Zsanitizer` sets, in a form that stable rustc accepts.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
host=$(rustc -vV | sed -n 's/^host: //p')
folder=${CARGO_TARGET_DIR:-libfuzzer/target}
cargo build --release --quiet --manifest-path libfuzzer/Cargo.toml --target "$host" --target-dir "$folder"

corpus() { env -u RUSTFLAGS cargo run --quiet --package fuzz --bin corpus -- "$@"; }

failed=()
for target in "${targets[@]}"; do
  inputs=$(mktemp -d)
  new_inputs=$(mktemp -d)
  corpus unpack "$target" "$inputs"
  TARGET=$target "$folder/$host/release/libfuzzer" -max_total_time="$seconds" -max_len=2048 -print_final_stats=1 \
    -artifact_prefix="$target-" "$new_inputs" "$inputs" 2>&1 |
    grep -E "^stat::number_of_executed_units|ERROR|SUMMARY|panicked|Test unit written" | sed "s/^/$target: /" ||
    failed+=("$target")
  # Keep only the inputs that reach new code.
  TARGET=$target "$folder/$host/release/libfuzzer" -merge=1 -use_counters=0 -max_len=256 "$inputs" "$new_inputs" 2>/dev/null
  corpus pack "$target" "$inputs"
  rm -r "$inputs" "$new_inputs"
done

if [ ${#failed[@]} -gt 0 ]; then
  echo "Failed: ${failed[*]}. The inputs are in fuzz/; after the fix, add them to the corpus with 'corpus add'." >&2
  exit 1
fi
