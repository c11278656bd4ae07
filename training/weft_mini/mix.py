# SPDX-License-Identifier: Apache-2.0
"""The stream of training samples: sources drawn so that each keeps its share of the tokens."""

import random as random_module
from typing import NamedTuple

from weft_mini import (
    corpora, decisions, invented_samples, labels, tool_samples, triage_samples, wordings)


class Stage(NamedTuple):
    """A stretch of the stream. Korean and Spanish rest on the written lines: triage comes first."""

    shares: dict           # of the tokens
    compact_share: float   # triage samples that ask for the intent alone: more lines per token
    few_tools_share: float    # tool samples that offer few tools
    user_scored_share: float
    additional_share: float = 0.0  # triage lines drawn from data/additional.jsonl


STAGES = {
    "compact": Stage({"triage": 0.74, "tools": 0.16, "clinc": 0.03, "banking": 0.03,
                      "bitext": 0.04}, 0.85, 0.35, 0.0),
    "middle": Stage({"triage": 0.46, "tools": 0.44, "clinc": 0.03, "banking": 0.03,
                     "bitext": 0.04}, 0.40, 0.60, 0.0),
    "full": Stage({"triage": 0.54, "tools": 0.34, "clinc": 0.04, "banking": 0.04,
                   "bitext": 0.04}, 0.15, 0.35, 0.05),
    "last": Stage({"triage": 0.68, "tools": 0.26, "clinc": 0.02, "banking": 0.02,
                   "bitext": 0.02}, 0.10, 0.35, 0.0, 0.08),
}
CONVERSATION_SHARE = 0.1   # triage samples of several messages under one system text
OUT_OF_SCOPE_SHARE = 0.07
INSERTED_ID_SHARE = 0.4
INVENTED_TOOLS_SHARE = 0.15   # tool samples with tools of other trades
DECISION_SHARE = 0.04         # triage and tool samples that are steps of the examples


def _endless(items, random):
    """Every item once per pass, in a new order each pass. Without items, asking is an error."""
    while items:
        order = list(items)
        random.shuffle(order)
        yield from order


class Mix:
    """Draws samples; each source has its own random stream, so sources do not disturb another."""

    def __init__(self, public, seed):
        training = corpora.training_lines()
        self._random = {name: random_module.Random(f"{seed} {name}")
                        for name in STAGES["full"].shares}
        triage = self._random["triage"]
        self._triage = {}
        for language in corpora.LANGUAGES:
            lines = [line for line in training if line["lang"] == language]
            known = [line for line in lines if line["task"] == "triage"]
            strange = [line for line in lines if line["task"] == "oos"]
            # Ticket lines are triage lines too: they carry an intent and a signal.
            known += [line for line in lines if line["task"] == "tool" and "intent" in line]
            self._triage[language] = (_endless(known, triage), _endless(strange, triage))
        self._additional = {
            language: _endless([x for x in corpora.additional_lines() if x["lang"] == language],
                               triage) for language in corpora.LANGUAGES}
        tools = self._random["tools"]
        self._tool_lines = _endless([x for x in training if x["task"] == "tool"], tools)
        self._id_lines = _endless([x for x in training if x["task"] == "triage"], tools)
        invented = corpora.invented_lines()
        self._invented_tools = invented_samples.catalogue(invented)
        self._invented = _endless(invented, tools)
        self._decisions = {step: _endless([x for x in corpora.decision_lines()
                                           if x["step"] == step], self._random[source])
                           for step, source in (("classify", "triage"), ("plan", "tools"))}
        self._public = {
            "banking": public.banking("train"),
            "clinc": public.clinc("train") + public.clinc("oos_train"),
            "bitext": [{"lang": "en", "text": text, "intent": intent}
                       for text, intent in public.bitext()[0] if intent in labels.INTENTS],
        }
        self._draws = {name: _endless(rows, self._random[name])
                       for name, rows in self._public.items() if rows}

    def _triage_sample(self, stage):
        random = self._random["triage"]
        language = random.choice(corpora.LANGUAGES)
        known, strange = self._triage[language]
        if random.random() < stage.additional_share:
            return triage_samples.triage([next(self._additional[language])], stage, random)
        if random.random() < DECISION_SHARE * (1 - stage.compact_share):
            return decisions.sample(next(self._decisions["classify"]), random)
        count = random.choice((2, 3, 4, 6, 10)) if random.random() < CONVERSATION_SHARE else 1
        lines = [next(strange if random.random() < OUT_OF_SCOPE_SHARE else known)
                 for _ in range(count)]
        return triage_samples.triage(lines, stage, random)

    def _tool_sample(self, stage):
        random = self._random["tools"]
        roll = random.random()
        if roll < INVENTED_TOOLS_SHARE:
            line = next(self._invented)
            return invented_samples.sample(line, self._invented_tools[line["lang"]], stage, random)
        if roll < INVENTED_TOOLS_SHARE + DECISION_SHARE:
            return decisions.sample(next(self._decisions["plan"]), random)
        if random.random() < INSERTED_ID_SHARE:
            line = tool_samples.insert_id(next(self._id_lines), random)
        else:
            line = next(self._tool_lines)
        return tool_samples.tool_sample(line, stage, random)

    def sample(self, source, stage):
        if source == "triage":
            return self._triage_sample(stage)
        if source == "tools":
            return self._tool_sample(stage)
        random, item = self._random[source], next(self._draws[source])
        if source == "bitext":
            return triage_samples.triage([item], stage, random)
        system = wordings.BANKING_SYSTEM if source == "banking" else wordings.ASSISTANT_SYSTEM
        return triage_samples.public_intent(*item, system, stage, random)

    def stream(self, stage_name, length):
        """(source, sample) for ever; `length(sample)` says how many tokens it has."""
        stage = STAGES[stage_name]
        used = {name: 0.0 for name in stage.shares if name in ("triage", "tools", *self._draws)}
        while True:
            source = min(used, key=lambda name: used[name] / stage.shares[name])
            sample = self.sample(source, stage)
            used[source] += length(sample)
            yield source, sample
