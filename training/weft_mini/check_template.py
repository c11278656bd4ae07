# SPDX-License-Identifier: Apache-2.0
"""Checks that the chat template renders what the samples were framed with (needs jinja2)."""

import json
import sys

import jinja2

from weft_mini import corpora, frames


def render(messages, **variables):
    text = (corpora.HERE / "templates" / "chat_template.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True,
                                     extensions=["jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.from_string(text.removesuffix("\n")).render(messages=messages, **variables)


def _tool(name, *parameters):
    properties = {parameter: {"type": "string"} for parameter in parameters}
    return {"type": "function", "function": {
        "name": name, "description": "d", "parameters": {"type": "object",
                                                         "properties": properties}}}


def cases():
    """(rendered, expected pieces)"""
    system, question = {"role": "system", "content": "S"}, {"role": "user", "content": "Q"}
    prompt = {"add_generation_prompt": True}
    quiet = {**prompt, "enable_thinking": False}
    empty = "<think>\n\n</think>\n\n"
    asked = [frames.system("S"), *frames.user("Q")]
    start = frames.Piece("<|im_start|>assistant\n")
    yield render([system, question], **prompt), [*asked, start]
    yield render([system, question], **quiet), [*asked, start, frames.Piece(empty)]
    yield render([question], **quiet), [frames.system("Triage the inquiry as JSON."),
                                        *frames.user("Q"), start, frames.Piece(empty)]

    tools = [_tool("lookup_order", "order_id"), _tool("ping"), _tool("make", "a", "b")]
    listed = frames.tool_list({"lookup_order": ("order_id",), "ping": (), "make": ("a", "b")})
    yield render([question], tools=tools, **prompt), [frames.system(listed), *frames.user("Q"),
                                                      start]
    with_tools = [frames.system("S\n\n" + listed), *frames.user("Q")]
    yield render([system, question], tools=tools, **prompt), [*with_tools, start]

    call = {"type": "function", "function": {"name": "make", "arguments": {"a": "1"}}}
    text_call = {"function": {"name": "make", "arguments": '{"a": "1"}'}}
    written = '<tool_call>\n{"name": "make", "arguments": {"a": "1"}}\n</tool_call>'
    answered = {"role": "tool", "content": "R"}
    for content in ("", None):
        for made in (call, text_call):
            turn = {"role": "assistant", "content": content, "tool_calls": [made]}
            yield (render([system, question, turn, answered], tools=tools, **prompt),
                   [*with_tools, frames.past_assistant(written), *frames.tool_response("R"), start])
    turn = {"role": "assistant", "content": "", "reasoning_content": "T", "tool_calls": [call]}
    yield (render([system, question, turn, answered], tools=tools, **quiet),
           [*with_tools, frames.past_assistant(written, "T"), *frames.tool_response("R"), start,
            frames.Piece(empty)])
    past = {"role": "assistant", "content": "<think>\nT\n</think>\n\nA"}
    yield (render([system, question, past, question], **prompt),
           [*asked, frames.past_assistant("A"), *frames.user("Q"), start])


def main():
    wrong = 0
    for number, (rendered, pieces) in enumerate(cases(), 1):
        expected = "".join(piece.text for piece in pieces)
        if rendered != expected:
            print(f"case {number}: expected {expected!r}\n         found {rendered!r}")
            wrong += 1
    print(f"chat template: {number} cases, {wrong} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
