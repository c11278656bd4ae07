# SPDX-License-Identifier: Apache-2.0
"""Rules that choose model, mode and budget, by the configuration file: what was chosen, why, and
what it has cost stands in the journal, and the same decision can be made again."""
import json

from harness import Place, main
from serving import Server

STEP = {"id": "classify", "type": "llm", "parameters": {
    "prompt": "Customer inquiry: I was charged twice for my order!", "temperature": 0,
    "output": {"type": "object", "additionalProperties": False, "required": ["category", "urgent"],
               "properties": {"category": {"enum": ["technical", "billing", "general"]},
                              "urgent": {"type": "boolean"}}}}}
MODELS = {"fast": {"source": "embedded", "price": {"prompt": 1, "answer": 2}},
          "deep": {"source": "embedded", "price": {"prompt": 100, "answer": 200}}}


def run(place, parameters, config, code=0, **step):
    document = {"weft": "1", "id": "route", "steps": [
        {**STEP, **step, "parameters": {**STEP["parameters"], **parameters}}]}
    place.write("route.yaml", json.dumps(document))
    place.write("weft.yaml", json.dumps(config))
    return place.weft("run", "route.yaml", "--config", "weft.yaml", "--json", code=code)


def calls(place, done):
    shown = json.loads(place.weft("explain", json.loads(done.stdout)["run"], "--json").stdout)
    return shown["steps"]["classify"]["calls"]


def test_complexity_decides_and_is_explained():
    with Place() as place:
        config = {"models": MODELS, "routing": {"complexity": {"general": "fast", "deep": "deep"}}}
        for complexity, model in ((0.2, "fast"), (0.5, "deep"), (0.9, "deep")):
            done = run(place, {"model": "auto", "complexity": complexity}, config)
            (call,) = calls(place, done)
            assert call["route"]["model"] == model, call
            assert call["route"]["asked_for"] == "auto" and call["route"]["price"] > 0
            text = place.weft("explain", json.loads(done.stdout)["run"], "classify").stdout
            assert f"complexity {complexity:.2f}" in text and "price" in text, text
            verified = place.weft("replay", json.loads(done.stdout)["run"], "--verify")
            assert "bit for bit" in verified.stderr, verified.stderr
        wrong = run(place, {"model": "auto", "complexity": "{{ 1 + 1 }}"}, config, code=1)
        assert "E0603" in wrong.stderr, wrong.stderr
        wrong = run(place, {"model": "auto", "complexity": 2}, config, code=1)
        assert "E0412" in wrong.stderr and "from 0 to 1" in wrong.stderr, wrong.stderr


def test_the_mode_is_explained():
    with Place() as place:
        for said, mode, why in (({"mode": "non_reasoning"}, "non_reasoning", "`mode` of the step"),
                                ({"mode": "reasoning"}, "reasoning", "`mode` of the step"),
                                ({}, "auto", "nobody has asked"),
                                ({"class": "hard"}, "reasoning", "mode_selection of class")):
            document = {"weft": "1", "id": "route", "steps": [
                {**STEP, "parameters": {**STEP["parameters"], **said, "max_tokens": 120}}],
                "workflow_config": {"mode_selection": {"hard": "reasoning"}}}
            place.write("route.yaml", json.dumps(document))
            done = place.weft("run", "route.yaml", "--json")
            (call,) = calls(place, done)
            assert call["mode"] == mode and why in call["mode_why"], call
            thought = call["tokens"]["reasoning"]
            text = place.weft("explain", json.loads(done.stdout)["run"], "classify").stdout
            assert f"mode {mode} (" in text and f"{thought} tokens of thought" in text, text
        config = {"models": MODELS, "routing": {"classes": {"hard": {"mode": "reasoning"}}}}
        (call,) = calls(place, run(place, {"class": "hard", "model": "fast", "max_tokens": 120},
                                   config))
        assert call["mode"] == "reasoning" and "routing" in call["mode_why"], call


def test_adaptive_thinks_only_where_it_is_unsure():
    with Place() as place:
        for sure, count in ((0.0, 1), (1.0, 2)):
            config = {"models": MODELS, "routing": {"sure": sure}}
            done = run(place, {"mode": "adaptive", "model": "fast", "max_tokens": 200}, config)
            found = calls(place, done)
            assert len(found) == count, found
            assert found[0]["route"]["confidence"] > 0 and found[0]["tokens"]["reasoning"] == 0
            run_id = json.loads(done.stdout)["run"]
            verified = place.weft("replay", run_id, "--verify")
            assert f"{count} decisions" in verified.stderr, verified.stderr
            place.weft("fsck")
        config["routing"]["complexity"] = {"general": "fast", "deep": "deep"}
        found = calls(place, run(place, {"model": "auto"}, config))
        assert [c["route"]["model"] for c in found] == ["fast", "deep"], found


