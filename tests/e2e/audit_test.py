# SPDX-License-Identifier: Apache-2.0
"""The audit from outside: what is recorded and for whom; that any change, removal, insertion or
reordering of history is found, a rolled-back store too; that checkpoints survive kill -9."""
import csv
import hashlib
import hmac
import io
import json
import shutil
import signal
import socket
import sqlite3
import subprocess
import time

from agent_test import KOREAN, Crm, document, killed_in_post, reject_until_it_ends, words
from callbacks_test import Receiver
from harness import WEFT, Place, main
from people_test import waiting_for
from serving import HELLO, Server, until

ASKING = """weft: "1"
id: asking
steps:
  - id: triage
    type: llm
    parameters:
      prompt: "I was charged twice"
      mode: non_reasoning
      output: { type: object, required: [category], additionalProperties: false,
                properties: { category: { enum: [technical, billing, general] } } }
"""


class Audited(Server):
    def __init__(self):
        super().__init__()
        self.write("hello.yaml", HELLO)
        self.write("asking.yaml", ASKING)
        self.words = ("--workflow", "hello.yaml", "--workflow", "asking.yaml")
        self.admin = self.make_key("root", "--role", "admin")
        self.viewer = self.make_key("eve", "--role", "viewer")
        self.acme = self.make_key("acme", "--role", "admin", "--tenant", "acme")

    def make_key(self, name, *words):
        return self.weft("keys", "create", "--name", name, *words).stdout.strip()

    def ask_as(self, key, method, path, body=None):
        return self.ask(method, path, body, headers={"Authorization": f"Bearer {key}"})

    def metric(self, name):
        text = self.ask_as(self.admin, "GET", "/metrics").body.decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if line.startswith((name + " ", name + "{")))

    def records(self, **query):
        words = "&".join(f"{k}={v}" for k, v in query.items())
        answer = self.ask_as(self.admin, "GET", f"/audit?limit=1000&{words}")
        assert answer.status == 200, answer.body
        return answer.json["items"]

    def execute(self, key, workflow):
        answer = self.ask_as(key, "POST", "/workflows/execute", {"workflow_id": workflow})
        assert answer.status == 202, answer.body
        task = answer.json["task_id"]
        assert until(lambda: self.ask_as(key, "GET", f"/workflows/{task}").json["status"] ==
                     "succeeded", 60)
        return task

    def verify(self, code=0, *words):
        done = self.weft("audit", "verify", "--json", *words, code=code)
        return json.loads(done.stdout)


def test_what_is_recorded():
    with Audited() as server:
        task = server.execute(server.acme, "asking")
        refused = server.ask_as(server.viewer, "POST", "/workflows/execute", {"workflow_id": "hello"})
        assert refused.status == 403
        assert server.ask_as(server.admin, "PUT", "/definitions/x", "wrong").status == 422
        chat = server.ask_as(server.admin, "POST", "/v1/chat/completions", {
            "model": "default", "max_tokens": 8, "messages": [{"role": "user", "content": "Hi"}]})
        assert chat.status == 200, chat.body
        assert until(lambda: len(server.records(action="ai_decision")) == 2)
        for record in server.records():
            assert {"user", "action", "timestamp"} <= set(record), record
        inside = [r for r in server.records(action="ai_decision") if r["tenant"] == "acme"]
        assert len(inside) == 1 and inside[0]["resource"] == f"{task}/triage", inside
        assert inside[0]["user"] == "acme"
        details = inside[0]["details"]
        assert details["tokens"]["prompt"] > 0 and len(details["prompt_hash"]) == 64, details
        assert 0 < details["chosen"]["/category"]["probability"] <= 1, details
        rows = server.rows("select prompt_hash, model_hash from ai_call where run = ?", task)
        assert rows == [(details["prompt_hash"], details["model_hash"])]
        started = [r for r in server.records(action="data_processing") if r["tenant"] == "acme"]
        assert [r["resource"] for r in started] == ["/workflows/execute"] and \
            started[0]["outcome"] == "ok"
        no = server.records(action="runs:execute")
        assert len(no) == 1 and no[0]["outcome"] == "refused" and no[0]["user"].startswith("eve"), no
        wrong = server.records(action="definitions:write")
        assert [r["outcome"] for r in wrong] == ["failed"], wrong
        made = server.records(action="keys:manage")
        assert len(made) == 3 and all(r["user"].startswith("local:") for r in made), made
        assert not any("weft_" in json.dumps(r) for r in server.records())  # no key, ever
        # tenants see their own
        theirs = server.ask_as(server.acme, "GET", "/audit").json["items"]
        assert theirs and {r["tenant"] for r in theirs} == {"acme"}, theirs
        assert server.ask_as(server.acme, "GET", "/audit/verify").status == 403
        assert server.ask_as(server.viewer, "GET", "/audit").status == 403
        assert until(lambda: server.records(action="audit:read"))  # eve's refusal is on disk
        # pages, times, exports
        page = server.ask_as(server.admin, "GET", "/audit?limit=2").json
        rest = server.ask_as(server.admin, "GET", f"/audit?cursor={page['next_cursor']}").json
        everything = server.records()
        assert page["items"] + rest["items"] == everything[:2 + len(rest["items"])]
        assert server.records(to="2001-01-01") == []
        assert server.ask_as(server.admin, "GET", "/audit?from=soon").status == 400
        lines = server.weft("audit", "export").stdout.splitlines()
        assert len(lines) >= len(everything) and json.loads(lines[-1])["action"] == "keys:manage"
        table = list(csv.DictReader(io.StringIO(
            server.weft("audit", "export", "--format", "csv", "--user", "acme").stdout)))
        assert [row["action"] for row in table] == ["ai_decision"], table


