#!/usr/bin/env bash
# Changes the code in small ways, one at a time ("mutants"), and lists the changes for which no test fails:
# tests/mutants.sh [SHARD/SHARDS [OPTION...]]. 0/10 takes every tenth mutant. The options are those of `cargo mutants`, such
# as `--jobs 2`; `.cargo/mutants.toml` has the files. Needs cargo-mutants.
# First each mutant runs the tests of its crate. The survivors run the suite of the core and the tests of fuzz, which take
# ten times as long to build.
set -euo pipefail
cd "$(dirname "$0")/.."
shard=${1:-0/1}
shift || true
options=(--package sparekey-core --package sparekey-policy --package sparekey-upstream "$@")
out=${MUTANTS_OUT:-target/mutants}
own=$out/own/mutants.out suite=$out/suite/mutants.out
suite_tests=(--test={core,corpus,path,models,usage})
# Each job has a copy of the sources; with one target folder, cargo takes the build of one copy for that of another.
unset CARGO_TARGET_DIR
# Half the disk space of each copy.
export CARGO_PROFILE_DEV_DEBUG=false

mutants() {
  local output=$1 status=0
  shift
  cargo mutants --output "$output" --no-times "${options[@]}" "$@" >"$output.log" 2>&1 || status=$?
  # 2: mutants survived, or an option is wrong. 3: some ran into the timeout.
  if [[ ! $status =~ ^[023]$ || ! -e $output/mutants.out/outcomes.json ]]; then
    cat "$output.log" >&2
    exit 1
  fi
}

lines() { cat "$@" 2>/dev/null || true; }

rm -rf "$out"
mkdir -p "$out"
mutants "$out/own" --shard "$shard" --sharding round-robin --cargo-arg=--lib --cargo-arg=--test=*

if [ -s "$own/missed.txt" ]; then
  # The baseline would run tests of the mutated crates, not of these.
  cargo test --quiet --package conformance --package fuzz "${suite_tests[@]}" -- --skip core::instructions >"$out/suite.log"
  # `--iterate` skips the mutants in this file: all but the survivors.
  mkdir -p "$suite"
  cargo mutants --list "${options[@]}" | { grep -Fxvf "$own/missed.txt" || true; } >"$suite/caught.txt"
  mutants "$out/suite" --iterate --baseline skip --timeout 300 --test-package conformance --test-package fuzz \
    "${suite_tests[@]/#/--cargo-arg=}" -- -- --skip core::instructions
fi

printf '%-9s %8s %8s %8s %9s %8s\n' crate caught timeout missed unviable share
for crate in core policy upstream; do
  count() { lines "$@" | grep -c "^$crate/" || true; }
  caught=$(count "$own/caught.txt" "$suite/caught.txt")
  timeout=$(count "$own/timeout.txt" "$suite/timeout.txt")
  missed=$(count "$suite/missed.txt")
  unviable=$(count "$own/unviable.txt")
  viable=$((caught + timeout + missed))
  share=$((viable > 0 ? (caught + timeout) * 1000 / viable : 1000))
  printf '%-9s %8d %8d %8d %9d %6d.%d %%\n' "$crate" "$caught" "$timeout" "$missed" "$unviable" $((share / 10)) $((share % 10))
done
printf '\nNo test fails for:\n'
lines "$suite/missed.txt"
