# SPDX-License-Identifier: Apache-2.0
"""`weft run`, `weft runs` and `weft explain` from outside: exit codes, shapes, files, Ctrl-C."""
import http.server
import json
import pathlib
import shlex
import signal
import sqlite3
import subprocess
import threading
import time

from harness import WEFT, Place, can_trace, main

CHAIN = """
weft: "1"
id: chain
input:
  type: object
  additionalProperties: false
  required: [n]
  properties:
    n: {type: integer}
    name: {type: string, default: weft}
steps:
  - {id: a, type: set, parameters: {value: "{{ input.n }}"}}
  - {id: b, type: set, dependencies: [a], parameters: {value: "{{ steps.a + 1 }}"}}
  - {id: c, type: set, dependencies: [a], when: "{{ steps.a > 100 }}", parameters: {value: 1}}
  - {id: d, type: file, dependencies: [b, c],
     parameters: {action: write, path: out.txt, content: "{{ steps.b }} {{ input.name }}"}}
output: {b: "{{ steps.b }}", name: "{{ input.name }}"}
"""


def test_a_run_prints_one_document():
    with Place() as place:
        place.write("chain.yaml", CHAIN)
        document = place.run_json("chain.yaml", "-i", "n=4")
        assert set(document) == {"run", "workflow", "status", "output", "steps"}, document
        assert document["status"] == "succeeded" and document["workflow"] == "chain"
        assert document["output"] == {"b": 5, "name": "weft"}
        assert list(document["steps"]) == ["a", "b", "c", "d"]
        assert document["steps"]["c"]["status"] == "skipped"
        assert set(document["steps"]["a"]) == {"status", "output", "attempts", "ms"}
        assert (place.path / "out.txt").read_text() == "5 weft"


def test_without_json_the_output_is_data_and_the_rest_is_for_people():
    with Place() as place:
        place.write("chain.yaml", CHAIN)
        first = place.weft("run", "chain.yaml", "-i", "n=1")
        assert json.loads(first.stdout) == {"b": 2, "name": "weft"}
        assert "Next things to try" in first.stderr and "succeeded" in first.stderr
        second = place.weft("run", "chain.yaml", "-i", "n=1")
        assert "Next things to try" not in second.stderr


def test_the_next_thing_to_try_can_be_typed():
    with Place() as place:
        place.write("my chain.yaml", CHAIN)
        first = place.weft("run", "my chain.yaml", "-i", "n=1", "-i", "name=it's \"two\" $words")
        line = next(line for line in first.stderr.splitlines() if "the same for programs" in line)
        command = line.split("   the same")[0].strip()
        assert command.startswith("weft run 'my chain.yaml' -i n=1 -i "), command
        done = subprocess.run(["bash", "-c", shlex.quote(WEFT) + command.removeprefix("weft")],
                              cwd=place.path, env=place.env, text=True, capture_output=True,
                              check=False, timeout=60)
        assert done.returncode == 0, (command, done.stderr)
        assert json.loads(done.stdout)["output"] == {"b": 2, "name": "it's \"two\" $words"}


def test_a_missing_input_is_asked_for_by_its_flag():
    with Place() as place:
        place.write("chain.yaml", CHAIN)
        told = place.weft("run", "chain.yaml", code=2).stderr
        assert "E0310" in told and "give it: -i n=…" in told, told
        told = place.weft("run", "chain.yaml", "-i", "n=x", code=2).stderr
        assert "E0310" in told and "give it" not in told, told


def test_a_field_that_the_demo_model_does_not_know_is_a_warning():
    with Place() as place:
        schema = {"type": "object", "required": ["poem"],
                  "properties": {"poem": {"type": "string", "maxLength": 20}}}
        step = {"id": "poem", "type": "llm", "parameters": {"prompt": "Hi", "output": schema}}
        place.write("poem.yaml", json.dumps({"weft": "1", "id": "poem", "steps": [step]}))
        (warning,) = json.loads(place.weft_bare("validate", "poem.yaml", "--json").stdout)[0]["warnings"]
        assert warning["code"] == "E0433" and "'poem'" in warning["message"], warning
        assert "E0433" in place.weft("run", "poem.yaml").stderr
        model = str(pathlib.Path(__file__).resolve().parents[2] / "models/weft-mini")
        assert "E0433" not in place.weft("run", "poem.yaml", "--model", model).stderr
        config = {"models": {"default": {"source": model}}}
        place.write("weft.yaml", json.dumps(config))
        told = place.weft_bare("validate", "poem.yaml", "--config", "weft.yaml", "--json").stdout
        assert json.loads(told)[0]["warnings"] == [], told


