#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What people read on the pages is there in Korean and English: every word of the pages, every
error code, every sentence that the server explains runs with. Needs no browser and no Node."""
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parents[2]
LOCALES = HERE / "web/src/locales"
STRING = r'"(?:[^"\\]|\\.)*"'


def table(name):
    """Keys and values of a locale file: one `"key": "value"` or `KEY: [..]` after the other."""
    text = (LOCALES / name).read_text(encoding="utf-8")
    found = re.findall(rf'^  ({STRING}|E\d+):\s*({STRING}|\[.*\])', text, re.M)
    keys = [json.loads(key) if key.startswith('"') else key for key, _ in found]
    assert len(keys) == len(set(keys)), [key for key in keys if keys.count(key) > 1]
    assert len(keys) == len(re.findall(rf'^  (?:{STRING}|E\d+):', text, re.M)), name
    return dict(zip(keys, (json.loads(value) for _, value in found)))


def sentences(path):
    """String literals of a C++ file, neighbours joined, values as {} whatever their form."""
    text = (HERE / path).read_text(encoding="utf-8")
    text = re.sub(r'^\s*(//|#include).*$', "", text, flags=re.M)
    for found in re.finditer(rf'{STRING}(?:\s+{STRING})*', text):
        joined = "".join(json.loads(part) for part in re.findall(STRING, found.group()))
        yield re.sub(r"\{[^{}]*\}", "{}", joined)


def test_both_languages_have_the_same_words():
    ko, en = table("ko.ts"), table("en.ts")
    plural = {re.sub("_(one|other)$", "", key) for key in ko | en}
    for name, words in (("ko", ko), ("en", en)):
        bare = {re.sub("_(one|other)$", "", key) for key in words}
        # titles of HTTP statuses stand in Korean alone: in English the server's words are there
        missing = {key for key in plural - bare if not key.startswith("http.")}
        assert not missing, (name, sorted(missing))
    for key, text in ko.items():
        other = en.get(key) or en.get(key.replace("_other", "_one")) or en.get(key + "_other")
        if other is None:
            continue
        values = [sorted(set(re.findall(r"\{\{(\w+)\}\}", one))) for one in (text, other)]
        assert values[0] == values[1] or key == "tile.delta.processed", (key, values)
    same = [key for key in ko if ko[key] == en.get(key) and re.search("[A-Za-z]{3}", ko[key])]
    assert not same, same  # left in English


def test_every_word_that_pages_ask_for_is_there():
    en = table("en.ts")
    bare = {re.sub("_(one|other)$", "", key) for key in en}
    for path in (HERE / "web/src").rglob("*.tsx"):
        for key in re.findall(r'\bt\(\s*"([\w.]+)"', path.read_text(encoding="utf-8")):
            assert key in bare, (path.name, key)


def test_every_error_code_has_a_title_and_a_hint_in_korean():
    codes = {path.stem for path in (HERE / "docs/errors").glob("E*.md")}
    korean = table("errors_ko.ts")
    assert codes - set(korean) == set(), "add them to web/src/locales/errors_ko.ts"
    assert set(korean) - codes == set(), "these have no page in docs/errors"
    for code, (title, hint) in korean.items():
        for text in (title, hint):
            assert re.search("[가-힣]", text) and len(text) <= 90, (code, text)


def test_every_explanation_is_said_in_korean():
    korean = table("sentences_ko.ts")
    for template, text in korean.items():
        numbers = set(re.findall(r"\{(\d)\}", text))
        assert numbers <= {str(i) for i in range(template.count("{}"))}, template
    said = set(sentences("src/workflow/explain.cc"))
    wanted = {one for one in said if re.match(r"[A-Z].*[.:]", one) and " " in one}
    wanted |= {one for one in said if one.startswith("on_error")}
    assert len(wanted) > 25, sorted(wanted)
    assert wanted - set(korean) == set(), sorted(wanted - set(korean))
    rules = set(sentences("src/backend/routing.cc"))
    for one in korean:
        if one[0].islower() and one in rules:
            rules.discard(one)
    spoken = {one for one in rules if re.search(r"(model|thought|thinking|complexity|ceiling) ", one)
              and not re.match(r"(raise|the ceiling per \{\} is|the model auto|routing:)", one)}
    missing = {one for one in spoken if one not in korean}
    assert missing <= {"complexity {} is {} {}"}, sorted(missing)


def main():
    failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        try:
            test()
            print(f"ok      {name}")
        except Exception as error:  # a test shows what it saw and the others go on
            failed += 1
            print(f"FAILED  {name}: {type(error).__name__}: {error}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