ACTING = """weft: "1"
id: acting
input: { type: object, properties: { crm: { type: string } } }
steps:
  - { id: quiet, type: set, parameters: { value: 1 } }
  - { id: reads, type: file, parameters: { action: read, path: in.txt } }
  - { id: writes, type: file, parameters: { action: write, path: out.txt, content: "s3cret" } }
  - id: inserts
    type: database
    parameters: { connection: crm, query: "insert into t values (:x)", args: { x: "s3cret" } }
  - id: posts
    type: http
    parameters: { method: POST, url: "{{ input.crm }}/tickets?token=s3cret", json: { a: "s3cret" } }
  - { id: runs, type: shell, parameters: { command: [echo, s3cret] } }
  - id: tells
    type: notification
    parameters: { channel: webhook, to: "{{ input.crm }}/tickets", text: "s3cret" }
  - { id: metadata, type: http, parameters: { url: "http://169.254.169.254/latest" }, fallback: [
      { id: metadata_not, type: set, parameters: { value: 0 } } ] }
  - { id: outside, type: file, parameters: { action: write, path: ../../x, content: "y" }, fallback: [
      { id: outside_not, type: set, parameters: { value: 0 } } ] }
  - { id: nowhere, type: database, parameters: { connection: other, query: "select 1" }, fallback: [
      { id: nowhere_not, type: set, parameters: { value: 0 } } ] }
"""


def exported(place, *words):
    return [json.loads(line) for line in place.weft("audit", "export", *words).stdout.splitlines()]


def test_what_steps_do_outside_is_recorded_and_what_they_were_refused():
    with Place() as place, Crm() as crm:
        place.write("in.txt", "a")
        db = sqlite3.connect(place.path / "crm.db")
        db.execute("create table t (x text)")
        db.close()
        grants = ("--allow-host", crm.host, "--database", "crm=write:sqlite:crm.db", "--allow-shell")
        run = place.run_json(place.write("acting.yaml", ACTING), "-i", f"crm={crm.url}", *grants)
        assert run["status"] == "succeeded", run
        records = exported(place, "--action", "step_act")
        told = {r["resource"].rsplit("/", 1)[1]: r for r in records}
        assert len(told) == len(records) == 8, records
        assert {p: (r["details"]["type"], r["details"]["target"], r["outcome"], r["details"].get("code"))
                for p, r in told.items()} == {
            "writes": ("file", "write out.txt", "ok", None),
            "inserts": ("database", "crm", "ok", None),
            "posts": ("http", f"POST {crm.url}", "ok", None),
            "runs": ("shell", "echo", "ok", None),
            "tells": ("notification", f"webhook {crm.url}", "ok", None),
            "metadata": ("http", "GET http://169.254.169.254", "refused", "E0801"),
            "outside": ("file", "write ../../x", "refused", "E0608"),
            "nowhere": ("database", "other", "refused", "E0626")}, told
        for record in records:
            assert record["user"] == "local" and record["resource"].startswith(run["run"] + "/"), record
            assert len(record["details"]["arguments_hash"]) == 64, record
            assert "s3cret" not in json.dumps(record), record
        place.weft("run", "acting.yaml", "-i", f"crm={crm.url}", "--dry-run", *grants)
        assert len(exported(place, "--action", "step_act")) == 8, "a dry run acts on nothing"
        assert place.weft("audit", "verify").returncode == 0


