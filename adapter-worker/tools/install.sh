#!/usr/bin/env bash
# Installs a pinned tool once and says where its programs are:
#   install.sh npm FOLDER            what FOLDER/package-lock.json pins
#   install.sh cargo CRATE VERSION [OPTIONS]   a crate's programs
set -eu
cache=${SPAREKEY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sparekey}

case $1 in
npm) there=$cache/npm-$(cat "$2/package.json" "$2/package-lock.json" | cksum | tr ' ' -) bin=node_modules/.bin ;;
cargo) there=$cache/$2-$3 bin=bin ;;
esac

if [ ! -d "$there" ]; then
  mkdir -p "$cache"
  # Under another name until it is whole: an install that was broken off must not be taken for one.
  new=$(mktemp -d "$there.XXXXXX")
  trap 'rm -rf "$new"' EXIT
  case $1 in
  npm)
    cp "$2/package.json" "$2/package-lock.json" "$new"
    # Nothing here needs an install script: esbuild's only replaces its starter, wrangler's do the same.
    npm ci --prefix "$new" --ignore-scripts --no-audit --no-fund >&2
    ;;
  cargo)
    # A program that runs for a second does not repay an optimised build of minutes. The Worker's own
    # settings of the build must not reach its tools.
    env -u CARGO_TARGET_DIR -u CARGO_BUILD_TARGET -u RUSTFLAGS CARGO_PROFILE_DEV_DEBUG=0 \
      cargo install --debug --quiet --root "$new" "$2@$3" ${4:-} >&2
    ;;
  esac
  mv "$new" "$there" 2>/dev/null || [ -d "$there" ]
fi
echo "$there/$bin"
