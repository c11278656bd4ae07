# SPDX-License-Identifier: Apache-2.0
"""Answers of a form: the flags of generate and eval, llm steps with schemas, warnings of validate,
what explain says about a choice, and schemas over HTTP that are made to do harm."""
import json
import re
import subprocess
import threading
import time

from harness import WEFT, Place, main
from serving import Server, until

SCHEMA = {"type": "object", "required": ["category", "urgent"], "additionalProperties": False,
          "properties": {"category": {"enum": ["technical", "billing", "general"]},
                         "urgent": {"type": "boolean"}}}


def weft(place, *words, code=0):
    done = subprocess.run([WEFT, *words], cwd=place.path, env=place.env, text=True,
                          capture_output=True, timeout=120)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done


def answer(place, *words):
    done = weft(place, "generate", "--prompt", "I was charged twice", "--json", *words)
    return json.loads(done.stdout)


def test_generate_answers_in_every_form():
    with Place() as place:
        place.write("schema.json", json.dumps(SCHEMA))
        place.write("list.gbnf", 'root ::= "- " [a-z]+ ("\\n- " [a-z]+){2}')
        for words in ([], ["--no-think"], ["--think"], ["--temperature", "2"]):
            said = answer(place, "--schema", "schema.json", "--max-tokens", "90", *words)
            value = json.loads(said["content"])
            assert set(value) == {"category", "urgent"}, said
            assert said["finish_reason"] == "stop"
        assert answer(place, "--choice", "yes,no,perhaps")["content"] in {"yes", "no", "perhaps"}
        assert re.fullmatch("[A-Z]{2}-[0-9]{4}", answer(place, "--regex", "[A-Z]{2}-[0-9]{4}")["content"])
        assert len(answer(place, "--ebnf", "list.gbnf", "--max-tokens", "40")["content"].split("\n")) == 3


def test_what_cannot_be_is_refused_before_the_start():
    with Place() as place:
        place.write("schema.json", json.dumps(SCHEMA))
        place.write("unique.json", '{"type": "array", "uniqueItems": true}')
        place.write("broken.json", "{")
        prompt = ["generate", "--prompt", "x"]
        few = weft(place, *prompt, "--schema", "schema.json", "--max-tokens", "3", code=2).stderr
        assert "E0326" in few and "raise max_tokens to at least" in few, few
        unique = weft(place, *prompt, "--schema", "unique.json", code=2).stderr
        assert "E0320 --schema unique.json: #/uniqueItems: " in unique, unique
        broken = weft(place, *prompt, "--schema", "broken.json", code=2).stderr
        assert "E0904 --schema 'broken.json' cannot be read: " in broken, broken
        place.write("wrong.json", '{"type": "strin"}')
        wrong = weft(place, *prompt, "--schema", "wrong.json", code=2).stderr
        assert "E0301 --schema wrong.json: " in wrong, wrong
        assert "E0020" in weft(place, *prompt, "--schema", "none.json", code=4).stderr
        assert "E0321" in weft(place, *prompt, "--regex", "(?=a)b", code=2).stderr
        both = weft(place, *prompt, "--regex", "a", "--choice", "b", code=2).stderr
        assert "E0712" in both, both
        stop = weft(place, *prompt, "--regex", "ab", "--stop", "b", code=2).stderr
        assert "E0712" in stop, stop


def test_calls_only_what_is_offered():
    with Place() as place:
        place.write("tools.json", json.dumps([
            {"type": "function", "function": {"name": "lookup_order", "parameters": {
                "type": "object", "required": ["order_id"],
                "properties": {"order_id": {"type": "string", "maxLength": 10}}}}},
            {"type": "function", "function": {"name": "sleep"}}]))
        tools = ["--tools", "@tools.json"]
        said = answer(place, *tools, "--tool-choice", "required", "--temperature", "3")
        assert said["finish_reason"] == "tool_calls" and said["tool_calls"], said
        named = answer(place, *tools, "--tool-choice", "sleep")
        assert named["tool_calls"][0]["function"] == {"name": "sleep", "arguments": {}}, named
        assert not answer(place, *tools, "--tool-choice", "none")["tool_calls"]
        wrong = weft(place, "generate", "--prompt", "x", *tools, "--tool-choice", "slep", code=2)
        assert "E0744" in wrong.stderr and "sleep" in wrong.stderr, wrong.stderr


FLOW = """
weft: "1"
id: triage
steps:
  - id: held
    type: llm
    parameters: {{ temperature: 3, max_tokens: 40, prompt: "I was charged twice", output: {held} }}
  - id: judged
    type: llm
    on_error: continue
    parameters: {{ prompt: "I was charged twice", output: {judged} }}
output: "{{{{ steps.held }}}}"
"""


