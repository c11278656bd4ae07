# SPDX-License-Identifier: Apache-2.0
"""`weft eval` where it must not wait, lose or start in vain: workflows that ask people, limits of
time, rules of routing and other servers, reports that cannot be written, Ctrl-C, a missing model."""
import json
import signal
import subprocess
import time

import harness
from harness import Place, main
from serving import Server, until

CASE = {"input": "I was charged twice for my order!", "expect": {"category": "billing"}}
HEAD = """
weft: "1"
id: judged
input: {type: object, required: [inquiry], properties: {inquiry: {type: string}}}
"""
APPROVAL = HEAD + """
steps:
  - {id: pay, type: approval, parameters: {role: lead, title: "Pay?"}}
output: {category: billing}
"""
SIGNAL = HEAD + """
steps:
  - {id: hear, type: signal, parameters: {name: go}}
output: {category: billing}
"""
AGENT = HEAD + """
tools:
  - name: send_password_reset
    description: Sends a link to choose a new password
    parameters:
      type: object
      additionalProperties: false
      required: [email]
      properties: {email: {type: string, maxLength: 60}}
    step: {type: set, parameters: {value: sent}}
steps:
  - id: help
    type: agent
    parameters:
      mode: non_reasoning
      tools: [send_password_reset]
      approve_tools: [send_password_reset]
      max_turns: 2
      goal: "{{ input.inquiry }}"
output: {category: billing}
"""
WAIT = HEAD + """
steps:
  - {id: sleep, type: wait, parameters: {for: 1h}}
output: {category: billing}
"""
NOTED = HEAD + """
steps:
  - {id: note, type: file, parameters: {action: append, path: log.txt, content: x}}
  - {id: sleep, type: wait, dependencies: [note], parameters: {for: "{{ input.inquiry }}"}}
output: {category: billing}
"""
TRIAGE = HEAD + """
steps:
  - id: classify
    type: llm
    parameters:
      MODEL
      temperature: 0
      max_tokens: 200
      prompt: "Customer inquiry: {{ input.inquiry }}"
      output:
        type: object
        additionalProperties: false
        required: [category]
        properties: {category: {enum: [technical, billing, general]}}
output: "{{ steps.classify }}"
"""


def place_with(workflow, cases=2):
    place = Place()
    place.write("w.yaml", workflow)
    place.write("c.jsonl", "\n".join(json.dumps(dict(CASE, id=str(i))) for i in range(cases)))
    return place


def run(place, *words, code=0, timeout=120):
    done = subprocess.run([harness.WEFT, "eval", "c.jsonl", *words], cwd=place.path, env=place.env,
                          text=True, capture_output=True, timeout=timeout)
    assert done.returncode == code, (words, done.returncode, done.stdout[-600:], done.stderr)
    return done


def share(found, measure):
    return [(s["right"], s["total"]) for s in found["shares"]
            if not s["suite"] and s["measure"] == measure][0]


def test_nobody_is_waited_for():
    for workflow, said in ((APPROVAL, "a person's approval (step 'pay', role 'lead')"),
                           (SIGNAL, "the signal 'go' (step 'hear')")):
        with place_with(workflow) as place:
            done = run(place, "--workflow", "w.yaml", "--json", "--case-timeout", "0", code=1)
            found = json.loads(done.stdout)
            assert found["errors"] == 2, found
            for case in found["cases"]:
                assert case["error"] == "E0925" and said in case["answer"], case
            assert "c.jsonl:1: the run waits for " + said in done.stderr, done.stderr


def test_an_agent_that_asks_before_it_acts_is_not_waited_for():
    with place_with(AGENT, 1) as place:
        place.write("c.jsonl", json.dumps(dict(
            CASE, input="I forgot my password. Send a reset link to ada@example.com please.")))
        done = run(place, "--workflow", "w.yaml", "--json", code=1)
        (case,) = json.loads(done.stdout)["cases"]
        assert case["error"] == "E0925" and "approval (step 'help'" in case["answer"], case
        assert case["tokens"]["answer"] > 0, case


