# SPDX-License-Identifier: Apache-2.0
"""What tools of other trades answer, and the report of it in the customer's language.

Nothing is known of such a tool, so a report says what stands in the result and no more: keys and
values, the sentence that came, what went wrong, or that it is done.
"""

import json

from weft_mini import frames, ids, ticket_shapes

_KEYS = ("status state date time price total stock quantity name city plan room seat level code ref "
         "number points balance owner model size available until since type place result "
         "amount currency weight color address carrier note items count rating eta").split()
_VALUES = ("available", "sold out", "confirmed", "pending", "closed", "valid", "expired", "booked",
           "in progress", "done", "3 left", "tomorrow", "next week", "2 hours", "large", "blue",
           "approved", "waiting", "none", "five days", "확인됨", "처리 중", "완료", "confirmado",
           "agotado", "pendiente")
_DONE_RESULTS = ("ok", "OK", "done", "success", "sent", "accepted", {"ok": True}, {"success": True},
                 {"done": True}, {"status": "ok"}, {"sent": True}, {"result": "ok"})
_FOUND = {"en": "I found: {facts}.", "ko": "조회 결과는 {facts}입니다.", "es": "Consta lo siguiente: {facts}."}
_TOLD = {"en": "The answer is: {text}", "ko": "답변: {text}", "es": "La respuesta es: {text}"}
_DONE = {"en": "It is done.", "ko": "처리했습니다.", "es": "Ya está hecho."}
_FAILED = {"en": "It did not work: {why}.", "ko": "처리하지 못했습니다: {why}.",
           "es": "No ha funcionado: {why}."}
_REASONING = "The tool has answered, so I report the result."
_SENTENCES = ("{key} {value}", "The {key} is {value}.", "{key}: {value}", "{value}",
              "{key} is {value}", "{key}는 {value}입니다.", "El {key} es {value}.")


def _value(random):
    roll = random.random()
    if roll < 0.45:
        return random.choice(_VALUES)
    if roll < 0.65:
        return random.randrange(1, random.choice((10, 100, 5000)))
    return ids.anything(random)


def _facts(language, arguments, random):
    keys = random.sample(_KEYS, random.choice((1, 1, 2, 2, 3)))
    facts = {key: _value(random) for key in keys}
    told = ", ".join(f"{key} {facts[key]}" for key in keys[:2])
    if arguments and random.random() < 0.4:  # many tools repeat what they were asked for
        key, value = random.choice(list(arguments.items()))
        facts = {key: value, **facts}
    if random.random() < 0.12:
        facts = {random.choice(("data", "result", "item", "response")): facts}
    return facts, _FOUND[language].format(facts=told)


def answer(language, arguments, random):
    """(what the tool answers, the report of it)"""
    roll = random.random()
    if roll < 0.12:
        return random.choice(_DONE_RESULTS), _DONE[language]
    if roll < 0.24:
        response, why = ticket_shapes.failure(random)
        return response, _FAILED[language].format(why=why)
    if roll < 0.4:
        text = random.choice(_SENTENCES).format(key=random.choice(_KEYS), value=_value(random))
        return text, _TOLD[language].format(text=text)
    return _facts(language, arguments, random)


def reported(pieces, call, reasoning, language, arguments, random):
    """The sample behind its call: the result, and the report as text or as an object."""
    response, report = answer(language, arguments, random)
    if random.random() < 0.3:
        report = json.dumps({random.choice(("summary", "answer", "summary")): report},
                            ensure_ascii=False)
    text = ticket_shapes.text_of(response, random.random() < 0.4)
    return [*pieces, frames.past_assistant(call, reasoning), *frames.tool_response(text),
            *frames.assistant(report, _REASONING if reasoning else None)]
