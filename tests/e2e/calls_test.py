# SPDX-License-Identifier: Apache-2.0
"""Calls of tools over HTTP, streamed while they are written: the deltas put together are the whole
answer, byte for byte, whatever the sampler does, in chats and responses."""
import http.server
import json
import threading

from harness import main
from serving import Server

MESSAGES = [{"role": "user", "content": "I was charged twice for my order!"}]
OPEN = {"name": "open_ticket", "parameters": {
    "type": "object", "required": ["title", "urgent"], "additionalProperties": False, "properties": {
        "title": {"type": "string", "maxLength": 60}, "urgent": {"type": "boolean"},
        "tags": {"type": "array", "maxItems": 3, "items": {"enum": ["billing", "환불", "\"q\"\n"]}},
        "cost": {"type": "number", "minimum": -1000, "maximum": 1000}}}}
PING = {"name": "ping"}
WRITE = {"name": "write", "parameters": {"type": "object", "required": ["text"], "properties": {
    "text": {"type": "string", "minLength": 1500}}}}


def chat(tools, **more):
    return {"model": "default", "messages": MESSAGES, "tool_choice": "required", "max_tokens": 400,
            "reasoning_effort": "none", "tools": [{"type": "function", "function": t} for t in tools],
            **more}


def whole(server, body):
    answer = server.post("/v1/chat/completions", body, timeout=120)
    assert answer.status == 200, answer.body
    return answer.json["choices"]


def streamed(server, body):
    """Choices put together from a stream, and how many pieces of arguments there were."""
    answer = server.post("/v1/chat/completions", {**body, "stream": True}, timeout=120)
    assert answer.status == 200 and answer.events[-1] == "[DONE]", answer.body
    choices, pieces = {}, 0
    for event in answer.events[:-1]:
        told = event["choices"][0]
        choice = choices.setdefault(told["index"], {"content": "", "calls": [], "end": None})
        assert choice["end"] is None, "nothing comes behind the end"
        if told["finish_reason"]:
            choice["end"] = (told["finish_reason"], told.get("stop_reason"))
        choice["content"] += told["delta"].get("content", "")
        for call in told["delta"].get("tool_calls", []):
            if "id" in call:
                assert set(call) == {"index", "id", "type", "function"}, call
                assert call["index"] == len(choice["calls"]) and call["type"] == "function", call
                assert call["function"]["arguments"] == "", "who is called comes first"
                choice["calls"].append({k: call[k] for k in ("id", "type", "function")})
                continue
            assert set(call) == {"index", "function"} and set(call["function"]) == {"arguments"}, call
            assert call["index"] == len(choice["calls"]) - 1, "one after the other"
            choice["calls"][-1]["function"]["arguments"] += call["function"]["arguments"]
            pieces += 1
    return [choices[i] for i in sorted(choices)], pieces


def without_ids(calls):
    return [call["function"] for call in calls]


def expect_same(server, body):
    said = whole(server, body)
    told, pieces = streamed(server, body)
    assert len(told) == len(said)
    ids = [call["id"] for choice in told for call in choice["calls"]]
    assert len(set(ids)) == len(ids), ids
    for one, other in zip(said, told):
        message = one["message"]
        assert without_ids(message.get("tool_calls", [])) == without_ids(other["calls"]), (one, other)
        assert (message["content"] or "") == other["content"], (one, other)
        assert (one["finish_reason"], one.get("stop_reason")) == other["end"], (one, other)
    return said, pieces


def test_a_stream_of_calls_is_the_whole_answer():
    calls = pieces = 0
    with Server() as server:
        for seed in range(12):
            body = chat([OPEN, PING], seed=seed, temperature=[0, 1, 2][seed % 3], n=1 + seed % 2,
                        parallel_tool_calls=seed % 4 != 3)
            said, count = expect_same(server, body)
            pieces += count
            for choice in said:
                made = choice["message"]["tool_calls"]
                calls += len(made)
                assert seed % 4 != 3 or len(made) == 1, made
                for call in made:
                    assert isinstance(json.loads(call["function"]["arguments"]), dict), call
        expect_same(server, chat([OPEN], tool_choice="auto", temperature=1.5, seed=3))
        expect_same(server, chat([OPEN], tool_choice="none", temperature=0, max_tokens=60))
        named = {"type": "function", "function": {"name": "ping"}}
        said, _ = expect_same(server, chat([OPEN, PING], tool_choice=named, temperature=0,
                                           parallel_tool_calls=False))
        assert said[0]["message"]["tool_calls"][0]["function"]["name"] == "ping"
    assert pieces > 3 * calls, (pieces, calls)


