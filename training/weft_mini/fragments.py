# SPDX-License-Identifier: Apache-2.0
"""Parts of written messages, labelled by a linear classifier of the same lines.

A network of this size learns its training lines by heart: 99 % of them right and 64 % of the
held-out ones, where words and letters counted by a linear classifier reach 67 %. So it also learns
what that classifier makes of parts: a stretch of a message or the words left after dropping some,
as long as the classifier is sure of them (distillation over word dropout: Tang et al. 2019,
"Distilling Task-Specific Knowledge from BERT into Simple Neural Networks").
"""

from weft_mini import yardstick

_SURE = 0.6
_WORDS_MIN = 4


class Fragments:
    """Cuts training lines; every part has the labels that the classifier gives to it."""

    def __init__(self, training):
        labelled = [line for line in training if "intent" in line]
        strange = [(line["text"], "oos") for line in training if line["task"] == "oos"]
        self._intent = yardstick.Linear(
            [(line["text"], line["intent"]) for line in labelled] + strange)
        self._signal = yardstick.Linear([(line["text"], line["signal"]) for line in labelled])

    def of(self, line, random):
        """A part of the line, or the line itself where no part says enough."""
        words = line["text"].split()
        if len(words) < _WORDS_MIN:
            return line
        if random.random() < 0.5:
            count = random.randrange(max(2, len(words) // 3), len(words))
            first = random.randrange(len(words) - count + 1)
            kept = words[first:first + count]
        else:
            share = random.uniform(0.15, 0.5)
            kept = [word for word in words if random.random() > share] or words[:2]
        text = " ".join(kept)
        intent, sure = self._intent.judge(text)
        signal, sure_of_signal = self._signal.judge(text)
        if min(sure, sure_of_signal) < _SURE:
            return line
        part = {"lang": line["lang"], "text": text}
        if intent == "oos":
            return {**part, "task": "oos"}
        return {**part, "task": "triage", "intent": intent, "signal": signal}
