#!/usr/bin/env bash
# Fuzzes each target for so many seconds (60), or only those that are named: fuzz/run.sh [SECONDS [TARGET...]]
# Needs a C++ compiler besides Rust. What is new goes into fuzz/corpus, smallest first; an input that breaks a promise is
# kept beside it, and the others go on.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(ls corpus)

# What rustc's own `-Zsanitizer` would ask of LLVM, in words that a stable rustc takes.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
host=$(rustc -vV | sed -n 's/^host: //p')
folder=${CARGO_TARGET_DIR:-libfuzzer/target}
cargo build --release --quiet --manifest-path libfuzzer/Cargo.toml --target "$host" --target-dir "$folder"

broken=()
for target in "${targets[@]}"; do
  found=$(mktemp -d)
  TARGET=$target "$folder/$host/release/libfuzzer" -max_total_time="$seconds" -max_len=2048 -print_final_stats=1 \
    -artifact_prefix="$target-" "$found" "corpus/$target" 2>&1 |
    grep -E "^stat::number_of_executed_units|ERROR|SUMMARY|panicked|Test unit written" | sed "s/^/$target: /" ||
    broken+=("$target")
  # Of what was found, only what reaches new code stays.
  TARGET=$target "$folder/$host/release/libfuzzer" -merge=1 -use_counters=0 -max_len=256 "corpus/$target" "$found" 2>/dev/null
  rm -r "$found"
done

if [ ${#broken[@]} -gt 0 ]; then
  echo "A promise was broken: ${broken[*]}. The inputs lie in fuzz/; give one to the corpus once it is kept." >&2
  exit 1
fi
