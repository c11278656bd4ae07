# SPDX-License-Identifier: Apache-2.0
"""Answers of a form: the flags of generate and eval, llm steps with schemas, warnings of validate,
and what explain says about a choice."""
import json
import re
import subprocess

from harness import WEFT, Place, main

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
        few = weft(place, *prompt, "--schema", "schema.json", "--max-tokens", "3", code=1).stderr
        assert "E0326" in few and "raise max_tokens to at least" in few, few
        unique = weft(place, *prompt, "--schema", "unique.json", code=1).stderr
        assert "E0320" in unique and "uniqueItems" in unique, unique
        assert "broken.json" in weft(place, *prompt, "--schema", "broken.json", code=1).stderr
        assert "E0020" in weft(place, *prompt, "--schema", "none.json", code=1).stderr
        assert "E0321" in weft(place, *prompt, "--regex", "(?=a)b", code=1).stderr
        both = weft(place, *prompt, "--regex", "a", "--choice", "b", code=1).stderr
        assert "E0712" in both, both
        stop = weft(place, *prompt, "--regex", "ab", "--stop", "b", code=1).stderr
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
        wrong = weft(place, "generate", "--prompt", "x", *tools, "--tool-choice", "slep", code=1)
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


main(globals())