def test_calls_of_agents_are_recorded_and_those_that_were_refused():
    with Place() as place, Crm() as crm:
        run = place.run_json(*words(place, crm))
        assert run["status"] == "succeeded", run
        calls = exported(place, "--action", "tool_call")
        assert {(r["resource"], r["outcome"]) for r in calls} >= {(run["run"] + "/resolve", "ok")}
        made = [r["details"] for r in calls if r["outcome"] == "ok"]
        assert len(made) == len(crm.asked), (made, crm.asked)
        assert {(d["tool"], d["type"], d["target"]) for d in made} == {
            ("get_customer_profile", "http", f"GET {crm.url}"),
            ("create_support_ticket", "http", f"POST {crm.url}")}, made
        assert not exported(place, "--action", "step_act"), "the agent itself did nothing outside"
        run = place.run_json("support.yaml", "-i", f"inquiry={KOREAN}", "-i", f"crm={crm.url}")
        refused = [r for r in exported(place, "--action", "tool_call")
                   if r["resource"].startswith(run["run"])]
        assert refused and all(r["outcome"] == "refused" and r["details"]["code"] == "E0801"
                               for r in refused), refused
        # a person's no, and a process that is killed in the middle of a call
        text = document("approve_tools: [create_support_ticket]")
        process = place.start("run", *words(place, crm, text=text), "--json")
        reject_until_it_ends(place, process, "--by", "bob")
        assert [r for r in exported(place, "--action", "tool_call")
                if r["details"].get("reason") == "not approved"]
        assert place.weft("audit", "verify").returncode == 0


def test_a_call_that_was_cut_off_is_recorded_as_unknown():
    with Place() as place, Crm(delay=2) as crm:
        run = killed_in_post(place, crm, document(idem=""))
        place.weft("runs", "resume", run, "--json", "--allow-host", crm.host, code=None)
        waiting_for(place, "resolve")
        unknown = [r["details"] for r in exported(place) if r["outcome"] == "unknown"]
        assert [(d["tool"], d["target"], d["code"]) for d in unknown] == [
            ("create_support_ticket", f"POST {crm.url}", "E0606")], unknown
        assert place.weft("audit", "verify").returncode == 0


