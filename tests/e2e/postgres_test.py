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
  - {id: pause, type: wait, dependencies: [before], parameters: {for: 6s}}
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
    wait_for(lambda: sum(run["status"] == "waiting" for run in listed(place)) == count)
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
        wait_for(lambda: all(run["status"] == "succeeded" for run in listed(place)), 40)
        took = time.monotonic() - begin
        stopped.send_signal(signal.SIGCONT)  # it finds itself fenced and follows the store
        assert stopped.wait(30) == 0, stopped.communicate()
        check_end(place, 2)
        worker.send_signal(signal.SIGINT)
        assert worker.wait(20) == 130
        dead.communicate()
        print(f"        runs of a dead and a stopped process done after {took:.1f} s, 6 s of them "
              "a wait")


if __name__ == "__main__":
    main(dict(globals()))
