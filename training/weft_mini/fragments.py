# SPDX-License-Identifier: Apache-2.0
"""Parts of written messages, labelled by a linear classifier of the same lines.

A network of this size learns its training lines by heart: 99 % of them right and 64 % of the
held-out ones, where words and letters counted by a linear classifier reach 67 %. So it also learns
what that classifier makes of parts: a stretch of a message or the words left after dropping some,
as long as the classifier is sure of them (distillation over word dropout: Tang et al. 2019,
"Distilling Task-Specific Knowledge from BERT into Simple Neural Networks"). And of splices, the
beginning of one message with the end of another: there are too many of them to learn by heart.
"""

import collections

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
        self._like = collections.defaultdict(list)
        for line in training:
            if "intent" in line or line["task"] == "oos":
                for key in (line.get("intent", "oos"), None):
                    self._like[line["lang"], key].append(line["text"].split())

    def spliced(self, line, random):
        """The line's first words and the last of another's, mostly of the same intent."""
        key = line.get("intent", "oos") if random.random() < 0.7 else None
        words, other = line["text"].split(), random.choice(self._like[line["lang"], key])
        kept = words[:round(len(words) * random.uniform(0.3, 0.9))]
        return self._labelled(line, kept + other[round(len(other) * random.uniform(0.1, 0.7)):])

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
        return self._labelled(line, kept)

    def _labelled(self, line, words):
        """The words with the classifier's labels; the line itself where it is not sure."""
        text = " ".join(words)
        intent, sure = self._intent.judge(text)
        signal, sure_of_signal = self._signal.judge(text)
        if min(sure, sure_of_signal) < _SURE:
            return line
        part = {"lang": line["lang"], "text": text}
        if intent == "oos":
            return {**part, "task": "oos"}
        return {**part, "task": "triage", "intent": intent, "signal": signal}