def test_all_that_fits_is_exported_over_http_as_on_the_command_line():
    with Audited() as server:
        server.execute(server.acme, "hello")
        assert until(lambda: server.records(action="data_processing"))
        everything = server.ask_as(server.admin, "GET", "/audit/export")
        assert everything.headers["Content-Type"] == "application/x-ndjson", everything.headers
        assert everything.headers["Content-Disposition"] == 'attachment; filename="audit.jsonl"'
        lines = [json.loads(line) for line in everything.body.decode().splitlines()]
        assert sorted(map(str, lines)) == sorted(
            str({**line}) for line in map(json.loads, server.weft("audit", "export").stdout.splitlines()))
        table = server.ask_as(server.admin, "GET", "/audit/export?format=csv&action=keys:manage")
        assert table.headers["Content-Type"].startswith("text/csv"), table.headers
        rows = list(csv.DictReader(io.StringIO(table.body.decode())))
        assert [row["action"] for row in rows] == ["keys:manage"] * 3, rows
        assert json.loads(rows[0]["details"]), rows[0]
        # by time, by user; tenants take away their own; more than one page of the store
        middle = lines[len(lines) // 2]["timestamp"]
        later = server.ask_as(server.admin, "GET", f"/audit/export?from={middle}").body
        earlier = server.ask_as(server.admin, "GET", f"/audit/export?to={middle}").body
        kept = [json.loads(line)["timestamp"] for line in later.decode().splitlines()]
        assert kept and all(at >= middle for at in kept) and len(kept) < len(lines), kept
        assert all(json.loads(line)["timestamp"] <= middle for line in earlier.decode().splitlines())
        theirs = server.ask_as(server.acme, "GET", "/audit/export").body.decode().splitlines()
        assert theirs and {json.loads(line)["tenant"] for line in theirs} == {"acme"}, theirs
        assert server.ask_as(server.viewer, "GET", "/audit/export").status == 403
        for wrong in ("format=xml", "from=soon"):
            assert server.ask_as(server.admin, "GET", f"/audit/export?{wrong}").status == 400, wrong
        for _ in range(600):  # a refusal is a record
            server.ask_as(server.viewer, "GET", "/keys")
            server.ask_as(server.viewer, "DELETE", "/keys/x")

        def exported():
            text = server.ask_as(server.admin, "GET", "/audit/export?action=keys:manage").body
            return len(text.decode().splitlines())
        assert until(lambda: exported() == 1203), exported()


def test_an_unchanged_history_is_proven():
    with Audited() as server:
        server.execute(server.admin, "hello")
        assert until(lambda: server.ask_as(server.admin, "GET", "/audit/verify").json["proven_until"])
        over_http = server.ask_as(server.admin, "GET", "/audit/verify").json
        assert over_http["good"] and over_http["checkpoints"] > 0, over_http
        server.stop()
        report = server.verify()
        assert report["good"] and report["uncovered_links"] == 0, report
        assert report["uncovered_chains"] == 0 and report["records"] >= 4, report
        text = server.weft("audit", "verify").stderr
        assert "prove it up to" in text, text
        server.verify(0, "--key", report["key"])
        assert not server.verify(1, "--key", "00" * 32)["good"]


def tampered(server, sql, good=False):
    copy = server.path / "copy.db"
    for ending in ("", "-wal", "-shm"):
        source = str(server.store) + ending
        if (server.path / ("store.db" + ending)).exists():
            shutil.copy(source, str(copy) + ending)
    db = sqlite3.connect(copy)
    changed = db.executescript(sql) if sql else None
    db.commit()
    db.close()
    del changed
    done = server.weft_verify(copy)
    assert (done.returncode == 0) == good, (sql, done.returncode, done.stdout)
    return json.loads(done.stdout)


def server_verify(server, copy, checkpoints="store.db.checkpoints"):
    return subprocess.run(
        [WEFT, "audit", "verify", "--json", "--store", str(copy), "--checkpoints", checkpoints], cwd=server.path, env=server.env, text=True,
        capture_output=True, timeout=60, check=False)


def test_every_kind_of_change_is_found():
    with Audited() as server:
        server.weft_verify = lambda copy: server_verify(server, copy)
        for _ in range(3):
            server.execute(server.admin, "hello")
        server.stop()
        assert tampered(server, "", good=True)["good"]
        chain = "writer like 'w%' and epoch >= 0"
        last = "(select max(n) from audit where writer like 'w%')"
        for sql in (
                "update audit set actor = 'nobody' where n = 2",
                "update audit set at_us = at_us - 1 where n = 1",
                "update event set body = replace(body, 'Hello', 'Hullo')",
                "update event set at_us = at_us + 1 where seq = 3",
                "delete from event where seq = 2",
                "delete from audit where n = 1",
                # what chains alone cannot see:
                f"delete from audit where {chain} and n = {last}",
                f"delete from audit where {chain}",
                "delete from audit",
                "delete from audit where writer like 'cmd%'",
                "delete from event; delete from run; delete from step",
                "delete from event where n >= 3"):
            report = tampered(server, sql)
            assert report["problem"]["code"] in ("E0607", "E0765", "E0766"), (sql, report)
        moved = "update event set n = -n where n in (2, 3); update event set n = 5 + n where n < 0"
        assert not tampered(server, moved)["good"]
        inserted = ("insert into audit select writer, epoch, n + 1, at_us, tenant, actor, action, "
                    f"resource, outcome, details, hash, hash from audit where {chain} and n = {last}")
        assert not tampered(server, inserted)["good"]


def test_old_records_go_and_the_rest_is_proven():
    with Audited() as server:
        for _ in range(3):
            server.execute(server.admin, "hello")
        assert until(lambda: server.verify()["uncovered_links"] == 0)
        before = server.verify()
        server.weft("audit", "prune", code=2)  # which?
        assert server.weft("audit", "prune", "--before", "yesterday", code=2).stderr
        early = server.weft("audit", "prune", "--before", "2020-01-01", "--json").stdout
        assert json.loads(early)["records"] == 0, early
        shutil.copy(f"{server.store}.checkpoints", server.path / "checkpoints.before")
        would = json.loads(server.weft("audit", "prune", "--keep", "0.001", "--dry-run",
                                       "--json").stdout)
        assert would["records"] == before["records"] > 3, (would, before)
        assert server.verify()["records"] == before["records"]
        done = json.loads(server.weft("audit", "prune", "--keep", "0.001", "--json").stdout)
        assert done["records"] == before["records"], done
        # the server goes on with its chain, whose beginning is gone
        server.execute(server.admin, "hello")
        assert until(lambda: server.verify()["uncovered_links"] == 0)
        report = server.verify()
        assert report["good"] and report["pruned_records"] == before["records"], report
        assert report["pruned_before"] == done["before"], report
        over_http = server.ask_as(server.admin, "GET", "/audit/verify").json
        assert over_http["pruned_records"] == before["records"] and over_http["good"], over_http
        assert [r["action"] for r in server.records(action="audit:prune")] == ["audit:prune"]
        server.stop()
        assert "were removed on purpose" in server.weft("audit", "verify").stderr
        # without the line that says so, the same removal is one that nobody signed
        assert not server.verify(1, "--checkpoints", "checkpoints.before")["good"]
        # a second time, from the new beginning on; then of a store that was changed
        again = json.loads(server.weft("audit", "prune", "--keep", "0.001", "--json").stdout)
        assert again["records"] >= 2, again
        assert server.verify()["pruned_records"] == before["records"] + again["records"]
        server.weft("keys", "create", "--name", "late", "--role", "viewer")
        db = sqlite3.connect(server.store)
        db.execute("update audit set actor = 'nobody'")
        db.commit()
        db.close()
        refused = server.weft("audit", "prune", "--keep", "0.001", code=1)
        assert "E0765" in refused.stderr, refused.stderr
        assert server.rows("select count(*) from audit") != [(0,)]


def test_a_removal_beyond_what_was_signed_away_is_found():
    with Audited() as server:
        server.weft_verify = lambda copy: server_verify(server, copy)
        for _ in range(3):
            server.execute(server.admin, "hello")
        assert until(lambda: server.verify()["uncovered_links"] == 0)
        server.weft("audit", "prune", "--keep", "0.001")
        server.execute(server.admin, "hello")
        server.stop()
        assert tampered(server, "", good=True)["good"]
        first = "(select min(n) from audit where writer like 'w%')"
        for sql in (f"delete from audit where writer like 'w%' and n = {first}",
                    "delete from audit where writer like 'w%'",
                    f"update audit set n = n - 1 where writer like 'w%' and n = {first}",
                    f"update audit set prev_hash = zeroblob(32) where writer like 'w%' and "
                    f"n = {first}"):
            assert tampered(server, sql)["problem"]["code"] in ("E0765", "E0766"), sql
        # lines of the file cannot be made without its key
        lines = (server.path / "store.db.checkpoints").read_text().splitlines(keepends=True)
        pruned = [line for line in lines if '"pruned"' in line]
        assert len(pruned) == 1, pruned
        server.write("forged", "".join(lines) + pruned[0].replace('"records":', '"records":1'))
        assert server.verify(1, "--checkpoints", "forged")["problem"]["code"] == "E0766"


def witnessed(receiver):
    server = Audited()
    server.write("weft.yaml", f"audit: {{ webhook: {{ url: '{receiver.url}', "
                 "secret: a secret of the witness } }\n")
    server.words += ("--config", "weft.yaml")
    return server


def kept_by(receiver):
    """As docs/audit.md says: each body under the number of its first line, put together."""
    kept = {}
    for headers, body in receiver.taken:
        at, sent = (part.split("=")[1] for part in headers["X-Weft-Signature"].split(","))
        wanted = hmac.new(b"a secret of the witness", at.encode() + b"." + body, hashlib.sha256)
        assert hmac.compare_digest(wanted.hexdigest(), sent), headers
        assert headers["X-Weft-Event"] == "audit.checkpoints", headers
        kept[int(headers["X-Weft-Delivery"])] = body
    return b"".join(kept[first] for first in sorted(kept)).decode()


def test_a_webhook_keeps_what_this_machine_may_lose():
    receiver = Receiver(200)
    with witnessed(receiver) as server:
        file = server.path / "store.db.checkpoints"
        for _ in range(3):
            server.execute(server.admin, "hello")
        assert until(lambda: server.metric("weft_audit_webhook_checkpoints") >= 1)
        assert until(lambda: kept_by(receiver) == file.read_text())
        server.stop()  # its last links are signed and told when everything else has ended
        kept = kept_by(receiver)
        assert kept == file.read_text() and len(kept.splitlines()) >= 4, kept
        server.write("kept", kept)
        report = server.verify(0, "--checkpoints", "kept")
        assert report["good"] and report["uncovered_links"] == 0, report
        # somebody cuts the end of the chain and of the file: here nothing shows, there it does
        ending = json.loads(kept.splitlines()[-1].split("\t")[0])["chains"]
        audit = next(chain for chain in ending if chain[0] == "audit")
        db = sqlite3.connect(server.store)
        db.execute("delete from audit where writer = ? and n >= ?", (audit[1], audit[3]))
        db.commit()
        db.close()
        lines = kept.splitlines(keepends=True)
        while any(chain[0] == "audit" and chain[3] >= audit[3] and chain[1] == audit[1]
                  for chain in json.loads(lines[-1].split("\t")[0])["chains"]):
            lines.pop()
        file.write_text("".join(lines))
        assert server.verify()["good"]
        found = server.verify(1, "--checkpoints", "kept", "--key", report["key"])["problem"]
        assert found["code"] == "E0766" and "were signed" in found["message"], found


def test_a_webhook_that_is_down_misses_nothing_and_nobody_waits_for_it():
    receiver = Receiver(503)
    with witnessed(receiver) as server:
        for _ in range(2):
            server.execute(server.admin, "hello")
        assert until(lambda: server.metric("weft_audit_webhook_failures_total") >= 2)
        assert server.metric("weft_audit_webhook_lag_seconds") > 0.5
        assert receiver.taken == [] and server.metric("weft_audit_webhook_checkpoints") == 0
        server.process.kill()
        server.process.wait()
        server.process.stdout.close()
        server.log.close()
        receiver.statuses[:] = [200]
        server.__enter__()
        server.execute(server.admin, "hello")
        file = server.path / "store.db.checkpoints"
        assert until(lambda: kept_by(receiver) == file.read_text())
        assert until(lambda: server.metric("weft_audit_webhook_lag_seconds") == 0)
        # a worker of the same store tells what it signs when the server has gone
        server.stop()
        before = len(receiver.taken)
        worker = server.start("worker", "--config", "weft.yaml")
        server.weft("keys", "create", "--name", "late", "--role", "viewer")
        assert until(lambda: len(receiver.taken) > before)
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=60)
        assert kept_by(receiver) == file.read_text()
        # bodies one behind the other, those that came twice too, prove the same
        server.write("kept", "".join(body.decode() for _, body in receiver.taken * 2))
        assert server.verify(0, "--checkpoints", "kept")["good"]


