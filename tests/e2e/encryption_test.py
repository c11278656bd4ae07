# SPDX-License-Identifier: Apache-2.0
"""Encryption at rest: unmistakable words go through everything that carries what a run carries,
and are looked for in the database, its log, the server's log and everything else on disk. The same
without a key finds every one of them, so that the search can fail."""
import json
import os
import secrets
import shutil
import subprocess

import callbacks_test
import postgres_test
from harness import WEFT, Place, main
from resume_test import LONG, pieces
from run_test import wait_for
from serving import Server, until

WORDS = {name: f"zq{name}zq{secrets.token_hex(4)}" for name in
         ("input", "output", "prompt", "error", "approval", "comment", "signal", "url", "source",
          "payload")}

CARRIES = """
weft: "1"
id: carries
# SOURCE
input: {type: object, properties: {word: {type: string}}}
steps:
  - {id: made, type: set, parameters: {value: "OUTPUT and {{ input.word }}"}}
  - id: ask
    type: llm
    parameters: {prompt: "PROMPT {{ input.word }}", max_tokens: 8}
  - {id: gate, type: approval, timeout: 1h, parameters: {role: lead, title: "APPROVAL"}}
  - {id: go, type: signal, dependencies: [gate], parameters: {name: go}}
output: ["{{ steps.made }}", "{{ steps.go }}"]
"""
FAILS = """
weft: "1"
id: fails
steps:
  - {id: read, type: file, parameters: {action: read, path: "ERROR.txt"}}
"""


def worded(text):
    for name in ("source", "output", "prompt", "approval", "error"):
        text = text.replace(name.upper(), WORDS[name])
    return text


def new_key(path, *older):
    key = secrets.token_hex(32)
    path.write_text("\n".join([key, *older]) + "\n", encoding="ascii")
    path.chmod(0o600)
    return key


def found_in(files):
    """The words that some file holds, in any encoding that a dump may use."""
    found = set()
    for file in files:
        data = file.read_bytes().lower()
        for name, word in WORDS.items():
            if word.encode() in data or word.encode().hex().encode() in data:
                found.add(name)
    return found


def files_of(place):
    """Everything below the test's directory but the workflow files themselves."""
    return [f for f in place.path.rglob("*") if f.is_file() and f.suffix != ".yaml"]


def drive(server, receiver):
    """A run that carries the words, one that fails with one, and a callback; the server goes on."""
    for name, text in (("carries", CARRIES), ("fails", FAILS)):
        put = server.ask("PUT", f"/definitions/{name}", worded(text).encode(),
                         headers={"Content-Type": "application/yaml"})
        assert put.status == 201, put.body
    started = server.post("/workflows/execute", {
        "workflow_id": "carries", "input_data": {"word": WORDS["input"]},
        "callback_url": f"{receiver.url}/{WORDS['url']}"})
    assert started.status == 202, started.body
    task = started.json["task_id"]
    assert until(lambda: server.get("/approvals").json["items"], 60)
    assert WORDS["approval"] in server.get("/approvals").body.decode()
    decided = server.post(f"/workflows/{task}/approvals/gate",
                          {"decision": "approved", "comment": WORDS["comment"]})
    assert decided.status in (200, 202), decided.body
    wait = lambda: server.get(f"/workflows/{task}").json
    assert until(lambda: wait()["steps"]["go"]["status"] == "waiting", 60), wait()
    said = server.post(f"/workflows/{task}/signals/go", {"payload": {"text": WORDS["signal"]}})
    assert said.status in (200, 202), said.body
    assert until(lambda: wait()["status"] == "succeeded", 60), wait()
    failed = server.post("/workflows/execute", {"workflow_id": "fails", "input_data": {}}).json
    assert until(lambda: server.get(f"/workflows/{failed['task_id']}").json["status"] == "failed")
    shown = server.get(f"/workflows/{failed['task_id']}").body.decode()
    assert WORDS["error"] in shown, shown
    assert until(lambda: receiver.got, 60)
    assert WORDS["output"] in receiver.got[0][1].decode()
    assert until(lambda: server.get("/callbacks?state=delivered").json["items"], 60)
    return task


