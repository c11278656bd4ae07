# SPDX-License-Identifier: Apache-2.0
"""The workflow routes of `weft serve`: runs are started durably and once per key, followed as events
without a gap, listed, cancelled, and taken up again after the server was killed."""
import contextlib
import json
import re
import socket
import sqlite3
import time

from harness import main
from serving import Server, until
from tools_test import sandboxed

HELLO = """weft: "1"
id: hello
input:
  type: object
  required: [name]
  properties: { name: { type: string }, greeting: { type: string, default: Hello } }
steps:
  - id: greet
    type: set
    parameters: { value: "{{ input.greeting }}, {{ input.name }}!" }
output: "{{ steps.greet }}"
"""
SLOW = """weft: "1"
id: slow
steps:
  - id: pause
    type: wait
    parameters: { for: DURATION }
  - id: after
    type: set
    dependencies: [pause]
    parameters: { value: done }
output: "{{ steps.after }}"
"""
BROKEN = """weft: "1"
id: broken
steps:
  - id: fetch
    type: http
    parameters: { url: "http://127.0.0.1:1/" }
"""
PAY = """weft: "1"
id: pay
steps:
  - id: charge
    type: http
    retry: { attempts: 1, attempt_timeout: 300ms }
    parameters: { url: "http://127.0.0.1:PORT/charge", method: POST, body: { amount: 3 } }
output: "{{ steps.charge.receipt }}"
"""
PARENT = """weft: "1"
id: parent
steps:
  - id: greeting
    type: workflow
    parameters: { workflow: hello, input: { name: Bo } }
output: "{{ steps.greeting }}"
"""


ASKING = """weft: "1"
id: asking
input: { type: object, properties: { amount: { type: integer, default: 1 } } }
steps:
  - id: ask
    type: approval
    parameters: { role: boss, title: "Pay {{ input.amount }}?", on_reject: continue }
  - id: order
    type: signal
    dependencies: [ask]
    parameters:
      name: arrived
      schema: { type: object, required: [box], properties: { box: { type: integer } } }
output: { by: "{{ steps.ask.by }}", decision: "{{ steps.ask.decision }}", box: "{{ steps.order.box }}", amount: "{{ input.amount }}" }
"""


def serving(duration="1s"):
    server = Server()
    server.write("hello.yaml", HELLO)
    server.write("slow.yaml", SLOW.replace("DURATION", duration))
    server.write("broken.yaml", BROKEN)
    server.write("parent.yaml", PARENT)
    server.write("asking.yaml", ASKING)
    server.words = ("--workflow", "hello.yaml", "--workflow", "slow.yaml",
                    "--workflow", "broken.yaml", "--workflow", "parent.yaml",
                    "--workflow", "asking.yaml")
    return server


def execute(server, workflow, data=None, key=None, status=202, **more):
    headers = {"Idempotency-Key": key} if key else {}
    answer = server.post("/workflows/execute",
                         {"workflow_id": workflow, "input_data": data or {}, **more}, headers=headers)
    assert answer.status == status, (answer.status, answer.body)
    return answer.json


def finished(server, task):
    assert until(lambda: server.get(f"/workflows/{task}").json["status"] not in
                 ("queued", "running", "waiting"))
    return server.get(f"/workflows/{task}").json


def test_a_run_from_start_to_end():
    with serving() as server:
        accepted = execute(server, "hello", {"name": "Ada"}, priority=2)
        assert set(accepted) == {"task_id", "status", "estimated_completion"}, accepted
        assert accepted["status"] == "queued"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", accepted["estimated_completion"])
        run = finished(server, accepted["task_id"])
        assert run["status"] == "succeeded" and run["output"] == "Hello, Ada!", run
        assert run["task_id"] == run["run"] == accepted["task_id"]
        assert run["steps"]["greet"]["status"] == "succeeded"
        assert server.rows("select priority from run") == [(2,)]
        assert until(lambda: server.metric("exaone_workflows_total") == 1)
        assert server.metric("exaone_errors_total") == 0
        assert server.metric("exaone_processing_seconds_count") == 1
        failed = execute(server, "broken")["task_id"]
        assert finished(server, failed)["status"] == "failed"
        assert until(lambda: server.metric("exaone_errors_total") == 1)