def test_a_webhook_that_never_answers_holds_nothing_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        receiver = Receiver(200)
        receiver.url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with witnessed(receiver) as server:
            server.execute(server.admin, "hello")
            assert until(lambda: server.metric("weft_audit_webhook_lag_seconds") > 1)
            server.execute(server.admin, "hello")
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 10
            assert server.verify()["uncovered_links"] == 0


def test_a_webhook_of_the_configuration_must_be_an_address():
    with Audited() as server:
        server.write("weft.yaml", "audit: { webhook: { url: witness } }\n")
        done = subprocess.run([WEFT, "doctor", "--config", "weft.yaml"], cwd=server.path,
                              env=server.env, text=True, capture_output=True, check=False)
        assert done.returncode == 3 and "audit.webhook: 'url'" in done.stderr, done


WAITING = """weft: "1"
id: waiting
steps:
  - { id: stay, type: signal, parameters: { name: go } }
"""
GREETING = """weft: "1"
id: greeting
input: { type: object, properties: { name: { type: string } } }
steps:
  - { id: greet, type: set, parameters: { value: "Hello, {{ input.name }}!" } }
output: "{{ steps.greet }}"
"""


def keeping(retention):
    server = Audited()
    server.write("waiting.yaml", WAITING)
    server.write("greeting.yaml", GREETING)
    server.write("weft.yaml", f"retention: {{ {retention}, every: 1s }}\n")
    server.words += ("--workflow", "waiting.yaml", "--workflow", "greeting.yaml",
                     "--config", "weft.yaml")
    return server