def test_a_step_that_gives_up_waiting_is_given_its_time():
    asked = APPROVAL.replace("type: approval,", "type: approval, timeout: 1s,").replace(
        'title: "Pay?"', 'title: "Pay?", on_timeout: approve')
    with place_with(asked) as place:
        found = json.loads(run(place, "--workflow", "w.yaml", "--json").stdout)
        assert found["errors"] == 0 and found["cases"][0]["seconds"] >= 1, found


def test_a_case_has_a_limit_of_time():
    with place_with(WAIT, 3) as place:
        done = run(place, "--workflow", "w.yaml", "--json", "--case-timeout", "0.5", "-p", "2",
                   code=1)
        found = json.loads(done.stdout)
        assert [case["error"] for case in found["cases"]] == ["E0926"] * 3, found["cases"]
        assert all(0.5 <= case["seconds"] < 10 for case in found["cases"]), found["cases"]
        assert found["subject"]["settings"]["seconds for a case"] == "0.5", found["subject"]
        done = run(place, "--workflow", "w.yaml", "--case-timeout", "0.5", code=1)
        assert "3 (E0926: 3)" in done.stdout, done.stdout
        done = run(place, "--think", "--max-tokens", "1500", "--case-timeout", "0.001", "--json",
                   code=1)
        assert json.loads(done.stdout)["errors"] == 3, done.stdout


def test_sub_workflows_run_and_wait_for_nobody():
    outer = HEAD + """
steps:
  - {id: inner, type: workflow, parameters: {workflow: inner}}
output: "{{ steps.inner }}"
"""
    inner = """
weft: "1"
id: inner
steps:
  - STEP
output: {category: billing}
"""
    with place_with(outer, 1) as place:
        place.write("inner.yaml", inner.replace("STEP", "{id: a, type: set, parameters: {value: 1}}"))
        found = json.loads(run(place, "--workflow", "w.yaml", "--json").stdout)
        assert share(found, "category") == (1, 1), found
        place.write("inner.yaml", inner.replace("STEP", "{id: a, type: approval, parameters: "
                                                "{role: lead}}"))
        done = run(place, "--workflow", "w.yaml", "--json", "--case-timeout", "30", code=1)
        (case,) = json.loads(done.stdout)["cases"]
        assert case["error"] == "E0925", case
        assert "(step 'a' of the sub-workflow 'inner', role 'lead')" in case["answer"], case
        place.write("inner.yaml", inner.replace(
            "STEP", "{id: a, type: approval, timeout: 1s, parameters: {role: lead, on_timeout: approve}}"))
        found = json.loads(run(place, "--workflow", "w.yaml", "--json").stdout)
        assert found["errors"] == 0 and share(found, "category") == (1, 1), found
        place.write("inner.yaml", inner.replace("STEP", "{id: a, type: approval, parameters: "
                                                "{role: lead}}"))
        place.write("w.yaml", outer.replace("type: workflow,", "type: workflow, timeout: 1s, "
                                            "fallback: [{id: by_hand, type: set, parameters: "
                                            "{value: {category: billing}}}],"))
        found = json.loads(run(place, "--workflow", "w.yaml", "--json").stdout)  # it is not waited for
        assert found["errors"] == 0 and share(found, "category") == (1, 1), found
        asked = TRIAGE.replace("id: judged", "id: inner").replace("MODEL", "mode: non_reasoning")
        place.write("inner.yaml", asked)
        place.write("w.yaml", outer.replace("workflow: inner}",
                                            'workflow: inner, input: {inquiry: "{{ input.inquiry }}"}}'))
        found = json.loads(run(place, "--workflow", "w.yaml", "--json").stdout)
        assert found["cases"][0]["tokens"]["answer"] > 0 and found["subject"]["model"], found
        assert found["cases"][0]["probabilities"]["category"] > 0, found
        place.write("w.yaml", outer)
        place.write("inner.yaml", inner.replace("STEP", "{id: a, type: wait, parameters: {for: 1h}}"))
        done = run(place, "--workflow", "w.yaml", "--json", "--case-timeout", "2", code=1)
        (case,) = json.loads(done.stdout)["cases"]
        assert case["error"] == "E0926" and case["seconds"] < 12, case