SEALED = set("""run.input run.context run.error run.callback_url event.body step.error step.in_hash
    required_action.body inbox.body effect.req_hash effect.response ai_call.prompt_hash
    ai_call.sampler ai_call.prompt_ids ai_call.output_ids ai_call.reasoning ai_call.grammar
    ai_call.chosen ai_call.route ai_partial.request ai_partial.ids ai_partial.logprobs
    callback.url callback.last_error definition.doc stored_definition.source schedule.body
    schedule.refusal audit.details""".split())
# What is searched, sorted or compared, or says nothing of what a run carries.
PLAIN = set("""definition.hash run.id run.def_hash run.workflow run.tenant run.status run.idem_key
    run.parent run.worker run.origin step.run step.path step.status step.out_ref event.run
    event.kind event.path event.worker event.prev_hash event.hash timer.run timer.path timer.kind
    worker.id worker.labels effect.key effect.run effect.path effect.state blob.sha256 blob.enc
    blob.bytes ai_call.run ai_call.path ai_call.model ai_call.model_hash ai_call.template_hash
    ai_call.fingerprint ai_call.finish_reason inbox.id inbox.run inbox.outcome required_action.run
    required_action.path required_action.kind schedule.name schedule.def_hash schedule.workflow
    schedule_slot.schedule schedule_slot.run ai_partial.run ai_partial.path ai_partial.draw
    stored_definition.tenant stored_definition.id stored_definition.hash
    stored_definition.created_by audit.writer audit.tenant audit.actor audit.action audit.resource
    audit.outcome audit.prev_hash audit.hash callback.run callback.tenant callback.state
    data_key.id data_key.tenant data_key.master data_key.wrapped schema_version.name
    spending.kind spending.name spending.writer reseal.kind reseal.writer reseal.old_hash
    reseal.new_hash session.hash session.key session.person
    person.id person.name person.tenant person.roles person.hash person.created_by
    removal.id removal.line""".split())


def check_columns(place):
    """Every column of the tables about runs is sealed or known not to be; what is sealed is so in
    every row."""
    seen = set()
    for table in sorted({name.split(".")[0] for name in SEALED | PLAIN}):
        for _, column, kind, *_ in place.rows(f"pragma table_info({table})"):
            name = f"{table}.{column}"
            if kind not in ("TEXT", "BYTEA"):
                continue
            assert name in SEALED or name in PLAIN, f"{name}: sealed, or why not?"
            if name not in SEALED:
                continue
            for (value,) in place.rows(f"select distinct {column} from {table} where {column} <> "
                                       "''"):
                start = value[:14] if isinstance(value, str) else value[:4]
                assert start in ("weft:sealed:1:", b"\xffwS1"), (name, value)
                seen.add(name)
    return seen


def check_readable(server, task):
    shown = server.get(f"/workflows/{task}").json
    assert shown["output"] == [f"{WORDS['output']} and {WORDS['input']}",
                               {"payload": {"text": WORDS["signal"]}}], shown
    assert WORDS["source"] in server.get("/definitions/carries").body.decode()
    assert server.get("/audit/verify").json["good"]


def serve_and_search(sealed):
    receiver = callbacks_test.Receiver(200)
    server = Server("--allow-host", "127.0.0.1")
    if sealed:
        new_key(server.path / "master.key")
        server.words += ("--master-key", "file:master.key")
    server.words += ("--files", str(server.path))
    with server:
        task = drive(server, receiver)
        live = found_in(files_of(server))  # with the write-ahead log as it is
        if sealed:
            seen = check_columns(server)
            assert len(seen) >= 15, sorted(seen)
        check_readable(server, task)
        server.stop()
        return live | found_in(files_of(server)), server, task


def test_no_word_of_a_run_is_on_disk_and_every_one_without_a_key():
    plain, *_ = serve_and_search(False)
    assert plain == set(WORDS) - {"payload"}, set(WORDS) - plain
    sealed, *_ = serve_and_search(True)
    assert sealed == set(), sealed