def test_devices_classes_and_profiles():
    with Place() as place:
        routing = {"device": "mobile", "devices": {"mobile": "fast", "server": "deep"},
                   "classes": {"simple_tasks": {"mode": "non_reasoning", "model": "deep"}},
                   "profiles": {"careful": {"mode": "reasoning", "model": "deep",
                                            "thinking_limit": 20, "max_tokens": 100}}}
        config = {"models": MODELS, "routing": routing}
        (call,) = calls(place, run(place, {}, config))
        assert call["route"]["model"] == "fast" and "device class mobile" in str(call["route"])
        routing["device"] = "server"
        (call,) = calls(place, run(place, {}, config))
        assert call["route"]["model"] == "deep"
        (call,) = calls(place, run(place, {"model": "careful"}, config))
        assert call["route"]["thinking_budget"] == 20 and call["route"]["thinking"] == "on"
        assert call["route"]["max_tokens"] == 100
        (call,) = calls(place, run(place, {"model": "fast", "class": "simple_tasks"}, config))
        assert call["route"]["thinking"] == "off" and call["tokens"]["reasoning"] == 0


def test_ceilings_and_mistakes():
    with Place() as place:
        config = {"models": MODELS, "routing": {"ceilings": {"run": 0.01, "then": "cheaper"}}}
        (call,) = calls(place, run(place, {"model": "deep", "max_tokens": 100}, config))
        assert call["route"]["model"] == "fast" and "ceiling per run" in str(call["route"]["why"])
        config["routing"]["ceilings"]["then"] = "stop"
        done = run(place, {"model": "deep", "max_tokens": 100}, config, code=1)
        assert json.loads(done.stdout)["error"]["code"] == "E0774", done.stdout
        for broken in ({"routing": {"device": "watch"}},
                       {"routing": {"complexity": {"general": "none", "deep": "deep"}}},
                       {"models": {"x": {}}}, {"models": {"x": {"source": "/no/such"}}},
                       {"models": {"x": {"server": "vlm", "endpoints": ["http://a"]}}},
                       {"models": {"x": {"server": "vllm", "endpoints": ["ftp://a"]}}},
                       {"models": {"x": {"source": "embedded", "price": {"hour": -1}}}},
                       {"routing": {"classes": {"c": {"mode": "hasty"}}}}):
            done = run(place, {}, broken, code=None)
            assert done.returncode == 3, (broken, done.stderr)
        missing = run(place, {}, {"models": {"x": {"source": "/no/such"}}}, code=3).stderr
        assert "found a mapping" not in missing and "'/no/such' is not there" in missing, missing


def test_two_answers_do_not_pass_a_ceiling():
    with Place() as place:
        price = {"prompt": 100, "answer": 100}
        models = {name: {"source": "embedded", "price": price} for name in ("fast", "deep")}
        routing = {"sure": 1.0, "complexity": {"general": "fast", "deep": "deep"}}
        asked = {"model": "auto", "max_tokens": 60}
        free = calls(place, run(place, asked, {"models": models, "routing": routing}))
        assert len(free) == 2, free
        both = sum(call["route"]["price"] for call in free)
        first = free[0]["route"]["price"]
        for most in (0.7 * both, 0.9 * both, 1.05 * both):  # by what is reckoned, then by what is known
            routing["ceilings"] = {"run": max(most, free[0]["route"]["estimated_price"] + 1e-9),
                                   "then": "stop"}
            done = run(place, asked, {"models": models, "routing": routing})
            found = calls(place, done)
            spent = sum(call["route"]["price"] for call in found)
            assert first <= spent <= routing["ceilings"]["run"], (spent, routing["ceilings"])
            assert len(found) == 1 and "no room for a second" in str(found[0]["route"]["why"])
            verified = place.weft("replay", json.loads(done.stdout)["run"], "--verify")
            assert "1 decisions" in verified.stderr, verified.stderr


def test_a_budget_from_the_time_left():
    with Place() as place:
        config = {"models": MODELS}
        (call,) = calls(place, run(place, {"model": "fast", "mode": "reasoning", "max_tokens": 400,
                                           "thinking": {"budget_tokens": "auto"}}, config,
                                   timeout="10s"))
        assert call["route"]["thinking_budget"] == 400 - 64, "the engine ends it in time"
        assert "ended in time" in str(call["route"]["why"]), call


# A list of any length, at a temperature at which it would hardly ever end: the clock ends the thinking
# before it, then the text. What the clock has done can be done again without one.
def test_a_deadline_is_kept_and_can_be_replayed():
    output = {"type": "object", "additionalProperties": False, "required": ["notes", "kind"],
              "properties": {"notes": {"type": "array", "minItems": 1, "maxItems": 400,
                                       "items": {"type": "string", "minLength": 3}},
                             "kind": {"enum": ["technical", "billing"]}}}
    with Place() as place:
        for left in ("600ms", "450ms", "350ms", "300ms", "250ms"):  # some write it all in 450 ms
            done = run(place, {"model": "fast", "max_tokens": 1800, "temperature": 5,
                               "output": output, "thinking": {"budget_tokens": "auto"}},
                       {"models": MODELS}, timeout=left)
            result = json.loads(done.stdout)["steps"]["classify"]
            assert result["status"] == "succeeded" and result["attempts"] == 1, result
            assert result["output"]["kind"] in ("technical", "billing"), result
            text = place.weft("explain", json.loads(done.stdout)["run"], "classify").stdout
            if "deadline: the shortest way to the end after" in text:
                break
        assert "deadline: the shortest way to the end after" in text, text
        (call,) = calls(place, done)
        assert call["route"]["hurries"], call
        verified = place.weft("replay", json.loads(done.stdout)["run"], "--verify")
        assert "bit for bit" in verified.stderr, verified.stderr


