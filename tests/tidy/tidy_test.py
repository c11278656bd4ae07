#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every rule of tidy.py must catch its offence and let the lawful twin pass."""
import unittest

import tidy

HEAD = "// SPDX-License-Identifier: Apache-2.0\n"


def findings(rule, files):
    return [f"{p}:{n}: {m}" for p, n, m in rule(tidy.Tree(".", files))]


class Rules(unittest.TestCase):
    def check(self, rule, bad, good):
        self.assertTrue(findings(rule, bad), f"{rule.__name__} let the offence pass")
        self.assertEqual(findings(rule, good), [])

    def test_layers(self):
        self.check(tidy.rule_layers, {"src/base/a.h": '#include "text/b.h"\n'},
                   {"src/text/a.h": '#include "base/b.h"\n'})
        self.check(tidy.rule_layers, {"src/cli/a.cc": '#include "tensor/kernels/table.h"\n'},
                   {"src/tensor/a.cc": '#include "tensor/kernels/table.h"\n'})

    def test_cycles(self):
        self.check(tidy.rule_cycles_and_depth,
                   {"src/base/a.h": '#include "base/b.h"\n', "src/base/b.h": '#include "base/a.h"\n'},
                   {"src/base/a.h": '#include "base/b.h"\n', "src/base/b.h": "\n"})
        chain = {f"src/base/f{i}.h": f'#include "base/f{i + 1}.h"\n' for i in range(14)}
        chain["src/base/f14.h"] = ""
        self.assertTrue(any("chain of 14" in f for f in findings(tidy.rule_cycles_and_depth, chain)))

    def test_hidden_names(self):
        unit = HEAD + "namespace weft::base {\nnamespace {\n\n%s\n\n}  // namespace\n%s\n}\n"
        both = lambda one, two: {"src/base/a.cc": one, "src/base/b.cc": two}
        for line in ("int once(std::string text) {", "class Reader {", "constexpr int kMax = 3;"):
            self.check(tidy.rule_hidden_names, both(unit % (line, ""), unit % (line, "")),
                       both(unit % (line, ""), unit % ("", line)))
        header = HEAD + "//\n// What\n// it is.\n#pragma once\nstruct %s {\n};\n"
        self.check(tidy.rule_hidden_names,
                   {"src/base/a.h": header % "Turn", "src/base/b.cc": unit % ("struct Turn {", "")},
                   {"src/base/a.h": header % "Turn", "src/base/b.cc": unit % ("struct Talk {", "")})

    def test_sizes(self):
        body = "  x();\n"
        self.check(tidy.rule_sizes, {"src/base/a.cc": "void f() {\n" + body * 70 + "}\n"},
                   {"src/base/a.cc": "void f() {\n" + body * 68 + "}\n"})
        self.check(tidy.rule_sizes, {"src/base/a.cc": "bool tick() {\n" + body * 30 + "}\n"},
                   {"src/base/a.cc": "bool tick() {\n" + body * 28 + "}\n"})
        self.check(tidy.rule_sizes, {"src/base/a.cc": "\n" * 601}, {"src/base/a.cc": "\n" * 600})
        self.check(tidy.rule_sizes, {"src/base/a.cc": "x" * 101}, {"src/base/a.cc": "가" * 100})
        method = "class A {\n  A() : x_{1} {\n" + body * 80 + "  }\n};\n"
        self.assertTrue(findings(tidy.rule_sizes, {"src/base/a.h": method}))

    def test_functions_are_seen_whole(self):
        text = 'int f(int a) {\n  auto g = [] { return "}"; };\n  if (a) {\n  }\n  return 1;\n}\n'
        self.assertEqual(list(tidy.functions_of(text)), [("f", 1, 6)])

    def test_check_floors(self):
        function = "int f(int a) {\n  return a;\n}\n"
        stated = "int f(int a) {\n  CHECK(a > 0);\n  CHECK(a < 9);\n  return a;\n}\n"
        path = "src/workflow/planner.cc"
        self.check(tidy.rule_check_floors, {path: stated + function}, {path: stated + stated})

    def test_heads(self):
        self.check(tidy.rule_heads, {"src/base/a.h": "#pragma once\n"},
                   {"src/base/a.h": HEAD + "//\n// What\n// it is.\n#pragma once\n"})

    def test_leftovers(self):
        self.check(tidy.rule_leftovers, {"src/base/a.cc": "// TO" + "DO later\n"},
                   {"src/base/a.cc": "// TO" + "DO(#12) later\n"})
        self.check(tidy.rule_leftovers, {"README.md": "see /wo" + "rk/main\n"},
                   {"README.md": "see the /workflows route\n"})

    def test_banned(self):
        self.check(tidy.rule_banned, {"src/worker/a.cc": "auto t = time(nullptr);\n"},
                   {"src/worker/a.cc": "auto t = env.wall_us(); // not time(nullptr)\n"})
        self.check(tidy.rule_banned, {"src/base/a.cc": "x = std::exp(y);\n"},
                   {"src/base/a.cc": "x = expf_fixed(y);\n"})

    def test_co_await(self):
        self.check(tidy.rule_co_await, {"src/net/a.cc": "co_await f({.a = 1});\n"},
                   {"src/net/a.cc": "O o{.a = 1}; co_await f(std::move(o));\n"})

    def test_libraries(self):
        self.check(tidy.rule_libraries, {"src/worker/a.cc": "#include <sqlite3.h>\n"},
                   {"src/store/sqlite.cc": "#include <sqlite3.h>\n"})

    def test_kernel_includes(self):
        self.check(tidy.rule_kernel_includes,
                   {"src/tensor/kernels/avx2.cc": "#include <vector>\n"},
                   {"src/tensor/kernels/avx2.cc": "#include <immintrin.h>\n"})

    def test_dead_files(self):
        self.check(tidy.rule_dead_files, {"src/base/a.h": "", "src/base/a.cc": '#include "base/a.h"\n'},
                   {"src/base/a.h": "", "src/text/b.cc": '#include "base/a.h"\n#include "text/b.h"\n',
                    "src/text/b.h": "", "src/cli/main.cc": '#include "text/b.h"\n'})

    def test_error_pages(self):
        page = "## What happened\n## How to fix\n## Common causes\n"
        self.check(tidy.rule_error_pages, {"src/base/a.cc": 'f("E0001");\n'},
                   {"src/base/a.cc": 'f("E0001");\n', "docs/errors/E0001.md": page})
        self.assertTrue(findings(tidy.rule_error_pages, {"docs/errors/E0002.md": page}))


if __name__ == "__main__":
    unittest.main()
