# SPDX-License-Identifier: Apache-2.0
"""Who may do what, from outside: every route of the server with every role and another tenant's
key; keys that are wrong, expired, revoked, limited; sign-in by cookie with its CSRF secret; data of
tenants apart; and the servers that refuse to start unsafely."""
import json
import re
import subprocess

from harness import WEFT, main
from serving import Server, until

HELLO = """weft: "1"
id: hello
input: { type: object, properties: { name: { type: string, default: you } } }
steps:
  - id: greet
    type: set
    parameters: { value: "Hello, {{ input.name }}!" }
output: "{{ steps.greet }}"
"""
STORED = HELLO.replace("id: hello", "id: stored")
ASKING = """weft: "1"
id: asking
steps:
  - id: ask
    type: approval
    parameters: { title: "Pay?", role: approver }
  - id: vote
    type: approval
    dependencies: [ask]
    parameters: { title: "Sure?", role: boss, assignees: [ada] }
output: "{{ steps.ask.by }}"
"""
VIEWER = {"overview:read", "metrics:read", "runs:read", "approvals:read", "definitions:read",
          "models:read", "tools:read"}
OPERATOR = VIEWER | {"runs:execute", "runs:act", "models:use", "tools:call"}
ROLES = {"viewer": VIEWER, "operator": OPERATOR, "author": OPERATOR | {"definitions:write"},
         "approver": VIEWER | {"approvals:decide"},
         "admin": OPERATOR | {"definitions:write", "approvals:decide", "models:manage",
                              "keys:manage", "audit:read", "runs:delete"}}


class Guarded(Server):
    """A server with a key of each role; `ask_as` asks with one."""

    def __init__(self, *words):
        super().__init__(*words)
        self.write("hello.yaml", HELLO)
        self.write("asking.yaml", ASKING)
        self.words = ("--workflow", "hello.yaml", "--workflow", "asking.yaml", *words)
        self.keys = {}

    def __enter__(self):
        if not self.keys:
            for role in ROLES:
                self.keys[role] = self.make_key(role, "--role", role)
        return super().__enter__()

    def make_key(self, name, *words):
        done = self.weft("keys", "create", "--name", name, *words)
        key = done.stdout.strip()
        assert re.fullmatch(r"weft_[0-9a-z]{12}_[0-9a-z]{52}", key), done.stdout
        return key

    def ask_as(self, key, method, path, body=None, headers=None, **more):
        key = self.keys.get(key, key)
        return self.ask(method, path, body,
                        headers={"Authorization": f"Bearer {key}", **(headers or {})}, **more)

    def executed(self, key, workflow="hello"):
        answer = self.ask_as(key, "POST", "/workflows/execute", {"workflow_id": workflow})
        assert answer.status == 202, answer.body
        return answer.json["task_id"]


# Routes that need a second permission, which their handler asks for.
ALSO = {"/definitions/draft": "definitions:write"}


def routes():
    """Method, pattern and permission of every route, out of the table that the server is made of."""
    import pathlib
    source = (pathlib.Path(__file__).resolve().parents[2] / "src/server/routes.cc").read_text()
    table = source[source.index("kRoutes[] = {"):]
    found = re.findall(r'\{"([A-Z]+)", "([^"]+)", "([^"]*)", \w+\}', table[:table.index("};")])
    assert len(found) >= 40, len(found)
    return found


def path_of(pattern):
    return re.sub(r"\{\w+\}", "none", pattern)


def test_every_route_with_every_role_and_no_key():
    with Guarded() as server:
        for method, pattern, action in routes():
            path, body = path_of(pattern), None if method in ("GET", "DELETE") else "{}"
            if pattern.endswith("/events") or pattern == "/overview":
                continue  # streams: below
            bare = server.ask(method, path, body)
            if not action:
                assert bare.status not in (401, 403), (method, path, bare.status)
                continue
            assert bare.status == 401, (method, path, bare.status, bare.body)
            wrong = server.ask_as("weft_" + "0" * 12 + "_" + "0" * 52, method, path, body)
            assert wrong.status in (401, 429), (method, path, wrong.status)
            for role, actions in ROLES.items():
                got = server.ask_as(role, method, path, body)
                wanted = [action, *([ALSO[pattern]] if pattern in ALSO else [])]
                missing = [each for each in wanted if each not in actions]
                if not missing:
                    assert got.status not in (401, 403), (role, method, path, got.status, got.body)
                else:
                    assert got.status == 403, (role, method, path, got.status, got.body)
                    assert f"Insufficient privileges: {missing[0]}" in got.body.decode(), got.body
        assert server.ask_as("viewer", "GET", "/workflows/none/events").status == 404
        assert server.ask("GET", "/workflows/none/events").status == 401
        assert server.ask("GET", "/nothing").status == 401
        assert server.ask_as("viewer", "GET", "/nothing").status == 404


