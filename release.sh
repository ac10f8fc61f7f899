#!/usr/bin/env bash
# Makes what a release holds, into release/: static programs for Linux, the function, a bill of materials, checksums.
#
# The server is compiled twice, the second time by a profile: what it did under the bench's load. Its hot code then lies
# together, which spares a tenth of its CPU time. The profile is part of the release: the same sources, rustc and profile,
# handed over as PROFILE, give the same bytes in any folder.
set -euo pipefail
cd "$(dirname "$0")"
target=x86_64-unknown-linux-musl
folder=${CARGO_TARGET_DIR:-target}
# mimalloc's C writes down when it was compiled.
export SOURCE_DATE_EPOCH=0
# ring's C needs no libc of its own.
export CC_x86_64_unknown_linux_musl=${CC_x86_64_unknown_linux_musl:-cc}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if command -v rustup >/dev/null; then
  rustup target add "$target"
  rustup component add llvm-tools
fi

# Compiles programs, with a flag of its own for rustc.
compile() {
  local flag=$1 program
  shift
  # Panics name files; these are the same wherever they lie.
  RUSTFLAGS="--remap-path-prefix=$PWD=/sparekey --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo $flag" \
    cargo build --locked --release --target "$target" "${@/#/--package=}"
  for program in "$@"; do
    cp "$folder/$target/release/$program" "$scratch/$program-$target"
  done
}

compile "" keygen sparekey-lambda
profile=$scratch/sparekey-$target.profdata
if [ -n "${PROFILE:-}" ]; then
  cp "$PROFILE" "$profile"
else
  compile "-Cprofile-generate=$scratch/counts" sparekey
  SPAREKEY=$scratch/sparekey-$target cargo run --locked --package bench -- --alone --rounds 1 --scale 0.2 --plot "$scratch/plot"
  "$(rustc --print target-libdir)/../bin/llvm-profdata" merge --sparse --output "$profile" "$scratch/counts"
fi
compile "-Cprofile-use=$profile" sparekey
# What is released is what was tested.
SPAREKEY=$scratch/sparekey-$target cargo test --locked --quiet --package conformance --test server

rm -rf release
mkdir release
mv "$scratch"/*-"$target"* release
if ! command -v cargo-cyclonedx >/dev/null; then
  cargo install cargo-cyclonedx --version 0.5.9 --locked --target "$(rustc -vV | sed -n 's/^host: //p')"
fi
# It makes one for each member, and names the folder.
cargo cyclonedx --target "$target" --format json --override-filename sbom
for package in adapter-hyper keygen adapter-lambda; do
  sed "s|file://$PWD|file:///sparekey|g" "$package/sbom.json" >"release/sbom-$package.json"
done
rm -- */sbom.json
cd release
sha256sum -- * >SHA256SUMS
