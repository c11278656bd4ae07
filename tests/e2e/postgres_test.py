# SPDX-License-Identifier: Apache-2.0
"""Workers on one PostgreSQL store: one dies or is stopped, the others finish its runs, once."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse

from harness import Place, main
from run_test import wait_for

PAUSE = """
weft: "1"
id: pause
steps:
  - {id: before, type: set, parameters: {value: 1}}
  - {id: pause, type: wait, dependencies: [before], parameters: {for: 12s}}
  - {id: after, type: set, dependencies: [pause], parameters: {value: "{{ steps.before + 1 }}"}}
output: "{{ steps.after }}"
"""
AS_USER = (["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
           if os.geteuid() == 0 else [])


class Server:
    """A server of our own, in a temporary directory, on a socket there."""

    def __init__(self, programs):
        self.programs = programs
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="weft-pg-"))
        if AS_USER:
            shutil.chown(self.path, "postgres")
        self.call("initdb", "-D", "data", "-U", "weft", "-A", "trust", "-E", "UTF8", "--locale=C")
        self.call("pg_ctl", "-D", "data", "-w", "-l", "log", "-o",
                  f"-k {self.path} -c listen_addresses=''", "start")
        self.call("createdb", "-h", str(self.path), "-U", "weft", "w")
        self.url = f"postgres://weft@{urllib.parse.quote(str(self.path), safe='')}/w"

    def call(self, program, *words):
        subprocess.run([*AS_USER, f"{self.programs}/{program}", *words], cwd=self.path, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.call("pg_ctl", "-D", "data", "-m", "immediate", "stop")
        shutil.rmtree(self.path, ignore_errors=True)


def programs():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return str(found[-1].parent) if found else None


def listed(place):
    return json.loads(place.weft("runs", "list", "--json").stdout)


def submit(place, count):
    place.write("pause.yaml", PAUSE)
    first = [place.start("run", "pause.yaml") for _ in range(count)]
    wait_for(lambda: sum(run["status"] == "waiting" for run in listed(place)) == count, 40)
    return first


def check_end(place, count):
    runs = listed(place)
    assert [run["status"] for run in runs] == ["succeeded"] * count, runs
    for run in runs:
        shown = json.loads(place.weft("runs", "show", run["run"], "--json").stdout)
        assert shown["output"] == 2, shown
    assert "agree" in place.weft("fsck").stderr


def test_a_dead_process_and_a_stopped_one():
    if programs() is None:
        print("        SKIPPED: no PostgreSQL server is installed")
        return
    with Server(programs()) as server, Place() as place:
        place.store = server.url
        dead, stopped = submit(place, 2)
        dead.kill()
        stopped.send_signal(signal.SIGSTOP)
        begin = time.monotonic()
        worker = place.start("worker")
        wait_for(lambda: all(run["status"] == "succeeded" for run in listed(place)), 60)
        took = time.monotonic() - begin
        stopped.send_signal(signal.SIGCONT)  # it finds itself fenced and follows the store
        assert stopped.wait(30) == 0, stopped.communicate()
        check_end(place, 2)
        worker.send_signal(signal.SIGINT)
        assert worker.wait(20) == 130
        dead.communicate()
        print(f"        runs of a dead and a stopped process done after {took:.1f} s, 12 s of them "
              "a wait")


def test_keys_audit_definitions_and_callbacks_live_there():
    if programs() is None:
        print("        SKIPPED: no PostgreSQL server is installed")
        return
    import callbacks_test
    import serving
    receiver = callbacks_test.Receiver(503, 200)
    weft = serving.Server("--allow-host", "127.0.0.1")
    with Server(programs()) as server:
        weft.store = server.url
        key = weft.weft("keys", "create", "--name", "ci", "--role", "admin").stdout.strip()
        with weft:
            def ask(method, path, body=None):
                return weft.ask(method, path, body, headers={"Authorization": "Bearer " + key})

            assert weft.get("/workflows").status == 401
            for status, text in ((201, "Hello"), (200, "Bye")):
                put = ask("PUT", "/definitions/hello",
                          callbacks_test.HELLO.replace("Hello", text).encode())
                assert put.status == status, put.body
            started = ask("POST", "/workflows/execute",
                          {"workflow_id": "hello", "callback_url": receiver.url})
            assert started.status == 202, started.body
            assert serving.until(lambda: len(receiver.got) == 2)
            assert json.loads(receiver.got[1][1])["output"] == "Bye, you!"
            assert serving.until(lambda: ask("GET", "/callbacks?state=delivered").json["items"])
            assert serving.until(lambda: len(ask("GET", "/audit").json["items"]) == 4)
            report = ask("GET", "/audit/verify").json
            assert report["good"] and report["checkpoints"] > 0, report
            listed_keys = ask("GET", "/keys").json["items"]
            assert ask("POST", f"/keys/{listed_keys[0]['id']}/rotate", {}).status == 201
            assert ask("GET", "/workflows").status == 401
            weft.stop()
            weft.weft("audit", "verify")
            weft.write("weft.yaml", "retention: { runs: 1s, every: 1s }\n")
            weft.words += ("--config", "weft.yaml")
            weft.__enter__()
            assert serving.until(lambda: psql(server, "select count(*) from run") == "0")
            assert psql(server, "select distinct kind, body from event") == "pruned|"
            weft.stop()
            assert "1 runs were removed on purpose" in weft.weft("audit", "verify").stderr
            psql(server, "update audit set actor = 'nobody' where n = 2")
            assert "E0765" in weft.weft("audit", "verify", code=1).stderr


TICK = """
weft: "1"
id: tick
schedule: {every: 1s, missed: all}
steps:
  - {id: a, type: set, parameters: {value: 1}}
  - {id: nap, type: wait, dependencies: [a], parameters: {for: 300ms}}
  - {id: b, type: set, dependencies: [nap], parameters: {value: "{{ steps.a + 1 }}"}}
