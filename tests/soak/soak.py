#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills weft again and again while it works, and counts afterwards. usage: soak.py WEFT [KILLS] [--postgres]

A server accepts runs over HTTP and a worker helps; both are killed (SIGKILL) at random moments, now
and then stopped past their lease and let go on. With --postgres the store is a PostgreSQL server of
its own, which is stopped and started as well. Every run has an effect with a key (an HTTP call),
one without (a line in a file), a loop, a wait and steps that were not known before. At the end:

* every run that was accepted (202) has ended, once, with the right output;
* every HTTP call carried its key, no key belongs to two runs, and no run that succeeded lacks it;
* no line stands twice, and each stands that a run says it wrote;
* every time of a schedule fired once, in one run; tables, journal and hash chains agree (weft fsck).

Exit status 0 only if all of that holds.
"""
import csv
import http.client
import http.server
import io
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
WEFT = os.path.abspath(sys.argv[1])
KILLS = int(next((word for word in sys.argv[2:] if word.isdigit()), "50"))
POSTGRES = "--postgres" in sys.argv
OPEN_MAX = 150

SOAK = """
weft: "1"
id: soak
input: {type: object, required: [n], properties: {n: {type: integer}}}
steps:
  - {id: a, type: set, parameters: {value: "{{ input.n }}"}}
  - id: post
    type: http
    dependencies: [a]
    timeout: 1h
    idempotency_key: "{{ run.id }}/post"
    retry: {attempts: 1000, backoff: fixed, initial: 100ms}
    parameters: {method: POST, url: "http://127.0.0.1:PORT/effect", json: {n: "{{ steps.a }}"}}
  - id: line
    type: file
    dependencies: [a]
    on_unknown: fail
    on_error: continue
    parameters: {action: append, path: lines.txt, content: "{{ input.n }}\\n"}
  - {id: file, type: file, dependencies: [a],
     parameters: {action: write, path: "out-{{ input.n }}", content: "{{ input.n }}"}}
  - {id: nap, type: wait, dependencies: [post, file], parameters: {for: 30ms}}
  - {id: each, type: set, dependencies: [a, nap], for_each: [1, 2, 3],
     parameters: {value: "{{ item * steps.a }}"}}
  - {id: steps_of_plan, type: set, dependencies: [a],
     parameters: {value: [{id: p, type: set, parameters: {value: "{{ steps.a + 1 }}"}}]}}
  - {id: dynamic, type: plan, dependencies: [steps_of_plan, nap],
     parameters: {steps: "{{ steps.steps_of_plan }}", types: [set]}}
