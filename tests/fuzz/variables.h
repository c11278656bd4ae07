// SPDX-License-Identifier: Apache-2.0
//
// The names that templates and expressions find when they are fuzzed: a value of every kind, as in
// the golden cases of Jinja (tests/golden/jinja), so that each of these is a good seed by itself.
#pragma once

inline constexpr char kFuzzVariables[] = R"({
  "n": 7, "m": -3, "z": 0, "big": 9223372036854775807, "huge": 100000000000000000000,
  "f": 2.5, "g": -0.125, "h": 1e22, "e": 1e-7,
  "s": "Hello, World", "t": "  a b\tc\n d  ", "u": "안녕 Ünïcode ß", "q": "it's \"x\" \\ \n",
  "empty": "", "yes": true, "no": false, "nil": null,
  "l": [3, 1, 2], "w": ["b", "A", "c", "a"], "mixed": [1, "x", null, 2.0, [1]], "none_l": [],
  "d": {"k": "v", "a b": 1, "items": 5, "n": {"x": [1, {"y": "deep"}]}},
  "rows": [{"name": "x", "v": 2, "on": true}, {"name": "Y", "v": 1, "on": false},
           {"name": "x", "v": 3, "on": true}],
  "messages": [{"role": "user", "content": "<a> b"}, {"role": "assistant", "content": null}],
  "tools": null, "add_generation_prompt": true,
  "input": {"a": 1, "s": "text", "l": [1, 2, {"x": null}], "f": 2.5, "items": "key"},
  "steps": {"one": {"ok": true}, "two": null}, "item": "é", "index": 3})";