def test_requests_and_other_steps_do_not_wait_for_commands():
    if not sandboxed():
        print("        SKIPPED: bubblewrap cannot make a sandbox here")
        return
    # Whoever stands behind them finds no patience: until() waits for a minute.
    steps = [{"id": f"rest{i}", "type": "shell", "timeout": "20m",
              "parameters": {"command": ["sleep", "1000"]}} for i in range(12)]
    short = [{"id": "write", "type": "file",
              "parameters": {"action": "write", "path": "note.txt", "content": "x"}},
             {"id": "ask", "type": "database",
              "parameters": {"connection": "own", "query": "select 1 as one"}}]
    brief = [{"id": "run", "type": "shell", "parameters": {"command": ["true"]}}]
    server = Server("--allow-shell", "--workflow", "rest.yaml", "--workflow", "short.yaml",
                    "--workflow", "brief.yaml", "--database", "own=sqlite:own.db", "--files", ".")
    server.write("rest.yaml", json.dumps({"weft": "1", "id": "rest", "steps": steps}))
    server.write("short.yaml", json.dumps({"weft": "1", "id": "short", "steps": short}))
    server.write("brief.yaml", json.dumps({"weft": "1", "id": "brief", "steps": brief}))
    sqlite3.connect(server.path / "own.db").close()
    with server:
        task = execute(server, "rest")["task_id"]
        waiting = 'weft_steps_waiting{threads="commands"}'
        assert until(lambda: server.metric(waiting) == 4), "every thread of commands has one"
        run = server.get(f"/workflows/{task}").json
        assert run["status"] == "running", run
        run = finished(server, execute(server, "short")["task_id"])
        assert run["status"] == "succeeded", run
        server.post(f"/workflows/{task}/cancel", {})
        run = finished(server, execute(server, "brief")["task_id"])  # the threads are free again
        assert run["status"] == "succeeded", run
        assert server.metric(waiting) == 0


ENDLESS = ("select count(*) from (with recursive n(i) as (select 1 union all select i + 1 from n) "
           "select i from n)")


def test_queries_and_mails_end_with_their_run():
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a mail server that says nothing
        steps = {"query": ("database", {"connection": "own", "query": ENDLESS}),
                 "mail": ("notification", {"channel": "email", "to": "a@example.com", "text": "x"}),
                 "short": ("database", {"connection": "own", "query": "select 1 as one"})}
        server = Server("--database", "own=sqlite:own.db", "--mail-from", "weft@example.com",
                        "--smtp", f"smtp://127.0.0.1:{silent.getsockname()[1]}")
        sqlite3.connect(server.path / "own.db").close()
        for name, (kind, parameters) in steps.items():
            step = {"id": "one", "type": kind, "parameters": parameters}
            server.write(f"{name}.yaml", json.dumps({"weft": "1", "id": name, "steps": [step]}))
            server.words += ("--workflow", f"{name}.yaml")
        waiting = 'weft_steps_waiting{threads="databases_and_mail"}'
        with server:
            tasks = [execute(server, name)["task_id"] for name in ["query"] * 2 + ["mail"] * 6]
            behind, gone = (execute(server, "short")["task_id"] for _ in range(2))
            assert until(lambda: server.metric(waiting) == 2), "every thread has one"
            server.post(f"/workflows/{gone}/cancel", {})
            assert until(lambda: server.metric(waiting) == 1), "who is cancelled waits no more"
            assert server.get(f"/workflows/{behind}").json["status"] == "running"
            begin = time.monotonic()
            for task in tasks:
                server.post(f"/workflows/{task}/cancel", {})
            assert finished(server, behind)["status"] == "succeeded"
            assert until(lambda: server.metric(waiting) == 0)
            server.stop()  # once every thread has come back
            assert time.monotonic() - begin < 20, "queries and mails of cancelled runs went on"


def test_a_workflow_step_finds_the_file_beside_its_own():
    with serving() as server:
        run = finished(server, execute(server, "parent")["task_id"])
        assert run["status"] == "succeeded" and run["output"] == "Hello, Bo!", run


def test_a_key_means_one_run():
    with serving() as server:
        first = execute(server, "hello", {"name": "Ada"}, key="k1")["task_id"]
        assert execute(server, "hello", {"name": "Ada"}, key="k1")["task_id"] == first
        other = execute(server, "hello", {"name": "Bob"}, key="k1", status=409)
        assert other["code"] == "E0754" and other["status"] == 409
        assert execute(server, "hello", {"name": "Ada"}, key="k2")["task_id"] != first
        assert server.rows("select count(*) from run") == [(2,)]
        server.stop()
        server.__enter__()  # the key is remembered by the store, not by the process
        assert execute(server, "hello", {"name": "Ada"}, key="k1")["task_id"] == first


