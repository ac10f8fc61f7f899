#!/usr/bin/env bash
# Builds a Debian package of a compiled server: deploy/debian.sh PROGRAM PACKAGE.deb
# Needs cargo-deb (`cargo install cargo-deb`). The package has the program, its man page, completions and units.
set -euo pipefail
program=$(realpath "$1")
package=$(realpath -m "$2")
cd "$(dirname "$0")/../adapter-hyper"

# The paths of the assets in Cargo.toml.
rm -rf package
mkdir package
trap 'rm -rf package' EXIT
cp "$program" package/sparekey
"$program" man >package/sparekey.1
"$program" completions bash >package/sparekey.bash
"$program" completions zsh >package/_sparekey
"$program" completions fish >package/sparekey.fish

cargo deb --package sparekey --no-build --no-strip --quiet --output "$package"
