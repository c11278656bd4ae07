# SPDX-License-Identifier: Apache-2.0
"""What people write around their point: greetings, stories, thanks, all of which ask for nothing.

The written lines are short. A model that has only seen those takes the point of a longer message
for one of its many words, so a part of the messages gets sentences of data/around.jsonl around it.
"""

_COUNTS = (1, 1, 2, 2, 3, 3, 4, 5, 6, 8)
_BEFORE = ("before", "between")
_AFTER = ("after", "between")


class Surroundings:
    """Sentences by language and by where they may stand."""

    def __init__(self, lines):
        self._texts = {}
        for line in lines:
            self._texts.setdefault((line["lang"], line["place"]), []).append(line["text"])

    def sentence(self, language, places, random):
        """One that may stand there."""
        return random.choice(self._texts[language, random.choice(places)])

    def around(self, text, language, random, count=None):
        """The text among `count` sentences, or as many as people write; of any length in the end."""
        count = count or random.choice(_COUNTS)
        ahead = random.randrange(count + 1)
        before = [self.sentence(language, _BEFORE, random) for _ in range(ahead)]
        behind = [self.sentence(language, _AFTER, random) for _ in range(count - ahead)]
        if text[-1:] not in ".!?…)\"" and behind and random.random() < 0.7:
            text += "."
        gap = "\n" if random.random() < 0.15 else " "
        return gap.join((*before, text, *behind))

    def padded(self, line, share, random):
        """A line, in so many cases with sentences around its text."""
        if not share or random.random() >= share:
            return line
        return {**line, "text": self.around(line["text"], line["lang"], random)}