def test_tenants_see_nothing_of_each_other():
    with Guarded() as server:
        acme = server.make_key("acme-admin", "--role", "admin", "--tenant", "acme")
        other = server.make_key("other-admin", "--role", "admin", "--tenant", "other")
        assert until(lambda: server.ask_as(other, "GET", "/workflows").status == 200)
        run = server.executed(acme)
        asked = server.executed(acme, "asking")
        put = server.ask_as(acme, "PUT", "/definitions/stored", STORED.encode())
        assert put.status == 201, put.body
        assert until(lambda: server.ask_as(acme, "GET", "/approvals").json["items"])
        assert len(server.ask_as(acme, "GET", "/workflows").json["items"]) == 2
        for stranger in (other, "admin"):  # the admin of no tenant has data of its own
            assert server.ask_as(stranger, "GET", "/workflows").json["items"] == []
            assert server.ask_as(stranger, "GET", "/approvals").json["items"] == []
            names = [d["id"] for d in server.ask_as(stranger, "GET", "/definitions").json["items"]]
            assert names == ["asking", "hello"], names
            for method, path, body in (
                    ("GET", f"/workflows/{run}", None), ("GET", f"/workflows/{run}/events", None),
                    ("POST", f"/workflows/{asked}/cancel", {}),
                    ("POST", f"/workflows/{run}/retry", {}),
                    ("POST", f"/workflows/{run}/fork", {"from": "greet"}),
                    ("POST", f"/workflows/{run}/replay", None),
                    ("DELETE", f"/workflows/{run}", None),
                    ("GET", f"/workflows/{run}/view", None),
                    ("GET", f"/workflows/{run}/steps/greet", None),
                    ("POST", f"/callbacks/{run}/redrive", None),
                    ("POST", f"/workflows/{asked}/approvals/ask", {"decision": "approved"}),
                    ("POST", f"/workflows/{asked}/signals/x", {}),
                    ("POST", f"/workflows/{asked}/resolutions/ask", {"decision": "retry"}),
                    ("GET", "/definitions/stored", None),
                    ("GET", "/definitions/stored/versions", None),
                    ("DELETE", "/definitions/stored", None),
                    ("POST", "/workflows/execute", {"workflow_id": "stored"})):
                got = server.ask_as(stranger, method, path, body)
                assert got.status == 404, (stranger, method, path, got.status, got.body)
        # one key of idempotency, two tenants, two runs
        same = {"Idempotency-Key": "k"}
        one = server.ask_as(acme, "POST", "/workflows/execute", {"workflow_id": "hello"}, same)
        two = server.ask_as(other, "POST", "/workflows/execute", {"workflow_id": "hello"}, same)
        assert one.json["task_id"] != two.json["task_id"]
        # keys of tenants
        theirs = server.ask_as(acme, "GET", "/keys").json["items"]
        assert [k["name"] for k in theirs] == ["acme-admin"], theirs
        assert len(server.ask_as("admin", "GET", "/keys").json["items"]) == 7
        mine = next(k["id"] for k in server.ask_as(other, "GET", "/keys").json["items"])
        assert server.ask_as(acme, "DELETE", f"/keys/{mine}").status == 404
        made = server.ask_as(acme, "POST", "/keys", {"name": "x", "roles": ["viewer"],
                                                     "tenant": "other"})
        assert made.status == 403, made.body
        body = {"model": "default", "input": "I was charged twice", "max_output_tokens": 64}
        response = server.ask_as(acme, "POST", "/v1/responses", body).json["id"]
        assert server.ask_as(acme, "GET", f"/v1/responses/{response}").status == 200
        assert server.ask_as(other, "GET", f"/v1/responses/{response}").status == 404
        assert server.ask_as(other, "DELETE", f"/v1/responses/{response}").status == 404