def test_commands_need_the_right_key():
    with Place() as place:
        place.write("carries.yaml", worded(CARRIES).replace("type: approval, timeout: 1h",
                                                            "type: set").replace(
            "role: lead, title", "value").replace("type: signal", "type: set").replace(
            "parameters: {name: go}", "parameters: {value: 1}"))
        key = new_key(place.path / "master.key")
        flag = ("--master-key", "file:master.key")
        done = place.run_json("carries.yaml", "-i", f"word={WORDS['input']}", *flag, timeout=120)
        run = done["run"]
        assert WORDS["input"] in done["output"][0], done
        assert found_in(files_of(place)) == set()
        for words in (("runs", "list"), ("runs", "show", run), ("explain", run), ("fsck",),
                      ("audit", "export"), ("replay", run, "--verify")):
            refused = place.weft(*words, code=None)
            assert refused.returncode == 3 and "E0508" in refused.stderr, (words, refused)
            assert place.weft(*words, *flag, timeout=120).returncode == 0
        # no payload is read: an auditor, and who makes a backup, need no key
        assert "fits" in place.weft("audit", "verify").stderr
        place.weft("backup", "copy.db")
        copy = Place()
        copy.path, copy.store, copy.env = place.path, place.path / "copy.db", place.env
        assert "E0508" in copy.weft("runs", "show", run, code=3).stderr
        assert WORDS["input"] in copy.weft("runs", "show", run, *flag).stdout
        assert "fits" in copy.weft("audit", "verify").stderr

        new_key(place.path / "other.key")
        assert "E0509" in place.weft("runs", "list", "--master-key", "file:other.key",
                                     code=3).stderr
        (place.path / "open.key").write_text(key)
        (place.path / "open.key").chmod(0o644)
        for source in ("file:none", "file:open.key", "env:NO_SUCH", "command:exit 1",
                       "command:echo short", key):
            refused = place.weft("runs", "list", "--master-key", source, code=3)
            assert "E0511" in refused.stderr and key not in refused.stderr, refused.stderr
        place.env["THE_KEY"] = key
        for source in ("env:THE_KEY", "command:cat master.key"):
            place.weft("runs", "show", run, "--master-key", source)
        place.env["WEFT_MASTER_KEY"] = "file:master.key"
        place.weft("runs", "show", run)
        place.write("weft.yaml", "encryption: {key_file: master.key}\n")
        del place.env["WEFT_MASTER_KEY"]
        place.weft("audit", "export", "--config", "weft.yaml")
        place.write("bad.yaml", "encryption: {key_file: master.key, key_env: X}\n")
        assert "E0950" in place.weft("audit", "export", "--config", "bad.yaml", code=3).stderr


def test_a_changed_or_moved_value_is_found():
    with Place() as place:
        place.write("fails.yaml", worded(FAILS))
        new_key(place.path / "master.key")
        flag = ("--master-key", "file:master.key")
        runs = [place.weft("run", "fails.yaml", "--json", *flag, code=1) for _ in range(2)]
        one, two = (json.loads(run.stdout)["run"] for run in runs)
        import sqlite3
        db = sqlite3.connect(place.store)
        (moved,), = db.execute("select body from event where run = ? and seq = 1", (one,))
        db.execute("update event set body = ? where run = ? and seq = 1", (moved, two))
        db.commit()
        db.close()
        assert "E0510" in place.weft("runs", "show", two, *flag, code=None).stderr
        assert "E0607" in place.weft("audit", "verify", code=1).stderr
        place.weft("runs", "show", one, *flag)


def test_a_plain_store_gets_a_key():
    with Place() as place:
        place.write("fails.yaml", worded(FAILS))
        before = json.loads(place.weft("run", "fails.yaml", "--json", code=1).stdout)
        assert found_in(files_of(place)) == {"error"}
        new_key(place.path / "master.key")
        flag = ("--master-key", "file:master.key")
        after = json.loads(place.weft("run", "fails.yaml", "--json", *flag, code=1).stdout)
        for run in (before["run"], after["run"]):
            shown = place.weft("runs", "show", run, *flag).stdout
            assert WORDS["error"] in shown, shown
        assert place.rows("select count(*) from event where run = ? and body not like "
                          "'weft:sealed:%'", after["run"]) == [(0,)]
        assert "agree" in place.weft("fsck", *flag).stderr
        assert "E0508" in place.weft("runs", "list", code=3).stderr


