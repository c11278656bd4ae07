# SPDX-License-Identifier: Apache-2.0
"""The stream of training samples: sources drawn so that each keeps its share of the tokens."""

import random as random_module
import re
from typing import NamedTuple

from weft_mini import (
    agent_samples, copy_samples, corpora, decisions, fragments, ids, invented_samples, labels,
    surroundings, tool_samples, triage_samples, wordings)


class Stage(NamedTuple):
    """A stretch of the stream."""

    shares: dict              # of the tokens
    compact_share: float      # triage samples that ask for the intent alone: more lines per token
    cut_share: float = 0.6    # of the full answers that end behind the urgency
    few_tools_share: float = 0.35   # tool samples that offer few tools
    conversation_share: float = 0.3  # triage samples of several messages under one system text
    decision_share: float = 0.05  # triage and tool samples that are steps of the examples
    agent_share: float = 0.16     # tool samples with results and further calls
    standing_share: float = 0.0   # of the profiles in them: with an order that may be in trouble
    real_words: float = 0.0       # of the words in ids and addresses, that are words of the lines
    strange_share: float = 0.08   # of the triage lines: out of scope
    invented_share: float = 0.17  # of the tool samples: with tools of other trades
    padded_share: float = 0.0     # of the messages: among sentences that ask for nothing
    other_results: float = 0.0    # of the tool results: of other shapes than the plain ones
    rejected_share: float = 0.0   # of the agent samples: the last call was not approved
    other_tickets: float = 0.0    # of the tickets in them: by a tool of another shape
    asked_share: float = 0.0      # of the agent samples: the customer asks for a ticket
    other_systems: float = 0.0    # of the agent samples: under a system text of the triage
    answered_share: float = 0.0   # of the samples with invented tools: the report of the result
    part_share: float = 0.35      # of the triage lines: a part of one (fragments.py)
    spliced_share: float = 0.0    # of the others: beginning and end of two
    later: int = len(corpora.LATER)  # with so many of the later collections of lines


# Copying is practised first and kept up in small doses; labels next, many messages per token; the
# full answers and the tools then, as they are what the model is for. Lines that were written late
# have been seen by short stretches only: the wide one is for all of them, in every surrounding.
# While the rate falls, the polish is for what still falls short (copying, calls and what follows a
# tool's result, banking77) and the copies, beside it from the same weights, for calls above all;
# the last one is for agents whose call a person has not approved.
STAGES = {
    "start": Stage({"triage": 0.30, "tools": 0.12, "clinc": 0.21, "banking": 0.15,
                    "bitext": 0.03, "copy": 0.19}, 0.80, decision_share=0.0, later=0),
    "main": Stage({"triage": 0.33, "tools": 0.30, "clinc": 0.15, "banking": 0.11,
                   "bitext": 0.04, "copy": 0.04, "long": 0.03}, 0.45, later=0),
    "broad": Stage({"triage": 0.37, "tools": 0.34, "clinc": 0.11, "banking": 0.10,
                    "bitext": 0.02, "copy": 0.04, "long": 0.02}, 0.40,
                   strange_share=0.13, invented_share=0.27, later=1),
    "last": Stage({"triage": 0.38, "tools": 0.37, "clinc": 0.09, "banking": 0.09,
                   "bitext": 0.02, "copy": 0.03, "long": 0.02}, 0.20, 0.4, real_words=0.2,
                  strange_share=0.13, invented_share=0.27),
    "wide": Stage({"triage": 0.51, "tools": 0.27, "clinc": 0.06, "banking": 0.06,
                   "bitext": 0.01, "copy": 0.05, "long": 0.04}, 0.65, 0.5, conversation_share=0.6,
                  agent_share=0.24, standing_share=0.3, real_words=0.4, strange_share=0.17,
                  invented_share=0.27, padded_share=0.25, other_results=0.3, part_share=0.45,
                  spliced_share=0.4),
    "polish": Stage({"triage": 0.38, "tools": 0.32, "clinc": 0.08, "banking": 0.12,
                     "copy": 0.05, "long": 0.05}, 0.30, 0.4, agent_share=0.34, standing_share=0.4,
                    real_words=0.4, strange_share=0.16, invented_share=0.24, padded_share=0.35,
                    other_results=0.4, rejected_share=0.1),
    "copies": Stage({"triage": 0.34, "tools": 0.38, "clinc": 0.06, "banking": 0.08, "copy": 0.09,
                     "long": 0.05}, 0.30, 0.4, agent_share=0.27, standing_share=0.4, real_words=0.5,
                    strange_share=0.16, invented_share=0.27, padded_share=0.35,
                    other_results=0.4, rejected_share=0.1),
}
STAGES["refused"] = STAGES["polish"]._replace(
    agent_share=0.4, strange_share=0.18, rejected_share=0.35)
