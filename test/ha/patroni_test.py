"""howdah before a Patroni cluster: switchover and crash. patroni_test.py DIRECTORY (holds howdah)."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import psycopg2

WORK = sys.argv[1]
NODES = 3
WRITERS, READERS = 4, 4
EXTRA = 1.0  # seconds that a stall may be longer than the cluster's own
IN_FLIGHT = {"57P01", "57P02", "08006", "08007"}
PG_BIN = "/usr/lib/postgresql/15/bin"

taken = set()
processes = []


def free_port():
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in taken:
            taken.add(port)
            return port


def start(name, argv, on_death):
    def die_with_us():
        ctypes.CDLL(None).prctl(1, on_death)

    log = open(f"{WORK}/{name}.log", "ab")
    process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=WORK, preexec_fn=die_with_us)
    processes.append((name, process))
    return process


def until(what, condition, patience=90):
    end = time.monotonic() + patience
    while True:
        try:
            got = condition()
            if got:
                return got
        except (OSError, psycopg2.Error, ValueError):
            pass
        if time.monotonic() > end:
            raise SystemExit(f"FAILED: waited in vain: {what}")
        time.sleep(0.05)


def post(port, path, body):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


class Cluster:
    def __init__(self):
        client, peer = free_port(), free_port()
        at = f"http://127.0.0.1:{client}"
        self.pg = [free_port() for _ in range(NODES)]
        self.rest = [free_port() for _ in range(NODES)]
        start("etcd", ["etcd", "--name", "e", "--data-dir", f"{WORK}/etcd", "--listen-client-urls", at,
                       "--advertise-client-urls", at, "--listen-peer-urls", f"http://127.0.0.1:{peer}",
                       "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
                       "--initial-cluster", f"e=http://127.0.0.1:{peer}"], signal.SIGKILL)
        until("etcd", lambda: urllib.request.urlopen(f"{at}/health", timeout=1).status == 200)
        for node in range(NODES):
            os.mkdir(f"{WORK}/socket{node}")
            with open(f"{WORK}/node{node}.yml", "w") as file:
                json.dump(self.settings(node, client), file)  # JSON is YAML
            start(f"patroni{node}", ["patroni", f"{WORK}/node{node}.yml"], signal.SIGTERM)
            if node == 0:
                until("a leader", self.leader)
        until("replicas", lambda: len(self.standbys()) == NODES - 1 and self.synchronous())

    def settings(self, node, etcd):
        login = lambda user: {"username": user, "password": "secret"}
        return {
            "scope": "howdah", "name": f"node{node}", "log": {"level": "INFO"},
            "restapi": {"listen": f"127.0.0.1:{self.rest[node]}",
                        "connect_address": f"127.0.0.1:{self.rest[node]}"},
            "etcd3": {"host": f"127.0.0.1:{etcd}"},
            "bootstrap": {
                "dcs": {"ttl": 20, "loop_wait": 1, "retry_timeout": 3, "synchronous_mode": True,
                        "maximum_lag_on_failover": 1 << 30, "master_start_timeout": 0,
                        "primary_start_timeout": 0,
                        "postgresql": {"use_pg_rewind": True, "parameters": {
                            "wal_keep_size": "256MB", "max_connections": 60, "fsync": "off",
                            "shared_buffers": "16MB"}}},
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"],
                "pg_hba": ["local all all trust", "host all all 127.0.0.0/8 trust",
                           "host replication all 127.0.0.0/8 trust"]},
            "postgresql": {
                "listen": f"127.0.0.1:{self.pg[node]}", "connect_address": f"127.0.0.1:{self.pg[node]}",
                "data_dir": f"{WORK}/data{node}", "bin_dir": PG_BIN, "pgpass": f"{WORK}/pgpass{node}",
                "authentication": {"superuser": login("postgres"), "replication": login("repl"),
                                   "rewind": login("rewinder")},
                "parameters": {"unix_socket_directories": f"{WORK}/socket{node}"}}}

    def ask(self, node, sql):
        connection = psycopg2.connect(host="127.0.0.1", port=self.pg[node], user="postgres",
                                      dbname="postgres", connect_timeout=2)
        try:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def roles(self):
        found = {}
        for node in range(NODES):
            try:
                found[node] = self.ask(node, "select pg_is_in_recovery()")[0][0]
            except psycopg2.Error:
                pass
        return found

    def leader(self):
        leaders = [f"n{node}" for node, standby in self.roles().items() if not standby]
        return leaders[0] if len(leaders) == 1 else None

    def leading(self):
        return int(until("a leader", self.leader)[1:])

    def start(self):
        node = self.leading()
        return node, self.ask(node, "select pg_postmaster_start_time()::text")

    def standbys(self):
        return [node for node, standby in self.roles().items() if standby]

    def synchronous(self):
        rows = self.ask(self.leading(), "select sync_state from pg_stat_replication")
        return len(rows) == NODES - 1 and ("sync",) in rows


class Worker(threading.Thread):
    """Runs statements on one connection, and keeps when they succeeded and what failed."""

    def __init__(self, dsn, make, pause):
        super().__init__(daemon=True)
        self.dsn, self.make, self.pause = dsn, make, pause
        self.good, self.errors, self.times = [], [], []
        self.lost = 0
        self.number = 0
        self.stop = False

    def run(self):
        connection = None
        while not self.stop:
            try:
                if connection is None:
                    connection = psycopg2.connect(self.dsn)
                    connection.autocommit = True
                    cursor = connection.cursor()
                self.number += 1
                cursor.execute(self.make(self.number))
                self.times.append(time.monotonic())
                self.good.append(self.number)
            except psycopg2.Error as error:
                self.errors.append((time.monotonic(), error.pgcode or "", str(error).strip()))
                if connection is None or connection.closed:
                    self.lost += 1
                    connection = None
            time.sleep(self.pause)

    def stall(self, since):
        times = [since] + [at for at in self.times if at >= since]
        return max(b - a for a, b in zip(times, times[1:]))


class Direct(threading.Thread):
    """A client that tries each server in turn: how long the cluster itself takes no writes."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.times, self.stop = cluster, [], False

    def run(self):
        held = {}
        while not self.stop:
            for node in range(NODES):
                try:
                    if node not in held:
                        held[node] = psycopg2.connect(host="127.0.0.1", port=self.cluster.pg[node],
                                                      user="postgres", dbname="postgres",
                                                      connect_timeout=2)
                        held[node].autocommit = True
                    held[node].cursor().execute("insert into direct default values")
                    self.times.append(time.monotonic())
                    break
                except psycopg2.errors.ReadOnlySqlTransaction:
                    pass
                except psycopg2.Error:
                    held.pop(node, None)
            time.sleep(0.01)

    stall = Worker.stall


