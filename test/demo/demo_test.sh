#!/bin/sh
# Runs the demo once and checks what it showed: reads on both replicas, writes on the primary only.
set -eu
here=$(dirname "$0")
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
before=$(find /tmp -maxdepth 1 -name 'howdah-demo.*' | sort)
output=$(DEMO_ONCE=1 DEMO_PORT=$port "$here/demo.sh" "$1" 2>&1) || { echo "$output"; exit 1; }
echo "$output"
expect() {
  echo "$output" | grep -Eq "$1" || { echo "missing: $1"; exit 1; }
}
expect 'acs_primary .*primary 127\.0\.0\.1:'
expect 'acs_replica .*replica 127\.0\.0\.2:[0-9]+ replica 127\.0\.0\.3:'
expect 'acs_replica +select count\(\*\) from devices +3$'
expect 'acs_replica +insert .*read-only transaction'
expect 'acs_primary +select count\(\*\) from devices +3$'
expect 'acs +select served_by\(\) +replica 127\.0\.0\.[23]:'
expect 'acs +insert .* primary 127\.0\.0\.1:'
expect 'acs +select count\(\*\), served_by.* 4 rows, '
after=$(find /tmp -maxdepth 1 -name 'howdah-demo.*' | sort)
[ "$before" = "$after" ] || { echo "left behind: $after"; exit 1; }
