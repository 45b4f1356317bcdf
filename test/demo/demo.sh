#!/bin/bash
# make demo: demo.sh HOWDAH_BINARY. A throw-away PostgreSQL primary with two streaming replicas and howdah in
# front of them, on loopback. Shows where reads and writes go, then stays until Ctrl-C and removes everything.
#   DEMO_PORT=6432   howdah's port, 0 = one that is free; the clusters' ports are picked free
#   DEMO_ONCE=1      shows, checks what it shows, and leaves
set -euo pipefail
binary=$(realpath "$1")
port=${DEMO_PORT:-6432}
pg=/usr/lib/postgresql/15/bin

fail() { echo "demo: $*" >&2; exit 1; }
busy() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() {
  local candidate
  for _ in $(seq 200); do
    candidate=$((20000 + RANDOM % 30000))
    case " ${ports:-} " in *" $candidate "*) continue ;; esac
    busy "$candidate" || { echo "$candidate"; return; }
  done
  fail "no free port found"
}
[ "$port" != 0 ] || port=$(free_port)
busy "$port" && fail "port $port is in use: stop what listens there, or DEMO_PORT=<another> make demo"
[ -x "$pg/initdb" ] || fail "PostgreSQL 15 is missing: make deps"

# PostgreSQL does not run as root.
as=()
if [ "$(id -u)" = 0 ]; then
  owner=postgres
  id "$owner" >/dev/null 2>&1 || owner=nobody
  as=(setpriv "--reuid=$owner" "--regid=$(id -g "$owner")" --init-groups env HOME=/tmp)
fi

dir=$(mktemp -d /tmp/howdah-demo.XXXXXX)
clusters=() pooler=
cleanup() {
  trap - EXIT INT TERM
  [ -z "$pooler" ] || { kill -QUIT "$pooler" 2>/dev/null || true; wait "$pooler" 2>/dev/null || true; }
  for name in "${clusters[@]}"; do
    "${as[@]}" "$pg/pg_ctl" -D "$dir/$name" -m immediate -w stop >/dev/null 2>&1 || true
  done
  rm -rf "$dir"
}
trap cleanup EXIT
trap 'echo; echo "demo: stopping"; exit 0' INT TERM
[ ${#as[@]} = 0 ] || chown "$owner" "$dir"
chmod 755 "$dir"
cd "$dir"

quiet() { "$@" >"$dir/step.log" 2>&1 || { cat "$dir/step.log" >&2; fail "failed: $*"; }; }
start_cluster() {  # name port
  printf "port = %s\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '%s'\nfsync = off\n" \
    "$2" "$dir" >"$dir/extra.conf"
  cat "$dir/extra.conf" >>"$dir/$1/postgresql.conf"
  clusters+=("$1")
  quiet "${as[@]}" "$pg/pg_ctl" -D "$dir/$1" -l "$dir/$1/log.txt" -w -t 120 start
}

echo "demo: starting a primary and two replicas ..."
primary_port=$(free_port); ports="$port $primary_port"
quiet "${as[@]}" "$pg/initdb" -D "$dir/primary" -U postgres -A trust --no-sync
start_cluster primary "$primary_port"
sql() { psql -X -q -h 127.0.0.1 -U "${3:-demo}" -p "$1" -d "${4:-acs}" -At -v ON_ERROR_STOP=1 -c "$2"; }
sql "$primary_port" "create role demo login" postgres postgres
sql "$primary_port" "create database acs owner demo" postgres postgres
sql "$primary_port" "create table devices(id serial primary key, serial_number text, seen timestamptz default now())"
for n in 1 2; do
  quiet "${as[@]}" "$pg/pg_basebackup" -h 127.0.0.1 -p "$primary_port" -U postgres -D "$dir/replica$n" -R -X stream -c fast --no-sync
  replica_port=$(free_port); ports="$ports $replica_port"
  start_cluster "replica$n" "$replica_port"
  eval "replica${n}_port=$replica_port"
done

# The replicas as PgBouncer's host list; each with its own port.
cat >"$dir/howdah.ini" <<INI
[databases]
acs_primary = host=127.0.0.1 port=$primary_port dbname=acs
acs_replica = host=127.0.0.1,127.0.0.1 port=$replica1_port,$replica2_port dbname=acs min_pool_size=2

[howdah]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir = $dir
auth_type = trust
auth_file = $dir/userlist.txt
admin_users = demo
pool_mode = transaction
max_client_conn = 1000
; reads take turns: an idle server is used again last
server_round_robin = 1
INI
echo '"demo" ""' >"$dir/userlist.txt"
cp "$binary" "$dir/howdah"   # readable for the unprivileged user, wherever the build is
"${as[@]}" "$dir/howdah" -q "$dir/howdah.ini" >"$dir/howdah.log" 2>&1 &
pooler=$!
for _ in $(seq 600); do
  busy "$port" && break
  kill -0 "$pooler" 2>/dev/null || { cat "$dir/howdah.log" >&2; fail "howdah did not start"; }
  sleep 0.1
done

through() { sql "$port" "$1" demo "$2"; }
echo
echo "A write, through acs_primary:"
through "insert into devices(serial_number) values ('ABC123') returning 'device ' || id || ' stored on port ' || inet_server_port() || ', in recovery: ' || pg_is_in_recovery()" acs_primary
written=$(through "select pg_current_wal_lsn()" acs_primary)
for replica in "$replica1_port" "$replica2_port"; do
  for _ in $(seq 600); do
    [ "$(sql "$replica" "select pg_last_wal_replay_lsn() >= '$written'")" = t ] && break
    sleep 0.1
  done
done
for _ in $(seq 600); do  # min_pool_size opens one server to each replica
  [ "$(sql "$port" "show servers" demo howdah | grep -c '|acs_replica|none|idle|')" -ge 2 ] && break
  through "select 1" acs_replica >/dev/null
  sleep 0.1
done
echo "Six reads, through acs_replica:"
for _ in 1 2 3 4 5 6; do
  through "select count(*) || ' device(s) seen on port ' || inet_server_port() || ', in recovery: ' || pg_is_in_recovery() from devices" acs_replica
done | tee "$dir/reads.txt"
echo "A write through acs_replica is refused by PostgreSQL:"
through "insert into devices(serial_number) values ('nope')" acs_replica 2>&1 | sed 's/^/  /' || true
echo
sql "$port" "show version" demo howdah
psql -X -h 127.0.0.1 -p "$port" -U demo -d howdah -c "show databases" | cut -c1-100

if [ "${DEMO_ONCE:-}" = 1 ]; then
  [ "$(grep -c "port $replica1_port, in recovery: true" reads.txt)" -ge 1 ] || fail "no read went to replica 1"
  [ "$(grep -c "port $replica2_port, in recovery: true" reads.txt)" -ge 1 ] || fail "no read went to replica 2"
  exit 0
fi
cat <<TXT

howdah runs on port $port (ports behind it: primary $primary_port, replicas $replica1_port and $replica2_port). Try, from another shell:

  psql -h 127.0.0.1 -p $port -U demo acs_primary
  psql -h 127.0.0.1 -p $port -U demo acs_replica
  psql -h 127.0.0.1 -p $port -U demo howdah -c 'SHOW POOLS'
  pgbench -i -s 10 -h 127.0.0.1 -p $port -U demo acs_primary
  pgbench -c 200 -j 2 -T 20 -h 127.0.0.1 -p $port -U demo acs_primary

Ctrl-C ends it and removes everything ($dir).
TXT
wait "$pooler" || fail "howdah ended: $(tail -n 3 "$dir/howdah.log")"
