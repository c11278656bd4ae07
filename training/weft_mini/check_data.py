# SPDX-License-Identifier: Apache-2.0
"""Checks every line of the training data: form, labels, placeholders, repetitions.

A line of the later files must not repeat one of weft-utterances, of its own file, or a
hand-written case: not letter by letter, and not with a word changed (overlap of three-letter
sequences). Prints what is wrong and fails; prints counts otherwise.
"""

import bisect
import collections
import json
import math
import re
import sys

from weft_mini import corpora, decisions, invented_samples, labels, tool_samples

_SIGNALS = ("none", "urgent", "calm")
_LATER = ("additional-triage.jsonl", "additional-tools.jsonl", "invented-tools.jsonl",
          "decisions.jsonl", *(f"{name}-{kind}.jsonl" for name in corpora.LATER
                               for kind in ("triage", "tools", "invented-tools")))
_OVERLAP_MAX = 0.72
_TRAINED = ("operator. OPERATOR.",)  # near another line, but the shipped model knows it already
_SHORT = 8   # letters; below, only the very same text counts as a repetition
_KEYS = {
    "triage": {"task", "lang", "intent", "signal", "text"},
    "oos": {"task", "lang", "text"},
    "invented": {"task", "lang", "tool", "slots", "text"},
}


def _form_faults(line):
    """What is wrong with one line by itself."""
    task, text = line.get("task"), line.get("text", "")
    if task == "decision":
        yield from decisions.faults(line)
        return
    if line.get("lang") not in corpora.LANGUAGES:
        yield f"language {line.get('lang')!r}"
    if text != text.strip() or not text:
        yield "the text is empty or has blanks around it"
    if "intent" in line and (line["intent"] not in labels.INTENTS or line["intent"] == "oos"):
        yield f"unknown intent {line['intent']!r}"
    if "signal" in line and line["signal"] not in _SIGNALS:
        yield f"unknown signal {line['signal']!r}"
    if task == "tool":
        yield from _tool_faults(line)
    elif task not in _KEYS or set(line) != _KEYS[task]:
        yield f"task {task!r} with keys {sorted(line)}"
    if task == "invented":
        yield from _invented_faults(line)
    if task in ("triage", "oos") and ("{" in text or "}" in text):
        yield "braces in a text without placeholders"


def _tool_faults(line):
    keys = {"task", "lang", "tool", "slots", "text"}
    if line["tool"] not in tool_samples.TOOLS:
        yield f"unknown tool {line['tool']!r}"
        return
    slot = tool_samples.SLOT_OF.get(line["tool"])
    if set(line) != (keys if slot else keys | {"intent", "signal"}):
        yield f"keys {sorted(line)}"
    allowed = {slot: "{" + slot + "}"} if slot else {}
    extra = dict(line["slots"])
    if line["tool"] == "get_customer_profile" and extra.pop("include_history", True) is not True:
        yield "include_history is true or absent"
    if extra != allowed:
        yield f"slots {line['slots']}"
    if slot and "{" + slot + "}" not in line["text"]:
        yield f"the text lacks {{{slot}}}"
    left = tool_samples.PLACEHOLDER.sub("", line["text"])
    if "{" in left or "}" in left:
        yield "an unknown placeholder"


def _invented_faults(line):
    left = line["text"]
    for parameter, value in line["slots"].items():
        if value.startswith("{"):
            if value[1:-1] not in invented_samples.KINDS:
                yield f"unknown kind {value}"
            if "{" + parameter + "}" not in left:
                yield f"the text lacks {{{parameter}}}"
            left = left.replace("{" + parameter + "}", "")
        elif value not in line["text"]:
            yield f"the text lacks the literal {value!r}"
    if "{" in left or "}" in left:
        yield "an unknown placeholder"


def _letters(text):
    return re.sub(r"[\W_]+", "", re.sub(r"\{\w+\}", "", text)).casefold()


def _grams(text):
    """The three-letter sequences of a text; of a short one only the whole of it."""
    letters = _letters(text)
    if len(letters) < _SHORT:
        return {text.casefold()}
    return {letters[i:i + 3] for i in range(len(letters) - 2)}


def repetitions(texts, least=_OVERLAP_MAX):
    """(share of common sequences, place, earlier place) of every two texts with a larger share.

    Two sets that overlap so much have one of their rarest elements in common, so only those are
    looked up, the smaller set's among fewer still (prefix filtering: Bayardo et al. 2007, "Scaling
    Up All Pairs Similarity Search").
    """
    sets = [_grams(text) for text in texts]
    seen = collections.Counter(gram for grams in sets for gram in grams)
    holders = collections.defaultdict(list)    # places by gram, from the smallest set on
    for place in sorted(range(len(sets)), key=lambda place: len(sets[place])):
        grams = sets[place]
        rarest = sorted(grams, key=lambda gram: (seen[gram], gram))
        others = set()
        for gram in rarest[:len(grams) - math.ceil(least * len(grams)) + 1]:
            held = holders[gram]
            first = bisect.bisect_left(held, least * len(grams), key=lambda other: len(sets[other]))
            others.update(held[first:])
        for other in sorted(others):
            common = len(grams & sets[other])
            overlap = common / (len(grams) + len(sets[other]) - common)
            if overlap > least:
                yield overlap, max(place, other), min(place, other)
        for gram in rarest[:len(grams) - math.ceil(2 * least / (1 + least) * len(grams)) + 1]:
            holders[gram].append(place)


def _repetition_faults(texts_before, rows):
    """Faults among `rows`, (place, text) pairs in order, against earlier ones and each other."""
    named = texts_before + rows
    for overlap, number, earlier in repetitions([text for _, text in named]):
        place, text = named[number]
        if number >= len(texts_before) and text not in _TRAINED:
            yield f"{place}: {overlap:.2f} of {named[earlier][0]}: {text!r}"


def _around_faults():
    """Sentences around a point: form, and no repetition of one another or of the cases' ones."""
    rows = []
    for number, line in enumerate(corpora.around_lines(), 1):
        place = f"around.jsonl:{number}"
        if set(line) != {"lang", "place", "text"} or line["lang"] not in corpora.LANGUAGES \
                or line["place"] not in ("before", "after", "between") \
                or line["text"] != line["text"].strip() or set(line["text"]) & set("{}\n"):
            yield f"{place}: expected lang, place and a text without braces: {line}"
        rows.append((place, line["text"]))
    cases = [("a sentence of the cases", x["text"]) for x in corpora.handwritten_around()]
    yield from _repetition_faults(cases, rows)


def main():
    faults, counts = [], collections.Counter()
    written = [(f"weft-utterances {i}", x["text"]) for i, x in enumerate(corpora.written_lines())]
    written += [("additional.jsonl", x["text"]) for x in corpora.additional_lines()]
    cases = [("a hand-written case", x["text"])
             for x in corpora.handwritten_cases() + corpora.handwritten_voices()]
    for line in corpora.written_lines():
        faults += [f"weft-utterances: {fault}: {line['text']!r}" for fault in _form_faults(line)]
    rows = []
    for name in _LATER:
        for number, line in enumerate(corpora.read_lines(name), 1):
            place = f"{name}:{number}"
            faults += [f"{place}: {fault}: {json.dumps(line, ensure_ascii=False)}"
                       for fault in _form_faults(line)]
            rows.append((place, decisions.text_of(line)))
            counts[name, line["lang"]] += 1
    faults += _repetition_faults(written + cases, rows)
    faults += _around_faults()
    for fault in faults:
        print(fault)
    for (name, language), count in sorted(counts.items()):
        print(f"{name:24} {language} {count:5}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
