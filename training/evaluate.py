# SPDX-License-Identifier: Apache-2.0
"""Evaluates weft-mini and the linear yardstick; writes the numbers of the model card.

  evaluate.py --binary weft-train --weights weights.ckpt --tokenizer tokenizer.json --out DIR
  evaluate.py --url http://127.0.0.1:8700 --model default --out DIR        (a running engine)

Greedy decoding, no grammar. `--suites` picks some of: triage think oos tools toolsthink public.
"""

import argparse
import collections
import json
import pathlib
import random as random_module
import sys

from weft_mini import backends, cases, corpora, labels, yardstick

_COMPARED = ("intent", "category", "urgency exact", "urgency within 1", "all fields")
EXAMPLE = "제품이 3일째 작동하지 않습니다. 긴급히 해결이 필요합니다."


def parsed(answer):
    """(kind of JSON value found, value) or None; reasoning is cut off."""
    body = answer.split("</think>")[-1].strip()
    call = body.startswith("<tool_call>") and body.endswith("</tool_call>")
    if call:
        body = body.removeprefix("<tool_call>").removesuffix("</tool_call>")
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return ("call" if call else "plain", value) if isinstance(value, dict) else None


def scores(case, answer):
    """{measure: right or not} of one case."""
    found, expected = parsed(answer), case["expected"]
    value = found[1] if found else {}
    marks = {"valid JSON": found is not None}
    if case["kind"] == "tool":
        marks["tool"] = bool(found) and value.get("name") == expected["name"]
        marks["call exact"] = bool(found) and found[0] == "call" and value == expected
        return marks
    marks["intent"] = value.get("intent") == expected["intent"]
    if case["kind"] == "triage":
        urgency = value.get("urgency")
        number = isinstance(urgency, int)
        marks["category"] = value.get("category") == expected["category"]
        marks["urgency exact"] = urgency == expected["urgency"]
        marks["urgency within 1"] = number and abs(urgency - expected["urgency"]) <= 1
        marks["fields in order"] = tuple(value) == labels.FIELDS
        marks["all fields"] = value == expected
    return marks


def linear_answers(all_cases, public):
    """Answers of the yardstick for the cases that it can answer, as the model would write them."""
    training = corpora.training_lines()
    lines = [line for line in training if "intent" in line]
    needs = {case["suite"] for case in all_cases}
    models = {}
    if needs & {"handwritten", "voices", "among 3", "among 8", "development", "bitext", "oos",
                "voices oos"}:
        strange = [(line["text"], "oos") for line in training if line["task"] == "oos"]
        models["intent"] = yardstick.Linear(
            [(line["text"], line["intent"]) for line in lines] + strange)
        models["signal"] = yardstick.Linear([(line["text"], line["signal"]) for line in lines])
    if "banking77" in needs:
        models["banking77"] = yardstick.Linear(public.banking("train"))
    if "clinc150" in needs:
        models["clinc150"] = yardstick.Linear(public.clinc("train") + public.clinc("oos_train"))
    answers = []
    for case in all_cases:
        answer = ""
        if case["kind"] == "triage":
            answer = labels.triage_json(models["intent"].predict(case["text"]),
                                        models["signal"].predict(case["text"]))
        elif case["kind"] == "intent":
            model = models[case["suite"].removesuffix("-oos")]
            answer = json.dumps({"intent": model.predict(case["text"])})
        answers.append(answer)
    return answers


def linear_tally(all_cases, public, path):
    """The yardstick's numbers; they do not depend on the model, so they are kept in a file."""
    plain = [case for case in all_cases if not case["thinking"]]
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
    else:
        cells = tally(plain, linear_answers(plain, public))
        stored = [[*key, cell] for key, cell in cells.items()]
        path.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    return {(suite, thinking, lang): cell for suite, thinking, lang, cell in stored}


def tally(all_cases, answers):
    """{(suite, thinking, language): {measure: share, "cases": count}}"""
    sums = collections.defaultdict(collections.Counter)
    for case, answer in zip(all_cases, answers):
        cell = sums[case["suite"], case["thinking"], case["lang"]]
        cell["cases"] += 1
        for measure, right in scores(case, answer).items():
            cell[measure] += bool(right)
    return {key: {measure: (count if measure == "cases" else count / cell["cases"])
                  for measure, count in cell.items()} for key, cell in sums.items()}


