# SPDX-License-Identifier: Apache-2.0
"""Secrets by reference: a real server gets them, and nothing that weft keeps, shows or writes holds
them, also where the server says them back."""
import http.server
import json
import subprocess
import threading

from harness import WEFT, Place, main
from serving import Server, until

TOKEN = 'tok"4471/abc+DEF='
HOOK = "hook-8812-of-a-file"
ROTATED = "hook-9934-after-rotation"

PUSH = """weft: "1"
id: push
input:
  type: object
  required: [base]
  properties: { base: { type: string }, note: { type: string, default: "-" } }
steps:
  - id: push
    type: http
    when: "{{ secrets.CRM_TOKEN is defined and secrets.NOWHERE is undefined }}"
    parameters:
      method: POST
      url: "{{ input.base }}/echo"
      query: { key: "{{ secrets.CRM_TOKEN }}" }
      headers: { Authorization: "Bearer {{ secrets.CRM_TOKEN }}", X-Upper: "{{ secrets.CRM_TOKEN | upper }}" }
      json: { hook: "{{ secrets.HOOK }}", note: "{{ input.note }}" }
  - id: refused
    type: http
    on_error: continue
    retry: { attempts: 1 }
    parameters: { url: "{{ input.base }}/fail/{{ secrets.HOOK }}", headers: { X-Key: "{{ secrets.CRM_TOKEN }}" } }
  - id: told
    type: notification
    parameters: { channel: chat, to: "{{ input.base }}/hooks/{{ secrets.HOOK }}", text: done }
"""
CONFIG = """secrets:
  CRM_TOKEN: { env: CRM_TOKEN, hosts: ["127.0.0.1"] }
  HOOK: { file: outside/hook }
"""


class Echo:
    """Says back all that it hears: as JSON, under /fail with status 500."""

    def __init__(self):
        self.heard = []
        echo = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                echo.heard.append((self.path, dict(self.headers), body))
                data = json.dumps({"path": self.path, "headers": dict(self.headers), "body": body}).encode()
                self.send_response(500 if "/fail" in self.path else 302 if "/away" in self.path else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("X-Echo", self.headers.get("Authorization", "-"))
                self.send_header("Location", "/echo")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST

            def log_message(self, *unused):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *unused):
        self.server.shutdown()
        self.server.server_close()


def prepare(place, config=CONFIG):
    place.env["CRM_TOKEN"] = TOKEN
    place.write("weft.yaml", config)
    place.write("push.yaml", PUSH)
    (place.path / "outside").mkdir()
    place.write("outside/hook", HOOK + "\n")


def assert_hidden(text, where):
    for form in (TOKEN, TOKEN.upper(), json.dumps(TOKEN)[1:-1], "tok%224471", HOOK, ROTATED, "4471/abc"):
        data = form.encode() if isinstance(text, bytes) else form
        assert data not in text, (where, form)


def assert_kept_nowhere(place):
    kept = [path for path in place.path.rglob("*") if path.is_file()
            and path.relative_to(place.path).parts[0] != "outside"]
    assert any(path.name.startswith("store.db") for path in kept), kept
    for path in kept:
        assert_hidden(path.read_bytes(), path)


def test_a_server_gets_them_and_nothing_keeps_them():
    with Place() as place, Echo() as echo:
        prepare(place)
        forged = "{{ secrets.CRM_TOKEN }} [secret CRM_TOKEN]"
        done = place.weft("run", "push.yaml", "-i", f"base={echo.url}", "-i", f"note={forged}", "--config",
                          "weft.yaml", "--allow-host", echo.host, "--json")
        pushed, refused, told = sorted(echo.heard, key=lambda one: "/echo" not in one[0])
        if "/hooks" in refused[0]:
            refused, told = told, refused
        assert pushed[1]["Authorization"] == f"Bearer {TOKEN}" and pushed[1]["X-Upper"] == TOKEN.upper()
        assert pushed[0] == "/echo?key=tok%224471%2Fabc%2BDEF%3D", pushed[0]
        assert json.loads(pushed[2]) == {"hook": HOOK, "note": forged}, pushed[2]
        assert refused[0] == f"/fail/{HOOK}" and told[0] == f"/hooks/{HOOK}", echo.heard
        assert_hidden(done.stdout + done.stderr, "run")
        assert "Bearer [secret CRM_TOKEN]" in done.stdout, done.stdout
        run = place.rows("select id from run")[0][0]
        for words in (["runs", "show", run, "--json"], ["explain", run], ["explain", run, "refused"],
                      ["audit", "export"]):
            shown = place.weft(*words, code=None)
            assert_hidden(shown.stdout + shown.stderr, words)
        assert "[secret HOOK]" in place.weft("runs", "show", run, "--json").stdout
        assert_kept_nowhere(place)


def test_over_http_and_after_a_rotation():
    server = Server("--config", "weft.yaml", "--allow-host", "127.0.0.1")
    prepare(server, CONFIG + "log: { level: debug }\nserver: { workflows: [push.yaml] }\n")
    with Echo() as echo, server:
        for hook in (HOOK, ROTATED):
            server.write("outside/hook", hook)
            echo.heard.clear()
            answer = server.post("/workflows/execute", {"workflow_id": "push", "input_data": {"base": echo.url}})
            assert answer.status in (200, 202), answer.body
            task = answer.json["task_id"]
            assert until(lambda: server.get(f"/workflows/{task}").json["status"] not in ("queued", "running"))
            assert any(f"/hooks/{hook}" in path for path, _, _ in echo.heard), echo.heard
            for path in (f"/workflows/{task}", f"/workflows/{task}/events", "/metrics", "/workflows"):
                assert_hidden(server.get(path).body, path)
        assert_kept_nowhere(server)