def test_the_master_key_is_exchanged_while_a_server_goes_on():
    server = Server("--master-key", "file:master.key", "--workflow", "hello.yaml")
    server.write("hello.yaml", callbacks_test.HELLO)
    file = server.path / "master.key"
    old = new_key(file)

    def hello(name):
        task = server.post("/workflows/execute", {"workflow_id": "hello",
                                                  "input_data": {"name": name}}).json["task_id"]
        assert until(lambda: server.get(f"/workflows/{task}").json["status"] == "succeeded", 60)
        return task

    with server:
        first = hello(WORDS["payload"])
        new = new_key(file, old)
        done = server.weft("keys", "rotate-master", "--new-data-keys", "--json", "--master-key",
                           "file:master.key")
        assert json.loads(done.stdout)["rewrapped"] == 1, done.stdout
        second = hello("Bo")
        file.write_text(new)
        third = hello("Cy")
        server.stop()
        server.__enter__()
        for task, name in ((first, WORDS["payload"]), (second, "Bo"), (third, "Cy")):
            assert server.get(f"/workflows/{task}").json["output"] == f"Hello, {name}!"
        hello("Di")
        assert found_in(files_of(server)) == set()
        assert len(server.rows("select version from data_key")) == 2
        assert server.get("/audit/verify").json["good"]
        file.write_text(old)
        assert "E0509" in server.weft("runs", "list", "--master-key", "file:master.key",
                                      code=3).stderr
        file.write_text(new)


def test_kill_9_and_resume_under_a_key():
    with Place() as place:
        place.write("long.yaml", LONG.replace("Customer inquiry", WORDS["prompt"]))
        new_key(place.path / "master.key")
        place.env["WEFT_MASTER_KEY"] = "file:" + str(place.path / "master.key")
        process = place.start("run", "long.yaml")
        wait_for(lambda: len(pieces(place)) >= 2 or process.poll() is not None, 60)
        assert process.poll() is None, "it was faster than the test: raise max_tokens"
        process.kill()
        process.communicate()
        assert found_in(files_of(place)) == set()
        for ids, logprobs in place.rows("select ids, logprobs from ai_partial"):
            assert ids.startswith(b"\xffwS1") and logprobs.startswith(b"\xffwS1")
        import sqlite3
        db = sqlite3.connect(place.store)
        db.execute("update ai_partial set ids = substr(ids, 1, 60) where first = 32")
        db.commit()
        db.close()
        place.weft("runs", "resume", "--quiet", timeout=120)
        (run, status), = place.rows("select id, status from run")
        assert status == "succeeded", status
        (resumed,), = place.rows("select tokens_resumed from ai_call")
        assert resumed == 32, "the piece that was changed is generated anew"
        assert "agree" in place.weft("fsck").stderr
        place.weft("replay", run, "--verify", timeout=120)
        (stored,), = place.rows("select doc from definition")
        assert stored.startswith("weft:sealed:1:"), stored
        assert found_in(files_of(place)) == set()


def dump_of(programs, database, path):
    done = subprocess.run([f"{programs}/pg_dump", database.url], capture_output=True, check=True)
    path.write_bytes(done.stdout)
    return path


def test_postgresql_keeps_no_word_either():
    programs = postgres_test.programs()
    if programs is None:
        print("        SKIPPED: no PostgreSQL server is installed")
        return
    for sealed in (False, True):
        receiver = callbacks_test.Receiver(200)
        weft = Server("--allow-host", "127.0.0.1")
        with postgres_test.Server(programs) as database:
            weft.store = database.url
            if sealed:
                new_key(weft.path / "master.key")
                weft.words += ("--master-key", "file:master.key")
            weft.words += ("--files", str(weft.path))
            with weft:
                task = drive(weft, receiver)
                check_readable(weft, task)
                found = found_in([dump_of(programs, database, weft.path / "dump"),
                                  *files_of(weft)])
                assert found == (set() if sealed else set(WORDS) - {"payload"}), (sealed, found)
                if sealed:
                    assert "E0508" in weft.weft("runs", "list", code=3).stderr
                    assert "agree" in weft.weft("fsck", "--master-key", "file:master.key").stderr
                    assert "fits" in weft.weft("audit", "verify").stderr


if __name__ == "__main__":
    main(dict(globals()))
