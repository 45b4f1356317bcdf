"""Starts and stops what a benchmark needs: null server, floor, howdah, PgBouncer, Pgpool-II.

Everything listens on a loopback port that was free, lives in one temporary directory, and is gone
when the Sandbox is left, also after an error.
"""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time


class BenchError(Exception):
    """Something could not be started or measured; the text is for a person."""


def free_port():
    """A free port below the range the kernel takes for outgoing connections."""
    for _ in range(200):
        port = random.randint(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise BenchError("no free loopback port found")


def one_line(text):
    return " ".join(text.split())


def find(program):
    """Path of an installed program, or None; daemons live where root's PATH looks."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def version_of(path):
    if path is None:
        return None
    done = subprocess.run([path, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=10)
    lines = done.stdout.strip().splitlines()
    return lines[0] if lines else "?"


def has_statement_names(version):
    """PgBouncer follows named prepared statements in transaction mode since 1.21."""
    found = re.search(r"(\d+)\.(\d+)", version or "")
    return found is not None and (int(found[1]), int(found[2])) >= (1, 21)


class Sandbox:
    def __init__(self, programs, pooler_cpu=None, other_cpu=None):
        self.programs = programs
        self.pooler_cpu = pooler_cpu
        self.other_cpu = other_cpu
        self.running = []

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="howdah-bench-")
        os.chmod(self.dir, 0o755)
        return self

    def __exit__(self, *_):
        self.stop_all()
        shutil.rmtree(self.dir, ignore_errors=True)

    def stop_all(self):
        for process in reversed(self.running):
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        self.running.clear()

    def start(self, name, command, port, pooler=False, unprivileged=False):
        """Runs `command` and waits until `port` accepts a connection."""
        cpu = self.pooler_cpu if pooler else self.other_cpu
        if unprivileged and os.geteuid() == 0:
            command = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups",
                       "--"] + command
        if cpu is not None:
            command = ["taskset", "-c", str(cpu)] + command
        log = os.path.join(self.dir, name + ".log")
        with open(log, "w") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        self.running.append(process)
        until = time.monotonic() + 10
        while True:
            if process.poll() is not None or time.monotonic() > until:
                with open(log) as text:
                    raise BenchError(f"{name} did not start: {one_line(text.read()[-600:])}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return process
            time.sleep(0.01)

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w") as out:
            out.write(text)
        os.chmod(path, 0o644)
        return path

    def program(self, name):
        return os.path.join(self.programs, name)

    # ---- what can be measured: each returns (process, port) ----

    def null_server(self, arguments=()):
        port = free_port()
        command = [self.program("bench_null_server"), str(port), *map(str, arguments)]
        return self.start("null_server", command, port), port

    def floor(self, backend):
        port = free_port()
        command = [self.program("bench_floor"), str(port), str(backend)]
        return self.start("floor", command, port, pooler=True), port

    def pooler_config(self, port, backend, pool_mode, extra=""):
        """One ini for howdah and PgBouncer: a pool of 20, trust, no log line for each client."""
        users = self.write("users.txt", '"bench" ""\n')
        return self.write("pooler.ini", f"""\
[databases]
bench = host=127.0.0.1 port={backend} dbname=bench
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = {pool_mode}
default_pool_size = 20
max_client_conn = 12000
listen_backlog = 4096
log_connections = 0
log_disconnections = 0
{extra}""")

    def tls_settings(self):
        """A fresh P-256 certificate, for clients that must use TLS."""
        key, cert = os.path.join(self.dir, "server.key"), os.path.join(self.dir, "server.crt")
        done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                               "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out",
                               cert, "-subj", "/CN=localhost", "-days", "2"],
                              capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise BenchError(f"openssl: {one_line(done.stderr)}")
        os.chmod(key, 0o644)  # the pooler is another user, the directory lives for seconds
        return (f"client_tls_sslmode = require\nclient_tls_key_file = {key}\n"
                f"client_tls_cert_file = {cert}\n")

    def howdah(self, path, backend, pool_mode, workers, tls=False):
        port = free_port()
        config = self.pooler_config(port, backend, pool_mode, f"worker_threads = {workers}\n"
                                    + (self.tls_settings() if tls else ""))
        # A copy: the user we become may not be able to read the build directory.
        copy = os.path.join(self.dir, "howdah")
        if not os.path.exists(copy):
            shutil.copy(path, copy)
            os.chmod(copy, 0o755)
        process = self.start("howdah", [copy, "-q", config], port, pooler=True, unprivileged=True)
        return process, port

    def pgbouncer(self, path, backend, pool_mode, tls=False):
        port = free_port()
        config = self.pooler_config(port, backend, pool_mode, self.tls_settings() if tls else "")
        process = self.start("pgbouncer", [path, "-q", config], port, pooler=True,
                             unprivileged=True)
        return process, port

    def pgpool(self, path, backend):
        """Session pooling only; a process for each client, so no more than a few hundred."""
        port = free_port()
        runtime = os.path.join(self.dir, "pgpool")
        os.makedirs(runtime, exist_ok=True)
        os.chmod(runtime, 0o777)
        config = self.write("pgpool.conf", f"""\
backend_clustering_mode = 'raw'
listen_addresses = '127.0.0.1'
port = {port}
socket_dir = '{runtime}'
pcp_listen_addresses = ''
pcp_port = {free_port()}
pcp_socket_dir = '{runtime}'
pid_file_name = '{runtime}/pgpool.pid'
logdir = '{runtime}'
work_dir = '{runtime}'
backend_hostname0 = '127.0.0.1'
backend_port0 = {backend}
num_init_children = 32
max_pool = 1
enable_pool_hba = off
pool_passwd = ''
allow_clear_text_frontend_auth = off
load_balance_mode = off
health_check_period = 0
sr_check_period = 0
""")
        empty = self.write("pgpool-empty.conf", "")
        command = [path, "-n", "-f", config, "-F", empty, "-a", empty]
        return self.start("pgpool", command, port, pooler=True, unprivileged=True), port

    # ---- the measurement ----

    def load(self, port, pid, arguments, timeout):
        command = [self.program("bench_load"), "--port", str(port), "--json", "--timeout",
                   str(timeout), *map(str, arguments)]
        if pid is not None:
            command += ["--pid", str(pid)]
        if self.other_cpu is not None:
            command = ["taskset", "-c", str(self.other_cpu)] + command
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout + 10)
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"the load generator hung for {timeout + 10} s") from error
        try:
            result = json.loads(done.stdout)
        except ValueError:
            raise BenchError(f"load generator: {done.stderr.strip() or 'no result'}") from None
        if done.returncode != 0:
            raise BenchError(f"{result.get('errors')} errors, first: "
                             f"{result.get('first_error', done.stderr.strip())}")
        return result


def stop_on_signals():
    """SIGTERM and SIGINT unwind the stack, so that a Sandbox is left in order."""
    def leave(number, _frame):
        sys.exit(128 + number)
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