# Two ends once more, for agents with tools, results and system texts of any shape.
_OTHER_AGENTS = {"other_tickets": 0.5, "asked_share": 0.12, "other_systems": 0.25,
                 "answered_share": 0.3, "rejected_share": 0.2, "invented_share": 0.32}
STAGES["lines"] = STAGES["wide"]._replace(agent_share=0.28, other_results=0.4, **_OTHER_AGENTS)
STAGES["calls"] = STAGES["copies"]._replace(**_OTHER_AGENTS)
BORROWED_SHARE = 0.25  # of the English out-of-scope messages: clinc150's far domains
MAPPED_SHARE = 0.10    # of the English triage lines: banking77 messages whose intent is one of ours
LATER_SHARE = 0.04     # triage lines drawn from data/additional.jsonl
INSERTED_ID_SHARE = 0.42
OTHER_TOOL_SHARE = 0.06       # tool samples whose tool is named in the message
SEVERAL_SHARE = 0.22          # tool samples with several requests under one list of tools


def _endless(items, random):
    """Every item once per pass, in a new order each pass. Without items, asking is an error."""
    while items:
        order = list(items)
        random.shuffle(order)
        yield from order


class Mix:
    """Draws samples; each source has its own random stream, so sources do not disturb another."""

    def __init__(self, public, seed, later):
        training = corpora.training_lines(later)
        self._random = {name: random_module.Random(f"{seed} {name}")
                        for name in STAGES["main"].shares}
        self._take_public(public)
        self._triage, self._later = {}, {}
        self._fragments = fragments.Fragments(training)
        self._around = surroundings.Surroundings(corpora.around_lines())
        self._words = sorted({word for line in training
                              for word in re.findall("[a-z]{3,9}", line["text"])})
        triage = self._random["triage"]
        for language in corpora.LANGUAGES:
            lines = [line for line in training if line["lang"] == language]
            # Ticket lines are triage lines too: they carry an intent and a signal.
            known = [line for line in lines if "intent" in line]
            strange = [line for line in lines if line["task"] == "oos"]
            self._triage[language] = (_endless(known, triage), _endless(strange, triage))
            self._later[language] = _endless([x for x in corpora.additional_lines()
                                              if x["lang"] == language], triage)
        tools = self._random["tools"]
        self._tool_lines = _endless([x for x in training if x["task"] == "tool"], tools)
        self._id_lines = _endless([x for x in training if x["task"] == "triage"], tools)
        invented = corpora.invented_lines(later)
        self._invented_tools = invented_samples.catalogue(invented)
        self._invented = _endless(invented, tools)
        self._decisions = {step: _endless([x for x in corpora.decision_lines()
                                           if x["step"] == step], self._random[source])
                           for step, source in (("classify", "triage"), ("plan", "tools"))}

    def _take_public(self, public):
        clinc, banking = public.clinc("train"), public.banking("train")
        rows = {
            "banking": banking,
            "clinc": clinc + public.clinc("oos_train"),
            "bitext": [{"lang": "en", "text": text, "intent": intent}
                       for text, intent in public.bitext()[0] if intent in labels.INTENTS],
        }
        self._draws = {name: _endless(of, self._random[name]) for name, of in rows.items() if of}
        triage = self._random["triage"]
        self._borrowed = _endless([{"lang": "en", "text": text, "task": "oos"}
                                   for text, intent in clinc if intent in corpora.CLINC_FAR], triage)
        self._mapped = _endless(
            [{"lang": "en", "text": text, "signal": "none",
              "intent": corpora.BANKING_AS_TRIAGE[intent]}
             for text, intent in banking if intent in corpora.BANKING_AS_TRIAGE], triage)

    def _triage_line(self, language, stage):
        random = self._random["triage"]
        known, strange = self._triage[language]
        if random.random() < stage.strange_share:
            borrow = language == "en" and random.random() < BORROWED_SHARE
            return next(self._borrowed, None) or next(strange) if borrow else next(strange)
        if random.random() < LATER_SHARE:
            return next(self._later[language], None) or next(known)
        if random.random() < stage.part_share:
            return self._fragments.of(next(known), random)
        if stage.spliced_share and random.random() < stage.spliced_share:
            return self._fragments.spliced(next(known), random)
        return next(known)

    def _triage_sample(self, stage):
        random = self._random["triage"]
        language = random.choice(corpora.LANGUAGES)
        if random.random() < stage.decision_share:
            return decisions.sample(next(self._decisions["classify"]), random)
        if language == "en" and random.random() < MAPPED_SHARE * stage.compact_share:
            lines = [line for line in (next(self._mapped, None) for _ in range(3)) if line]
            if lines:
                return triage_samples.triage(lines, stage._replace(compact_share=1.0), random)
        count = 1
        if random.random() < stage.conversation_share:
            count = random.choice((2, 3, 4, 5))
        mixed = count > 1 and random.random() < 0.3
        lines = [self._triage_line(random.choice(corpora.LANGUAGES) if mixed else language, stage)
                 for _ in range(count)]
        lines = [self._around.padded(line, stage.padded_share, random) for line in lines]
        return triage_samples.triage(lines, stage, random)

    def _tool_line(self, stage):
        random = self._random["tools"]
        if random.random() < INSERTED_ID_SHARE:
            line = tool_samples.insert_id(next(self._id_lines), random)
        else:
            line = next(self._tool_lines)
        return self._around.padded(line, stage.padded_share / 2, random)

    def _tool_sample(self, stage):
        random = self._random["tools"]
        if random.random() < stage.decision_share:
            return decisions.sample(next(self._decisions["plan"]), random)
        kind = random.random()
        for share, make in ((stage.invented_share, self._invented_sample),
                            (OTHER_TOOL_SHARE, self._other_sample),
                            (stage.agent_share, self._agent_sample),
                            (SEVERAL_SHARE, self._several_sample)):
            if kind < share:
                return make(stage, random)
            kind -= share
        return tool_samples.one_call(self._tool_line(stage), stage, random)

    def _invented_sample(self, stage, random):
        line = self._around.padded(next(self._invented), stage.padded_share / 4, random)
        return invented_samples.sample(line, self._invented_tools[line["lang"]], stage, random)

    def _other_sample(self, _, random):
        return tool_samples.other_tool(random.choice(corpora.LANGUAGES), random)

    def _agent_sample(self, stage, random):
        line = self._around.padded(next(self._id_lines), stage.padded_share / 2, random)
        return agent_samples.agent(line, random, stage)

    def _several_sample(self, stage, random):
        lines = [self._tool_line(stage) for _ in range(random.choice((2, 2, 3, 4)))]
        return tool_samples.several_requests(lines, random)

    def _long_sample(self, stage):
        random = self._random["long"]
        language = random.choice(corpora.LANGUAGES)
        if random.random() < 0.5:
            count = random.choice((12, 20, 30))
            lines = [self._triage_line(random.choice(corpora.LANGUAGES), stage)
                     for _ in range(count)]
            return triage_samples.triage(lines, stage._replace(compact_share=0.5), random)
        if stage.padded_share and random.random() < 0.6:
            line = next(self._triage[language][0])
            text = self._around.around(line["text"], language, random,
                                       random.choice((6, 10, 15, 25, 40)))
            return triage_samples.long_message({**line, "text": text}, [], stage, random)
        _, strange = self._triage[language]
        fillers = [next(strange) for _ in range(random.choice((1, 2, 4, 10, 25)))]
        return triage_samples.long_message(next(self._triage[language][0]), fillers, stage, random)

    def sample(self, source, stage):
        makers = {"triage": self._triage_sample, "tools": self._tool_sample,
                  "long": self._long_sample}
        if source in makers:
            return makers[source](stage)
        random = self._random[source]
        if source == "copy":
            return copy_samples.sample(random)
        draws = self._draws[source]
        if source == "bitext":
            return triage_samples.triage([next(draws)], stage, random)
        count = random.choice((1, 1, 2, 4, 6))
        system = wordings.BANKING_SYSTEM if source == "banking" else wordings.ASSISTANT_SYSTEM
        return triage_samples.public_intents([next(draws) for _ in range(count)], system, random)

    def stream(self, stage_name, length):
        """(source, sample) for ever; `length(sample)` says how many tokens it has."""
        stage = STAGES[stage_name]
        ids.use_real_words(stage.real_words, self._words)
        own = ("triage", "tools", "copy", "long")
        used = {name: 0.0 for name in stage.shares if name in own or name in self._draws}
        while True:
            source = min(used, key=lambda name: used[name] / stage.shares[name])
            sample = self.sample(source, stage)
            used[source] += length(sample)
            yield source, sample
