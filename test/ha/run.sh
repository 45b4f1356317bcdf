#!/bin/sh
# Runs patroni_test.py as the unprivileged user, with what it needs installed: run.sh HOWDAH
set -eu
[ "${HOWDAH_FULL:-}" = 1 ] || exit 77
here=$(cd "$(dirname "$0")" && pwd)
"$here/../../.ci/deps" ha
# Below the build directory the other user may not come.
work=$(mktemp -d /tmp/howdah-ha.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cp "$1" "$work/howdah"
cp "$here/patroni_test.py" "$work/"
if [ "$(id -u)" = 0 ]; then
  chown -R postgres "$work"
  cd "$work"
  runuser -u postgres -- python3 "$work/patroni_test.py" "$work"
else
  cd "$work"
  python3 "$work/patroni_test.py" "$work"
fi
