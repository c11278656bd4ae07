# SPDX-License-Identifier: Apache-2.0
"""Training samples with tools of other trades, one call each.

A tool that a workflow brings along has a name the model has never seen. So these samples offer
several invented tools under names that are respelt each time, and every argument stands in the
message: what the model learns is to choose by the name and to copy.
"""

import string

from weft_mini import augment, frames, ids, result_samples, tool_samples, wordings

_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
}
_RESPELT_SHARE = 0.3
_ALIKE_SHARE = 0.4
_STANDARD_TOOLS_SHARE = 0.25
_REASONING_SHARE = 0.3


def _date(language, random):
    year, month, day = random.choice((2026, 2027)), random.randrange(1, 13), random.randrange(1, 29)
    if random.random() < 0.4:
        return f"{year}-{month:02}-{day:02}"
    if language == "ko":
        return random.choice((f"{month}월 {day}일", f"{year}.{month:02}.{day:02}", f"{month}/{day}"))
    name = _MONTHS[language].split()[month - 1]
    if language == "es":
        return random.choice((f"{day} de {name}", f"{day:02}/{month:02}/{year}"))
    return random.choice((f"{day} {name}", f"{name} {day}", f"{month:02}/{day:02}/{year}"))


def _pick(alphabet, count, random):
    return "".join(random.choice(alphabet) for _ in range(count))


def _code(random):
    if random.random() < 0.3:
        return ids.composed(random)
    shape, digits = random.randrange(6), string.digits
    if shape == 0:
        return _pick(string.ascii_uppercase, 2, random) + _pick(digits, random.choice((4, 6)), random)
    if shape == 1:
        return f"{_pick(string.ascii_uppercase, 3, random)}-{_pick(digits, 4, random)}"
    if shape == 2:
        return _pick(string.ascii_uppercase + digits, random.choice((6, 7, 8)), random)
    if shape == 3:
        return f"{_pick(digits, 2, random)}-{_pick(digits, 4, random)}"
    if shape == 4:
        return _pick(string.ascii_lowercase, 2, random) + "_" + _pick(digits, 5, random)
    return _pick(digits, random.choice((5, 6, 8, 10)), random)


def _postcode(language, random):
    if language == "en" and random.random() < 0.5:
        letters = string.ascii_uppercase
        return (f"{_pick(letters, 2, random)}{random.randrange(1, 20)} "
                f"{random.randrange(1, 10)}{_pick(letters, 2, random)}")
    return _pick(string.digits, 5, random)


def _phone(language, random):
    first, second = _pick(string.digits, 4, random), _pick(string.digits, 4, random)
    if language == "ko":
        return f"010-{first}-{second}"
    return random.choice((f"6{first}{second}", f"+34 6{first[:2]} {second}", f"555-{first}",
                          f"07{first[:3]} {second}0"))


def kind_value(kind, language, random):
    """A fresh value of one kind: what stands in braces in a line's slots."""
    if kind == "code":
        return _code(random)
    if kind == "number":
        return _pick("123456789", 1, random) + _pick(string.digits, random.choice((1, 3, 5)), random)
    if kind == "amount":
        return str(random.randrange(1, 13) * random.choice((1, 2, 5, 10, 50, 125)))
    if kind == "date":
        return _date(language, random)
    if kind == "time":
        return f"{random.randrange(7, 22):02}:{random.choice(('00', '15', '30', '45'))}"
    if kind == "postcode":
        return _postcode(language, random)
    if kind == "phone":
        return _phone(language, random)
    if kind == "email":
        return tool_samples.slot_value("email", random)
    raise ValueError(f"unknown kind {kind!r}: expected one of {', '.join(KINDS)}")


KINDS = ("code", "number", "amount", "date", "time", "postcode", "phone", "email")


def catalogue(lines):
    """{language: {tool: its parameters in the order of their first use}}."""
    tools = {}
    for line in lines:
        parameters = tools.setdefault(line["lang"], {}).setdefault(line["tool"], [])
        parameters += [name for name in line["slots"] if name not in parameters]
    return tools


def _camel(name):
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _spelling(random):
    """(function on tool names, function on parameter names) for all tools of one sample."""
    def same(name):
        return name

    if random.random() >= _RESPELT_SHARE:
        return same, same
    prefix = random.choice(("shop", "crm", "api", "svc", "desk", "app"))
    return random.choice((
        (_camel, _camel), (_camel, same), (lambda name: name.replace("_", "-"), same),
        (lambda name: f"{prefix}_{name}", same), (lambda name: f"{prefix}.{_camel(name)}", _camel)))


def filled(line, random):
    """(text, arguments) of a line with fresh values."""
    text, arguments = line["text"], {}
    for parameter, value in line["slots"].items():
        if value.startswith("{"):
            value = kind_value(value[1:-1], line["lang"], random)
            text = text.replace("{" + parameter + "}", value)
        arguments[parameter] = value
    return text, arguments


def _others(tool, tools, count, random):
    """Tools offered beside the right one: sometimes those that take the same or are called alike."""
    names = [name for name in tools if name != tool]
    random.shuffle(names)
    if random.random() < _ALIKE_SHARE:
        words = {*tool.split("_"), *tools[tool]}
        names.sort(key=lambda name: words.isdisjoint({*name.split("_"), *tools[name]}))
    return names[:count]


def sample(line, tools, stage, random):
    """`tools`: the catalogue of the line's language."""
    text, arguments = filled(line, random)
    spell_tool, spell_parameter = _spelling(random)
    count = random.choice((0, 1)) if random.random() < stage.few_tools_share else random.choice(
        (2, 3, 4, 5))
    names = [line["tool"], *_others(line["tool"], tools, count, random)]
    offered = {spell_tool(name): [spell_parameter(p) for p in tools[name]] for name in names}
    if random.random() < _STANDARD_TOOLS_SHARE:
        offered |= {name: tool_samples.TOOLS[name]
                    for name in random.sample(sorted(tool_samples.TOOLS), 2)}
    order = list(offered)
    random.shuffle(order)
    name = spell_tool(line["tool"])
    arguments = {spell_parameter(p): value for p, value in arguments.items()}
    reasoning = None
    if random.random() < _REASONING_SHARE:
        reasoning = f"The message gives {', '.join(arguments)}, so I call {name}."
    text = augment.politeness(text, line["lang"], random)
    lead = random.choice(wordings.TOOL_SYSTEMS) + "\n\n" if random.random() < 0.3 else ""
    call = tool_samples.call_text(name, arguments)
    copied = next((value for value in arguments.values()
                   if len(value) > 3 and call.count(value) == 1), None)
    pieces = [frames.system(lead + frames.tool_list({n: offered[n] for n in order})),
              *frames.user(text)]
    if stage.answered_share and random.random() < stage.answered_share:
        return result_samples.reported(pieces, call, reasoning, line["lang"], arguments, random)
    return [*pieces, *frames.assistant(call, reasoning, copied)]