def test_prompts_of_tenants_share_no_cache():
    with Guarded() as server:
        acme = server.make_key("acme-op", "--role", "operator", "--tenant", "acme")
        other = server.make_key("other-op", "--role", "operator", "--tenant", "other")
        assert until(lambda: server.ask_as(other, "GET", "/workflows").status == 200)
        body = {"model": "default", "max_tokens": 48, "seed": 1,
                "messages": [{"role": "user", "content": "I was charged twice for my order. " * 12}]}

        def cached(key):
            answer = server.ask_as(key, "POST", "/v1/chat/completions", body)
            assert answer.status == 200, answer.body
            return answer.json["usage"]["prompt_tokens_details"]["cached_tokens"]

        assert cached(acme) == 0
        assert cached(acme) > 0
        assert cached(other) == 0


def test_scopes_narrow_a_key():
    with Guarded() as server:
        key = server.make_key("narrow", "--role", "operator", "--scope", "runs:execute:hel*",
                              "--scope", "runs:read:hello", "--scope", "models:use:weft-mini")
        assert until(lambda: server.ask_as(key, "GET", "/workflows").status == 200)
        run = server.executed(key)
        refused = server.ask_as(key, "POST", "/workflows/execute", {"workflow_id": "asking"})
        assert refused.status == 403 and refused.json["code"] == "E0761", refused.body
        assert refused.json["detail"] == \
            "Insufficient privileges: runs:execute on 'asking' is missing", refused.json
        assert server.ask_as(key, "GET", f"/workflows/{run}").status == 200
        hidden = server.executed("operator", "asking")
        assert server.ask_as(key, "GET", f"/workflows/{hidden}").status == 403
        seen = [r["workflow_id"] for r in server.ask_as(key, "GET", "/workflows").json["items"]]
        assert seen == ["hello"], seen
        chat = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
        assert server.ask_as(key, "POST", "/v1/chat/completions",
                             {"model": "weft-mini", **chat}).status == 200
        other = server.ask_as(key, "POST", "/v1/chat/completions", {"model": "default", **chat})
        assert other.status == 403, other.body
        assert other.json["error"]["type"] == "permission_error", other.json


def test_definitions_of_a_narrow_key():
    with Guarded() as server:
        key = server.make_key("narrow", "--role", "operator", "--scope", "definitions:read:hello")
        assert until(lambda: server.ask_as(key, "GET", "/definitions").status == 200)
        seen = [d["id"] for d in server.ask_as(key, "GET", "/definitions").json["items"]]
        assert seen == ["hello"], seen
        assert server.ask_as(key, "GET", "/definitions/hello").status == 200
        for path in ("/definitions/asking", "/definitions/asking/versions"):
            assert server.ask_as(key, "GET", path).status == 403, path
        models = server.make_key("models", "--role", "admin", "--scope", "models:manage:other")
        assert until(lambda: server.ask_as(models, "POST", "/models/default/load").status == 403)
        assert server.ask_as(models, "POST", "/models/default/unload").status == 403


def test_tenants_and_scopes_hold_over_mcp():
    with Guarded() as server:
        acme = server.make_key("acme", "--role", "operator", "--tenant", "acme")
        other = server.make_key("other", "--role", "operator", "--tenant", "other")
        narrow = server.make_key("narrow", "--role", "operator", "--scope", "runs:execute:asking",
                                 "--scope", "runs:read")
        assert until(lambda: server.ask_as(narrow, "GET", "/workflows").status == 200)

        def client(key):
            def ask(method, params, session=None):
                headers = {"Accept": "application/json"}
                if session:
                    headers["Mcp-Session-Id"] = session
                return server.ask_as(key, "POST", "/mcp", {
                    "jsonrpc": "2.0", "id": 1, "method": method, "params": params}, headers)
            session = ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}})
            return lambda method, params: ask(
                method, params, session.headers["Mcp-Session-Id"]).json

        def hello(ask, key):
            return ask("tools/call", {"name": "hello", "arguments": {},
                                      "_meta": {"weft/idempotencyKey": key}})

        ours, theirs, few, nobody = (client(key) for key in (acme, other, narrow, "operator"))
        run = hello(ours, "K")["result"]["_meta"]["weft/run"]
        assert hello(ours, "K")["result"]["_meta"]["weft/run"] == run
        assert hello(theirs, "K")["result"]["_meta"]["weft/run"] != run
        assert "error" in hello(nobody, "acme\nK"), "another tenant's key"
        uri = {"uri": "weft://runs/" + run}
        for stranger in (theirs, nobody):
            for method in ("resources/read", "resources/subscribe"):
                assert stranger(method, uri)["error"]["code"] == -32002, method
        assert ours("resources/subscribe", uri)["result"] == {}
        assert few("resources/list", {})["result"]["resources"] == []
        assert "error" in few("resources/read", {"uri": "weft://workflows/hello"})
        assert "Insufficient" in few("tools/call", {"name": "hello"})["error"]["message"]

        def recorded(user, outcome):
            records = server.ask_as("admin", "GET", "/audit").json["items"]
            return any(r["resource"] == "hello" and r["user"].startswith(user + " ") and
                       r["outcome"] == outcome for r in records)
        assert until(lambda: recorded("narrow", "refused") and recorded("acme", "ok"))


