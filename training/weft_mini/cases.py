# SPDX-License-Identifier: Apache-2.0
"""The evaluation cases: chat messages and what a right answer says. None was trained on."""

import functools
import random as random_module

from weft_mini import corpora, labels, tool_samples, wordings

_DESCRIPTIONS = {
    "lookup_order": "Status of an order", "get_customer_profile": "Profile of a customer",
    "send_password_reset": "Sends a password reset", "create_support_ticket": "Opens a ticket",
}


def tool_definitions(tools=tool_samples.TOOLS):
    """Tools as a client of the chat API sends them; the four of ours when none are named."""
    return [{"type": "function", "function": {
        "name": name, "description": _DESCRIPTIONS.get(name, name), "parameters": {
            "type": "object", "required": list(parameters),
            "properties": {parameter: {"type": "string"} for parameter in parameters}}}}
        for name, parameters in tools.items()]


@functools.cache
def _sentences():
    """{language: sentences that ask for nothing}, nobody's training."""
    texts = {language: [] for language in corpora.LANGUAGES}
    for line in corpora.handwritten_around():
        texts[line["lang"]].append(line["text"])
    return texts


def among(text, language, count):
    """The message among so many sentences, the same ones every time."""
    chosen = random_module.Random(f"{text} {count}")
    parts = chosen.sample(_sentences()[language], count)
    parts.insert(chosen.randrange(count + 1), text)
    return " ".join(parts)


def triage_case(suite, line, thinking):
    messages = [{"role": "system", "content": wordings.EXAMPLE_SYSTEM + "\n"},
                {"role": "user", "content": wordings.EXAMPLE_PREFIX + line["text"]}]
    expected = labels.triage(line.get("intent", "oos"), line.get("signal", "none"))
    return {"suite": suite, "kind": "triage", "lang": line["lang"], "thinking": thinking,
            "messages": messages, "text": line["text"], "expected": expected}


def triage(thinking):
    """Hand-written cases of two authors, also among sentences; the held-out tenth of the lines."""
    _, development = corpora.split_written_lines()
    cases = [triage_case("handwritten", line, thinking) for line in corpora.handwritten_cases()]
    cases += [triage_case("voices", line, thinking) for line in corpora.handwritten_voices()
              if line["task"] == "triage"]
    for count in (3, 8):
        cases += [triage_case(f"among {count}",
                              {**line, "text": among(line["text"], line["lang"], count)}, thinking)
                  for line in corpora.handwritten_cases() + corpora.handwritten_voices()
                  if line.get("task", "triage") == "triage"]
    return cases + [triage_case("development", line, thinking) for line in development
                    if line["task"] == "triage"]


def out_of_scope(thinking):
    _, development = corpora.split_written_lines()
    cases = [triage_case("voices oos", line, thinking) for line in corpora.handwritten_voices()
             if line["task"] == "oos"]
    return cases + [triage_case("oos", line, thinking) for line in development
                    if line["task"] == "oos"]


def _tool_case(suite, line, text, call, tools, thinking):
    return {"suite": suite, "kind": "tool", "lang": line["lang"], "text": text,
            "thinking": thinking, "messages": [{"role": "user", "content": text}],
            "tools": tool_definitions(tools), "expected": call}


def tools(thinking):
    """Hand-written requests, some with tools nobody trained; held-out wordings with fresh ids."""
    cases = [_tool_case("voices tools", line, line["text"], line["call"],
                        line.get("tools", tool_samples.TOOLS), thinking)
             for line in corpora.handwritten_voices() if line["task"] == "tool"]
    random = random_module.Random(11)
    _, development = corpora.split_written_lines()
    for line in development:
        if line["task"] != "tool":
            continue
        text, name = line["text"], line["tool"]
        if name in tool_samples.SLOT_OF:
            slot = tool_samples.SLOT_OF[name]
            text, values = tool_samples.fill(text, random)
            arguments = {slot: values[slot]}
        else:
            arguments = labels.ticket(line["intent"], line["signal"])
        cases.append(_tool_case("tools", line, text, {"name": name, "arguments": arguments},
                                tool_samples.TOOLS, thinking))
    return cases


def _intent_case(suite, system, text, intent):
    return {"suite": suite, "kind": "intent", "lang": "en", "thinking": False, "text": text,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": text}],
            "expected": {"intent": intent}}


def public(data):
    """The official test splits, and the held-out part of Bitext."""
    cases = [_intent_case("banking77", wordings.BANKING_SYSTEM, text, intent)
             for text, intent in data.banking("test")]
    cases += [_intent_case("clinc150", wordings.ASSISTANT_SYSTEM, text, intent)
              for text, intent in data.clinc("test")]
    cases += [_intent_case("clinc150-oos", wordings.ASSISTANT_SYSTEM, text, intent)
              for text, intent in data.clinc("oos_test")]
    return cases + [triage_case("bitext", {"lang": "en", "text": text, "intent": intent}, False)
                    for text, intent in data.bitext()[1] if intent in labels.INTENTS]
