# SPDX-License-Identifier: Apache-2.0
"""A store that was plain is sealed: every word is on disk before and none after, what was stored
reads as before, the history can be proven from then on, and a crash in between costs nothing."""
import json
import random
import shutil
import sqlite3
import time

import audit_test
import callbacks_test
import postgres_test
from encryption_test import (WORDS, check_columns, check_readable, drive, dump_of, files_of,
                             found_in, new_key)
from harness import Place, main
from serving import Server, until

MANY = """
weft: "1"
id: many
input: {type: object, properties: {word: {type: string}}}
steps:
  - id: each
    type: set
    for_each: "{{ range(0, 300) | list }}"
    parameters: {value: "{{ input.word }} {{ item }}"}
output: "{{ steps.each | length }}"
"""
FLAG = ("--master-key", "file:master.key")


def exported(server, *words):
    """The audit records, without those of commands that came since."""
    lines = server.weft("audit", "export", *words).stdout.splitlines()
    return [line for line in lines if '"store:seal"' not in line]


def test_every_word_is_gone_and_everything_reads_as_before():
    receiver = callbacks_test.Receiver(200)
    server = Server("--allow-host", "127.0.0.1")
    server.words += ("--files", str(server.path))
    with server:
        task = drive(server, receiver)
        new_key(server.path / "master.key")
        busy = server.weft("store", "seal", *FLAG, code=1)
        assert "E0512" in busy.stderr, busy.stderr
        server.stop()
        assert found_in(files_of(server)) == set(WORDS) - {"payload"}
        # the key is known now, nothing is sealed yet
        shown, before = server.weft("runs", "show", task, "--json", *FLAG).stdout, exported(
            server, *FLAG)
        events = server.rows("select run, seq, kind, at_us from event order by 1, 2")
        done = json.loads(server.weft("store", "seal", "--json", *FLAG).stdout)
        assert done["values"] > 15 and done["events"] >= 10 and done["records"] > 0, done
        assert done["wiped"] and done["chains"] >= 2, done
        assert found_in(files_of(server)) == set(), found_in(files_of(server))
        assert len(check_columns(server)) >= 15
        assert server.weft("runs", "show", task, "--json", *FLAG).stdout == shown
        assert exported(server, *FLAG) == before
        assert server.rows("select run, seq, kind, at_us from event order by 1, 2") == events
        assert server.rows("select count(*) from reseal") == [(0,)]
        assert "agree" in server.weft("fsck", *FLAG).stderr
        said = server.weft("audit", "verify").stderr
        assert "every link fits" in said and "were sealed after" in said, said
        assert "E0508" in server.weft("runs", "list", code=3).stderr
        again = json.loads(server.weft("store", "seal", "--json", *FLAG).stdout)
        assert [again[name] for name in ("values", "events", "records", "chains")] == [0] * 4, again
        # what is done to it now is found, and so is a store from before
        lines = (server.path / "store.db.checkpoints").read_text().splitlines(keepends=True)
        server.write("cut", "".join(line for line in lines if '"sealed"' not in line))
        assert "E0766" in server.weft("audit", "verify", "--checkpoints", "cut", code=1).stderr
        shutil.copy(server.store, server.path / "whole.db")
        db = sqlite3.connect(server.store)
        db.execute("update event set at_us = at_us + 1 where seq = 2")
        db.commit()
        db.close()
        assert "E0607" in server.weft("audit", "verify", code=1).stderr
        shutil.copy(server.path / "whole.db", server.store)
        server.words += FLAG
        server.__enter__()
        check_readable(server, task)
        later = server.post("/workflows/execute", {
            "workflow_id": "fails", "input_data": {}}).json["task_id"]
        assert until(lambda: server.get(f"/workflows/{later}").json["status"] == "failed", 60)
        assert server.get("/audit/verify").json["good"]
        assert found_in(files_of(server)) == set()


def test_a_history_that_does_not_fit_is_not_sealed():
    with Place() as place:
        place.write("many.yaml", MANY.replace("300", "3"))
        place.run_json("many.yaml", "-i", f"word={WORDS['input']}")
        new_key(place.path / "master.key")
        db = sqlite3.connect(place.store)
        db.execute("update event set at_us = at_us + 1 where seq = 2")
        db.commit()
        db.close()
        assert "E0607" in place.weft("store", "seal", *FLAG, code=1).stderr
        assert found_in(files_of(place)) == {"input"}
        assert "E0511" in place.weft("store", "seal", code=3).stderr
        place.store = place.path / "none.db"
        assert "E0020" in place.weft("store", "seal", *FLAG, code=4).stderr
        assert not place.store.exists()