def test_a_narrow_key_hands_out_nothing_wider():
    with Guarded() as server:
        narrow = server.make_key("narrow", "--role", "admin", "--scope", "keys:manage")
        assert until(lambda: server.ask_as(narrow, "GET", "/keys").status == 200)
        made = server.ask_as(narrow, "POST", "/keys", {"name": "wide", "roles": ["admin"]})
        assert made.status == 403 and made.json["code"] == "E0761", made.body
        ident = next(k["id"] for k in server.ask_as(narrow, "GET", "/keys").json["items"]
                     if k["name"] == "admin")
        assert server.ask_as(narrow, "POST", f"/keys/{ident}/rotate", {}).status == 403
        assert server.ask_as("admin", "GET", "/keys").status == 200
        server.weft("keys", "create", "--name", "x", "--role", "viewer", "--tenant", "../x", code=2)


def test_files_of_tenants_are_apart():
    server = Guarded("--files", "data")
    server.write("note.yaml", """weft: "1"
id: note
input: { type: object, properties: { text: { type: string, default: "" } } }
steps:
  - id: save
    type: file
    when: "{{ input.text != '' }}"
    parameters: { action: write, path: note.txt, content: "{{ input.text }}" }
  - id: load
    type: file
    dependencies: [save]
    join: none_failed
    parameters: { action: read, path: note.txt }
output: "{{ steps.load }}"
""")
    (server.path / "data").mkdir()
    server.words = (*server.words, "--workflow", "note.yaml")
    with server:
        keys = {t: server.make_key(t, "--role", "operator", "--tenant", t) for t in ("a", "b")}
        assert until(lambda: server.ask_as(keys["b"], "GET", "/workflows").status == 200)

        def run(tenant, text):
            answer = server.ask_as(keys[tenant], "POST", "/workflows/execute",
                                   {"workflow_id": "note", "input_data": {"text": text}})
            assert answer.status == 202, answer.body
            path = f"/workflows/{answer.json['task_id']}"
            assert until(lambda: server.ask_as(keys[tenant], "GET", path).json["status"] in
                         ("succeeded", "failed"))
            return server.ask_as(keys[tenant], "GET", path).json["status"]

        assert run("a", "secret of a") == "succeeded"
        assert (server.path / "data/tenants/a/note.txt").read_text() == "secret of a"
        assert run("b", "") == "failed"  # there is no such file for b
        assert run("b", "of b") == "succeeded"
        assert (server.path / "data/tenants/a/note.txt").read_text() == "secret of a"


