# SPDX-License-Identifier: Apache-2.0
"""Callbacks from outside: a receiver that fails, is down, or is there; a server that is killed
between; signatures as a receiver checks them; dead letters and their redrive."""
import contextlib
import hashlib
import hmac
import http.server
import json
import sqlite3
import threading

from harness import main
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


class Receiver:
    """Answers with the statuses given, the last one for ever; keeps what it got and what it took."""

    def __init__(self, *statuses):
        self.statuses, self.got, self.taken = list(statuses), [], []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers), body))
                kept = receiver.statuses
                status = kept.pop(0) if len(kept) > 1 else kept[0]
                if status < 300:
                    receiver.taken.append((dict(self.headers), body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *unused):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


def serving():
    server = Server()
    server.write("hello.yaml", HELLO)
    server.words = ("--workflow", "hello.yaml", "--allow-host", "127.0.0.1")
    return server


def execute(server, url, name="you"):
    answer = server.post("/workflows/execute", {"workflow_id": "hello", "callback_url": url,
                                                "input_data": {"name": name}})
    assert answer.status == 202, answer.body
    return answer.json["task_id"]


def secret_of(server):
    return (server.path / "home" / "callback.secret").read_text().strip()


def check(server, headers, body, task):
    signature = dict(part.split("=") for part in headers["X-Weft-Signature"].split(","))
    wanted = hmac.new(secret_of(server).encode(), signature["t"].encode() + b"." + body,
                      hashlib.sha256).hexdigest()
    assert hmac.compare_digest(wanted, signature["v1"]), (headers, wanted)
    assert headers["X-Weft-Delivery"] == task
    said = json.loads(body)
    assert said["task_id"] == task and said["status"] == "succeeded", said
    return said


def kill(server):
    server.process.kill()
    server.process.wait()
    server.process.stdout.close()
    server.log.close()


def state(server, task):
    return next(c for c in server.get("/callbacks").json["items"] if c["task_id"] == task)


def test_a_run_s_end_is_told_and_signed():
    receiver = Receiver(200)
    with serving() as server:
        task = execute(server, receiver.url, "Ada")
        assert until(lambda: receiver.got)
        said = check(server, *receiver.got[0], task)
        shown = server.get(f"/workflows/{task}").json
        assert said == shown and said["output"] == "Hello, Ada!", (said, shown)
        assert until(lambda: state(server, task)["state"] == "delivered")
        assert len(receiver.got) == 1 and server.get("/callbacks?state=waiting").json["items"] == []


def test_a_flaky_receiver_is_asked_until_it_takes_it():
    receiver = Receiver(500, 302, 200)
    with serving() as server:
        task = execute(server, receiver.url)
        assert until(lambda: state(server, task)["state"] == "delivered", 40)
        assert len(receiver.got) == 3 and state(server, task)["attempts"] == 3
        for headers, body in receiver.got:
            check(server, headers, body, task)


def test_a_killed_server_forgets_no_callback():
    receiver = Receiver(503)
    with serving() as server:
        tasks = [execute(server, receiver.url, str(i)) for i in range(5)]
        assert until(lambda: len(receiver.got) >= 5)
        kill(server)
        receiver.statuses[:] = [200]
        receiver.got.clear()
        server.__enter__()
        assert until(lambda: all(state(server, t)["state"] == "delivered" for t in tasks), 90)
        told = {headers["X-Weft-Delivery"] for headers, _ in receiver.got}
        assert told == set(tasks), (told, tasks)


def test_a_run_that_cannot_be_read_keeps_no_other_callback():
    receiver = Receiver(503)
    with serving() as server:
        task = execute(server, receiver.url)
        assert until(lambda: receiver.got)
        kill(server)
        with contextlib.closing(sqlite3.connect(server.store)) as store, store:
            store.execute("UPDATE callback SET next_us = 1, state = 'waiting'")
            store.execute("INSERT INTO callback SELECT 'run_none', tenant, url, 'waiting', 0, 0, "
                          "created_us, 0, '' FROM callback")
        receiver.statuses[:] = [200]
        server.__enter__()  # claims both at once
        assert until(lambda: state(server, task)["state"] == "delivered", 40)
        assert state(server, "run_none")["last_error"], state(server, "run_none")


def test_a_worker_tells_as_its_configuration_says():
    receiver = Receiver(503)
    with serving() as server:
        execute(server, receiver.url, "ada@example.com")
        assert until(lambda: receiver.got)
        server.stop()
        receiver.statuses[:] = [200]
        receiver.got.clear()
        server.env["OUR_SECRET"] = "a secret of the company's own"
        server.write("weft.yaml", "callbacks: { secret: 'env:OUR_SECRET' }\n"
                     "redaction: { kinds: [email] }\n")
        worker = server.start("worker", "--config", "weft.yaml", "--allow-host",
                              "127.0.0.1")
        try:
            assert until(lambda: receiver.got, 60)
        finally:
            worker.kill()
            worker.communicate()
    headers, body = receiver.got[0]
    signature = dict(part.split("=") for part in headers["X-Weft-Signature"].split(","))
    wanted = hmac.new(b"a secret of the company's own", signature["t"].encode() + b"." + body,
                      hashlib.sha256).hexdigest()
    assert signature["v1"] == wanted, headers
    assert json.loads(body)["output"] == "Hello, [email]!", body


def test_dead_letters_can_be_sent_again():
    receiver = Receiver(410)
    with serving() as server:
        task = execute(server, receiver.url)
        assert until(lambda: server.get("/callbacks?state=dead").json["items"])
        assert state(server, task)["last_status"] == 410
        receiver.statuses[:] = [204]
        again = server.post(f"/callbacks/{task}/redrive", None)
        assert again.status == 202, again.body
        assert until(lambda: state(server, task)["state"] == "delivered")
        assert server.post("/callbacks/run_none/redrive", None).status == 404


def test_addresses_that_may_not_be_called():
    with serving() as server:
        for url in ("ftp://example.com/", "no url", "http://", "", "http://a b/", 7):
            answer = server.post("/workflows/execute", {"workflow_id": "hello", "callback_url": url})
            assert answer.status == 400, (url, answer.status, answer.body)
    server = Server()
    server.write("hello.yaml", HELLO)
    server.words = ("--workflow", "hello.yaml")
    receiver = Receiver(200)
    with server:
        task = execute(server, receiver.url)
        assert until(lambda: state(server, task)["attempts"] >= 1 and
                     state(server, task).get("last_error"))
        assert receiver.got == [] and state(server, task)["state"] == "waiting"


if __name__ == "__main__":
    main(dict(globals()))