def test_the_same_over_responses():
    deltas = calls = 0
    with Server() as server:
        for seed in range(4):
            body = {"model": "default", "input": MESSAGES[0]["content"], "tool_choice": "required",
                    "reasoning": {"effort": "none"}, "max_output_tokens": 300, "store": False,
                    "temperature": [0, 2][seed % 2], "seed": seed,
                    "tools": [{"type": "function", **OPEN}, {"type": "function", **PING}]}
            said = server.post("/v1/responses", body, timeout=120).json
            events = server.post("/v1/responses", {**body, "stream": True}, timeout=120).events
            items, text = [], ""
            for event in events:
                if event["type"] == "response.output_item.added":
                    text = ""
                    assert event["item"]["arguments"] == "" and event["item"]["name"], event
                elif event["type"] == "response.function_call_arguments.delta":
                    text += event["delta"]
                    deltas += 1
                elif event["type"] == "response.function_call_arguments.done":
                    assert event["arguments"] == text, event
                elif event["type"] == "response.output_item.done":
                    assert event["item"]["arguments"] == text, event
                    items.append(event["item"])
            assert [e["sequence_number"] for e in events] == list(range(len(events)))
            ended = events[-1]["response"]
            assert ended["output"] == items and ended["status"] == "completed", events[-1]
            assert [(i["name"], i["arguments"]) for i in items] == [
                (i["name"], i["arguments"]) for i in said["output"]], said
            calls += len(items)
    assert deltas > 5 * calls, (deltas, calls)


def test_what_begins_is_finished_and_streamed_to_its_end():
    with Server() as server:
        # In circles from some word on, until it is made to end.
        said, pieces = expect_same(server, chat([WRITE], temperature=0, max_tokens=1900))
        call = said[0]["message"]["tool_calls"][0]["function"]
        assert said[0]["finish_reason"] == "tool_calls", said
        assert len(json.loads(call["arguments"])["text"]) >= 1500 and pieces > 200, call
        told, _ = streamed(server, chat([WRITE], temperature=0, max_tokens=1900, deadline_ms=150))
        assert told[0]["end"] == ("tool_calls", None), told
        assert len(json.loads(told[0]["calls"][0]["function"]["arguments"])["text"]) >= 1500


class Other(http.server.BaseHTTPRequestHandler):
    """A model of another server that writes two calls and has no room for the end of the second."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for i, (name, text) in enumerate((("look", '{"order": "A-1",  "n": 1.50}'), ("tell", '{"to": "Ad'))):
            for j, piece in enumerate((text[:9], text[9:])):
                call = {"index": i, "function": {"arguments": piece}}
                if j == 0:
                    call |= {"id": f"id-{i}", "type": "function"}
                    call["function"]["name"] = name
                self.tell({"tool_calls": [call]})
        self.tell({}, "length")

    def tell(self, delta, finish=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        self.wfile.write(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())

    def log_message(self, *words):
        pass


def test_calls_of_other_servers():
    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    with Server("--backend", f"big=openai:http://127.0.0.1:{other.server_port}/v1") as server:
        said, pieces = expect_same(server, chat([PING], model="big"))
        calls = said[0]["message"]["tool_calls"]
        assert [call["id"] for call in calls] == ["id-0", "id-1"] and pieces == 2, calls
        assert [call["function"] for call in calls] == [
            {"name": "look", "arguments": '{"order": "A-1",  "n": 1.50}'},
            {"name": "tell", "arguments": '{"to": "Ad'}], calls
        assert said[0]["finish_reason"] == "length"
        ask = {"model": "big", "input": "Where is it?", "tools": [{"type": "function", **PING}]}
        response = server.post("/v1/responses", ask).json
        assert [(i["call_id"], i["status"]) for i in response["output"]] == [
            ("id-0", "completed"), ("id-1", "incomplete")], response
        events = server.post("/v1/responses", {**ask, "stream": True}).events
        strip = lambda items: [{k: v for k, v in i.items() if k != "id"} for i in items]  # noqa: E731
        done = [e["item"] for e in events if e["type"] == "response.output_item.done"]
        assert strip(done) == strip(response["output"]), events
        assert events[-1]["type"] == "response.incomplete", events[-1]
        # What was no whole call is no turn of the conversation.
        after = server.post("/v1/responses", {**ask, "previous_response_id": response["id"], "input": [
            {"type": "function_call_output", "call_id": "id-0", "output": "{}"}]})
        assert after.status == 200, after.body
    other.shutdown()


if __name__ == "__main__":
    main(dict(globals()))