failures = []


def check(fine, text):
    print(("ok      " if fine else "FAILED  ") + text, flush=True)
    if not fine:
        failures.append(text)


def main():
    cluster = Cluster()
    leader = cluster.leading()
    cluster.ask(leader, "create table written (writer int, n int, primary key (writer, n))")
    cluster.ask(leader, "create table direct (id bigserial primary key)")
    port = free_port()
    hosts = "host=127.0.0.1,127.0.0.1,127.0.0.1 port=" + ",".join(map(str, cluster.pg)) + " dbname=postgres"
    with open(f"{WORK}/userlist", "w") as file:
        file.write('"postgres" ""\n')
    with open(f"{WORK}/howdah.ini", "w") as file:
        file.write(f"[databases]\nrw = {hosts} target_session_attrs=primary\n"
                   f"ro = {hosts} target_session_attrs=prefer-standby\n"
                   f"[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\nauth_type=trust\nauth_file={WORK}/userlist\n"
                   f"unix_socket_dir=\npool_mode=transaction\nmonitor_user=postgres\n"
                   f"default_pool_size=8\nworker_threads=2\nadmin_users=postgres\n")
    start("howdah", [f"{WORK}/howdah", f"{WORK}/howdah.ini"], signal.SIGTERM)
    dsn = f"host=127.0.0.1 port={port} user=postgres dbname="
    until("howdah", lambda: psycopg2.connect(dsn + "rw"))
    until("reads", lambda: psycopg2.connect(dsn + "ro"))

    writers = [Worker(dsn + "rw", lambda n, w=w: f"insert into written values ({w}, {n})", 0.005)
               for w in range(WRITERS)]
    readers = [Worker(dsn + "ro", lambda n: "select count(*) from written where writer < 0", 0.005)
               for _ in range(READERS)]
    direct = Direct(cluster)
    everybody = writers + readers + [direct]
    for one in everybody:
        one.start()
    until("all work", lambda: all(len(one.times) > 20 for one in everybody))

    def disturb(name, action):
        for worker in writers + readers:
            worker.errors.clear()
        old = cluster.leading()
        before = cluster.start()
        since = time.monotonic()
        action(old)
        until("another leader, or the same one started anew", lambda: cluster.start() != before)
        mark = time.monotonic()
        until("writes go on", lambda: all(one.times[-1] > mark + 0.5 for one in everybody))
        until("all are back", lambda: len(cluster.standbys()) == NODES - 1 and cluster.synchronous())
        mark = time.monotonic()
        until("all go on", lambda: all(one.times[-1] > mark + 0.5 for one in everybody))
        own = direct.stall(since)
        ours = max(one.stall(since) for one in writers)
        reads = max(one.stall(since) for one in readers)
        text = f"{name}: the cluster's own stall {own:.2f} s, writers' {ours:.2f} s, readers' {reads:.2f} s"
        check(ours <= own + EXTRA, text)
        check(reads <= own + EXTRA, f"{name}: readers")
        for one in writers:
            check(len(one.errors) <= 1 and all(e[1] in IN_FLIGHT for e in one.errors),
                  f"{name}: a writer's errors: {[e[1:] for e in one.errors]}")
        for one in readers:
            check(not one.errors, f"{name}: a reader's errors: {[e[1:] for e in one.errors]}")
        check(all(one.lost == 0 for one in writers + readers), f"{name}: nobody was disconnected")

    def switchover(old):
        target = next(n for n in cluster.standbys() if cluster.ask(
            old, f"select 1 from pg_stat_replication where application_name='node{n}' and sync_state='sync'"))
        post(cluster.rest[old], "switchover", {"leader": f"node{old}", "candidate": f"node{target}"})

    def crash(old):
        with open(f"{WORK}/data{old}/postmaster.pid") as file:
            os.kill(int(file.readline()), signal.SIGKILL)

    disturb("switchover", switchover)
    disturb("crash", crash)
    for one in everybody:
        one.stop = True
    for one in everybody:
        one.join(30)
    rows = cluster.ask(cluster.leading(), "select writer, n from written")
    there = set(rows)
    lost = [(w, n) for w, one in enumerate(writers) for n in one.good if (w, n) not in there]
    check(not lost, f"{sum(len(one.good) for one in writers)} acknowledged writes are all there: {lost[:5]}")
    check(len(rows) == len(there), "none is there twice")


def end():
    for name, process in reversed(processes):
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


try:
    main()
except BaseException:
    failures.append("did not come to its end")
    raise
finally:
    end()
    if failures:
        for name, _ in processes:
            with open(f"{WORK}/{name}.log", errors="replace") as file:
                sys.stdout.write(f"--- {name}\n" + "".join(file.readlines()[-40:]))
sys.exit(1 if failures else 0)