def test_a_plan_before_and_after():
    with Place() as place:
        run_words = ({"model": "fast", "max_tokens": 60}, {"models": MODELS})
        document = {"weft": "1", "id": "route", "steps": [
            {**STEP, "parameters": {**STEP["parameters"], **run_words[0]}}]}
        place.write("route.yaml", json.dumps(document))
        place.write("weft.yaml", json.dumps(run_words[1]))
        words = ("plan", "route.yaml", "--config", "weft.yaml", "--json")
        before = json.loads(place.weft(*words).stdout)
        assert before["runs"] == 0 and before["generated_tokens"] == 60 and before["price"] > 0
        assert before["unknown_steps"] == 0 and before["seconds"] > 0, before
        assert before["steps"]["classify"]["estimated"], before
        text = place.weft(*words[:-1])
        assert "(estimated)" in text.stdout and "GB/s" in text.stderr, text
        done = json.loads(run(place, *run_words).stdout)
        after = json.loads(place.weft(*words).stdout)
        tokens = done["steps"]["classify"]["tokens"]
        assert after["runs"] == 1 and after["steps"]["classify"]["measured"], after
        assert after["generated_tokens"] == tokens["reasoning"] + tokens["answer"], after
        assert after["prompt_tokens"] == tokens["prompt"] and after["seconds"] > 0, after
        other = json.dumps({**document, "id": "other"})
        place.write("other.yaml", other.replace('"model": "fast"', '"model": "auto"'))
        rules = {"complexity": {"general": "fast", "deep": "deep"}}
        place.write("weft.yaml", json.dumps({"models": MODELS, "routing": rules}))
        routed = json.loads(place.weft("plan", "other.yaml", *words[2:]).stdout)
        step = routed["steps"]["classify"]
        assert step["models"] == ["fast", "deep"] and routed["generated_tokens"] == 120, routed
        assert step["price"] > 50 * before["price"], "the deep one's second answer"


def test_names_that_nobody_knows_and_limits_of_memory():
    with Place() as place:
        routing = {"classes": {"simple_tasks": {"mode": "non_reasoning"}}}
        config = {"models": {"small": {"source": "embedded"}, "gen": {"source": "embedded"}},
                  "routing": routing}
        done = run(place, {"class": "simpel_tasks", "model": "small"}, config)
        assert "E0432" in done.stderr and "did you mean 'simple_tasks'?" in done.stderr, done.stderr
        assert "simpel_tasks" in str(calls(place, done)), "explained"
        told = place.weft_bare("validate", "route.yaml", "--config", "weft.yaml", "--json")
        (warning,) = json.loads(told.stdout)[0]["warnings"]
        assert warning["code"] == "E0432" and "simple_tasks" in warning["hint"], warning
        assert run(place, {"class": "simple_tasks", "model": "small"}, config).stderr.count(
            "E0432") == 0
        done = run(place, {"model": "simpel"}, config, code=1)
        error = json.loads(done.stdout)["error"]
        assert error["code"] == "E0710", error
        done = run(place, {"model": "huge-one"}, config, code=1)
        hint = json.loads(done.stdout)["error"]["hint"]
        assert "small" in hint and "gen" in hint, hint
        config["models"]["small"]["memory"] = "1MiB"
        done = run(place, {"model": "small"}, config, code=1)
        error = json.loads(done.stdout)["error"]
        assert error["code"] == "E0716" and "limit of small is 1.0 MiB" in error["message"], error
        del config["models"]["small"]["memory"]
        config["memory"] = {"models": "2MiB", "kv": "64MiB"}
        done = run(place, {"model": "gen"}, config, code=1)
        error = json.loads(done.stdout)["error"]
        assert error["code"] == "E0716" and "memory.models" in error["hint"], error


def test_over_http():
    with Place() as place:
        place.write("weft.yaml", json.dumps({"models": MODELS, "routing": {
            "complexity": {"general": "fast", "deep": "deep"},
            "profiles": {"brief": {"model": "fast", "max_tokens": 12}}}}))
        with Server("--config", str(place.path / "weft.yaml")) as server:
            ask = {"messages": [{"role": "user", "content": "I was charged twice"}],
                   "reasoning_effort": "none", "temperature": 0}
            said = server.post("/v1/chat/completions", {**ask, "model": "brief"})
            assert said.status == 200, said.body
            assert said.json["usage"]["completion_tokens"] <= 12
            assert server.post("/v1/chat/completions", {**ask, "model": "auto"}).status == 200
            assert server.post("/v1/chat/completions", {**ask, "model": "other"}).status == 404


if __name__ == "__main__":
    main(dict(globals()))