def test_events_without_a_gap():
    with serving("300ms") as server:
        task = execute(server, "slow")["task_id"]
        live = server.get(f"/workflows/{task}/events")
        assert live.headers["Content-Type"].startswith("text/event-stream")
        ids = [int(i) for i in re.findall(r"^id: (\d+)$", live.body.decode(), re.M)]
        assert ids == list(range(1, len(ids) + 1)) and len(ids) >= 4, live.body
        assert live.body.decode().rstrip().endswith("event: end\ndata: {}")
        stored = server.rows("select body from event where run = ? order by seq", task)
        assert [json.loads(body) for (body,) in stored] == live.events[:-1]
        rest = server.get(f"/workflows/{task}/events", headers={"Last-Event-ID": "2"})
        assert [int(i) for i in re.findall(r"^id: (\d+)$", rest.body.decode(), re.M)] == ids[2:]
        assert server.get(f"/workflows/{task}/events", headers={"Last-Event-ID": "x"}).status == 400
        assert server.get("/workflows/run_none/events").status == 404


def test_lists_and_cursors():
    with serving() as server:
        tasks = [execute(server, "hello", {"name": str(i)})["task_id"] for i in range(5)]
        for task in tasks:
            finished(server, task)
        seen, cursor = [], ""
        while cursor is not None:
            page = server.get(f"/workflows?limit=2&cursor={cursor}").json
            seen += [item["task_id"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert seen == tasks[::-1], (seen, tasks)
        assert server.get("/workflows?status=failed").json["items"] == []
        assert len(server.get("/workflows?workflow_id=hello&status=succeeded").json["items"]) == 5
        assert server.get("/workflows?limit=0").status == 400
        unknown = server.get("/workflows?status=succeeded,sucess")
        assert unknown.status == 400 and "'sucess' is no status" in unknown.json["detail"], unknown.body
        assert server.get("/callbacks?state=lost").status == 400
        server.weft("runs", "list", "--status", "banana", code=2)
        assert server.get("/definitions/hello?version=1").json["code"] == "E0753"
        assert "from a file" in server.get("/definitions/hello/versions").json["detail"]
        names = [d["id"] for d in server.get("/definitions").json["items"]]
        assert names == ["asking", "broken", "hello", "parent", "slow"]
        assert server.get("/definitions/hello").json["document"]["id"] == "hello"


def test_errors_are_problem_details():
    with serving() as server:
        def refused(body, status, code, headers=None):
            answer = server.post("/workflows/execute", body, headers=headers)
            assert answer.status == status, (answer.status, answer.body)
            assert answer.headers["Content-Type"] == "application/problem+json"
            said = answer.json
            assert said["status"] == status and said["code"] == code and said["detail"], said

        refused({"workflow_id": "helo"}, 404, "E0753")
        refused({}, 400, "E0750")
        refused("{", 400, "E0010")
        refused({"workflow_id": "hello", "input_data": {}}, 422, "E0310")
        refused({"workflow_id": "hello", "input_data": []}, 400, "E0750")
        refused({"workflow_id": "hello", "priority": "high"}, 400, "E0750")
        refused({"workflow_id": "hello", "input": {}}, 400, "E0750")
        refused({"workflow_id": "hello", "callback_url": "x"}, 400, "E0750")
        refused({"workflow_id": "hello"}, 400, "E0750", headers={"Idempotency-Key": "x" * 300})
        missing = server.get("/workflows/run_none")
        assert missing.status == 404 and missing.json["code"] == "E0601"
        assert server.post("/workflows/run_none/cancel", {}).status == 404
        assert server.ask("DELETE", "/workflows").headers["Content-Type"] == "application/problem+json"
        assert server.rows("select count(*) from run") == [(0,)]


def test_cancel():
    with serving("60s") as server:
        task = execute(server, "slow")["task_id"]
        assert server.post(f"/workflows/{task}/cancel", {"reason": "no more"}).status in (200, 202)
        assert finished(server, task)["status"] == "cancelled"
        assert server.post(f"/workflows/{task}/cancel", {}).status == 409


def test_a_run_that_lets_hours_pass_is_a_row_and_hears_what_it_is_told():
    with serving("2h") as server:
        task = execute(server, "slow")["task_id"]

        def owner_and_time():
            with contextlib.closing(sqlite3.connect(server.store, timeout=20)) as db:
                return db.execute("SELECT worker, wake_us FROM run WHERE id = ?", (task,)).fetchone()

        assert until(lambda: owner_and_time()[1] is not None), owner_and_time()
        assert owner_and_time()[0] is None
        assert server.get(f"/workflows/{task}").json["status"] == "waiting"
        assert server.post(f"/workflows/{task}/cancel", {"reason": "no more"}).status in (200, 202)
        assert finished(server, task)["status"] == "cancelled"


def waits_for(server, task, kind):
    def asked():
        return [a for a in server.get(f"/approvals?task_id={task}").json["items"] if a["kind"] == kind]
    assert until(asked)
    return asked()[0]


def test_people_and_programs_decide():
    with serving() as server:
        task = execute(server, "asking", {"amount": 7})["task_id"]
        asked = waits_for(server, task, "approval")
        assert asked["title"] == "Pay 7?" and asked["role"] == "boss" and asked["step"] == "ask", asked
        assert server.get("/approvals?role=nobody").json["items"] == []
        place = f"/workflows/{task}/approvals/ask"
        assert server.post(place, {"decision": "perhaps"}).status == 400
        assert server.post(f"/workflows/{task}/approvals/akk", {"decision": "approved"}).status == 404
        body = {"decision": "approved", "by": "ada", "comment": "fine"}
        once = server.post(place, body, headers={"Idempotency-Key": "a1"})
        assert once.status == 200 and once.json["outcome"] == "applied", once.body
        late = server.post(place, {"decision": "rejected"})
        assert late.status == 409 and late.json["code"] == "E0614", late.body
        assert waits_for(server, task, "signal")["name"] == "arrived"
        wrong = server.post(f"/workflows/{task}/signals/arrived", {"box": "three"})
        assert wrong.status == 422, wrong.body
        assert server.post(f"/workflows/{task}/signals/arrived", {"box": 3}).status == 200
        run = finished(server, task)
        assert run["output"] == {"by": "ada", "decision": "approved", "box": 3, "amount": 7}, run
        assert server.post("/workflows/run_none/signals/arrived", {}).status == 404


def test_an_effect_that_was_cut_off_is_resolved():
    """Nobody knows whether the charge happened: a person says."""
    with socket.create_server(("127.0.0.1", 0)) as silent, \
            Server("--allow-host", "127.0.0.1") as server:
        text = PAY.replace("PORT", str(silent.getsockname()[1]))
        assert server.ask("PUT", "/definitions/pay", text).status == 201
        task = execute(server, "pay")["task_id"]
        assert until(lambda: server.get(f"/approvals?task_id={task}").json["items"])
        item = server.get(f"/approvals?task_id={task}").json["items"][0]
        assert item["kind"] == "resolve" and item["step"] == "charge", item
        path = f"/workflows/{task}/resolutions/charge"
        assert server.post(path, {"decision": "perhaps"}).status == 400
        done = server.post(path, {"decision": "succeed", "output": {"receipt": 17}})
        assert done.status == 200 and done.json["outcome"] == "applied", done.body
        run = finished(server, task)
        assert run["status"] == "succeeded" and run["output"] == 17, run


def test_retry_and_fork():
    with serving() as server:
        good = execute(server, "hello", {"name": "Ada"})["task_id"]
        finished(server, good)
        again = server.post(f"/workflows/{good}/retry", {})
        assert again.status == 409 and again.json["code"] == "E0614", again.body  # nothing failed
        fork = server.post(f"/workflows/{good}/fork", {"from": "greet", "set": {"name": "Bo"}})
        assert fork.status == 202 and fork.json["origin"] == good, fork.body
        assert finished(server, fork.json["task_id"])["output"] == "Hello, Bo!"
        assert server.post(f"/workflows/{good}/fork", {"from": "gret"}).status == 404
        assert server.post(f"/workflows/{good}/fork", {}).status == 400
        failed = execute(server, "broken")["task_id"]
        finished(server, failed)
        retried = server.post(f"/workflows/{failed}/retry", None)
        assert retried.status == 202 and retried.json["task_id"] != failed, retried.body
        assert finished(server, retried.json["task_id"])["status"] == "failed"


def test_a_killed_server_takes_its_runs_up_again():
    with serving("2s") as server:
        task = execute(server, "slow")["task_id"]
        follower = socket.create_connection(("127.0.0.1", server.port))
        follower.sendall(f"GET /workflows/{task}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert b"text/event-stream" in follower.recv(65536)
        server.process.kill()
        server.process.wait()
        follower.close()
        server.process.stdout.close()
        server.log.close()
        server.__enter__()
        assert until(lambda: server.get(f"/workflows/{task}").json["status"] == "succeeded", 40)


if __name__ == "__main__":
    main(dict(globals()))