def test_rules_of_routing_hold():
    with place_with(TRIAGE.replace("MODEL", "mode: adaptive"), 1) as place:
        thought = {}
        for sure in (0.0, 1.0):
            place.write("weft.yaml", json.dumps({"routing": {"sure": sure}}))
            found = json.loads(run(place, "--workflow", "w.yaml", "--config", "weft.yaml",
                                   "--json").stdout)
            thought[sure] = found["tokens"]["reasoning"]
            assert found["errors"] == 0, found
        assert thought[0.0] == 0 < thought[1.0], thought


def test_models_of_other_servers_are_evaluated():
    with Server() as server, place_with(TRIAGE.replace("MODEL", "mode: non_reasoning")) as place:
        big = ["--backend", f"big=weft:{server.url}/v1#default", "--model", "big", "--json"]
        found = json.loads(run(place, "--workflow", "w.yaml", *big).stdout)
        assert found["errors"] == 0 and share(found, "category") == (2, 2), found
        assert server.metric("weft_generation_tokens_total") > 0
        found = json.loads(run(place, "--no-think", *big).stdout)
        assert found["errors"] == 0 and found["subject"]["name"] == "big", found


def test_grants_of_steps_are_refused_where_there_are_no_steps():
    with place_with(TRIAGE.replace("MODEL", "mode: non_reasoning"), 1) as place:
        for words in (["--database", "crm=sqlite:crm.db"], ["--mcp", "m=true"], ["--allow-shell"],
                      ["--allow-host", "crm"], ["--smtp", "smtp://h:25"], ["--mail-from", "a@b"]):
            done = run(place, "--model", "default", *words, code=2)
            assert "E0904" in done.stderr and words[0] in done.stderr, done.stderr
        done = run(place, "--kv", "foo", code=3)  # as of `weft run`: the configuration may say it
        assert "E0214" in done.stderr, done.stderr
        place.write("s.json", "{}")
        done = run(place, "--workflow", "w.yaml", "--schema", "s.json", code=2)
        assert "E0904" in done.stderr and "--schema" in done.stderr, done.stderr
        for words in (["--max-tokens", "512"], ["--temperature", "0"]):
            done = run(place, "--workflow", "w.yaml", *words, code=2)
            assert "E0904" in done.stderr and words[0] in done.stderr, done.stderr


def test_a_missing_model_is_found_out_before_the_first_case():
    with place_with(TRIAGE.replace("MODEL", "mode: non_reasoning")) as place:
        for model in ("/nosuch", "nobody"):
            done = run(place, "--workflow", "w.yaml", "--model", model, code=4)
            assert "E0710" in done.stderr and not done.stdout, (done.stdout, done.stderr)


def test_reports_that_cannot_be_written_are_found_out_before_the_first_case():
    with place_with(WAIT) as place:
        (place.path / "taken").mkdir()
        for flag, target in (("--html", "/nonexist/a.html"), ("--markdown", "none/r.md"),
                             ("--html", "taken")):
            done = run(place, "--workflow", "w.yaml", flag, target, code=3)
            assert "E0022" in done.stderr and target in done.stderr, done.stderr


def test_what_is_known_at_ctrl_c_is_told():
    with place_with(NOTED) as place:
        lines = [dict(CASE, id="short", input="10ms"), dict(CASE, id="long", input="1h"),
                 dict(CASE, id="never", input="1h")]
        place.write("c.jsonl", "\n".join(json.dumps(line) for line in lines))
        place.write("floors.json", json.dumps({"format": "weft-eval-floors/1", "floors": [
            {"measure": "category", "at_least": 1}]}))
        process = subprocess.Popen(
            [harness.WEFT, "eval", "c.jsonl", "--workflow", "w.yaml", "--markdown", "r.md",
             "--require", "floors.json"], cwd=place.path, env=place.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        log = place.path / "log.txt"
        assert until(lambda: log.exists() and log.read_text() == "xx"), "the second case began"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, (process.returncode, out, err)
        assert "interrupted: 2 of 3 cases were not run" in err and "floors were not" in err, err
        assert "(incomplete)" in out and "2 further cases were not run" in out, out
        assert "(incomplete)" in (place.path / "r.md").read_text(encoding="utf-8")


main(dict(globals()))
