#!/bin/sh
# The demo: a throw-away PostgreSQL primary with two streaming replicas, howdah in front of them, a
# few queries that show what goes where; then it stays up until Ctrl-C and removes everything.
#   demo.sh HOWDAH_BINARY      DEMO_PORT (6432): where howdah listens; DEMO_ONCE=1: show and end
set -eu
binary=$1
port=${DEMO_PORT:-6432}
pg_bin=
for version in 15 16 17 18; do
  [ -n "$pg_bin" ] || [ ! -x /usr/lib/postgresql/$version/bin/initdb ] || pg_bin=/usr/lib/postgresql/$version/bin
done
[ -n "$pg_bin" ] || { echo "no PostgreSQL server programs: run make deps" >&2; exit 1; }

dir=$(mktemp -d /tmp/howdah-demo.XXXXXX)
children=
finish() {
  trap - EXIT INT TERM HUP
  # Newest first: howdah, the replicas, the primary.
  for pid in $children; do
    kill -QUIT "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$dir"
}
trap finish EXIT
trap 'echo; exit 0' INT TERM HUP

# PostgreSQL and howdah refuse to be root.
if [ "$(id -u)" = 0 ]; then
  user=postgres
  id $user >/dev/null 2>&1 || user=nobody
  chown "$user" "$dir"
  as_user="setpriv --reuid=$user --regid=$(id -g $user) --clear-groups"
else
  as_user=setpriv
fi
cp "$binary" "$dir/howdah"
chmod 755 "$dir/howdah"

# Runs a program in the background, ended with this script however that ends.
start() {
  name=$1
  shift
  $as_user --pdeathsig QUIT "$@" >>"$dir/$name.log" 2>&1 &
  children="$! $children"
}

