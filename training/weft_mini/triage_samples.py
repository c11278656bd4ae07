# SPDX-License-Identifier: Apache-2.0
"""Training samples for classification: triage, banking, assistant. A sample is a list of Pieces.

Every line is framed anew each time it comes up: system text, prefix, order of the fields, mode,
noise. `reasoning` is a fixed pattern and short.
"""

import json

from weft_mini import augment, corpora, frames, labels, wordings

REASONING_SHARE = 0.28


def _kind(field, random):
    """The schema of one field, as workflow authors write it."""
    kinds = {
        "category": {"enum": ["technical", "billing", "general"]},
        "intent": {"type": "string", "maxLength": 64},
        "urgency": {"type": "integer", "minimum": 1, "maximum": 5},
        "required_actions": {"type": "array", "items": {"type": "string", "maxLength": 64},
                             "maxItems": 5},
        "estimated_resolution_hours": {"type": "integer", "minimum": 1, "maximum": 168},
        "language": {"enum": list(corpora.LANGUAGES)},
        "priority": {"enum": ["low", "normal", "high", "urgent"]},
        "urgent": {"type": "boolean"}, "needs_human": {"type": "boolean"},
        "in_scope": {"type": "boolean"}, "summary": {"type": "string", "maxLength": 200},
    }
    kind = kinds[field]
    if field in ("intent", "summary") and random.random() < 0.5:
        return {"type": "string"}
    return kind


def _schema(fields, random):
    parts = {"type": "object", "required": list(fields), "properties": {
        field: _kind(field, random) for field in fields}}
    if random.random() < 0.6:
        parts = {"type": "object", "additionalProperties": False, "required": list(fields),
                 "properties": parts["properties"]}
    return json.dumps(parts)


def _fields(random):
    """A choice of fields in any order; short ones are the most frequent."""
    roll = random.random()
    if roll < 0.3:
        return random.choice((("category", "intent"), ("intent",), ("intent", "urgency"),
                              ("category", "intent", "urgency"), ("category", "urgency")))
    if roll < 0.45:
        return labels.FIELDS
    if roll < 0.75:
        return tuple(random.sample(labels.FIELDS, random.choice((2, 3, 3, 4, 5))))
    return tuple(random.sample((*labels.FIELDS[:3], *labels.FURTHER_FIELDS),
                               random.choice((1, 1, 2, 3))))


def _setting(language, compact_share, random):
    """(system text, prefix of the message, fields)."""
    if random.random() < compact_share:
        fields = random.choice((("intent",), ("intent",), ("category", "intent")))
        return wordings.COMPACT_SYSTEM.format(fields=", ".join(fields)), "", fields
    roll = random.random()
    prefix = random.choice(wordings.PREFIXES[language]) if random.random() < 0.4 else ""
    if roll < 0.30:
        text = wordings.EXAMPLE_SYSTEM + random.choice(("", "\n"))
        return text, wordings.EXAMPLE_PREFIX, labels.FIELDS
    if roll < 0.62:
        fields = _fields(random)
        text = random.choice(wordings.FIELD_SYSTEMS).format(fields=", ".join(fields))
        return text, prefix, fields
    if roll < 0.67:
        fields = _fields(random)
        lead = random.choice(wordings.SCHEMA_LEADS)
        text = random.choice(("", "", wordings.EXAMPLE_SYSTEM, *wordings.TRIAGE_SYSTEMS))
        return (text + lead + _schema(fields, random)).strip(), prefix, fields
    return random.choice(wordings.TRIAGE_SYSTEMS), prefix, labels.FIELDS


def _answer(line, fields, signal, random):
    """(answer, reasoning or None, where the scored part may end early or None)."""
    intent = line.get("intent", "oos")
    reasoning = None
    if random.random() < REASONING_SHARE and (len(fields) > 2 or "urgency" in fields):
        reasoning = labels.triage_reasoning(intent, signal)
    return labels.triage_json(intent, signal, fields, line["lang"]), reasoning


def _message(line, random):
    text, signal = augment.message(line["text"], line.get("signal", "none"), line["lang"], random)
    if random.random() < 0.01:
        text = random.choice(wordings.INJECTIONS) + text
    if line.get("intent", "oos") == "oos" and random.random() < 0.06:
        text = augment.gibberish(random)
    return text, signal


def triage(lines, stage, random):
    """One sample from one line, or a conversation under one system text from several.

    What stands behind the urgency follows from what stands before it and is soon known, so a
    single sample mostly ends there.
    """
    system, prefix, fields = _setting(lines[0]["lang"], stage.compact_share, random)
    pieces = [frames.system(system)]
    for line in lines:
        text, signal = _message(line, random)
        answer, reasoning = _answer(line, fields, signal, random)
        pieces += frames.user(prefix + text)
        pieces += frames.assistant(answer, reasoning)
    if len(lines) == 1 and fields == labels.FIELDS and random.random() < stage.cut_share:
        pieces = frames.cut_behind(pieces, '"urgency": ', 1)
    return pieces


def long_message(line, fillers, stage, random):
    """One inquiry among sentences that ask for nothing, up to the longest contexts."""
    system, prefix, fields = _setting(line["lang"], 0.0, random)
    text, signal = _message(line, random)
    sentences = [filler["text"] for filler in fillers]
    sentences.insert(random.randrange(len(sentences) + 1), text)
    answer, reasoning = _answer(line, fields, signal, random)
    return [frames.system(system), *frames.user(prefix + " ".join(sentences)),
            *frames.assistant(answer, reasoning)]


def public_intents(items, system, random):
    """banking77 and clinc150: one field; several messages may share one system text."""
    pieces = [frames.system(system)]
    for text, intent in items:
        pieces += frames.user(augment.typing_noise(text, random))
        pieces += frames.assistant(json.dumps({"intent": intent}))
    return pieces
