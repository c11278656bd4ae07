# SPDX-License-Identifier: Apache-2.0
"""`weft serve` and llama-server over the same GGUF file, asked in the same way: token ids to
/v1/completions over HTTP, greedy. What bench/serving/run compares."""
import concurrent.futures
import http.client
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A process that answers at `port`; subclasses start it."""

    def __init__(self, command, port, cwd, env=None):
        self.log = tempfile.TemporaryFile()
        self.port = port
        self.process = subprocess.Popen(list(map(str, command)), cwd=cwd, env=env,
                                        stdout=self.log, stderr=self.log)

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=900)
        connection.request(method, path, body=json.dumps(body) if body is not None else None,
                           headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
        return answer.status, said

    def wait(self, path):
        for _ in range(1200):
            if self.process.poll() is not None:
                self.log.seek(0)
                raise SystemExit("the server has ended:\n" + self.log.read().decode()[-2000:])
            try:
                if self.ask("GET", path)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise SystemExit("the server does not answer")

    def complete(self, prompt, tokens):
        """(tokens, of the prompt found in the cache)"""
        status, said = self.ask("POST", "/v1/completions", {
            "model": "default", "prompt": prompt, "max_tokens": tokens, "temperature": 0,
            **self.extra})
        if status != 200:
            raise SystemExit(f"{status}: {said.decode()[:500]}")
        usage = json.loads(said)["usage"]
        assert usage["prompt_tokens"] == len(prompt) and usage["completion_tokens"] == tokens, usage
        return usage.get("prompt_tokens_details", {}).get("cached_tokens", 0)

    def burst(self, prompts, tokens):
        """(seconds until all have answered, prompt tokens that were computed)"""
        with concurrent.futures.ThreadPoolExecutor(len(prompts)) as pool:
            began = time.monotonic()
            cached = list(pool.map(lambda prompt: self.complete(prompt, tokens), prompts))
            seconds = time.monotonic() - began
        return seconds, sum(map(len, prompts)) - sum(cached)

    def peak_mib(self):
        for line in open(f"/proc/{self.process.pid}/status", encoding="ascii"):
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        raise SystemExit("no peak of memory")

    def end(self):
        self.process.terminate()
        self.process.wait()


class Weft(Server):
    extra = {}

    def __init__(self, model, threads, home):
        port = free_port()
        named = ["--model", f"default={model}"] if model else []  # else the embedded one
        super().__init__([ROOT / "build" / "weft", "serve", "--port", port, *named, "--threads",
                          threads, "--store", home / "store.db"],
                         port, home, {**os.environ, "WEFT_HOME": str(home)})
        self.wait("/readyz")
        self.complete([5], 1)  # the model is loaded

    def chat(self, messages):
        status, said = self.ask("POST", "/v1/chat/completions", {
            "model": "default", "messages": messages, "max_tokens": 256, "temperature": 0,
            "reasoning_effort": "none"})
        if status != 200:
            raise SystemExit(f"{status}: {said.decode()[:500]}")

    def counter(self, name):
        text = self.ask("GET", "/metrics")[1].decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if line.startswith(name + "{"))


class LlamaServer(Server):
    extra = {"ignore_eos": True, "cache_prompt": True}

    def __init__(self, model, threads, peer, libraries, slots, context, flash):
        port = free_port()
        super().__init__([peer / "llama-server", "-m", model, "-t", threads, "--host", "127.0.0.1",
                          "--port", port, "-np", slots, "-c", context, "-fa", flash, "--no-webui"],
                         port, libraries)
        self.wait("/health")
        self.complete([5], 1)