def greet(server, name):
    answer = server.ask_as(server.admin, "POST", "/workflows/execute", {
        "workflow_id": "greeting", "input_data": {"name": name}})
    assert answer.status == 202, answer.body
    return answer.json["task_id"]


def gone(server, task):
    return server.ask_as(server.admin, "GET", f"/workflows/{task}").status == 404


def test_runs_that_ended_long_ago_go_by_themselves_and_the_rest_is_proven():
    with keeping("runs: 1s") as server:
        server.weft_verify = lambda copy: server_verify(server, copy)
        stays = server.ask_as(server.admin, "POST", "/workflows/execute",
                              {"workflow_id": "waiting"}).json["task_id"]
        told = [greet(server, f"Rumpelstiltskin{i}") for i in range(3)]
        assert until(lambda: all(gone(server, task) for task in told), 30)
        assert not gone(server, stays)

        def said():
            return server.records(action="runs:prune")

        assert until(lambda: sum(record["details"]["runs"] for record in said()) == 3), said()
        assert {record["user"] for record in said()} == {"weft"}, said()
        assert server.metric("weft_retention_runs_removed_total") == 3
        assert server.metric("weft_retention_audit_records_removed_total") == 0
        assert server.metric("weft_retention_failures_total") == 0
        assert server.metric("weft_retention_applied_timestamp_seconds") > time.time() - 60
        over_http = server.ask_as(server.admin, "GET", "/audit/verify").json
        assert over_http["good"] and over_http["pruned_runs"] == 3, over_http
        server.stop()
        assert "3 runs were removed on purpose" in server.weft("audit", "verify").stderr
        assert server.verify()["uncovered_links"] == 0
        server.weft("fsck")
        left = server.rows("select kind, path, body from event where run <> ?", stays)
        assert len(left) > 9 and set(left) == {("pruned", "", "")}, left
        assert "Rumpelstiltskin" not in "".join(str(server.rows(f"select * from {table}"))
                                                for table in ("run", "step", "event"))
        # what somebody else empties, or adds to what was emptied, is found
        bare = "update event set kind = 'pruned', path = '', body = ''"
        one = f"(select min(n) from event where run = '{told[1]}')"
        for sql in (f"{bare} where run = '{stays}'",
                    f"{bare}, run = '{told[0]}', seq = seq + 99 where run = '{stays}'",
                    f"update event set run = '{told[0]}', seq = 99 where n = {one}",
                    f"update event set body = '{{}}' where n = {one}",
                    f"update event set hash = zeroblob(32) where n = {one}",
                    f"delete from event where n = {one}",
                    f"delete from event where run = '{told[2]}'"):
            assert tampered(server, sql)["problem"]["code"] in ("E0607", "E0766"), sql
        # the line that says so cannot be left out
        lines = (server.path / "store.db.checkpoints").read_text().splitlines(keepends=True)
        server.write("cut", "".join(lines[:next(
            i for i, line in enumerate(lines) if '"runs"' in line)]))
        assert server.verify(0, "--checkpoints", "cut")["pruned_runs"] == 3  # it is in the store too
        server.weft_verify = lambda copy: server_verify(server, copy, "cut")
        for sql in ("delete from removal", "update removal set line = replace(line, 'run_', 'rum_')",
                    "update removal set line = substr(line, 1, instr(line, char(9)))"):
            assert tampered(server, sql)["problem"]["code"] == "E0607", sql
        server.__enter__()
        assert server.ask_as(server.admin, "POST", f"/workflows/{stays}/signals/go", {}).status < 300
        assert until(lambda: gone(server, stays), 30)