# Waits for a command to succeed.
await() {
  what=$1
  shift
  tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 600 ]; then
      echo "$what did not come about; the logs:" >&2
      tail -n 20 "$dir"/*.log >&2
      exit 1
    fi
    sleep 0.1
  done
}

free_port() {
  python3 - "$@" <<'PY'
import random, socket, sys
while True:
    port = random.randint(15000, 29999)
    try:
        for address in sys.argv[1:]:
            with socket.socket() as s:
                s.bind((address, port))
    except OSError:
        continue
    print(port)
    break
PY
}

if ! python3 -c 'import socket, sys; socket.create_server(("127.0.0.1", int(sys.argv[1])))' "$port" 2>/dev/null; then
  echo "port $port is taken: DEMO_PORT=7432 make demo" >&2
  exit 1
fi

# A host list has one port, so the three clusters differ by address.
pg_port=$(free_port 127.0.0.1 127.0.0.2 127.0.0.3)

start_cluster() { # NAME ADDRESS
  start "$1" "$pg_bin/postgres" -D "$dir/$1" -p "$pg_port" -c listen_addresses="$2" \
    -c unix_socket_directories= -c fsync=off -c shared_buffers=32MB -c max_connections=100
  await "the $1" "$pg_bin/pg_isready" -q -h "$2" -p "$pg_port" -U demo -d postgres
}

echo "starting a primary and two replicas ..."
$as_user "$pg_bin/initdb" -D "$dir/primary" -U demo -A trust -N --no-instructions -E UTF8 \
  --locale=C.UTF-8 >"$dir/initdb.log"
start_cluster primary 127.0.0.1
"$pg_bin/psql" -X -q -h 127.0.0.1 -p "$pg_port" -U demo postgres -c 'create database acs'
for replica in 2 3; do
  $as_user "$pg_bin/pg_basebackup" -h 127.0.0.1 -p "$pg_port" -U demo -D "$dir/replica$replica" -R \
    -c fast --no-sync
  start_cluster "replica$replica" "127.0.0.$replica"
done

cat >"$dir/howdah.ini" <<INI
[databases]
acs_primary = host=127.0.0.1,127.0.0.2,127.0.0.3 port=$pg_port dbname=acs target_session_attrs=primary
acs_replica = host=127.0.0.1,127.0.0.2,127.0.0.3 port=$pg_port dbname=acs target_session_attrs=prefer-standby
acs = host=127.0.0.1,127.0.0.2,127.0.0.3 port=$pg_port dbname=acs query_routing=split

[howdah]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
pool_mode = transaction
default_pool_size = 10
max_client_conn = 2000
auth_type = trust
auth_file = $dir/userlist.txt
admin_users = demo
monitor_user = demo
INI
echo '"demo" ""' >"$dir/userlist.txt"
start howdah "$dir/howdah" "$dir/howdah.ini"

query() { # ENTRY SQL
  psql -X -q -A -t -h 127.0.0.1 -p "$port" -U demo "$1" -c "$2"
}
await howdah query howdah 'SHOW VERSION'

where="select case when pg_is_in_recovery() then 'replica' else 'primary' end || ' ' || host(inet_server_addr()) || ':' || inet_server_port()"
show() { # ENTRY SQL
  answer=$(psql -X -A -t -h 127.0.0.1 -p "$port" -U demo "$1" -c "$2" 2>&1 | head -n 1) || true
  printf '  %-12s %-52s %s\n' "$1" "$2" "$answer"
}
on_replicas() { [ "$(query acs_replica 'select count(*) from devices')" = 3 ]; }
reads_leave_primary() { query acs 'select served_by()' | grep -q replica; }

echo
echo "Where queries go:"
for entry in acs_primary acs_replica acs_replica; do
  printf '  %-12s %-52s %s\n' "$entry" "select ... inet_server_addr()" "$(query $entry "begin; $where; commit")"
done
printf '  %-12s %-52s %s\n' acs_replica "two clients at once" "$(
  { query acs_replica "begin; select pg_sleep(0.5); $where; commit" | tail -n 1 &
    query acs_replica "begin; select pg_sleep(0.5); $where; commit" | tail -n 1
    wait; } | sort | tr '\n' ' ')"
show acs_primary "create table devices (id int, name text)"
show acs_primary "insert into devices select generate_series(1, 3)"
await "the write on the replicas" on_replicas
show acs_replica "select count(*) from devices"
show acs_replica "insert into devices values (4, 'no')"
show acs_primary "select count(*) from devices"
echo
echo "The same through acs, which tells reads from writes, in one session:"
query acs_primary "create function served_by() returns text language sql stable as \$\$ $where \$\$" >/dev/null
await "what served_by is, which the catalogue tells" reads_leave_primary
psql -X -q -A -t -h 127.0.0.1 -p "$port" -U demo acs <<SQL |
select 'select served_by()|' || served_by();
insert into devices values (5, 'yes') returning 'insert ... returning served_by()|' || served_by();
select 'select count(*), served_by() ...|' || count(*) || ' rows, ' || served_by() from devices;
SQL
  while IFS='|' read -r sql answer; do printf '  %-12s %-52s %s\n' acs "$sql" "$answer"; done
echo
echo "SHOW HOSTS, some of its columns:"
psql -X -A -F ' ' -h 127.0.0.1 -p "$port" -U demo howdah -c 'SHOW HOSTS' |
  awk 'NF > 9 { printf "  %-12s %-8s %-8s %s\n", $1, $2, $5, $6 }'
echo
echo "SHOW POOLS, some of its columns:"
psql -X -A -F ' ' -h 127.0.0.1 -p "$port" -U demo howdah -c 'SHOW POOLS' |
  awk 'NF > 9 { printf "  %-12s %-10s %-10s %-11s %-10s %s\n", $1, $2, $3, $4, $7, $10 }'

[ "${DEMO_ONCE:-0}" = 1 ] && exit 0
cat <<TXT

howdah listens on 127.0.0.1:$port, user demo, no password. From another shell:
  psql -h 127.0.0.1 -p $port -U demo acs_primary     # writes
  psql -h 127.0.0.1 -p $port -U demo acs_replica     # reads, spread over the replicas
  psql -h 127.0.0.1 -p $port -U demo acs             # both: each query where it belongs
  psql -h 127.0.0.1 -p $port -U demo howdah -c 'SHOW POOLS'
  psql -h 127.0.0.1 -p $port -U demo howdah -c 'SHOW ROUTES'
  psql -h 127.0.0.1 -p $port -U demo howdah -c 'SHOW HOSTS'
  $pg_bin/pgbench -h 127.0.0.1 -p $port -U demo -i acs_primary
  $pg_bin/pgbench -h 127.0.0.1 -p $port -U demo -c 50 -j 2 -T 10 acs_primary
Configuration and logs: $dir.  Ctrl-C ends and removes everything.
TXT
# Until a signal, or until howdah ends by itself.
wait "${children%% *}" || { echo "howdah ended:"; tail -n 20 "$dir/howdah.log"; exit 1; }
