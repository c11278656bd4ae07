#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Crashes from outside. usage: crash_test.py WEFT [--full]

Sweep: strace kills the program (SIGKILL) at the N-th call of one system call, N = 1, 2, … until a
run survives; another process then continues, and must end exactly as an undisturbed run does.
Lost tails: the write-ahead log of a run is cut at every commit, and in the middle of a frame, as
power loss would; the rest must continue to the same end.
"""
import concurrent.futures
import json
import os
import pathlib
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
WEFT = os.path.abspath(sys.argv[1])
EXAMPLES = HERE.parent.parent / "examples"
FULL = "--full" in sys.argv
# Those that end by themselves, and always alike. The model's answers must come out alike, too.
SWEPT = ["dynamic", "hello", "order-totals", "daily-digest", "customer-service"]
INPUTS = {"customer-service": ["-i", "inquiry=I was charged twice for my order!"]}
CALLS = ["write", "pwrite64", "fsync", "fdatasync", "renameat", "unlinkat", "openat2", "sendto"]
POINTS_MAX = 10_000 if FULL else 14  # of each call
WORKERS = 4


class Place:
    def __init__(self, workflow):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="weft-crash-"))
        here = HERE / f"{workflow}.yaml"
        self.workflow = str(here if here.exists() else EXAMPLES / f"{workflow}.yaml")
        self.env = dict(os.environ, WEFT_HOME=str(self.path / "home"), NO_COLOR="1")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        shutil.rmtree(self.path, ignore_errors=True)

    def call(self, *words, prefix=(), timeout=120):
        return subprocess.run([*prefix, WEFT, *words, "--store", str(self.path / "store.db")],
                              cwd=self.path, env=self.env, text=True, capture_output=True,
                              timeout=timeout)

    def rows(self, sql):
        db = sqlite3.connect(self.path / "store.db", timeout=20)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def files(self):
        return {file.name: file.read_text() for file in sorted(self.path.iterdir())
                if file.is_file() and not file.name.startswith(("store.db", ".weft-", "strace"))}


def essence(document):
    """What must not depend on when a process died: everything but ids, times and attempts."""
    steps = {name: {key: step[key] for key in ("status", "output", "items") if key in step}
             for name, step in document["steps"].items()}
    if "pause" in steps:
        del steps["pause"]["output"]  # the instant at which it ended
    return {"status": document["status"], "output": document["output"], "steps": steps}


def inputs(workflow):
    return INPUTS.get(workflow, [])


def undisturbed(workflow):
    with Place(workflow) as place:
        done = place.call("run", place.workflow, *inputs(workflow), "--json")
        assert done.returncode == 0, (done.stdout, done.stderr)
        return essence(json.loads(done.stdout)), place.files()


def resumed(place):
    """The documents of all runs in the store after another process continued them."""
    done = place.call("runs", "resume", "--quiet")
    assert done.returncode in (0, 1), (done.returncode, done.stderr)
    listed = place.call("runs", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    documents = []
    for run in json.loads(listed.stdout):
        shown = place.call("runs", "show", run["run"], "--json")
        assert shown.returncode == 0, shown.stderr
        documents.append(json.loads(shown.stdout))
    return documents


def check_store(place):
    """The invariants that hold whatever happened."""
    assert place.rows("pragma integrity_check") == [("ok",)]
    assert place.rows("select count(*) from run where finished_us is null") == [(0,)]
    assert place.rows("select count(*) from timer") == [(0,)]
    twice = place.rows("select run from event where kind = 'run_finished' group by run "
                       "having count(*) > 1")
    assert twice == [], twice
    gaps = place.rows("select run from event group by run having max(seq) <> count(*)")
    assert gaps == [], gaps


def traced(place, call, number, *words):
    prefix = ["strace", "-f", "-qq", "-o", str(place.path / "strace.log"), "-e", f"trace={call}",
              "-e", f"inject={call}:signal=SIGKILL:when={number}"]
    return place.call("run", place.workflow, *words, "--json", prefix=prefix)


def calls_made(workflow, call):
    """The most calls that one thread of an undisturbed run makes: where a sweep ends."""
    with Place(workflow) as place:
        log = place.path / "strace.log"
        place.call("run", place.workflow, *inputs(workflow), "--json",
                   prefix=["strace", "-f", "-qq", "-o", str(log), "-e", f"trace={call}"])
        counts = {}
        for line in log.read_text(errors="replace").splitlines():
            thread, _, rest = line.partition(" ")
            if rest.strip().startswith(call + "("):
                counts[thread] = counts.get(thread, 0) + 1
        return max(counts.values(), default=0)


def points(count, points_max=POINTS_MAX):
    if count + 1 <= points_max:
        return list(range(1, count + 2))
    step = count / (points_max - 2)
    chosen = {1, 2, count, count + 1} | {int(1 + i * step) for i in range(points_max - 3)}
    return sorted(n for n in chosen if n >= 1)


def crash_twenty(call, number, expected):
    with Place("twenty") as place:
        done = traced(place, call, number)
        survived = done.returncode == 0
        documents = resumed(place)
        if survived:
            assert len(documents) == 1
        check_store(place)
        assert len(documents) <= 1
        for document in documents:
            assert essence(document) == expected[0], essence(document)
            assert place.files() == expected[1], place.files()
        return survived, len(documents)


def crash_append(call, number, _):
    with Place("append") as place:
        done = traced(place, call, number)
        documents = resumed(place)
        check_store(place)
        log = place.path / "log.txt"
        lines = log.read_text().count("line\n") if log.exists() else 0
        assert lines <= 1, f"{lines} lines"
        for document in documents:
            if document["status"] == "succeeded":
                assert lines == 1
            else:
                assert document["error"]["code"] == "E0606", document["error"]
        return done.returncode == 0, len(documents)


def crash_any(workflow):
    """A workflow that ends as if nothing had happened, its sub-runs included."""
    def crash(call, number, expected):
        with Place(workflow) as place:
            done = traced(place, call, number, *inputs(workflow))
            documents = [d for d in resumed(place) if not d["workflow"].endswith("-plan")]
            check_store(place)
            assert len(documents) <= 1
            for document in documents:
                assert essence(document) == expected[0], essence(document)
                assert place.files() == expected[1], place.files()
            return done.returncode == 0, len(documents)
    return crash


def sweep(workflow, crash, expected, points_max=POINTS_MAX):
    killed = survived = continued = 0
    jobs = {}
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for call in CALLS:
            for number in points(calls_made(workflow, call), points_max):
                jobs[pool.submit(crash, call, number, expected)] = (call, number)
        for job in concurrent.futures.as_completed(jobs):
            try:
                alive, runs = job.result()
            except Exception as error:
                raise AssertionError(f"{workflow}: killed at {jobs[job]}: {error}") from error
            survived += alive
            killed += not alive
            continued += (not alive) and runs
    assert killed > 0 and survived > 0, (killed, survived)
    print(f"ok      {workflow}: killed at {killed} points, {continued} runs continued, "
          f"{survived} survived", flush=True)


def commit_ends(wal):
    """Offsets behind each commit frame of a write-ahead log (sqlite.org/fileformat2.html#walformat)."""
    magic, _, page = struct.unpack(">III", wal[:12])
    assert magic in (0x377F0682, 0x377F0683)
    ends = []
    for offset in range(32, len(wal) - 24 - page + 1, 24 + page):
        if struct.unpack(">I", wal[offset + 4:offset + 8])[0] != 0:
            ends.append(offset + 24 + page)
    return ends


def run_with_its_log():
    """A finished run: an open reader kept its log from being folded into the database; None when the
    run ended before the reader came."""
    with Place("twenty") as place:
        reader = None
        process = subprocess.Popen(
            [WEFT, "run", place.workflow, "--json", "--store", str(place.path / "store.db")],
            cwd=place.path, env=place.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        end = time.monotonic() + 60
        while reader is None and time.monotonic() < end:
            try:
                reader = sqlite3.connect(place.path / "store.db", timeout=20)
                reader.execute("select count(*) from run").fetchall()
            except sqlite3.Error:
                reader = None
                time.sleep(0.002)
        assert process.wait(60) == 0, process.stderr.read()
        log = place.path / "store.db-wal"
        kept = ((place.path / "store.db").read_bytes(), log.read_bytes(), place.files()) if (
            log.exists()) else None
        reader.close()
        return kept


def lost_tails(expected):
    """Cuts the log of a finished run that was killed before it could be folded into the database."""
    kept = next(filter(None, (run_with_its_log() for _ in range(10))))
    database, wal, files = kept
    ends = commit_ends(wal)
    assert len(ends) >= 3, "the run was one commit only"
    cuts = [0, 32] + ends + [end - 100 for end in ends]
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(lambda cut: lost_tail(cut, database, wal, files, expected), cuts))
    assert sum(found) > 0
    print(f"ok      lost tails: {len(cuts)} cuts of a log with {len(ends)} commits, "
          f"{sum(found)} runs continued or complete", flush=True)


def lost_tail(cut, database, wal, files, expected):
    with Place("twenty") as place:
        (place.path / "store.db").write_bytes(database)
        (place.path / "store.db-wal").write_bytes(wal[:cut])
        for name, text in files.items():
            (place.path / name).write_text(text)
        root = place.rows("select count(*) from sqlite_master where name = 'run'")[0][0]
        if root:  # the files of the run lie here now, not where it was started
            db = sqlite3.connect(place.path / "store.db", timeout=20)
            db.execute("update run set context = ?", (json.dumps({"roots": [str(place.path)]}),))
            db.commit()
            db.close()
        documents = resumed(place)
        check_store(place)
        for document in documents:
            assert essence(document) == expected[0], (cut, essence(document))
            assert place.files() == expected[1], (cut, place.files(), expected[1])
        return len(documents)


def main():
    probe = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True)
    if probe.returncode != 0:
        print("SKIPPED: strace cannot trace here: " + probe.stderr.decode().strip())
        return
    expected = undisturbed("twenty")
    assert expected[0]["status"] == "succeeded" and expected[0]["output"]["same"] is True
    lost_tails(expected)
    for workflow in SWEPT:
        sweep(workflow, crash_any(workflow), undisturbed(workflow), POINTS_MAX if FULL else 5)
    sweep("append", crash_append, None)
    sweep("twenty", crash_twenty, expected)


if __name__ == "__main__":
    main()