def test_runs_of_a_sealed_store_go_without_being_opened():
    server = keeping("runs: 1s")
    server.env.update(WEFT_MASTER_KEY="env:THE_KEY", THE_KEY="5a" * 32)
    with server:
        task = greet(server, "Rumpelstiltskin")
        assert until(lambda: gone(server, task), 30)
        server.stop()
        assert server.rows("select count(*) from event where body <> ''") == [(0,)]
        server.weft("fsck")
        del server.env["WEFT_MASTER_KEY"]  # who verifies needs none
        report = server.verify()
        assert report["good"] and report["pruned_runs"] == 1, report


def test_old_audit_records_go_by_themselves_but_never_of_a_history_that_does_not_fit():
    with keeping("audit: 2s") as server:
        task = greet(server, "Ada")
        assert until(lambda: server.metric("weft_retention_audit_records_removed_total") >= 4, 30)
        assert not gone(server, task)
        assert until(lambda: server.records(action="audit:prune"))
        assert server.ask_as(server.admin, "GET", "/audit/verify").json["good"]
        db = sqlite3.connect(server.store, timeout=20)
        db.execute("update event set at_us = at_us + 1 where seq = 2")
        db.commit()
        db.close()
        assert until(lambda: server.metric("weft_retention_failures_total") >= 1, 30)
        removed = server.metric("weft_retention_audit_records_removed_total")
        time.sleep(3)
        assert server.metric("weft_retention_audit_records_removed_total") == removed
        assert "E0607" in (server.path / "log").read_text()