def test_steps_are_held_to_their_schemas_or_warned_about():
    with Place() as place:
        judged = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
        flow = place.write("flow.yaml", FLOW.format(held=json.dumps(SCHEMA),
                                                    judged=json.dumps(judged)))
        warned = weft(place, "validate", flow).stderr
        assert "warning" in warned and "'judged'" in warned and "uniqueItems" in warned, warned
        assert "'held'" not in warned, warned
        document = place.run_json(flow)
        assert document["status"] == "succeeded", document
        assert document["steps"]["held"]["attempts"] == 1
        assert document["output"]["category"] in {"technical", "billing", "general"}
        told = place.weft("explain", document["run"], "held").stdout
        assert "answer held to json-schema:" in told and "chose /category = " in told, told
        call = json.loads(place.weft("explain", document["run"], "held", "--json").stdout)
        chosen = call["steps"]["held"]["calls"][0]["chosen"]
        assert set(chosen) == {"/category", "/urgent"}
        assert all(0 < one["probability"] <= 1 for one in chosen.values()), chosen
        unheld = json.loads(place.weft("explain", document["run"], "judged", "--json").stdout)
        assert "grammar" not in unheld["steps"]["judged"]["calls"][0]


def test_eval_holds_answers_to_a_schema():
    with Place() as place:
        place.write("schema.json", json.dumps(SCHEMA))
        place.write("cases.jsonl", '{"input": "I was charged twice", "expect": {"category": "billing"}}\n'
                    '{"input": "App crashes", "expect": {"category": "technical"}}\n')
        report = json.loads(weft(place, "eval", "cases.jsonl", "--schema", "schema.json", "--json",
                                 "--no-think", "--temperature", "2").stdout)
        assert all(case["marks"]["$valid"] for case in report["cases"]), report
        assert "schema" in json.dumps(report["subject"])


def chain(length, required):
    """Each part has two of the next: twice as much each time."""
    parts = {f"p{i}": {"type": "object", "required": ["a", "b"] if required else [],
                       "properties": {name: {"$ref": f"#/$defs/p{i + 1}"} for name in "ab"}}
             for i in range(length)}
    return {"$ref": "#/$defs/p0", "$defs": {**parts, f"p{length}": {"type": "string"}}}


HOSTILE = {  # the code of the refusal; None: an answer
    "text of 2^40 parts": (chain(40, True), "E0324"),
    "text of up to 2^20 parts": (chain(20, False), None),
    "a circle": ({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}, "E0303"),
    "no end": ({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}, "E0324"),
    "1 MB of values": ({"enum": [f"value {i} of a very long list of them" for i in range(25_000)]},
                       "E0323"),
    "1 MB of members": ({"type": "object", "required": [f"property_{i}" for i in range(15_000)],
                         "properties": {f"property_{i}": {"type": "string"} for i in range(15_000)}},
                        "E0323"),
    "counts in counts": ({"type": "string", "pattern": "^((a{1,50}){1,50}){1,50}$"}, "E0323"),
    "all sets of states": ({"type": "string", "pattern": "^(.*a.{20})$"}, "E0323"),
    "a list too long": ({"type": "array", "minItems": 10**9, "items": {}}, "E0324"),
    "a text too long": ({"type": "string", "minLength": 10**9}, "E0323"),
    "products of choices": ({"allOf": [{"anyOf": [{"type": "object", "properties": {
        f"p{i}_{j}": {"type": "string"}}} for j in range(4)]} for i in range(12)]}, "E0323"),
    "too deep": (json.loads('{"items":' * 150 + "{}" + "}" * 150), "E0011"),
}


def test_schemas_that_mean_harm_are_answered_or_refused_soon():
    """Others are served meanwhile, memory stays bounded, and nothing is left behind."""
    with Server() as server:
        assert until(lambda: server.get("/readyz").status == 200)
        slowest, stop = [0.0], threading.Event()

        def others():
            while not stop.wait(0.02):
                began = time.monotonic()
                assert server.get("/health").status == 200
                slowest[0] = max(slowest[0], time.monotonic() - began)

        thread = threading.Thread(target=others)
        thread.start()
        try:
            for name, (schema, code) in HOSTILE.items():
                began = time.monotonic()
                answer = server.post("/v1/chat/completions", {
                    "model": "default", "messages": [{"role": "user", "content": "x"}],
                    "max_tokens": 60, "reasoning_effort": "none", "response_format": {
                        "type": "json_schema", "json_schema": {"name": "x", "schema": schema}}})
                took = time.monotonic() - began
                assert took < 20, (name, took)
                if code is None:
                    assert answer.status == 200, (name, answer.body)
                    json.loads(answer.json["choices"][0]["message"]["content"])
                else:
                    assert answer.status == 400 and answer.error["code"] == code, (name, answer.body)
        finally:
            stop.set()
            thread.join()
        assert slowest[0] < 5, slowest
        with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
        assert peak < 600 << 10, peak
        assert until(lambda: server.metric("weft_num_requests_running") == 0 and
                     server.metric("weft_num_requests_waiting") == 0)


main(globals())