def test_approvals_ask_for_roles():
    with Guarded() as server:
        boss = server.make_key("ada", "--role", "approver", "--role", "boss")
        assert until(lambda: server.ask_as(boss, "GET", "/approvals").status == 200)
        task = server.executed("operator", "asking")
        assert until(lambda: server.ask_as(boss, "GET", "/approvals").json["items"])
        place = f"/workflows/{task}/approvals/"
        assert server.ask_as("operator", "POST", place + "ask", {"decision": "approved"}).status == 403
        assert server.ask_as("approver", "POST", place + "ask", {"decision": "approved"}).status == 200
        assert until(lambda: [a for a in server.ask_as(boss, "GET", "/approvals").json["items"]
                              if a["step"] == "vote"])
        no = server.ask_as("approver", "POST", place + "vote", {"decision": "approved"})
        assert no.status == 403 and "Insufficient privileges" in no.json["detail"], no.body
        assert server.ask_as(boss, "POST", place + "vote",
                             {"decision": "approved", "by": "Ada Lovelace"}).status == 200
        assert until(lambda: server.ask_as(boss, "GET", f"/workflows/{task}").json["status"] ==
                     "succeeded")
        assert server.ask_as(boss, "GET", f"/workflows/{task}").json["output"] == "approver"


def test_keys_over_http_and_their_end():
    with Guarded() as server:
        made = server.ask_as("admin", "POST", "/keys", {"name": "ci", "roles": ["viewer"]})
        assert made.status == 201 and made.headers["Cache-Control"] == "no-store", made.body
        key, ident = made.json["key"], made.json["id"]
        assert server.ask_as(key, "GET", "/workflows").status == 200  # at once
        assert "key" not in server.ask_as("admin", "GET", "/keys").json["items"][0]
        rotated = server.ask_as("admin", "POST", f"/keys/{ident}/rotate", {"grace_s": 3600})
        assert rotated.status == 201, rotated.body
        assert server.ask_as(key, "GET", "/workflows").status == 200
        assert server.ask_as(rotated.json["key"], "GET", "/workflows").status == 200
        assert server.ask_as("admin", "DELETE", f"/keys/{ident}").status == 200
        assert server.ask_as(key, "GET", "/workflows").status == 401
        outside = server.make_key("short", "--role", "viewer", "--expires", "2s")
        assert until(lambda: server.ask_as(outside, "GET", "/workflows").status == 200, 2) or True
        assert until(lambda: server.ask_as(outside, "GET", "/workflows").status == 401)
        listed = json.loads(server.weft("keys", "list", "--json").stdout)
        victim = next(k["id"] for k in listed if k["name"] == "viewer")
        server.weft("keys", "revoke", victim)
        assert until(lambda: server.ask_as("viewer", "GET", "/workflows").status == 401)
        server.weft("keys", "revoke", "nobody", code=4)
        server.weft("keys", "create", "--name", "x", "--role", "viewer", "--scope", "all", code=2)
        for wrong in ({"name": "x"}, {"name": "x", "roles": []}, {"roles": ["viewer"]},
                      {"name": "x", "roles": ["viewer"], "scopes": ["runs"]},
                      {"name": "x", "roles": ["viewer"], "colour": "red"}):
            assert server.ask_as("admin", "POST", "/keys", wrong).status == 400, wrong


def test_limits_of_a_key():
    with Guarded() as server:
        key = server.make_key("slow", "--role", "operator", "--requests-per-minute", "5")
        greedy = server.make_key("greedy", "--role", "operator", "--tokens-per-minute", "20")
        assert until(lambda: server.ask_as(greedy, "GET", "/workflows").status == 200)
        seen = [server.ask_as(key, "GET", "/workflows") for _ in range(8)]
        assert [s.status for s in seen][:4] == [200] * 4 and seen[-1].status == 429
        assert int(seen[-1].headers["Retry-After"]) >= 1
        chat = {"model": "default", "max_tokens": 24,
                "messages": [{"role": "user", "content": "I was charged twice for my order!"}]}
        first = server.ask_as(greedy, "POST", "/v1/chat/completions", chat)
        assert first.status == 200, first.body
        second = server.ask_as(greedy, "POST", "/v1/chat/completions", chat)
        assert second.status == 429 and "tokens a minute" in second.body.decode(), second.body
        assert server.ask_as(greedy, "GET", "/workflows").status == 200  # that costs no tokens
        assert server.ask_as("operator", "POST", "/v1/chat/completions", chat).status == 200


THINKING = """weft: "1"
id: thinking
steps:
  - id: ask
    type: llm
    parameters: { prompt: "I was charged twice!", mode: non_reasoning, max_tokens: 8 }
  - { id: pause, type: signal, dependencies: [ask], parameters: { name: go } }
  - id: again
    type: llm
    dependencies: [pause]
    parameters: { prompt: "And once more!", mode: non_reasoning, max_tokens: 8 }
"""


