#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks and stores in trouble, from outside. usage: faults_test.py WEFT

A full disk, a failing sync, a disk that became read-only (strace injects the error from the N-th
call on): the program ends with a named error, tells nothing that is not stored, and the next start
goes on. Stores that are damaged or too new: named errors, and other runs keep working.
"""
import json
import os
import pathlib
import random
import sqlite3
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from harness import WEFT, Place, can_trace, main  # noqa: E402
from run_test import wait_for  # noqa: E402

STEPS = """
weft: "1"
id: steps
steps:
  - {id: one, type: file, parameters: {action: write, path: one.txt, content: "1"}}
  - {id: nap, type: wait, dependencies: [one], parameters: {for: 100ms}}
  - {id: two, type: file, dependencies: [nap], parameters: {action: write, path: two.txt, content: "2"}}
output: "{{ steps.two.path }}"
"""
FAULTS = [("pwrite64", "ENOSPC"), ("pwrite64", "EIO"), ("pwrite64", "EROFS"),
          ("fdatasync", "EIO"), ("fsync", "EIO")]


def faulty(place, call, error, first):
    return subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
         "-e", f"inject={call}:error={error}:when={first}+", *place.command("run", "steps.yaml")],
        cwd=place.path, env=place.env, text=True, capture_output=True, timeout=120)


def test_a_disk_in_trouble_is_named_and_loses_nothing():
    if not can_trace():
        print("        SKIPPED: strace cannot trace here")
        return
    named = 0
    for call, error in FAULTS:
        for first in (1, 3, 6, 12):
            with Place() as place:
                place.write("steps.yaml", STEPS)
                done = faulty(place, call, error, first)
                assert done.returncode >= 0, (call, error, first, done.returncode)  # no signal
                if done.returncode != 0:
                    assert "E0" in done.stderr, done.stderr
                    named += 1
                # The disk is well again: whatever was accepted ends, and the store is sound.
                place.weft("runs", "resume", "--quiet", timeout=120)
                states = place.rows("select status, error from run")
                # A file step's own sync may have failed: then that is what the run says.
                assert not states or states[0][0] == "succeeded" or (
                    "E0605" in states[0][1] and "sync" in call), (call, error, first, states)
                assert "agree" in place.weft("fsck").stderr
    assert named > 0
    print(f"        {named} of {len(FAULTS) * 4} faults ended the process, each by name")


def test_a_store_of_a_newer_version_is_left_as_it_is():
    with Place() as place:
        place.write("steps.yaml", STEPS)
        place.weft("run", "steps.yaml")
        db = sqlite3.connect(place.store)
        db.execute("insert into schema_version values (999, 'of tomorrow', 1)")
        db.commit()
        db.close()
        for words in (("run", "steps.yaml"), ("runs", "list"), ("runs", "resume"), ("fsck",),
                      ("schedules", "list")):
            told = place.weft(*words, code=3)
            assert "E0505" in told.stderr, told.stderr
        assert place.rows("select count(*) from run") == [(1,)]


def waiting_run(place, name):
    place.write(f"{name}.yaml", STEPS.replace("id: steps", f"id: {name}")
                .replace("for: 100ms", "for: 8s"))
    process = place.start("run", f"{name}.yaml")

    def waits():
        try:
            return place.rows("select 1 from run where workflow = ? and status = 'waiting'", name)
        except sqlite3.Error:
            return []

    wait_for(waits)
    process.kill()
    process.communicate()


def test_a_damaged_journal_of_one_run_does_not_stop_the_others():
    with Place() as place:
        waiting_run(place, "bad")
        waiting_run(place, "good")
        (bad,), = place.rows("select id from run where workflow = 'bad'")
        db = sqlite3.connect(place.store)
        db.execute("update event set body = '{\"kind\":' where run = ? and seq = 3", (bad,))
        db.commit()
        db.close()
        worker = place.start("worker")
        wait_for(lambda: place.rows("select 1 from run where workflow = 'good' and "
                                    "status = 'succeeded'"), 60)
        worker.kill()
        _, log = worker.communicate()
        assert "E0604" in log or "E0607" in log, log
        told = place.weft("fsck", code=1)
        assert bad in told.stdout + told.stderr, told
        assert place.weft("runs", "show", bad, code=None).returncode != 0


def test_damaged_pages_are_errors_not_crashes():
    with Place() as place:
        place.write("steps.yaml", STEPS)
        for _ in range(5):
            place.weft("run", "steps.yaml")
        db = sqlite3.connect(place.store)
        db.execute("pragma wal_checkpoint(truncate)")
        pages, = db.execute("pragma page_count").fetchone()
        size, = db.execute("pragma page_size").fetchone()
        db.close()
        whole = place.store.read_bytes()
        named = 0
        for page in range(0, pages, max(1, pages // 12)):
            broken = bytearray(whole)
            broken[page * size:page * size + size] = random.Random(page).randbytes(size)
            place.store.write_bytes(broken)
            for words in (("runs", "list"), ("fsck",), ("run", "steps.yaml")):
                done = place.weft(*words, code=None)
                assert done.returncode >= 0, (page, words, done.returncode)
                if done.returncode != 0:
                    assert "E0" in done.stderr + done.stdout, (page, words, done)
                    named += 1
            for rest in ("-wal", "-shm"):
                pathlib.Path(str(place.store) + rest).unlink(missing_ok=True)
        assert named > 0
        print(f"        {named} named errors over {pages} pages")


HUGE = """
weft: "1"
id: huge
steps:
  - {id: read, type: file, parameters: {action: read, path: huge.txt}}
"""
WRONG = """
weft: "1"
id: wrong
input: {type: object, properties: {n: {}}}
steps:
  - {id: add, type: set, parameters: {value: "{{ input.n + 1 }}"}}
"""
BREAKS = """
weft: "1"
id: breaks
steps:
  - {id: value, type: set, parameters: {value: {kind: other}}}
  - {id: check, type: validate, dependencies: [value], parameters: {value: "{{ steps.value }}",
     schema: {type: object, properties: {kind: {enum: [a, b]}}}}}
"""


def failed(place, *words):
    done = place.weft("run", *words, "--json", code=1, timeout=120)
    return json.loads(done.stdout)["error"]


def test_outputs_and_expressions_that_go_wrong_are_named():
    with Place() as place:
        with open(place.path / "huge.txt", "wb") as file:
            file.truncate(100 << 20)
        place.write("huge.yaml", HUGE)
        place.write("wrong.yaml", WRONG)
        place.write("breaks.yaml", BREAKS)
        place.write("steps.yaml", STEPS)
        other = threading.Thread(target=place.weft, args=("run", "steps.yaml"))
        other.start()
        for name, words in (("huge", ["huge.yaml"]), ("wrong", ["wrong.yaml", "-i", "n=text"]),
                            ("breaks", ["breaks.yaml"])):
            error = failed(place, *words)
            assert error["code"].startswith("E0") and error["message"], (name, error)
            print(f"        {name}: {error['code']} {error['message'][:80]}")
        other.join()
        assert place.rows("select status from run where workflow = 'steps'") == [("succeeded",)]


if __name__ == "__main__":
    main(dict(globals()))
