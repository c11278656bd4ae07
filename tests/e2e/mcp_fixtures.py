# SPDX-License-Identifier: Apache-2.0
"""Workflows under the names that the conformance suite of the Model Context Protocol asks for, and
the configuration with its resources and prompts. Nothing of weft knows these names."""
import base64
import json

PNG = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5E"
       "rkJggg==")
WAV = base64.b64encode(b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0D\xac\0\0\x88X\1\0\2\0\x10\0data\0\0\0\0"
                       ).decode()
IMAGE = {"type": "image", "data": PNG, "mimeType": "image/png"}
EMBEDDED = {"uri": "test://embedded-resource", "mimeType": "text/plain",
            "text": "This is an embedded resource content."}
MIXED = {"uri": "test://mixed-content-resource", "mimeType": "application/json",
         "text": '{"test":"data","value":123}'}


def value(what):
    return {"id": "say", "type": "set", "parameters": {"value": what}}


def pause(name, *after):
    return {"id": name, "type": "wait", "dependencies": list(after),
            "parameters": {"for": "50ms"}}


def asks(schema, text):
    return [{"id": "ask", "type": "signal", "parameters": {"name": "answer", "schema": schema}},
            {"id": "say", "type": "set", "dependencies": ["ask"], "parameters": {"value": text}}]


def workflow(name, steps, output="{{ steps.say }}", schema=None):
    return {"weft": "1", "id": name, "title": name.replace("_", " "), "steps": steps,
            "output": output, "input": schema or {"type": "object", "properties": {}}}


THREE = [pause("first"), pause("second", "first"), pause("third", "second")]
TEXT = {"type": "string"}
FORM = {"type": "object", "required": ["username", "email"],
        "properties": {"username": {"type": "string", "description": "User's response"},
                       "email": {"type": "string", "description": "User's email address"}}}
DEFAULTS = {"type": "object", "required": [], "properties": {
    "name": {"type": "string", "default": "John Doe"}, "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True}}}
OPTIONS = ["option1", "option2", "option3"]


def titled(*pairs):
    return [{"const": c, "title": t} for c, t in pairs]


VALUES = titled(("value1", "First Option"), ("value2", "Second Option"), ("value3", "Third Option"))
ENUMS = {"type": "object", "required": [], "properties": {
    "untitledSingle": {"type": "string", "enum": OPTIONS},
    "titledSingle": {"type": "string", "oneOf": VALUES},
    "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"],
                   "enumNames": ["Option One", "Option Two", "Option Three"]},
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": OPTIONS}},
    "titledMulti": {"type": "array", "items": {"anyOf": VALUES}}}}
SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
    "$defs": {"address": {"type": "object", "properties": {"street": TEXT, "city": TEXT}}},
    "properties": {"name": TEXT, "address": {"$ref": "#/$defs/address"}},
    "additionalProperties": False}
DONE = "Elicitation completed: {{ steps.ask }}"

WORKFLOWS = [
    workflow("test_simple_text", [value("This is a simple text response for testing.")]),
    workflow("test_image_content", [value({"content": [IMAGE]})]),
    workflow("test_audio_content",
             [value({"content": [{"type": "audio", "data": WAV, "mimeType": "audio/wav"}]})]),
    workflow("test_embedded_resource",
             [value({"content": [{"type": "resource", "resource": EMBEDDED}]})]),
    workflow("test_multiple_content_types",
             [value({"content": [{"type": "text", "text": "Multiple content types test:"}, IMAGE,
                                 {"type": "resource", "resource": MIXED}]})]),
    workflow("test_tool_with_logging", THREE, "Tool execution completed"),
    workflow("test_tool_with_progress", THREE, "Tool execution completed"),
    workflow("test_reconnection", THREE, "Reconnected"),
    workflow("test_error_handling",
             [{"id": "fail", "type": "validate",
               "parameters": {"value": "this tool intentionally returns an error for testing",
                              "schema": {"type": "integer"}}}], "never"),
    workflow("test_elicitation", asks(FORM, "User response: {{ steps.ask }}"),
             schema={"type": "object", "required": ["message"], "properties": {"message": TEXT}}),
    workflow("test_elicitation_sep1034_defaults", asks(DEFAULTS, DONE)),
    workflow("test_elicitation_sep1330_enums", asks(ENUMS, DONE)),
    workflow("json_schema_2020_12_tool", [value("ok")], schema=SCHEMA_2020_12),
]


def prompt(content, *arguments):
    return {"description": "for tests", "arguments": {name: {} for name in arguments},
            "messages": [{"role": "user", "content": one} for one in content]}


CONFIG = {"mcp": {
    "resources": {
        "static-text": {"uri": "test://static-text", "description": "a text",
                        "text": "This is the content of the static text resource."},
        "static-binary": {"uri": "test://static-binary", "mime": "image/png",
                          "description": "a picture", "file": "pixel.png"},
        "watched": {"uri": "test://watched-resource", "description": "watched", "text": "still"},
        "template": {"uri": "test://template/{id}/data", "mime": "application/json",
                     "description": "made from its address",
                     "text": '{"id":"{{ args.id }}","templateTest":true,'
                             '"data":"Data for ID: {{ args.id }}"}'}},
    "prompts": {
        "test_simple_prompt": prompt([{"type": "text",
                                       "text": "This is a simple prompt for testing."}]),
        "test_prompt_with_arguments": prompt(
            [{"type": "text", "text": "Prompt with arguments: arg1='{{ args.arg1 }}', "
                                      "arg2='{{ args.arg2 }}'"}], "arg1", "arg2"),
        "test_prompt_with_embedded_resource": prompt(
            [{"type": "resource", "resource": {"uri": "{{ args.resourceUri }}",
                                               "mimeType": "text/plain",
                                               "text": "Embedded resource content for testing."}},
             {"type": "text", "text": "Please process the embedded resource above."}],
            "resourceUri"),
        "test_prompt_with_image": prompt([IMAGE, {"type": "text",
                                                  "text": "Please analyze the image above."}])}}}


def lay_out(path):
    """Writes all of it; the words for `weft serve` and `weft mcp`."""
    (path / "pixel.png").write_bytes(base64.b64decode(PNG))
    (path / "mcp.yaml").write_text(json.dumps(CONFIG))
    words = ["--config", str(path / "mcp.yaml")]
    for one in WORKFLOWS:
        file = path / (one["id"] + ".yaml")
        file.write_text(json.dumps(one))
        words += ["--workflow", str(file)]
    return words