def test_crashed_processes_are_not_in_the_way():
    """One of this machine is known to be dead; of one elsewhere (a container) its lease tells."""
    with Place() as place:
        place.write("rest.yaml", json.dumps({"weft": "1", "id": "rest", "steps": [
            {"id": "rest", "type": "wait", "parameters": {"for": "1h"}}]}))
        process = place.start("run", "rest.yaml")
        assert until(lambda: place.store.exists() and place.rows(
            "select 1 from sqlite_master where name = 'timer'") and place.rows("select 1 from timer"))
        process.kill()
        process.communicate()
        assert place.rows("select count(*) from worker") == [(1,)]
        new_key(place.path / "master.key")
        for left_s, code in ((3600, 1), (-1, 0)):
            db = sqlite3.connect(place.store)
            db.execute("insert or replace into worker values ('wrk_there', 1, ?, '{\"pid\":\"1\"}')",
                       (int((time.time() + left_s) * 1000),))
            db.commit()
            db.close()
            done = place.weft("store", "seal", *FLAG, code=code)
            assert ("E0512 1 processes" in done.stderr) == (code == 1), done.stderr


def test_kill_9_at_any_moment():
    with Place() as place:
        place.write("many.yaml", MANY)
        runs = [place.run_json("many.yaml", "-i", f"word={WORDS['input']}")["run"]
                for _ in range(3)]
        before = [place.weft("runs", "show", run, "--json").stdout for run in runs]
        new_key(place.path / "master.key")
        chance, kills, midway = random.Random(7), 0, 0
        longest = 0.02
        while True:
            process = place.start("store", "seal", "--batch", "5", *FLAG)
            time.sleep(chance.uniform(0, longest))
            longest += 0.004
            if process.poll() is not None:
                assert process.wait() == 0, process.stderr.read()
                process.communicate()
                break
            process.kill()
            process.communicate()
            kills += 1
            assert kills < 400
            if place.rows("select 1 from sqlite_master where name = 'reseal'") and place.rows(
                    "select 1 from reseal"):
                midway += 1
                assert "E0512" in place.weft("audit", "verify", code=1).stderr
        assert kills > 3 and midway > 0, (kills, midway)
        assert found_in(files_of(place)) == set()
        assert [place.weft("runs", "show", run, "--json", *FLAG).stdout for run in runs] == before
        assert "every link fits" in place.weft("audit", "verify").stderr
        assert "agree" in place.weft("fsck", *FLAG).stderr
        assert place.rows("select count(*) from reseal") == [(0,)]
        assert not place.rows("select 1 from sqlite_master where name = 'event_by_chain'")


def test_what_was_removed_stays_removed():
    with Place() as place:
        place.write("many.yaml", MANY.replace("300", "3"))
        gone, stays = (place.run_json("many.yaml", "-i", f"word={word}")["run"]
                       for word in ("other", WORDS["input"]))
        place.weft("runs", "delete", gone)
        new_key(place.path / "master.key")
        place.weft("store", "seal", *FLAG)
        said = place.weft("audit", "verify").stderr
        assert "every link fits" in said and "1 runs were removed on purpose" in said, said
        place.weft("runs", "delete", stays)  # no payload is read
        assert "2 runs were removed on purpose" in place.weft("audit", "verify").stderr
        assert found_in(files_of(place)) == set()


def test_chains_whose_beginning_was_pruned():
    server = audit_test.Audited()
    with server:
        server.execute(server.admin, "hello")
        assert until(lambda: len(server.records()) >= 2)
        time.sleep(1.5)  # for a checkpoint
        server.weft("audit", "prune", "--keep", "0.001")
        server.execute(server.admin, "hello")
        server.stop()
        before = server.verify()
        assert before["pruned_records"] > 0, before
        new_key(server.path / "master.key")
        server.weft("store", "seal", *FLAG)
        after = server.verify()
        assert after["pruned_records"] == before["pruned_records"] and after["sealed_chains"] > 0
        assert "agree" in server.weft("fsck", *FLAG).stderr
        server.words += FLAG
        server.__enter__()


def test_postgresql():
    programs = postgres_test.programs()
    if programs is None:
        print("        SKIPPED: no PostgreSQL server is installed")
        return
    receiver = callbacks_test.Receiver(200)
    weft = Server("--allow-host", "127.0.0.1")
    with postgres_test.Server(programs) as database:
        weft.store = database.url
        weft.words += ("--files", str(weft.path))
        with weft:
            task = drive(weft, receiver)
            new_key(weft.path / "master.key")
            assert "E0512" in weft.weft("store", "seal", *FLAG, code=1).stderr
            weft.stop()
            assert found_in([dump_of(programs, database, weft.path / "dump")]) == set(WORDS) - {
                "payload"}
            weft.weft("store", "seal", *FLAG)
            assert found_in([dump_of(programs, database, weft.path / "dump")]) == set()
            assert "agree" in weft.weft("fsck", *FLAG).stderr
            assert "every link fits" in weft.weft("audit", "verify").stderr
            weft.words += FLAG
            weft.__enter__()
            check_readable(weft, task)


if __name__ == "__main__":
    main(dict(globals()))