def table(model, linear):
    """Markdown: a row for every test and measure; the linear yardstick stands in brackets."""
    rows = ["| test | measure | en | ko | es |", "| --- | --- | ---: | ---: | ---: |"]
    for suite, thinking in dict.fromkeys((suite, thinking) for suite, thinking, _ in model):
        cells = {lang: model.get((suite, thinking, lang)) for lang in corpora.LANGUAGES}
        beside = {lang: linear.get((suite, False, lang), {}) for lang in corpora.LANGUAGES}
        mode = f"{suite}, reasoning" if thinking else suite
        measures = next(cell for cell in cells.values() if cell)
        for measure in measures:
            texts = []
            for lang in corpora.LANGUAGES:
                if not cells[lang]:
                    texts.append("")
                elif measure == "cases":
                    texts.append(str(cells[lang][measure]))
                else:
                    text = f"{100 * cells[lang][measure]:.1f} %"
                    if measure in _COMPARED and measure in beside[lang] and "tools" not in suite:
                        text += f" ({100 * beside[lang][measure]:.1f} %)"
                    texts.append(text)
            rows.append(f"| {mode} | {measure} | {' | '.join(texts)} |")
    return "\n".join(rows) + "\n"


def chosen_cases(suites, public):
    chosen = []
    makers = {"triage": lambda: cases.triage(False), "think": lambda: cases.triage(True),
              "oos": lambda: cases.out_of_scope(False), "tools": lambda: cases.tools(False),
              "toolsthink": lambda: cases.tools(True), "public": lambda: cases.public(public)}
    for suite in suites:
        if suite not in makers:
            sys.exit(f"expected suites among {', '.join(makers)}, found '{suite}'")
        chosen += makers[suite]()
    return chosen


def limited(all_cases, limit):
    """At most `limit` cases of each suite and mode, drawn with a fixed seed, in their order."""
    groups = collections.defaultdict(list)
    for number, case in enumerate(all_cases):
        groups[case["suite"], case["thinking"]].append(number)
    kept = set()
    for numbers in groups.values():
        kept.update(random_module.Random(3).sample(numbers, min(limit, len(numbers))))
    return [case for number, case in enumerate(all_cases) if number in kept]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", help="weft-train")
    parser.add_argument("--weights")
    parser.add_argument("--tokenizer")
    parser.add_argument("--url", help="an OpenAI-compatible server instead of the trainer")
    parser.add_argument("--model", default="default")
    parser.add_argument("--key")
    parser.add_argument("--data", default="../../shared/data")
    parser.add_argument("--out", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, default=100000, help="cases of each suite and mode")
    parser.add_argument("--no-yardstick", action="store_true")
    parser.add_argument("--suites", nargs="*",
                        default=["triage", "think", "oos", "tools", "toolsthink", "public"])
    options = parser.parse_args()
    public = corpora.PublicData(options.data)
    if options.url:
        backend = backends.HttpBackend(options.url, options.model, options.key, options.threads)
    else:
        backend = backends.TrainerBackend(options.binary, options.weights, options.tokenizer,
                                          options.threads)
    all_cases = chosen_cases(options.suites, public)
    line = {"lang": "ko", "text": EXAMPLE, "intent": "device_fault", "signal": "urgent"}
    example = cases.triage_case("example", line, False)
    asked = limited(all_cases, options.limit)
    answers = backend.answers([*asked, example])
    print("example:", answers.pop())
    model = tally(asked, answers)
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    linear = {}
    if not options.no_yardstick:
        linear = linear_tally(all_cases, public, out / "yardstick.json")
    text = table(model, linear)
    (out / "results.md").write_text(text, encoding="utf-8")
    with open(out / "answers.jsonl", "w", encoding="utf-8") as file:
        for case, answer in zip(asked, answers):
            record = {key: case[key] for key in ("suite", "lang", "thinking", "text", "expected")}
            file.write(json.dumps({**record, "answer": answer}, ensure_ascii=False) + "\n")
    print(text)


if __name__ == "__main__":
    main()
