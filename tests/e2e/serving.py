# SPDX-License-Identifier: Apache-2.0
"""A running `weft serve` for tests: started on a free port, asked over plain HTTP, ended by
SIGTERM; its exit status must be 0 and its log must not speak of bugs.

With WEFT_VALIDATE=FILE requests go through prism (validating.py), which holds them and their
answers to the server's own OpenAPI document; what was asked is added to FILE."""
import http.client
import json
import os
import signal
import socket
import subprocess
import time

import validating
from harness import WEFT, Place

HELLO = """weft: "1"
id: hello
steps:
  - id: greet
    type: set
    parameters: { value: Hello }
"""

def until(condition, seconds=60):
    for _ in range(int(seconds * 50)):
        if condition():
            return True
        time.sleep(0.02)
    return False


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]

    @property
    def events(self):
        """The data of server-sent events, parsed; the last may be "[DONE]"."""
        out = []
        for block in self.body.decode().split("\n\n"):
            data = [line[6:] for line in block.split("\n") if line.startswith("data: ")]
            if data:
                out.append(json.loads(data[0]) if data[0] != "[DONE]" else data[0])
        return out


class Server(Place):
    def __init__(self, *words):
        super().__init__()
        self.words = words

    def __enter__(self):
        command = [WEFT, "serve", "--port", "0", "--json", "--store", str(self.store), *self.words]
        self.log = open(self.path / "log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(command, cwd=self.path, env=self.env, text=True,
                                        stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline()
        assert line, (self.path / "log").read_text()
        self.url = json.loads(line)["url"]
        self.port = int(self.url.rsplit(":", 1)[1])
        self.proxy = validating.proxy(self.url) if "WEFT_VALIDATE" in os.environ else None
        return self

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        self.log.close()
        return code

    def __exit__(self, kind, *rest):
        code = self.stop()
        log = (self.path / "log").read_text()
        super().__exit__(kind, *rest)
        if kind is None:
            assert code == 0, (code, log)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def ask(self, method, path, body=None, headers=None, timeout=60):
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        kind = "application/yaml" if method == "PUT" else "application/json"
        headers = {"Content-Type": kind, **(headers or {})}
        checked = self.proxy is not None and self.proxy.takes(method, path, body, headers)
        port = self.proxy.port if checked else self.port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        connection.close()
        if checked:
            self.proxy.judge(method, path, answer)
        return answer

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body, **more):
        return self.ask("POST", path, body, **more)

    def metric(self, name):
        """The sum of a metric over its labels; with its labels in the name, that one."""
        total = 0.0
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith((name + " ", name + "{")):
                total += float(line.rsplit(" ", 1)[1])
        return total
