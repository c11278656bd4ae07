# SPDX-License-Identifier: Apache-2.0
"""Practice in copying, cheap and without meaning: values under keys, and plain repetition.

A call of a tool is a copy: name, parameter and id stand in the prompt. The heads that find and
copy earlier text appear much sooner on text that consists of little else.
"""

import json

from weft_mini import frames, ids

_KEYS = ("order id email name code number ref city plan status date account client ticket invoice "
         "address phone user parcel contract serial product booking case member reference "
         "order_id customer_id order_number customer ticket_id tracking pedido cliente correo "
         "주문번호 고객번호 이메일 번호 이름 코드").split()
_LINES = ("{key}: {value}", "{key} = {value}", "{key} {value}", "the {key} is {value}",
          "{key} ({value})", "{key}는 {value}입니다", "el {key} es {value}", '"{key}": "{value}"')
_BREAKS = ("\n", ", ", ". ", "; ", " ")
_ASKS = ("Give {keys} as JSON.", "JSON: {keys}", "Return {keys}.", "{keys}")


def lookup(random):
    """Several keys with values; the answer is some of them as JSON."""
    keys = random.sample(_KEYS, random.choice((2, 3, 4, 5, 6)))
    keys = [key if random.random() < 0.8 else ids.word(random) for key in keys]
    values = {key: ids.anything(random) for key in keys}
    style, between = random.choice(_LINES), random.choice(_BREAKS)
    text = between.join(style.format(key=key, value=value) for key, value in values.items())
    asked = random.sample(list(values), random.randrange(1, len(values) + 1))
    system = random.choice(_ASKS).format(keys=", ".join(asked))
    answer = {key: values[key] for key in asked}
    return [frames.system(system), *frames.user(text),
            *frames.assistant(json.dumps(answer, ensure_ascii=False))]


def repetition(random):
    """Words and values, and the same again."""
    parts = [ids.anything(random) if random.random() < 0.6 else ids.word(random)
             for _ in range(random.randrange(3, 9))]
    text = " ".join(parts)
    return [frames.system("Repeat."), *frames.user(text),
            frames.Piece("<|im_start|>assistant\n<think>\n\n</think>\n\n"),
            frames.Piece(text + "<|im_end|>", frames.ASSISTANT_PERCENT), frames.Piece("\n")]


def sample(random):
    return repetition(random) if random.random() < 0.3 else lookup(random)