def test_inputs_come_from_arguments_and_files():
    with Place() as place:
        place.write("chain.yaml", CHAIN)
        place.write("in.json", '{"n": 7, "name": "file"}')
        assert place.run_json("chain.yaml", "-i", "@in.json")["output"] == {"b": 8, "name": "file"}
        both = place.run_json("chain.yaml", "-i", "@in.json", "-i", "name=12")
        assert both["output"]["name"] == "12"


def test_wrong_uses_have_their_exit_codes():
    with Place() as place:
        place.write("chain.yaml", CHAIN)
        place.write("bad.yaml", 'weft: "1"\nid: x\nsteps:\n  - {id: a, type: sett}\n')
        assert "E0310" in place.weft("run", "chain.yaml", code=2).stderr
        assert "E0310" in place.weft("run", "chain.yaml", "-i", "n=x", code=2).stderr
        assert "E0902" in place.weft("run", "chain.yaml", "-i", "n", code=2).stderr
        assert "E0020" in place.weft("run", "none.yaml", code=4).stderr
        assert "bad.yaml:4" in place.weft("run", "bad.yaml", code=1).stderr
        assert "E0601" in place.weft("runs", "show", "run_none", code=4).stderr
        place.store.write_text("no database at all, but long enough to look like one " * 20)
        assert "E0502" in place.weft("run", "chain.yaml", "-i", "n=1", code=3).stderr


def test_a_failed_run_says_why():
    with Place() as place:
        place.write("fails.yaml", """
weft: "1"
id: fails
steps:
  - {id: check, type: validate, parameters: {value: 5, schema: {type: string}}}
  - {id: after, type: set, dependencies: [check], parameters: {value: 1}}
""")
        done = place.weft("run", "fails.yaml", "--json", code=1)
        document = json.loads(done.stdout)
        assert document["status"] == "failed" and document["error"]["step"] == "check"
        assert document["steps"]["after"]["status"] == "failed"
        shown = place.weft("runs", "show", document["run"][-8:]).stdout
        assert "E0310" in shown
        why = place.weft("explain", document["run"], "after", "--json").stdout
        assert "check" in json.loads(why)["steps"]["after"]["history"][0]["why"]
        listed = json.loads(place.weft("runs", "list", "--json", "--status", "failed").stdout)
        assert [run["run"] for run in listed] == [document["run"]]


SLOW = """
weft: "1"
id: slow
steps:
  - {id: first, type: set, parameters: {value: 1}}
  - {id: pause, type: wait, dependencies: [first], parameters: {for: 3s}}
  - {id: last, type: set, dependencies: [pause], parameters: {value: "{{ steps.first + 1 }}"}}
output: "{{ steps.last }}"
"""


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def is_waiting(place):
    return place.store.exists() and place.rows(
        "select count(*) from sqlite_master where name = 'step'")[0][0] and place.rows(
        "select count(*) from run where status = 'waiting'")[0][0] == 1


def test_ctrl_c_keeps_the_run():
    with Place() as place:
        place.write("slow.yaml", SLOW)
        process = place.start("run", "slow.yaml")
        wait_for(lambda: is_waiting(place))
        process.send_signal(signal.SIGINT)
        _, shown = process.communicate(timeout=20)
        assert process.returncode == 130, (process.returncode, shown)
        assert "weft runs resume" in shown
        assert place.rows("select worker from run") == [(None,)]
        resumed = place.weft("runs", "resume", "--json")
        assert json.loads(resumed.stdout)["output"] == 2


def test_a_detached_run_goes_on_in_the_background():
    with Place() as place:
        place.write("slow.yaml", SLOW)
        run = place.weft("run", "slow.yaml", "--detach").stdout.strip()
        wait_for(lambda: place.rows("select status from run where id = ?", run) == [("succeeded",)])
        assert json.loads(place.weft("runs", "show", run, "--json").stdout)["output"] == 2


class Greeter(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *unused):
        pass


