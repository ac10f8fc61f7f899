#!/bin/sh
# Prints settings for a shell, by which the tests find a Python with moto: installs requirements.txt into the cache, and changes
# nothing of the system. Prints nothing where MOTO_PYTHON is set, or the packages cannot be installed; the tests are ignored then.
set -eu

[ -z "${MOTO_PYTHON:-}" ] || exit 0
command -v python3 >/dev/null || exit 0

requirements=$(dirname "$0")/requirements.txt
cache=${SPAREKEY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sparekey}
home=$cache/moto-$(sha256sum "$requirements" | cut -c -16)

if [ ! -d "$home" ]; then
  mkdir -p "$cache"
  draft=$(mktemp -d "$home.XXXXXX")
  trap 'rm -rf "$draft"' EXIT
  python3 -m venv --copies "$draft" >&2 || exit 0
  "$draft/bin/python" -m pip install --quiet --no-input --requirement "$requirements" >&2 || exit 0
  mv -T "$draft" "$home" 2>/dev/null || [ -d "$home" ]
fi

echo "export MOTO_PYTHON='$home/bin/python'"