def test_they_go_only_where_they_may():
    with Place() as place, Echo() as echo:
        prepare(place, CONFIG.replace('"127.0.0.1"', "crm.example.com"))
        words = ["-i", f"base={echo.url}", "--config", "weft.yaml", "--allow-host", echo.host]
        refused = place.weft("run", "push.yaml", *words, code=1)
        assert "E0634" in refused.stderr + refused.stdout, refused.stderr
        assert not any(headers.get("Authorization") for _, headers, _ in echo.heard), echo.heard
        place.write("away.yaml", PUSH.split("steps:")[0] + """steps:
  - { id: away, type: http, parameters: { url: "{{ input.base }}/away", headers: { K: "{{ secrets.HOOK }}" } } }
""")
        echo.heard.clear()
        place.weft("run", "away.yaml", *words, code=1)
        assert {path for path, _, _ in echo.heard} == {"/away"}, echo.heard
        assert_kept_nowhere(place)


def test_proposed_steps_have_none():
    with Place() as place, Echo() as echo:
        prepare(place)
        place.write("plan.yaml", """weft: "1"
id: planned
input: { type: object, required: [steps], properties: { steps: { type: array } } }
steps:
  - { id: act, type: plan, parameters: { types: [http], steps: "{{ input.steps }}" } }
""")
        step = {"id": "steal", "type": "http",
                "parameters": {"url": echo.url + "/echo", "headers": {"K": "{{ secrets.HOOK }}"}}}
        place.write("input.json", json.dumps({"steps": [step]}))
        place.weft("run", "plan.yaml", "-i", "@input.json", "--config", "weft.yaml", "--allow-host", echo.host,
                   code=1)
        assert echo.heard == []


def test_missing_ones_are_said_beforehand():
    with Place() as place:
        prepare(place)
        place.write("wrong.yaml", PUSH.replace("{{ secrets.HOOK }}", "{{ secrets.HOOKS }}"))
        run = place.weft("run", "wrong.yaml", "-i", "base=http://x", "--config", "weft.yaml", code=None)
        assert run.returncode != 0 and "E0633" in run.stderr and "HOOK" in run.stderr, run.stderr

        def validate(file, code):
            done = subprocess.run([WEFT, "validate", file, "--config", "weft.yaml"], cwd=place.path,
                                  env=place.env, text=True, capture_output=True, timeout=60)
            assert done.returncode == code, (done.stdout, done.stderr)
            return done.stderr
        assert "warning" not in validate("push.yaml", 0)
        assert "E0633" in validate("wrong.yaml", 1)
        place.write("set.yaml", "weft: \"1\"\nid: x\nsteps:\n  - {id: a, type: set, parameters: "
                                "{value: \"{{ secrets.HOOK }}\"}}\n")
        assert "no secrets here" in validate("set.yaml", 0)
        kept = place.weft("run", "set.yaml", "--config", "weft.yaml", code=1)
        assert "E0450" in kept.stderr and "secrets are declared in weft.yaml" in kept.stderr, kept.stderr


def test_the_list_shows_no_values():
    with Place() as place:
        prepare(place)

        def listed(*words, code=0):
            done = subprocess.run([WEFT, "secrets", "list", "--config", "weft.yaml", *words], cwd=place.path,
                                  env=place.env, text=True, capture_output=True, timeout=60)
            assert done.returncode == code, (done.stdout, done.stderr)
            assert_hidden(done.stdout + done.stderr, "list")
            return done.stdout
        assert "env:CRM_TOKEN" in listed() and "outside/hook" in listed() and "127.0.0.1" in listed()
        (place.path / "outside" / "hook").unlink()
        found = {one["name"]: one["ok"] for one in json.loads(listed("--json", code=1))}
        assert found == {"CRM_TOKEN": True, "HOOK": False}, found


def test_a_tool_sends_one_too():
    with Place() as place, Echo() as echo:
        prepare(place)
        place.write("tool.yaml", """weft: "1"
id: tools
tools:
  - name: look
    parameters: { type: object, properties: { q: { type: string } } }
    step:
      type: http
      parameters: { url: "%s/look/{{ args.q }}", headers: { Authorization: "{{ secrets.CRM_TOKEN }}" } }
steps:
  - { id: a, type: set }
""" % echo.url)
        done = subprocess.run([WEFT, "tools", "call", "look", "--workflow", "tool.yaml", "-i", "q=x", "--config",
                               "weft.yaml", "--allow-host", echo.host], cwd=place.path, env=place.env, text=True,
                              capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert echo.heard[0][1]["Authorization"] == TOKEN, echo.heard
        assert_hidden(done.stdout + done.stderr, "tool")
        assert "[secret CRM_TOKEN]" in done.stdout, done.stdout


if __name__ == "__main__":
    main(dict(globals()))