def test_a_detached_run_keeps_what_it_was_granted():
    with Place() as place, http.server.ThreadingHTTPServer(("127.0.0.1", 0), Greeter) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place.write("ask.yaml", f"""
weft: "1"
id: ask
steps:
  - {{id: ask, type: http, parameters: {{method: GET, url: "http://127.0.0.1:{server.server_port}/"}}}}
output: "{{{{ steps.ask.body }}}}"
""")
        words = ("--allow-host", f"127.0.0.1:{server.server_port}")
        run = None
        for command in (("run", "ask.yaml"), ("runs", "fork", None, "--from", "ask")):
            run = place.weft(*(word or run for word in command), *words, "--detach").stdout.strip()
            wait_for(lambda: place.rows("select finished_us is not null from run where id = ?", run)
                     == [(1,)])
            shown = json.loads(place.weft("runs", "show", run, "--json").stdout)
            assert shown["status"] == "succeeded" and shown["output"] == "hello", shown
        server.shutdown()


def test_an_effect_that_was_cut_off_is_decided_by_a_person():
    if not can_trace():
        print("        SKIPPED: strace cannot trace here")
        return
    with Place() as place:
        place.write("append.yaml", """
weft: "1"
id: append
steps:
  - {id: line, type: file, parameters: {action: append, path: log.txt, content: "line\\n"}}
  - {id: after, type: set, dependencies: [line], parameters: {value: "{{ steps.line.bytes }}"}}
output: "{{ steps.after }}"
""")
        log = place.path / "log.txt"
        place.weft("runs", "list")  # the store is there: its own syncs are not counted
        for number in range(1, 12):  # the sync of the appended line is one of the first
            subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e",
                            f"inject=fsync:signal=SIGKILL:when={number}",
                            *place.command("run", "append.yaml")],
                           cwd=place.path, env=place.env, capture_output=True, timeout=60)
            if log.exists():
                break
        else:
            print("        SKIPPED: strace did not hit the moment")
            return
        told = place.weft("runs", "resume", code=1)
        assert "E0606" in told.stderr and "weft runs resolve" in told.stderr, told.stderr
        run, status = place.rows("select id, status from run order by id desc limit 1")[0]
        assert status == "waiting", status
        assert place.rows("select status from step where run = ? and path = 'line'", run) == [
            ("unknown",)]
        assert "E0614" in place.weft("runs", "resolve", run, "after", "retry", code=1).stderr
        done = place.weft("runs", "resolve", run, "line", "succeed", "--output", '{"bytes": 5}',
                          "--json")
        assert json.loads(done.stdout)["output"] == 5, done.stdout
        assert log.read_text() == "line\n"


def test_a_run_can_be_cancelled():
    with Place() as place:
        place.write("slow.yaml", SLOW.replace("3s", "1h"))
        process = place.start("run", "slow.yaml")
        wait_for(lambda: is_waiting(place))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        run, = place.rows("select id from run")[0]
        cancelled = place.weft("runs", "cancel", run, "--json")
        assert json.loads(cancelled.stdout)["status"] == "cancelled"
        assert "has ended" in place.weft("runs", "cancel", run, code=1).stderr


EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "customer-service.yaml"
INQUIRY = "inquiry=제품이 3일째 작동하지 않습니다. 긴급히 해결이 필요합니다."


def test_the_first_example_classifies_and_leaves_evidence():
    with Place() as place:
        first, second = (place.run_json(str(EXAMPLE), "-i", INQUIRY) for _ in range(2))
        step = first["steps"]["classify"]
        assert first["status"] == "succeeded" and step["output"]["category"] == "technical", first
        assert step["model"] and step["tokens"]["answer"] > 0 and step["tokens"]["prompt"] > 0
        call = json.loads(place.weft("explain", first["run"], "--json").stdout)[
            "steps"]["classify"]["calls"][0]
        assert len(call["model_hash"]) == 64 and len(call["prompt_hash"]) == 64 and call["sampler"]
        assert second["output"] == first["output"]
        replayed = place.weft("replay", first["run"], "--verify", "--json")
        assert [call["same"] for call in json.loads(replayed.stdout)] == [True], replayed.stdout
        assert "agree" in place.weft("fsck").stderr
        same = place.rows("select count(distinct hex(output_ids)), count(distinct hex(prompt_ids)), "
                          "count(*) from ai_call")
        assert same == [(1, 1, 2)], same
        db = sqlite3.connect(place.store)
        ids, = db.execute("select output_ids from ai_call").fetchone()
        db.execute("update ai_call set output_ids = ?", (b"\0\0\0\0" + ids[4:],))
        db.commit()
        db.close()
        told = place.weft("replay", first["run"], "--verify", code=1).stdout
        assert "answers differ from token 0 on" in told, told
        db = sqlite3.connect(place.store)
        db.execute("update ai_call set fingerprint = replace(fingerprint, 'portable', 'fast')")
        db.commit()
        db.close()
        told = place.weft("replay", first["run"], "--verify", code=1).stdout
        assert "other numerics: fast then, portable now (--numerics fast)" in told, told


