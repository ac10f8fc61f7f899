#!/usr/bin/env bash
# Makes what a release holds, into release/: static programs for Linux, the function, a bill of materials, checksums.
# Needs the target x86_64-unknown-linux-musl. The same sources and the same rustc give the same bytes in any folder.
set -euo pipefail
cd "$(dirname "$0")"
target=x86_64-unknown-linux-musl
folder=${CARGO_TARGET_DIR:-target}
# Panics name files; these are the same wherever they lie.
export RUSTFLAGS="--remap-path-prefix=$PWD=/sparekey --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
# mimalloc's C writes down when it was compiled.
export SOURCE_DATE_EPOCH=0
# ring's C needs no libc of its own.
export CC_x86_64_unknown_linux_musl=${CC_x86_64_unknown_linux_musl:-cc}
cargo build --locked --release --target "$target" --package sparekey --package keygen --package sparekey-lambda

rm -rf release
mkdir release
for program in sparekey keygen sparekey-lambda; do
  cp "$folder/$target/release/$program" "release/$program-$target"
done
if ! command -v cargo-cyclonedx >/dev/null; then
  cargo install cargo-cyclonedx --version 0.5.9 --locked --target "$(rustc -vV | sed -n 's/^host: //p')"
fi
# It makes one for each member.
cargo cyclonedx --target "$target" --format json --override-filename sbom
for package in adapter-hyper keygen adapter-lambda; do
  mv "$package/sbom.json" "release/sbom-$package.json"
done
rm -- */sbom.json
cd release
sha256sum -- * >SHA256SUMS
