#!/usr/bin/env bash
# Installs a pinned tool once and prints the folder of its programs:
#   install.sh npm FOLDER                      the packages of FOLDER/package-lock.json
#   install.sh cargo CRATE VERSION [OPTIONS]   the programs of a crate
set -eu
cache=${SPAREKEY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sparekey}

case $1 in
npm) there=$cache/npm-$(cat "$2/package.json" "$2/package-lock.json" | cksum | tr ' ' -) bin=node_modules/.bin ;;
cargo) there=$cache/$2-$3 bin=bin ;;
esac

if [ ! -d "$there" ]; then
  mkdir -p "$cache"
  # Install under a temporary name, so that an interrupted install is not used.
  new=$(mktemp -d "$there.XXXXXX")
  trap 'rm -rf "$new"' EXIT
  case $1 in
  npm)
    cp "$2/package.json" "$2/package-lock.json" "$new"
    # No install script is needed: those of esbuild and wrangler only replace their launchers.
    npm ci --prefix "$new" --ignore-scripts --no-audit --no-fund >&2
    ;;
  cargo)
    # A debug build, because the tools run for a second and an optimised build takes minutes. Without the build
    # settings of the Worker, because the tools run on this machine.
    env -u CARGO_TARGET_DIR -u CARGO_BUILD_TARGET -u RUSTFLAGS CARGO_PROFILE_DEV_DEBUG=0 \
      cargo install --debug --quiet --root "$new" "$2@$3" ${4:-} >&2
    ;;
  esac
  mv "$new" "$there" 2>/dev/null || [ -d "$there" ]
fi
echo "$there/$bin"
