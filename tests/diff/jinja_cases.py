#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random templates and expressions, rendered by Python's jinja2 (Debian's python3-jinja2).

usage: jinja_cases.py [--seed N] [--count N] > tests/golden/jinja/cases.jsonl

A line: {"source": s, "text": s} or {"source": s, "error": name}; the variables are those of the
first line. src/text/jinja_diff_test.cc renders the same sources and compares. The environment is
the one that Hugging Face's tools give to chat templates.
"""
import argparse
import json
import random

import jinja2
import jinja2.sandbox

VARIABLES = {
    "n": 7, "m": -3, "z": 0, "big": 10**20, "f": 2.5, "g": -0.125, "h": 1e22, "e": 1e-7,
    "s": "Hello, World", "t": "  a b\tc\n d  ", "u": "안녕 Ünïcode ß", "q": "it's \"x\" \\ \n",
    "empty": "", "yes": True, "no": False, "nil": None,
    "l": [3, 1, 2], "w": ["b", "A", "c", "a"], "mixed": [1, "x", None, 2.0, [1]], "none_l": [],
    "d": {"k": "v", "a b": 1, "items": 5, "n": {"x": [1, {"y": "deep"}]}},
    "rows": [{"name": "x", "v": 2, "on": True}, {"name": "Y", "v": 1, "on": False},
             {"name": "x", "v": 3, "on": True}],
}
NUMBERS = ["n", "m", "z", "f", "g", "1", "2", "10", "3.5", "0", "-4", "1_000", "0x1f", "l | length",
           "rows[0].v", "n // 2", "d.n.x[0]"]
STRINGS = ["s", "t", "u", "q", "empty", "'abc'", '"x\\ty"', "'a,b,,c'", "d.k", "w[1]", "rows[1].name",
           "'%s'", "'Ab cD-eF'", "'\\u00e9\\n'", "'  pad '"]
LISTS = ["l", "w", "none_l", "[1, 2.5, 3]", "['x', 'y']", "rows | map(attribute='v') | list",
         "range(4) | list", "s.split(', ')", "t.split()", "'a,b,,c'.split(',')", "(1, 2, 3)", "l[1:]",
         "w[::-1]", "d.keys() | list", "mixed", "l + [9]"]
ANY = ["nil", "yes", "no", "d", "rows", "missing", "d.missing", "d['a b']", "mixed", "big", "h", "e",
       "d.n", "{'a': 1, 'b': [nil, yes]}", "rows[0]", "{}"]


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def pick(self, options):
        return self.r.choice(options)

    def number(self, depth):
        if depth <= 0:
            return self.pick(NUMBERS)
        a, b = self.number(depth - 1), self.number(depth - 1)
        return self.pick([
            f"({a} {self.pick(['+', '-', '*'])} {b})", f"({a} / {b})", f"({a} // {b})", f"({a} % {b})",
            f"-({a})", f"({a}) | abs", f"({a}) | int", f"({a}) | float",
            f"({a} / 3) | round({self.pick([0, 1, 2, 3])})",
            f"({a} / 7) | round(2, '{self.pick(['ceil', 'floor', 'common'])}')",
            f"{self.list(depth - 1)} | length", f"{self.string(depth - 1)} | length",
            f"({self.list(depth - 1)}) | sum", f"l | {self.pick(['min', 'max', 'first', 'last'])}",
            f"({a} if {self.truth(depth - 1)} else {b})", f"({self.string(depth - 1)}).count('a')",
            f"({self.string(depth - 1)}).find('b')", f"({self.string(depth - 1)}) | wordcount",
            f"({a}) ** {self.pick([0, 1, 2, 3])}", f"('{self.pick(['12', ' 7 ', 'x', '1.5', '0x1f'])}') | int",
            f"('{self.pick(['1e3', 'x', ' 2.50', '-1'])}') | float"])

    def string(self, depth):
        if depth <= 0:
            return self.pick(STRINGS)
        a, b = self.string(depth - 1), self.string(depth - 1)
        n = self.pick(["0", "1", "2", "-1", "-2", "5", "20", ""])
        k = self.pick(["0", "1", "3", "-1", "9", ""])
        return self.pick([
            f"({a} + {b})", f"({a} ~ {self.any(depth - 1)})", f"({a} ~ {self.number(depth - 1)} ~ {b})",
            f"({a})[{n}:{k}]", f"({a})[{n}:{k}:{self.pick(['2', '-1', '1', '-2'])}]",
            f"({a}) | {self.pick(['upper', 'lower', 'title', 'capitalize', 'trim', 'string', 'reverse'])}",
            f"({a}).{self.pick(['upper', 'lower', 'strip', 'lstrip', 'rstrip', 'title', 'capitalize', 'swapcase'])}()",
            f"({a}).{self.pick(['strip', 'lstrip', 'rstrip'])}('{self.pick([' ', 'Hd', 'a', chr(92) + 'n '])}')",
            f"({a}) | replace('{self.pick(['a', 'l', ' ', 'zz', ''])}', '{self.pick(['', '-', 'LL'])}')",
            f"({a}).replace({self.pick(['s', repr('a'), repr('b')])}, {b})",
            f"({a}).replace('a', 'o', {self.pick(['0', '1', '2'])})",
            f"({self.list(depth - 1)}) | join({self.pick(['', repr(', '), repr('-')])})",
            f"({self.any(depth - 1)}) | string", f"({self.any(depth - 1)}) | tojson",
            f"({self.list(depth - 1)}) | tojson(indent={self.pick([0, 1, 2, 4])})",
            f"({a}) | tojson(ensure_ascii={self.pick(['true', 'false'])})",
            f"({self.any(depth - 1)}) | tojson(sort_keys=true, separators=(',', ':'))",
            f"({a} if {self.truth(depth - 1)} else {b})", f"({a} or {b})", f"({a} and {b})",
            f"({self.any(depth - 1)}) | default({b}{self.pick(['', ', true'])})",
            f"({a}).{self.pick(['center', 'ljust', 'rjust', 'zfill'])}({self.pick(['3', '8', '15'])})",
            f"({a}) | truncate({self.pick(['5', '8', '12'])}{self.pick(['', ', true', ', false, ' + repr('…')])})",
            f"({a}) | indent({self.pick(['', '2', '3, true'])})", f"({a}) | escape",
            f"({a}) | urlencode", f"({a}) * {self.pick(['0', '2', '3', '-1'])}",
            f"({a}).{self.pick(['removeprefix', 'removesuffix'])}('{self.pick(['a', 'Hello', 'd'])}')",
            f"('%s-%5.2f|%03d' % ({a}, f, n))", f"'-'.join(({a}).split({self.pick(['', repr(','), repr('l'), repr(' ')])}))",
            f"({a})[{self.pick(['0', '-1', '2', '40'])}]"])

    def list(self, depth):
        if depth <= 0:
            return self.pick(LISTS)
        a = self.list(depth - 1)
        s = self.string(depth - 1)
        return self.pick([
            f"({a})[{self.pick(['', '0', '1', '-2'])}:{self.pick(['', '2', '-1', '9'])}]", f"({a} + {self.list(depth - 1)})",
            f"(w | sort{self.pick(['', '(reverse=true)', '(case_sensitive=true)'])})", "(l | sort)",
            f"({a}) | reverse | list", f"({a}) | list", f"({s}) | list", f"(w | unique | list)",
            f"({s}).split({self.pick(['', repr(','), repr('l'), repr(' '), repr('a') + ', 1', 'none, 1'])})",
            f"({s}).rsplit({self.pick(['', repr(','), repr(' ') + ', 1', 'none, 1'])})", f"({s}).splitlines()",
            f"({s}).{self.pick(['partition', 'rpartition'])}('{self.pick([',', 'l', ' '])}')",
            f"(l | map('{self.pick(['string', 'abs', 'float'])}') | list)", "(w | map('upper') | list)",
            f"(rows | map(attribute='{self.pick(['name', 'v', 'zip', 'n.x'])}') | list)",
            f"(rows | selectattr('{self.pick(['on', 'v', 'zip'])}') | list)",
            f"(rows | {self.pick(['selectattr', 'rejectattr'])}('v', '{self.pick(['gt', 'eq', '<', 'ne', 'in'])}', {self.pick(['2', '[1]'])}) | list)",
            f"(rows | sort(attribute='{self.pick(['v', 'name', 'name,v'])}') | map(attribute='v') | list)",
            f"(l | {self.pick(['select', 'reject'])}('{self.pick(['odd', 'even'])}') | list)",
            f"(mixed | select('{self.pick(['string', 'number', 'none', 'sequence', 'defined'])}') | list)",
            f"(mixed | select | list)", f"(d | items | list)", "(d.items() | list)", "(d | dictsort)",
            f"(d | list)", f"(range({self.pick(['3', '1, 4', '5, 0, -2', '0'])}) | list)",
            f"(l | batch(2{self.pick(['', ', 0'])}) | list)", f"[{self.any(depth - 1)}, {s}]",
            f"({a} if {self.truth(depth - 1)} else {self.list(depth - 1)})",
            "(rows | groupby('name') | map('first') | list)", "(d.values() | list)"])

    def truth(self, depth):
        if depth <= 0:
            return self.pick(["yes", "no", "true", "false", "n", "empty", "l", "none_l", "nil", "missing"])
        a, b = self.number(depth - 1), self.number(depth - 1)
        s = self.string(depth - 1)
        return self.pick([
            f"({a} {self.pick(['<', '<=', '>', '>=', '==', '!='])} {b})", f"({a} < {b} <= n)",
            f"({s} {self.pick(['<', '==', '!=', '>='])} {self.string(depth - 1)})",
            f"({self.truth(depth - 1)} {self.pick(['and', 'or'])} {self.truth(depth - 1)})",
            f"(not {self.truth(depth - 1)})", f"({a} {self.pick(['in', 'not in'])} {self.list(depth - 1)})",
            f"({self.pick([repr('a'), repr('l'), s])} {self.pick(['in', 'not in'])} {s})", "('k' in d)",
            f"({self.any(depth - 1)} {self.pick(['is', 'is not'])} "
            f"{self.pick(['defined', 'undefined', 'none', 'string', 'number', 'integer', 'float', 'boolean', 'mapping', 'sequence', 'iterable', 'true', 'false'])})",
            f"({a} is {self.pick(['odd', 'even', 'divisibleby 3', 'divisibleby(2)', 'eq 7', 'sameas 7', 'gt 2'])})",
            f"({s} is {self.pick(['lower', 'upper'])})", f"({self.list(depth - 1)} == {self.list(depth - 1)})",
            f"({s}).{self.pick(['startswith', 'endswith'])}({self.pick([repr('a'), repr('He'), '(' + repr('a') + ', ' + repr('H') + ')'])})",
            f"({s}).{self.pick(['isdigit', 'isalpha', 'isspace', 'isupper', 'islower', 'isalnum'])}()",
            f"({self.any(depth - 1)} == {self.any(depth - 1)})"])

    def any(self, depth):
        if depth <= 0:
            return self.pick(ANY + NUMBERS + STRINGS + LISTS)
        kind = self.pick([self.number, self.string, self.list, self.truth])
        return kind(depth)

    def text(self):
        return self.pick(["", " ", "\n", "x", " y \n", "\n\n", "  \t", "{ }", "%}", "a\n  b", "\r\n", "# "])

    def mark(self, inside, block=True):
        left = self.pick(["", "", "", "-", "+" if block else ""])
        right = self.pick(["", "", "", "-", "+" if block else ""])
        return f"{{%{left} {inside} {right}%}}" if block else f"{{{{{left} {inside} {right}}}}}"

    def statements(self, depth, loop=False):
        return "".join(self.statement(depth, loop) + self.text() for _ in range(self.r.randint(1, 3)))

    def statement(self, depth, loop):
        r = self.r.random()
        if depth <= 0 or r < 0.35:
            return self.text() + self.mark(self.any(self.pick([0, 1, 2])), block=False)
        inner = lambda l=loop: self.text() + self.statements(depth - 1, l)
        if r < 0.5:
            out = self.mark(f"if {self.truth(1)}") + inner()
            if self.r.random() < 0.4:
                out += self.mark(f"elif {self.truth(1)}") + inner()
            if self.r.random() < 0.5:
                out += self.mark("else") + inner()
            return out + self.mark("endif")
        if r < 0.68:
            target, items = self.pick([("x", self.list(1)), ("k, v", "d.items()"), ("k, v", "d | dictsort"),
                                       ("row", "rows"), ("c", "s"), ("key", "d"), ("x", "missing")])
            condition = self.pick(["", "", " if yes", " if loop is undefined", f" if {self.truth(1)}"])
            if "loop" in condition:
                condition = ""
            body = self.pick(["{{ loop.index }}", "{{ loop.first }}{{ loop.last }}", "{{ loop.revindex0 }}/{{ loop.length }}",
                              "{{ loop.previtem is defined }}{{ loop.nextitem }}", "{{ loop.cycle('a', 'b') }}",
                              "{{ loop.changed(1) }}", ""])
            body += "".join("{{ " + name.strip() + " }}" for name in target.split(","))
            jump = self.pick(["", "", f"{{% if loop.index == 2 %}}{{% {self.pick(['break', 'continue'])} %}}{{% endif %}}"])
            other = self.mark("else") + "none" if self.r.random() < 0.3 else ""
            return self.mark(f"for {target} in {items}{condition}") + body + jump + inner(True) + other + self.mark("endfor")
        if r < 0.78:
            name = self.pick(["a1", "a2"])  # a name that exists outside shows a quirk of jinja2's scopes
            return self.mark(f"set {name} = {self.any(1)}") + inner() + "{{ " + name + " }}"
        if r < 0.83:
            return self.mark("set a3") + inner(False) + self.mark("endset") + "[{{ a3 }}]"
        if r < 0.88:
            return ("{% set ns = namespace(c=0, s='') %}{% for x in " + self.list(1) + " %}{% set ns.c = ns.c + 1 %}"
                    "{% set ns.s = ns.s ~ x %}{% endfor %}{{ ns.c }}{{ ns.s }}")
        if r < 0.92:
            return ("{% macro mac(p, o=" + self.any(1) + ") %}<{{ p }}|{{ o }}>{% endmacro %}"
                    + self.pick(["{{ mac(1) }}", "{{ mac(o=2, p=s) }}", "{{ mac() }}", "{{ mac(1, 2, 3) }}", "{{ mac(q=1) }}"]))
        if r < 0.95:
            return self.mark(f"filter {self.pick(['upper', 'trim', 'replace(' + repr('a') + ', ' + repr('b') + ') | title'])}") + inner(False) + self.mark("endfilter")
        if r < 0.97:
            return self.mark(f"with w1 = {self.any(1)}, n = 1") + "{{ w1 }}{{ n }}" + inner() + self.mark("endwith")
        return self.pick(["{# a comment #}\n", "{#- {{ x }} -#} ", "{% raw %}{{ x }}{% y %}{% endraw %}\n", "{%- raw -%} {{ {%- endraw -%} "])


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    env.filters["tojson"] = tojson
    return env


def case_of(env, source):
    case = {"source": source}
    try:
        text = env.from_string(source).render(**VARIABLES)
        text.encode()
        case["text"] = text
    except Exception as error:  # whatever jinja2 or Python raise
        case["error"] = type(error).__name__
    return case


# Where weft differs from Python, with the reason.
DIFFERENT = [
    (" object at 0x", "the address of an object"), ("<generator", "filters give lists, not generators"),
    ("<Undefined", "as above"), ("dict_keys(", "keys() gives a list"), ("dict_values(", "as above"), ("dict_items(", "as above"),
    ("<bound method", "a method that is not called is undefined"), ("<built-in", "as above"), ("<function", "as above"),
    ("<Namespace", "a namespace cannot be printed"), ("<LoopContext", "as above"), ("<Macro", "as above"), ("range(", "range() gives a list"),
    ("Markup(", "escape gives plain text"), ("Undefined", "the repr of an undefined value inside a list"),
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1500)
    options = parser.parse_args()
    env, maker = environment(), Maker(options.seed)
    print(json.dumps({"variables": VARIABLES}, ensure_ascii=False))
    made = 0
    while made < options.count:
        source = maker.statements(2) if made % 2 else "{{ " + maker.any(3) + " }}"
        if len(source) > 600:
            continue
        case = case_of(env, source)
        if any(mark in case.get("text", "") for mark, _ in DIFFERENT):
            continue
        if case.get("error") in ("MemoryError", "OverflowError", "SecurityError"):
            continue
        print(json.dumps(case, ensure_ascii=False))
        made += 1


main()
