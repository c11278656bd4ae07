# SPDX-License-Identifier: Apache-2.0
"""Models of other servers: one weft asks another over HTTP, in chats and in workflows; the other one
dies and comes back. What it answered is in the journal, with who it was."""
import concurrent.futures
import http.server
import json
import signal
import threading
import time

from harness import Place, main
from serving import Server, until

WORKFLOW = """
weft: "1"
id: triage
steps:
  - id: classify
    type: llm
    parameters:
      model: big
      mode: non_reasoning
      temperature: 0
      prompt: "Customer inquiry: I was charged twice for my order!"
      output:
        type: object
        additionalProperties: false
        required: [category, urgency]
        properties:
          category: { enum: [technical, billing, general] }
          urgency: { type: integer, minimum: 1, maximum: 5 }
output: "{{ steps.classify }}"
"""


def backend_of(server, kind="weft", model="default"):
    return f"big={kind}:{server.url}/v1#{model}"


def run_triage(place, backend, code=0):
    place.write("triage.yaml", WORKFLOW)
    return place.weft("run", "triage.yaml", "--backend", backend, "--json", code=code)


def test_a_workflow_asks_another_weft():
    with Server() as server, Place() as place:
        done = run_triage(place, backend_of(server))
        shown = json.loads(done.stdout)
        assert shown["output"]["category"] in ("technical", "billing", "general"), shown
        assert server.metric("weft_generation_tokens_total") > 0, "the other one has generated"
        explained = place.weft("explain", shown["run"])
        assert "answered by big (weft at http://127.0.0.1:" in explained.stdout, explained.stdout
        assert "with probability" in explained.stdout, "weft tells how sure its model was"
        again = place.weft("replay", shown["run"], "--verify")
        assert "not reproducible: answered by big" in again.stdout, again.stdout
        place.weft("fsck")


def test_every_dialect_is_understood_by_a_real_server():
    with Server() as server, Place() as place:
        for kind in ("openai", "vllm", "sglang", "llama.cpp"):
            done = run_triage(place, backend_of(server, kind))
            assert set(json.loads(done.stdout)["output"]) == {"category", "urgency"}, kind


def test_refusals_and_dead_servers_are_told():
    with Server() as server, Place() as place:
        unknown = run_triage(place, backend_of(server, model="no-such-model"), code=1)
        assert "E0771" in unknown.stderr and "no-such-model" in unknown.stderr, unknown.stderr
    with Place() as place:
        dead = run_triage(place, "big=http://127.0.0.1:1/v1", code=1)  # nobody listens there
        assert "E0772" in dead.stderr, dead.stderr
        for words in ("big", "=http://x", "big=vlm:http://x", "big=ftp://x"):
            wrong = run_triage(place, words, code=None)
            assert wrong.returncode in (2, 3), wrong.stderr
            assert "E0905" in wrong.stderr or "E0773" in wrong.stderr, wrong.stderr


def test_a_server_passes_chats_on():
    ask = {"model": "big", "temperature": 0, "reasoning_effort": "none",
           "messages": [{"role": "user", "content": "I was charged twice for my order!"}]}
    other = Server().__enter__()
    with Server("--backend", backend_of(other)) as server:
        assert "big" in [m["id"] for m in server.get("/v1/models").json["data"]]
        assert server.get("/v1/models/big").json["id"] == "big"
        there = other.post("/v1/chat/completions", {**ask, "model": "default"}).json
        here = server.post("/v1/chat/completions", ask)
        assert here.status == 200, here.body
        said = here.json["choices"][0]["message"]["content"]
        assert said == there["choices"][0]["message"]["content"]
        assert here.json["usage"]["completion_tokens"] == there["usage"]["completion_tokens"]
        events = server.post("/v1/chat/completions", {**ask, "stream": True}).events[:-1]
        text = "".join(e["choices"][0]["delta"].get("content", "") for e in events)
        assert text == said and len(events) > 5, "passed on in pieces"
        assert server.post("/v1/embeddings", {"model": "big", "input": "x"}).status == 404
        assert server.metric("weft_remote_requests_running") == 0
        assert server.metric("weft_remote_breaker_open") == 0
        other.process.send_signal(signal.SIGKILL)
        other.stop()
        for _ in range(2):
            gone = server.post("/v1/chat/completions", ask)
            assert gone.status == 503 and gone.error["code"] == "remote_unavailable", gone.body
        assert until(lambda: server.metric("weft_remote_breaker_open") == 1)
    Place.__exit__(other)


class Slow(http.server.BaseHTTPRequestHandler):
    """Answers with as many pieces as the last message lists seconds, so long before each."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        pauses = json.loads(body["messages"][-1]["content"])
        for i, seconds in enumerate(pauses):
            time.sleep(seconds)
            last = i + 1 == len(pauses)
            choice = {"index": 0, "delta": {"content": "x"}, "finish_reason": "stop" if last else None}
            self.wfile.write(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())

    def log_message(self, *words):
        pass


def test_a_stream_that_is_silent_is_heard_all_the_same():
    slow = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=slow.serve_forever, daemon=True).start()
    with Server("--backend", f"big=openai:http://127.0.0.1:{slow.server_port}/v1") as server:
        def streamed(pauses, path="/v1/chat/completions", **more):
            ask = {"model": "big", "stream": True, **more}
            if "messages" not in more and "input" not in more:
                ask["messages"] = [{"role": "user", "content": json.dumps(pauses)}]
            return server.post(path, ask, timeout=60)

        with concurrent.futures.ThreadPoolExecutor() as pool:
            asked = [pool.submit(streamed, pauses) for pauses in ([12], [0, 12], [4, 4, 4])]
            asked.append(pool.submit(streamed, None, "/v1/responses", input="[12]"))
            told = [one.result() for one in asked]
    for answer, pings, pieces in zip(told, (1, 1, 0, 1), (1, 2, 3, 1)):
        assert answer.status == 200, answer.body
        blocks = answer.body.decode().split("\n\n")
        assert blocks.count(": ping") == pings, answer.body
        texts = [e for e in answer.events if e != "[DONE]" and (
            e.get("type") == "response.output_text.delta" or
            e.get("choices", [{}])[0].get("delta", {}).get("content"))]
        assert len(texts) == pieces, answer.body
        # Where the server is silent, and before what it says then.
        if pings:
            said = [i for i, block in enumerate(blocks) if '"x"' in block]
            assert blocks.index(": ping") < said[pieces - 1], blocks
            assert pieces == 1 or blocks.index(": ping") > said[0], blocks
    slow.shutdown()


if __name__ == "__main__":
    main(dict(globals()))