output: {n: "{{ input.n }}", each: "{{ steps.each }}", p: "{{ steps.dynamic.p }}"}
"""
TICK = """
weft: "1"
id: tick
schedule: {every: 1s, missed: all}
steps: [{id: tick, type: set, parameters: {value: 1}}]
"""


class Effects(http.server.BaseHTTPRequestHandler):
    """The outside world: remembers what it was asked, and under which key."""
    seen = []
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        Effects.seen.append((self.headers.get("Idempotency-Key"), json.loads(body)["n"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *unused):
        pass


class World(http.server.ThreadingHTTPServer):
    def handle_error(self, *unused):
        pass  # who was killed in the middle of a call hangs up


class Victim:
    """A process that is killed and started again, until told to stop."""

    def __init__(self, place, words):
        self.place, self.words, self.process, self.port = place, words, None, None
        self.started = 0.0

    def start(self):
        self.process = subprocess.Popen(
            [WEFT, *self.words, "--store", self.place.store], cwd=self.place.path,
            env=self.place.env, text=True, stdout=subprocess.PIPE, stderr=self.place.log)
        self.started = time.monotonic()
        if self.words[0] == "serve":
            line = self.process.stdout.readline()  # empty: it ended before it listened
            self.port = json.loads(line)["url"].rsplit(":", 1)[1] if line else None

    def kill(self):
        self.process.kill()
        self.process.communicate()


class Place:
    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="weft-soak-"))
        self.env = dict(os.environ, WEFT_HOME=str(self.path / "home"), NO_COLOR="1")
        self.log = open(self.path / "log", "w", encoding="utf-8")
        self.server = None
        self.store = str(self.path / "store.db")
        if POSTGRES:
            sys.path.insert(0, str(HERE.parent / "e2e"))
            import postgres_test
            self.server = postgres_test.Server(postgres_test.programs())
            self.store = self.server.url

    def weft(self, *words):
        return subprocess.run([WEFT, *words, "--store", self.store], cwd=self.path, env=self.env,
                              text=True, capture_output=True, timeout=600)

    def restart_server(self):
        self.server.call("pg_ctl", "-D", "data", "-m", "immediate", "-w", "-l", "log", "-o",
                         f"-k {self.server.path} -c listen_addresses=''", "restart")

    def rows(self, sql):
        if self.server is None:
            db = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=60)
            try:
                return db.execute(sql).fetchall()
            finally:
                db.close()
        done = subprocess.run([f"{self.server.programs}/psql", "-h", str(self.server.path), "-U",
                               "weft", "-d", "w", "--csv", "-t", "-c", sql], text=True,
                              capture_output=True, check=True, timeout=60)
        return [tuple(int(v) if v.lstrip("-").isdigit() else v for v in row)
                for row in csv.reader(io.StringIO(done.stdout))]


class Soak:
    def __init__(self, place):
        self.place = place
        self.accepted = {}   # n -> id of the run
        self.kills = self.stops = self.restarts = 0
        self.stopping = threading.Event()
        self.serve = Victim(place, ["serve", "--port", "0", "--json", "--files", str(place.path),
                                    "--workflow", "soak.yaml", "--allow-host", "127.0.0.1"])
        self.worker = Victim(place, ["worker", "--allow-host", "127.0.0.1"])

    def submit(self):
        """Runs 0, 1, 2, …; each asked for under its key until it is accepted."""
        n = 0
        while not self.stopping.is_set():
            if n - len(set(Effects.seen[-5000:])) > OPEN_MAX:
                time.sleep(0.05)
            try:
                link = http.client.HTTPConnection("127.0.0.1", int(self.serve.port), timeout=10)
                link.request("POST", "/workflows/execute",
                             json.dumps({"workflow_id": "soak", "input_data": {"n": n}}),
                             {"Content-Type": "application/json", "Idempotency-Key": f"soak {n}"})
                answer = link.getresponse()
                body = answer.read()
                link.close()
                if answer.status in (200, 202):
                    self.accepted[n] = json.loads(body)["task_id"]
                    n += 1
                    time.sleep(0.01)
                else:
                    time.sleep(0.05)
            except (OSError, http.client.HTTPException, TypeError, ValueError):
                time.sleep(0.02)

    def disturb(self, dice):
        for victim in (self.serve, self.worker):
            victim.start()
        told = time.monotonic()
        while self.kills < KILLS:
            victim = self.serve if dice.random() < 0.5 else self.worker
            time.sleep(dice.uniform(0.0, 0.25))
            if victim.process.poll() is None and dice.random() < 0.004:
                victim.process.send_signal(signal.SIGSTOP)  # a zombie: past its lease, then awake
                time.sleep(17)
                victim.process.send_signal(signal.SIGCONT)
                time.sleep(1)
                self.stops += 1
            victim.kill()
            self.kills += 1
            if self.place.server is not None and self.kills % 40 == 0:
                self.place.restart_server()
                self.restarts += 1
            victim.start()
            if time.monotonic() - told > 15:
                told = time.monotonic()
                print(f"  {self.kills} kills, {len(self.accepted)} runs accepted, "
                      f"{len(Effects.seen)} calls", flush=True)

    def settle(self):
        self.stopping.set()
        for victim in (self.serve, self.worker):
            victim.kill()
        self.worker.start()
        self.place.weft("schedules", "pause", "tick")
        end = time.monotonic() + 300
        while time.monotonic() < end:
            if self.place.rows("select count(*) from run where finished_us is null") == [(0,)]:
                break
            time.sleep(0.5)
        self.worker.process.send_signal(signal.SIGINT)
        self.worker.process.communicate(timeout=60)


def check(place, soak):
    """What was lost or doubled, as sentences; none if all is well."""
    wrong = []

    def expect(good, sentence):
        if not good:
            wrong.append(sentence)

    status = dict(place.rows("select id, status from run where workflow = 'soak'"))
    lost = [n for n, run in soak.accepted.items() if run not in status]
    expect(not lost, f"accepted runs that are gone: {lost[:5]}")
    left = place.rows("select id, status from run where finished_us is null")
    expect(not left, f"runs that did not end: {left[:5]}")
    bad = [run for run, word in status.items() if word != "succeeded"]
    errors = place.rows("select error from run where error is not null limit 2")
    expect(not bad, f"runs that failed: {bad[:5]} {errors}")
    twice = place.rows("select run from event where kind = 'run_finished' group by run "
                       "having count(*) > 1")
    expect(not twice, f"runs that ended twice: {twice[:5]}")
    numbers = {}
    for run, body in place.rows("select run, body from event where kind = 'run_accepted'"):
        if run in status:
            numbers[run] = json.loads(body)["input"]["n"]
    expect(len(set(numbers.values())) == len(numbers), "a key made two runs")
    for run, body in place.rows("select run, body from event where kind = 'run_finished'"):
        n = numbers.get(run)
        if n is not None:
            said = json.loads(body).get("output")
            expect(said == {"n": n, "each": [n, 2 * n, 3 * n], "p": n + 1}, f"output of {n}: {said}")
    expect(all(key for key, _ in Effects.seen), "a call without its key")
    called = set(Effects.seen)
    expect(len({key for key, _ in called}) == len(called), "one key, two contents")
    expect(called == {(f"{run}/post", n) for run, n in numbers.items()},
           "calls and runs differ")
    lines = [int(line) for line in (place.path / "lines.txt").read_text().split()]
    expect(len(lines) == len(set(lines)), "a line was written twice")
    wrote = {numbers[run] for run, in place.rows(
        "select run from step where path = 'line' and status = 'succeeded'")}
    expect(wrote <= set(lines), f"lines that are missing: {sorted(wrote - set(lines))[:5]}")
    slots = [slot for slot, in place.rows("select slot_us from schedule_slot order by slot_us")]
    expect(slots == list(range(slots[0], slots[-1] + 1, 1_000_000)), "times of the schedule")
    expect(place.rows("select count(*) from schedule_slot") ==
           place.rows("select count(*) from run where workflow = 'tick'"), "runs of the schedule")
    told = place.weft("fsck")
    expect(told.returncode == 0 and "agree" in told.stderr, f"fsck: {told.stderr[:500]}")
    unknown = len(status) - len(wrote)
    print(f"{soak.kills} kills, {soak.stops} stops past the lease, {soak.restarts} restarts of the "
          f"database; {len(soak.accepted)} runs accepted, {len(status)} in the store; "
          f"{len(Effects.seen)} keyed calls for {len(called)} effects; {unknown} lines whose fate "
          f"only a person could tell (failed, never repeated); {len(slots)} times of a schedule")
    return wrong


def main():
    seed = int(os.environ.get("WEFT_SOAK_SEED", random.randrange(1 << 32)))
    print(f"seed {seed}, {KILLS} kills, {'PostgreSQL' if POSTGRES else 'SQLite'}", flush=True)
    effects = World(("127.0.0.1", 0), Effects)
    threading.Thread(target=effects.serve_forever, daemon=True).start()
    place = Place()
    (place.path / "soak.yaml").write_text(SOAK.replace("PORT", str(effects.server_port)))
    (place.path / "tick.yaml").write_text(TICK)
    assert place.weft("schedules", "add", "tick.yaml").returncode == 0
    soak = Soak(place)
    submitter = threading.Thread(target=soak.submit, daemon=True)
    submitter.start()
    soak.disturb(random.Random(seed))
    soak.settle()
    wrong = check(place, soak)
    for sentence in wrong:
        print("WRONG: " + sentence)
    if place.server is not None:
        place.server.__exit__()
    if wrong:
        print(f"kept for a look: {place.path}")
        sys.exit(1)
    shutil.rmtree(place.path, ignore_errors=True)
    print("nothing was lost, nothing was doubled")


if __name__ == "__main__":
    main()
