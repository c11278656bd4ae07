# SPDX-License-Identifier: Apache-2.0
"""Checks data/handwritten-voices.jsonl: shape, labels, counts, and that nothing of it is trained.

  python3 -m weft_mini.check_cases        (from training/; also part of `make check`)

Every fault is named with its line; the exit code is 1 when there is one.
"""

import collections
import json
import sys
import unicodedata

from weft_mini import check_data, corpora, decisions, labels, tool_samples

FILE = corpora.HERE / "data" / "handwritten-voices.jsonl"
VOICES = ("plain", "hurried", "elder", "teen", "letter", "story", "email", "typos", "hapnida",
          "haeyo", "latam", "spain")
SIGNALS = ("urgent", "calm", "none")
_FIELDS = {
    "triage": {"task", "lang", "intent", "signal", "voice", "text"},
    "oos": {"task", "lang", "intent", "signal", "voice", "text"},
    "tool": {"task", "lang", "voice", "text", "call"},
}
_MAY = {"tool": {"intent", "signal", "tools"}}
LEAST = {"triage": 110, "oos": 15, "tool": 40}
LEAST_OF_INTENT, LEAST_INVENTED = 4, 10
OVERLAP_MAX = 0.65  # of three-letter sequences, with any line of the training data


def folded(text):
    """The text as a duplicate would still match it: no case, accents' forms, spaces or marks."""
    kept = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in kept if character.isalnum())


def call_faults(case):
    name, arguments = case["call"].get("name"), case["call"].get("arguments")
    offered = case.get("tools", tool_samples.TOOLS)
    if name not in offered:
        return [f"the call names '{name}', which is not offered"]
    if not isinstance(arguments, dict) or set(arguments) != set(offered[name]):
        return [f"expected the arguments {', '.join(offered[name])} of {name}"]
    if name == "create_support_ticket":
        right = labels.ticket(case.get("intent"), case.get("signal"))
        return [] if arguments == right else [f"expected the ticket {json.dumps(right)}"]
    return [f"'{value}' does not stand in the text" for value in arguments.values()
            if value not in case["text"]]


def label_faults(case):
    faults = []
    if case["voice"] not in VOICES:
        faults.append(f"unknown voice '{case['voice']}'; known: {', '.join(VOICES)}")
    if case["lang"] not in corpora.LANGUAGES:
        faults.append(f"unknown language '{case['lang']}'")
    if case["text"] != case["text"].strip() or not case["text"]:
        faults.append("the text is empty or begins or ends with white space")
    if "intent" in case:
        if case["intent"] not in labels.INTENTS:
            faults.append(f"unknown intent '{case['intent']}'")
        if case["signal"] not in SIGNALS:
            faults.append(f"unknown signal '{case['signal']}'")
        if (case["task"] == "oos") != (case["intent"] == "oos"):
            faults.append("task and intent do not agree on out of scope")
    return faults


def case_faults(case):
    if not isinstance(case, dict) or case.get("task") not in _FIELDS:
        return ["expected an object whose task is triage, oos or tool"]
    must, may = _FIELDS[case["task"]], _MAY.get(case["task"], set())
    if not must <= set(case) or not set(case) <= must | may:
        return [f"expected the fields {', '.join(sorted(must))}, found {', '.join(sorted(case))}"]
    faults = label_faults(case)
    return faults or (call_faults(case) if case["task"] == "tool" else [])


def invented(case):
    return case["task"] == "tool" and "tools" in case


def invented_faults(cases):
    """Invented names must be new: in no list the training samples draw names from."""
    known = set(tool_samples.TOOLS) | set(tool_samples.SLOT_OF.values())
    for names in tool_samples.INVENTED_PARAMETERS.values():
        known |= set(names)
    known |= {f"{verb}_{noun}" for verb in tool_samples.INVENTED_VERBS
              for nouns in tool_samples.INVENTED_NOUNS.values() for noun in nouns}
    known |= {name for line in corpora.invented_lines()
              for name in (line["tool"], *line["slots"])}
    used = {name for case in cases if invented(case)
            for tool, parameters in case["tools"].items() for name in (tool, *parameters)}
    return [f"the invented name '{name}' occurs in training" for name in sorted(used & known)]


def count_faults(cases):
    faults = []
    for lang in corpora.LANGUAGES:
        here = [case for case in cases if case["lang"] == lang]
        tasks = collections.Counter(case["task"] for case in here)
        faults += [f"{lang}: {tasks[task]} cases of {task}, expected {least} at least"
                   for task, least in LEAST.items() if tasks[task] < least]
        if sum(map(invented, here)) < LEAST_INVENTED:
            faults.append(f"{lang}: under {LEAST_INVENTED} cases with invented tools")
        for intent in labels.INTENTS:
            voices = [case["voice"] for case in here
                      if case["task"] == "triage" and case["intent"] == intent]
            if intent != "oos" and len(set(voices)) < LEAST_OF_INTENT:
                faults.append(f"{lang}: {intent} has {len(set(voices))} voices, "
                              f"expected {LEAST_OF_INTENT} at least")
    return faults


def near_faults(cases):
    """A text that a line of the training data says nearly letter by letter."""
    lines = corpora.written_lines() + corpora.additional_lines() + corpora.training_lines()
    texts = list(dict.fromkeys(decisions.text_of(line) for line in (
        lines + corpora.invented_lines() + corpora.decision_lines())))
    found = check_data.repetitions(texts + [case["text"] for case in cases], OVERLAP_MAX)
    return [f"line {later - len(texts) + 1}: {overlap:.2f} of a training line: "
            f"{cases[later - len(texts)]['text']}"
            for overlap, later, earlier in found if earlier < len(texts) <= later]


def duplicate_faults(cases):
    """Twice in the file, or also one of the older cases."""
    places = {folded(line["text"]): "handwritten.jsonl" for line in corpora.handwritten_cases()}
    faults = []
    for number, case in enumerate(cases, 1):
        key = folded(case["text"])
        if key in places:
            faults.append(f"line {number}: the text is also {places[key]}")
        places[key] = f"line {number}"
    return faults


def main():
    with open(FILE, encoding="utf-8") as file:
        cases = [json.loads(line) for line in file]
    faults = [f"line {number}: {fault}" for number, case in enumerate(cases, 1)
              for fault in case_faults(case)]
    if not faults:
        faults = invented_faults(cases) + count_faults(cases)
        faults += duplicate_faults(cases) + near_faults(cases)
    for fault in faults:
        print(f"{FILE.name}: {fault}", file=sys.stderr)
    if not faults:
        tasks = collections.Counter((case["lang"], case["task"]) for case in cases)
        print(f"{FILE.name}: {len(cases)} cases,",
              ", ".join(f"{lang} {task} {count}" for (lang, task), count in tasks.items()))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