def test_model_steps_of_runs_count_as_tokens_of_their_key():
    server = Guarded("--workflow", "thinking.yaml")
    server.write("thinking.yaml", THINKING)
    with server:
        greedy = server.make_key("greedy", "--role", "operator", "--tokens-per-minute", "20")
        other = server.make_key("other", "--role", "operator", "--tokens-per-minute", "20")
        start = {"workflow_id": "thinking"}
        chat = {"model": "default", "max_tokens": 4, "messages": [{"role": "user", "content": "Hi"}]}
        assert until(lambda: server.ask_as(other, "GET", "/workflows").status == 200)
        begun = server.ask_as(greedy, "POST", "/workflows/execute", start)
        assert begun.status == 202, begun.body
        place = f"/workflows/{begun.json['task_id']}"
        assert until(lambda: "ask" in [
            step for step, told in server.ask_as(greedy, "GET", place).json["steps"].items()
            if told["status"] == "succeeded"])
        # what runs goes on; what would begin waits
        for path, body in (("/workflows/execute", start), ("/v1/chat/completions", chat),
                           (place + "/retry", {}), (place + "/fork", {"from": "ask"})):
            over = server.ask_as(greedy, "POST", path, body)
            assert over.status == 429 and int(over.headers["Retry-After"]) >= 1, (path, over.body)
            assert "tokens a minute" in over.body.decode(), over.body
        assert server.ask_as(other, "POST", "/v1/chat/completions", chat).status == 200
        sent = server.ask_as(greedy, "POST", place + "/signals/go", {})
        assert sent.status in (200, 202), sent.body
        assert until(lambda: server.ask_as(greedy, "GET", place).json["status"] == "succeeded")
        # the answer that came meanwhile counts as well
        later = server.ask_as(greedy, "POST", "/workflows/execute", start)
        assert later.status == 429, later.body
        assert int(later.headers["Retry-After"]) > int(over.headers["Retry-After"]), (
            later.headers["Retry-After"], over.headers["Retry-After"])
        # whoever begins it anew pays for it
        again = server.ask_as("operator", "POST", place + "/fork", {"from": "ask"})
        assert again.status == 202, again.body


def test_sign_in_with_a_cookie():
    with Guarded() as server:
        assert server.ask("POST", "/session", {"key": "weft_none"}).status == 401
        signed = server.ask("POST", "/session", {"key": server.keys["author"]})
        assert signed.status == 201, signed.body
        cookie = signed.headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "weft_" in cookie
        assert server.keys["author"] not in cookie
        headers = {"Cookie": "other=1; " + cookie.split(";")[0]}
        assert server.get("/workflows", headers=headers).status == 200
        whoami = server.get("/session", headers=headers).json
        assert whoami["roles"] == ["author"] and whoami["csrf"] == signed.json["csrf"], whoami
        body = {"workflow_id": "hello"}
        forged = server.post("/workflows/execute", body, headers=headers)
        assert forged.status == 403, forged.body
        wrong = server.post("/workflows/execute", body, headers={**headers, "X-Weft-CSRF": "x" * 52})
        assert wrong.status == 403
        foreign = server.post("/workflows/execute", body, headers={
            **headers, "X-Weft-CSRF": whoami["csrf"], "Origin": "https://evil.example"})
        assert foreign.status == 403
        good = {**headers, "X-Weft-CSRF": whoami["csrf"]}
        assert server.post("/workflows/execute", body, headers=good).status == 202
        assert server.get("/keys", headers=headers).status == 403  # no more than the key may
        assert server.ask("DELETE", "/session", headers=good).status == 200
        assert server.get("/workflows", headers=headers).status == 401
        again = server.ask("POST", "/session", {"key": server.keys["viewer"]})
        late = {"Cookie": again.headers["Set-Cookie"].split(";")[0]}
        assert server.get("/workflows", headers=late).status == 200
        listed = json.loads(server.weft("keys", "list", "--json").stdout)
        server.weft("keys", "revoke", next(k["id"] for k in listed if k["name"] == "viewer"))
        assert until(lambda: server.get("/workflows", headers=late).status == 401)


