# SPDX-License-Identifier: Apache-2.0
"""The chat frame around a sample, as a list of scored and unscored pieces.

It must equal what the chat template in templates/chat_template.jinja renders; the check is
`python3 -m weft_mini.check_template`.
"""

from typing import NamedTuple

ASSISTANT_PERCENT = 100  # weight of a token that the model has to write
INTENT_PERCENT = 250     # the label on which everything else hangs
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


def assistant(answer, reasoning=None):
    """Without reasoning the prompt already holds the empty block."""
    if reasoning is None:
        start = [Piece("<|im_start|>assistant\n<think>\n\n</think>\n\n")]
        before = ""
    else:
        start = [Piece("<|im_start|>assistant\n")]
        before = f"<think>\n{reasoning}\n</think>\n\n"
    head, mark, rest = answer.partition('"intent": "')
    if not mark:
        return [*start, Piece(f"{before}{answer}<|im_end|>", ASSISTANT_PERCENT), Piece("\n")]
    label, rest = rest.split('"', 1)  # all cuts fall between words, so the tokens stay the same
    return [*start, Piece(before + head + mark, ASSISTANT_PERCENT), Piece(label, INTENT_PERCENT),
            Piece(f'"{rest}<|im_end|>', ASSISTANT_PERCENT), Piece("\n")]


def past_assistant(answer, reasoning=None):
    """A turn of the tool chain in progress, as the template writes it back; not scored."""
    block = f"<think>\n{reasoning}\n</think>\n\n" if reasoning else ""
    return Piece(f"<|im_start|>assistant\n{block}{answer}<|im_end|>\n")


def tool_list(tools):
    """`tools` maps names to parameter names; one signature a line."""
    lines = [f"{name}({', '.join(parameters)})" for name, parameters in tools.items()]
    return "Tools:\n" + "\n".join(lines)
