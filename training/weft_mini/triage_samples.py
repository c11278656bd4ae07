# SPDX-License-Identifier: Apache-2.0
"""Training samples for classification: triage, banking, assistant. A sample is a list of Pieces.

Every line is framed anew each time it comes up: system text, prefix, order of the fields, mode,
noise. `reasoning` is a fixed pattern and short.
"""

import json

from weft_mini import augment, frames, labels, wordings

REASONING_SHARE = 0.28


def _schema(fields):
    kinds = {"category": {"enum": ["technical", "billing", "general"]},
             "urgency": {"type": "integer", "minimum": 1, "maximum": 5},
             "required_actions": {"type": "array", "items": {"type": "string"}},
             "estimated_resolution_hours": {"type": "integer"}}
    return json.dumps({"type": "object", "required": list(fields), "properties": {
        field: kinds.get(field, {"type": "string"}) for field in fields}})


def _fields(random):
    """A choice of fields in any order; short ones are the most frequent."""
    roll = random.random()
    if roll < 0.35:
        return random.choice((("category", "intent"), ("intent",), ("intent", "urgency"),
                              ("category", "intent", "urgency")))
    if roll < 0.5:
        return labels.FIELDS
    return tuple(random.sample(labels.FIELDS, random.choice((2, 3, 3, 4, 5))))


def _setting(language, compact_share, random):
    """(system text, prefix of the message, fields)."""
    if random.random() < compact_share:
        fields = random.choice((("intent",), ("intent",), ("category", "intent")))
        return wordings.COMPACT_SYSTEM.format(fields=", ".join(fields)), "", fields
    roll = random.random()
    prefix = random.choice(wordings.PREFIXES[language]) if random.random() < 0.4 else ""
    if roll < 0.22:
        text = wordings.EXAMPLE_SYSTEM + random.choice(("", "\n"))
        return text, wordings.EXAMPLE_PREFIX, labels.FIELDS
    if roll < 0.62:
        fields = _fields(random)
        text = random.choice(wordings.FIELD_SYSTEMS).format(fields=", ".join(fields))
        return text, prefix, fields
    if roll < 0.64:
        fields = _fields(random)
        text = random.choice((wordings.EXAMPLE_SYSTEM, *wordings.TRIAGE_SYSTEMS))
        return text + random.choice(wordings.SCHEMA_LEADS) + _schema(fields), prefix, fields
    return random.choice(wordings.TRIAGE_SYSTEMS), prefix, labels.FIELDS


def triage(lines, stage, random):
    """One sample from one line, or a conversation under one system text from several."""
    system, prefix, fields = _setting(lines[0]["lang"], stage.compact_share, random)
    pieces = [frames.system(system)]
    for line in lines:
        intent = line.get("intent", "oos")
        signal = line.get("signal", "none")
        text, signal = augment.message(line["text"], signal, line["lang"], random)
        reasoning = None
        if random.random() < REASONING_SHARE and (len(fields) > 2 or "urgency" in fields):
            reasoning = labels.triage_reasoning(intent, signal)
        pieces += frames.user(prefix + text, random.random() < stage.user_scored_share)
        pieces += frames.assistant(labels.triage_json(intent, signal, fields), reasoning)
    return pieces


def public_intent(text, intent, system, stage, random):
    """banking77 and clinc150: one field."""
    text = augment.typing_noise(text, random)
    return [frames.system(system), *frames.user(text, random.random() < stage.user_scored_share),
            *frames.assistant(json.dumps({"intent": intent}))]