def test_sessions_outlive_a_restart_as_long_as_their_keys():
    server = Guarded("--api-key-file", "keyfile")
    server.write("keyfile", "the line of old\nanother line\n")
    with server:
        def signed_in(key):
            signed = server.ask("POST", "/session", {"key": key})
            assert signed.status == 201, signed.body
            return {"Cookie": signed.headers["Set-Cookie"].split(";")[0],
                    "X-Weft-CSRF": signed.json["csrf"]}

        def status(headers):
            return server.get("/workflows", headers=headers).status

        def again():
            server.stop()
            server.__enter__()

        author, viewer = signed_in(server.keys["author"]), signed_in(server.keys["viewer"])
        old, another = signed_in("the line of old"), signed_in("another line")
        again()
        body = {"workflow_id": "hello"}
        assert server.post("/workflows/execute", body, headers=author).status == 202
        assert server.post("/workflows/execute", body, headers=viewer).status == 403
        assert server.post("/keys", {"name": "n", "roles": ["viewer"]}, headers=old).status == 201
        assert server.post("/workflows/execute", body, headers={
            **author, "X-Weft-CSRF": viewer["X-Weft-CSRF"]}).status == 403
        server.stop()
        listed = json.loads(server.weft("keys", "list", "--json").stdout)
        server.weft("keys", "revoke", next(k["id"] for k in listed if k["name"] == "viewer"))
        server.write("keyfile", "another line\n")
        server.__enter__()
        assert [status(each) for each in (author, viewer, old, another)] == [200, 401, 401, 200]
        assert server.ask("DELETE", "/session", headers=author).status == 200
        again()
        assert [status(each) for each in (author, another)] == [401, 200]
        # whoever shows many that are none is answered as before
        for i in range(30):
            assert status({"Cookie": f"weft_session={i:052}"}) == 401
        assert status(another) == 200


def test_guessing_is_slowed_down():
    with Guarded() as server:
        def guess():
            return server.ask_as("weft_" + "1" * 12 + "_" + "1" * 52, "GET", "/workflows").status

        assert until(lambda: guess() == 429)
        assert server.ask_as("viewer", "GET", "/workflows").status == 200  # who has a key, comes in
        for _ in range(100):  # beyond the limit there is nothing more to record
            guess()
        records = server.ask_as("admin", "GET", "/audit?action=authenticate&limit=1000").json["items"]
        assert 60 <= len(records) <= 120, len(records)
        assert {r["outcome"] for r in records} == {"refused"}
        assert records[0]["details"] == {"method": "GET", "status": 401, "from": "127.0.0.1"}
        assert not any("1111" in json.dumps(r) for r in records)  # what was tried is not kept


def test_out_of_the_box():
    with Server() as server:  # loopback, no keys: open, whatever key a client brings along
        assert server.get("/workflows").status == 200
        assert server.get("/workflows", headers={"Authorization": "Bearer none"}).status == 200
        assert server.get("/session").json["keys_needed"] is False
        made = server.post("/keys", {"name": "first", "roles": ["admin"]})
        assert made.status == 201, made.body  # from now on keys are needed
        assert server.get("/workflows").status == 401
        key = {"Authorization": "Bearer " + made.json["key"]}
        assert server.get("/workflows", headers=key).status == 200
        server.ask("DELETE", "/keys/" + made.json["id"], headers=key)
        assert server.get("/workflows").status == 401  # a server with none but dead keys is closed
        refused = subprocess.run(
            [WEFT, "serve", "--host", "0.0.0.0", "--port", "0", "--store", str(server.path / "o.db")],
            cwd=server.path, env=server.env, text=True, capture_output=True, timeout=60, check=False)
        assert refused.returncode == 3 and "E0940" in refused.stderr, refused


def test_a_lost_pepper_is_noticed():
    with Guarded() as server:
        server.stop()
        (server.path / "home" / "pepper").unlink()
        command = [WEFT, "serve", "--port", "0", "--store", str(server.store)]
        done = subprocess.run(command, cwd=server.path, env=server.env, text=True,
                              capture_output=True, timeout=60, check=False)
        assert done.returncode == 3 and "E0764" in done.stderr, done
        server.keys = {}
        server.weft("keys", "create", "--name", "new", "--role", "admin")
        super(Guarded, server).__enter__()
        assert server.ask("GET", "/health").status == 200


if __name__ == "__main__":
    main(dict(globals()))
