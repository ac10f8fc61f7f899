#!/usr/bin/env bash
# Builds a release for this machine in release/: programs (static on Linux), bills of materials, checksums. On Linux also the
# Lambda function.
#
# The server is compiled twice, the second time with a profile of its run under the bench's load, which saves up to a tenth
# of its CPU time (docs/decisions/pgo.md). The profile is part of the release: the same sources, rustc and profile, in the
# variable PROFILE, give the same bytes in any folder.
set -euo pipefail
cd "$(dirname "$0")"
host=$(rustc -vV | sed -n 's/^host: //p')
target=${host/-linux-gnu/-linux-musl}
folder=${CARGO_TARGET_DIR:-target}
# mimalloc's C code contains its compile time.
export SOURCE_DATE_EPOCH=0
# The machine's compiler works for musl: ring's C code uses no libc, and SQLite's only functions that musl has too
# (.cargo/config.toml).
export CC_x86_64_unknown_linux_musl=${CC_x86_64_unknown_linux_musl:-cc}
export CC_aarch64_unknown_linux_musl=${CC_aarch64_unknown_linux_musl:-cc}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if command -v rustup >/dev/null; then
  rustup target add "$target"
  rustup component add llvm-tools
fi

# compile FLAG PACKAGE...: compiles with an additional rustc flag.
compile() {
  local flag=$1 program mode=release
  shift
  [ "$1" != sparekey-lambda ] || mode=function
  # Panic messages contain file names: make them independent of the folder.
  RUSTFLAGS="--remap-path-prefix=$PWD=/sparekey --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo $flag" \
    cargo build --locked --profile "$mode" --target "$target" "${@/#/--package=}"
  for program in "$@"; do
    cp "$folder/$target/$mode/$program" "$scratch/$program-$target"
  done
}

compile "" keygen
case $target in *linux*) compile "" sparekey-lambda ;; esac
profile=$scratch/sparekey-$target.profdata
if [ -n "${PROFILE:-}" ]; then
  cp "$PROFILE" "$profile"
else
  compile "-Cprofile-generate=$scratch/counts" sparekey
  SPAREKEY=$scratch/sparekey-$target cargo run --locked --package bench -- --alone --rounds 1 --scale 0.2 --plot "$scratch/plot"
  "$(rustc --print target-libdir)/../bin/llvm-profdata" merge --sparse --output "$profile" "$scratch/counts"
fi
compile "-Cprofile-use=$profile" sparekey
# Test the program that is released.
SPAREKEY=$scratch/sparekey-$target cargo test --locked --quiet --package conformance --test server

rm -rf release
mkdir release
mv "$scratch"/*-"$target"* release
if ! command -v cargo-cyclonedx >/dev/null; then
  cargo install cargo-cyclonedx --version 0.5.9 --locked --target "$host"
fi
# It writes one for each member, with the folder in it.
cargo cyclonedx --target "$target" --format json --override-filename sbom
for package in adapter-hyper keygen adapter-lambda; do
  sed "s|file://$PWD|file:///sparekey|g" "$package/sbom.json" >"release/sbom-$package-$target.json"
done
rm -- */sbom.json
cd release
if command -v sha256sum >/dev/null; then sha256sum -- *; else shasum -a 256 -- *; fi >"SHA256SUMS-$target"