output: "{{ steps.b }}"
"""


def psql(server, sql, **more):
    return subprocess.run([f"{server.programs}/psql", "-h", str(server.path), "-U", "weft", "-d",
                           "w", "-At", "-c", sql], text=True, capture_output=True, check=True,
                          **more).stdout.strip()


def test_workers_outlive_locks_and_restarts_of_the_server_under_load():
    if programs() is None:
        print("        SKIPPED: no PostgreSQL server is installed")
        return
    with Server(programs()) as server, Place() as place:
        place.store = server.url
        place.write("tick.yaml", TICK)
        place.weft("schedules", "add", "tick.yaml")
        workers = [place.start("worker") for _ in range(2)]
        wait_for(lambda: int(psql(server, "select count(*) from schedule_slot")) >= 2, 30)
        for _ in range(2):
            server.call("pg_ctl", "-D", "data", "-m", "immediate", "-w", "-l", "log", "-o",
                        f"-k {server.path} -c listen_addresses=''", "restart")
            seen = int(psql(server, "select count(*) from schedule_slot"))
            wait_for(lambda: int(psql(server, "select count(*) from schedule_slot")) > seen, 60)
        psql(server, "select pg_terminate_backend(pid) from pg_stat_activity where pid <> "
                     "pg_backend_pid() and datname = 'w'")
        # A session looks for a deadlock once, one timeout after it began to wait: whether a worker
        # finds this one or the locks' own session does depends on when the worker came.
        try:
            psql(server, "set deadlock_timeout = '10s'; begin; lock table run in exclusive mode; "
                         "select pg_sleep(1.5); lock table worker in exclusive mode; commit;")
        except subprocess.CalledProcessError as lost:
            assert "deadlock detected" in lost.stderr, lost.stderr
        seen = int(psql(server, "select count(*) from schedule_slot"))
        wait_for(lambda: int(psql(server, "select count(*) from schedule_slot")) > seen, 60)
        place.weft("schedules", "pause", "tick")
        wait_for(lambda: psql(server, "select count(*) from run where finished_us is null") == "0",
                 60)
        for worker in workers:
            assert worker.poll() is None, worker.communicate()
            worker.send_signal(signal.SIGINT)
        logs = [worker.communicate(timeout=30)[1] for worker in workers]
        assert any("E0507" in log for log in logs), logs
        deadlock = any("E0504" in log for log in logs)
        slots = psql(server, "select count(*), (max(slot_us) - min(slot_us)) / 1000000 + 1 "
                             "from schedule_slot")
        count, wanted = slots.split("|")
        assert count == wanted, slots
        assert psql(server, "select count(*) from run where status = 'succeeded'") == count
        assert psql(server, "select count(*) from event where kind = 'run_finished'") == count
        assert "agree" in place.weft("fsck").stderr
        print(f"        {count} times of a schedule through 2 restarts, "
              f"{'a deadlock' if deadlock else 'a long lock'} and cut connections; each ran once")


if __name__ == "__main__":
    main(dict(globals()))
