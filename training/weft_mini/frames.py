# SPDX-License-Identifier: Apache-2.0
"""The chat frame around a sample, as a list of scored and unscored pieces.

It must equal what the chat template in templates/chat_template.jinja renders; the check is
`python3 -m weft_mini.check_template`.
"""

from typing import NamedTuple

ASSISTANT_PERCENT = 100  # weight of a token that the model has to write
KEY_PERCENT = 250       # the label or the id on which everything else hangs
USER_PERCENT = 10        # weight of a customer's token, where it is scored at all


class Piece(NamedTuple):
    text: str
    percent: int = 0
    customer: bool = False  # plain text of a customer: control tokens are not recognised in it


def system(text):
    return Piece(f"<|im_start|>system\n{text}<|im_end|>\n") if text else Piece("")


def user(text, scored=False):
    return [Piece("<|im_start|>user\n"),
            Piece(text, USER_PERCENT if scored else 0, customer=True), Piece("<|im_end|>\n")]


def tool_response(content):
    return [Piece("<|im_start|>user\n<tool_response>\n"), Piece(content, customer=True),
            Piece("\n</tool_response><|im_end|>\n")]


def _emphasised(answer, value):
    """(before, value, after): the intent's name, or the copied value of a tool call.

    A cut must fall between words of the tokenizer, or the pieces would give other tokens than the
    whole: quotation marks stand beside letters and digits only.
    """
    if value is None:
        head, mark, rest = answer.partition('"intent": "')
        if not mark:
            return answer, "", ""
        value, rest = rest.split('"', 1)
        return head + mark, value, '"' + rest
    if not (value[0].isalnum() and value[-1].isalnum()):
        return answer, "", ""
    head, _, rest = answer.partition(value)
    return head, value, rest


def assistant(answer, reasoning=None, value=None):
    """Without reasoning the prompt already holds the empty block."""
    start, before = "<|im_start|>assistant\n<think>\n\n</think>\n\n", ""
    if reasoning is not None:
        start, before = "<|im_start|>assistant\n", f"<think>\n{reasoning}\n</think>\n\n"
    head, key, rest = _emphasised(answer, value)
    return [Piece(start), Piece(before + head, ASSISTANT_PERCENT), Piece(key, KEY_PERCENT),
            Piece(rest + "<|im_end|>", ASSISTANT_PERCENT), Piece("\n")]


def cut_behind(pieces, mark, count):
    """The pieces up to `count` characters behind the last `mark`; all of them without a mark."""
    for number in range(len(pieces) - 1, -1, -1):
        at = pieces[number].text.rfind(mark)
        if at >= 0:
            piece = pieces[number]
            return [*pieces[:number], piece._replace(text=piece.text[:at + len(mark) + count])]
    return pieces


def past_assistant(answer, reasoning=None):
    """A turn of the tool chain in progress, as the template writes it back; not scored."""
    block = f"<think>\n{reasoning}\n</think>\n\n" if reasoning else ""
    return Piece(f"<|im_start|>assistant\n{block}{answer}<|im_end|>\n")


def tool_list(tools):
    """`tools` maps names to parameter names; one signature a line."""
    lines = [f"{name}({', '.join(parameters)})" for name, parameters in tools.items()]
    return "Tools:\n" + "\n".join(lines)
