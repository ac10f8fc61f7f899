#!/bin/sh
# Prints settings for a shell, by which the tests find PostgreSQL where it is not installed: unpacks the packages of this Debian
# or Ubuntu release into the cache, without rights of an administrator, and changes nothing of the system. Prints nothing
# where PostgreSQL is installed, or cannot be downloaded; the tests are ignored then.
set -eu

[ -z "${PGBIN:-}" ] || exit 0
! command -v initdb >/dev/null || exit 0
! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || exit 0
for program in apt-get dpkg-deb; do
  command -v $program >/dev/null || exit 0
done

cache=${SPAREKEY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sparekey}
# PostgreSQL refuses to run as root, so the tests of root run it as another user, who cannot read root's home.
[ "$(id -u)" != 0 ] || cache=/var/tmp/sparekey-cache
home=$cache/postgresql-$(sha256sum /etc/os-release | cut -c -16)

if [ ! -d "$home" ]; then
  mkdir -p "$cache"
  draft=$(mktemp -d "$home.XXXXXX")
  trap 'rm -rf "$draft"' EXIT
  apt=$draft/apt
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  get() {
    apt-get -qq -o APT::Sandbox::User= -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" \
      ${DPKG_STATUS:+-o Dir::State::status="$DPKG_STATUS"} "$@" >&2
  }
  # Without packages to download, the tests are ignored.
  get update || exit 0
  get -o Debug::NoLocking=1 install --download-only --yes --no-install-recommends postgresql || exit 0
  for package in "$apt"/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$draft"
  done
  rm -rf "$apt"
  chmod 755 "$draft"
  mv -T "$draft" "$home" 2>/dev/null || [ -d "$home" ]
fi

libraries=$(find "$home" -name '*.so*' -printf '%h\n' | sort -u | paste -sd :)
echo "export PGBIN='$(ls -d "$home"/usr/lib/postgresql/*/bin)' PGLIBRARIES='$libraries'"