def test_a_model_step_that_was_cut_off_ends_with_the_same_text():
    if not can_trace():
        print("        SKIPPED: strace cannot trace here")
        return
    with Place() as place:
        whole = place.run_json(str(EXAMPLE), "-i", INQUIRY)
        for number in range(12, 120, 6):  # until one dies while it writes its second commit
            subprocess.run(
                ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "-e",
                 f"inject=pwrite64:signal=SIGKILL:when={number}",
                 *place.command("run", str(EXAMPLE), "-i", INQUIRY)],
                cwd=place.path, env=place.env, capture_output=True, timeout=120)
            if place.rows("select count(*) from run where status = 'running'") == [(1,)]:
                break
        else:
            raise AssertionError("no run was cut off")
        place.weft("runs", "resume")
        outputs = [json.loads(place.weft("runs", "show", run, "--json").stdout)["output"]
                   for run, in place.rows("select id from run")]
        assert all(output == whole["output"] for output in outputs), outputs


class Peer(http.server.BaseHTTPRequestHandler):
    seen = []

    def do_GET(self):
        status = 200 if len([1 for method, _ in self.seen if method == "GET"]) > 0 else 503
        self.seen.append(("GET", dict(self.headers)))
        self.answer(status, {"city": "Jeju"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(("POST", dict(self.headers)))
        if self.path == "/drop":
            self.close_connection = True
            return
        self.answer(201, json.loads(body))

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *unused):
        pass


def test_http_steps():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Peer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = f"127.0.0.1:{server.server_port}"
    with Place() as place:
        place.write("calls.yaml", f"""
weft: "1"
id: calls
steps:
  - {{id: get, type: http, retry: {{attempts: 3, initial: 100ms}}, parameters: {{url: "http://{host}/a"}}}}
  - {{id: post, type: http, dependencies: [get], idempotency_key: "{{{{ run.id }}}}-post",
     parameters: {{method: POST, url: "http://{host}/b", json: {{got: "{{{{ steps.get.body.city }}}}"}}}}}}
output: "{{{{ steps.post.body.got }}}}"
""")
        place.write("drop.yaml", f"""
weft: "1"
id: drop
steps:
  - {{id: post, type: http, on_unknown: fail, retry: {{attempts: 3}},
     parameters: {{method: POST, url: "http://{host}/drop", json: 1}}}}
""")
        refused = place.weft("run", "calls.yaml", "--json", code=1)
        assert "E0801" in refused.stdout, refused.stdout
        assert Peer.seen == []
        document = place.run_json("calls.yaml", "--allow-host", host)
        assert document["output"] == "Jeju", document
        assert document["steps"]["get"]["attempts"] == 2
        post = next(headers for method, headers in Peer.seen if method == "POST")
        assert post["Idempotency-Key"] == document["run"] + "-post"
        Peer.seen.clear()
        dropped = json.loads(
            place.weft("run", "drop.yaml", "--json", "--allow-host", host, code=1).stdout)
        assert dropped["steps"]["post"]["status"] == "failed"
        assert [method for method, _ in Peer.seen] == ["POST"], "an unsafe call was repeated"
    server.shutdown()


def test_links_do_not_lead_outside():
    with Place() as place:
        (place.path / "link").symlink_to("/etc")
        place.write("steal.yaml", """
weft: "1"
id: steal
input: {type: object, properties: {path: {type: string}}}
steps:
  - {id: read, type: file, parameters: {action: read, path: "{{ input.path }}"}}
""")
        for path in ("link/passwd", "/etc/passwd", "../../etc/passwd", "link/../link/passwd"):
            done = place.weft("run", "steal.yaml", "-i", f"path={path}", "--json", code=1)
            assert json.loads(done.stdout)["error"]["code"] == "E0608", (path, done.stdout)


if __name__ == "__main__":
    main(dict(globals()))
