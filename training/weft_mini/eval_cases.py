# SPDX-License-Identifier: Apache-2.0
"""Writes the hand-written cases in the form of `weft eval` (docs/eval.md).

  python3 -m weft_mini.eval_cases DIRECTORY        (from training/)

  triage.jsonl    the 186 older hand-written cases and those in other voices: 27 intents
  triage-among-3.jsonl, triage-among-8.jsonl
                  each of them among so many sentences that ask for nothing
  oos.jsonl       messages that are nobody's business: reported, without a floor
  tools.jsonl     requests for one of the four tools, messages with tools
  invented.jsonl  the same with tools whose names no training sample has
  tools-copied.jsonl, invented-copied.jsonl
                  both again, with identifiers marked as "x-weft-verbatim": the model may only copy
                  them from the message (docs/structured-output.md)

triage (all three) and oos are texts, for a workflow as for a model; the others are for a model only.
"""

import copy
import json
import pathlib
import sys

from weft_mini import cases, corpora, labels


def triage(number, source, line):
    answer = labels.triage(line["intent"], line["signal"])
    return {"id": f"{line['lang']}-{source}-{number}", "language": line["lang"],
            "input": line["text"],
            "expect": {"category": answer["category"], "intent": answer["intent"],
                       "urgency": {"$near": answer["urgency"], "within": 1},
                       "required_actions": {"$set": answer["required_actions"]},
                       "estimated_resolution_hours": answer["estimated_resolution_hours"]}}


def definition(name, parameters):
    return {"type": "function", "function": {
        "name": name, "description": name.replace("_", " "), "parameters": {
            "type": "object", "required": list(parameters),
            "properties": {parameter: {"type": "string"} for parameter in parameters}}}}


def tool(number, line):
    offered = line.get("tools")
    tools = [definition(name, parameters) for name, parameters in offered.items()] \
        if offered else cases.tool_definitions()
    return {"id": f"{line['lang']}-{number}", "language": line["lang"],
            "messages": [{"role": "user", "content": line["text"]}], "tools": tools,
            "expect": {"$call": line["call"]}}


def copied(case):
    """The same request to tools that say which of their parameters must be copied."""
    case = copy.deepcopy(case)
    for offered in case["tools"]:
        function = offered["function"]
        if function["name"] == "create_support_ticket":
            continue  # labels and words of its own
        for parameter in function["parameters"]["properties"].values():
            parameter["x-weft-verbatim"] = True
    return case


def suites():
    lines = corpora.handwritten_voices()
    older = [triage(number, "first", line)
             for number, line in enumerate(corpora.handwritten_cases(), 1)]
    numbered = list(enumerate(lines, 1))
    tools = [tool(number, line) for number, line in numbered
             if line["task"] == "tool" and "tools" not in line]
    invented = [tool(number, line) for number, line in numbered
                if line["task"] == "tool" and "tools" in line]
    known = older + [triage(number, "voices", line) for number, line in numbered
                     if line["task"] == "triage"]

    def among(case, count):
        return {**case, "input": cases.among(case["input"], case["language"], count)}

    return {
        "triage": known,
        "triage-among-3": [among(case, 3) for case in known],
        "triage-among-8": [among(case, 8) for case in known],
        "oos": [triage(number, "voices", line) for number, line in numbered
                if line["task"] == "oos"],
        "tools": tools, "tools-copied": [copied(case) for case in tools],
        "invented": invented, "invented-copied": [copied(case) for case in invented],
    }


def write(directory):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for name, written in suites().items():
        with open(directory / f"{name}.jsonl", "w", encoding="utf-8") as file:
            for case in written:
                file.write(json.dumps(case, ensure_ascii=False) + "\n")


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python3 -m weft_mini.eval_cases DIRECTORY")
    write(sys.argv[1])


if __name__ == "__main__":
    main()