def test_nothing_goes_unless_it_is_said():
    with Audited() as server:
        for wrong, why in (("retention: { every: 1d }", "nothing would be removed"),
                           ("retention: { runs: 0s }", "a second or more"),
                           ("retention: { run: 1d }", "unknown key 'run'")):
            server.write("weft.yaml", wrong + "\n")
            done = subprocess.run([WEFT, "doctor", "--config", "weft.yaml"], cwd=server.path,
                                  env=server.env, text=True, capture_output=True, check=False)
            assert done.returncode == 3 and why in done.stderr, done
        assert "weft_retention" not in server.ask_as(server.admin, "GET", "/metrics").body.decode()


def test_a_store_of_yesterday_is_found():
    with Audited() as server:
        server.execute(server.admin, "hello")
        server.stop()
        shutil.copy(server.store, server.path / "old.db")
        for ending in ("-wal", "-shm"):
            assert not (server.path / ("store.db" + ending)).exists() or True
        server.weft("fsck")  # opens and closes it: the log is part of the file now
        shutil.copy(server.store, server.path / "old.db")
        server.__enter__()
        server.execute(server.admin, "hello")
        server.stop()
        assert server.verify()["good"]
        for ending in ("-wal", "-shm"):
            (server.path / ("store.db" + ending)).unlink(missing_ok=True)
        shutil.copy(server.path / "old.db", server.store)
        report = server.verify(1)
        assert report["problem"]["code"] == "E0766", report
        assert "older" in server.weft("audit", "verify", code=1).stderr
        server.__enter__()
        assert server.ask("GET", "/health").status == 200


def test_checkpoints_survive_a_kill():
    with Audited() as server:
        for _ in range(3):
            server.execute(server.admin, "hello")
            time.sleep(0.4)
        assert until(lambda: server.ask_as(server.admin, "GET",
                                           "/audit/verify").json["uncovered_links"] == 0)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        server.process.stdout.close()
        server.log.close()
        with open(str(server.store) + ".checkpoints", "a", encoding="utf-8") as file:
            file.write('{"n":')  # the line that it was writing
        assert server.verify()["good"]
        server.__enter__()
        server.execute(server.admin, "hello")
        server.stop()
        report = server.verify()
        assert report["good"] and report["uncovered_chains"] == 0, report
        server.__enter__()
        assert server.ask("GET", "/health").status == 200


if __name__ == "__main__":
    main(dict(globals()))
