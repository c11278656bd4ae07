#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Style as a test: layers, sizes, absences. Run it as `tests/tidy/tidy.py [--objects BUILD_DIR]`.

Every rule is a function rule_…(tree) that yields (path, line, message). A rule is what this file
rejects; CONTRIBUTING.md only explains. Exceptions stand in EXCEPTIONS, each with its reason.
"""
import argparse
import os
import re
import subprocess
import sys

LAYERS = [  # bottom to top; within a layer only modules listed earlier may be included
    ["base"],
    ["obs", "net", "store", "schema", "tensor", "text", "eval"],
    ["workflow", "grammar", "model", "security"],
    ["chat", "family"],
    ["runtime"],
    ["backend"],
    ["worker"],
    ["server"],
    ["cli"],
]
# What a module may include; the table of ARCHITECTURE.md.
MAY_INCLUDE = {
    "base": "", "obs": "base", "net": "base obs", "store": "base obs", "schema": "base",
    "tensor": "base", "text": "base", "eval": "base text", "workflow": "base schema text",
    "grammar": "base schema text", "model": "base tensor text",
    "security": "base obs net store", "chat": "base schema text grammar",
    "family": "base tensor model", "runtime": "base obs tensor text grammar model family",
    "backend": "base obs net schema text grammar chat runtime",
    "worker": "base obs net store schema workflow security chat backend",
    "server": "base obs net schema text workflow security chat backend worker",
    "cli": " ".join(m for layer in LAYERS for m in layer if m != "cli"),
}
# CHECKs a function, on average: the core states its invariants. What is reached may not fall.
CHECK_FLOORS = {
    "planner": (2.0, ["src/workflow/planner.cc", "src/workflow/machine.cc",
                      "src/workflow/machine_events.cc"]),
    "executor": (2.0, ["src/worker/executor.cc", "src/worker/attempts.cc",
                       "src/worker/timers.cc", "src/worker/recovery.cc"]),
    "KV cache and scheduler": (2.0, ["src/runtime/block_pool.cc", "src/runtime/kv_cache.cc",
                                     "src/runtime/scheduler.cc"]),
    "engine": (1.2, ["src/runtime/engine.cc"]),
}
FUNCTION_LINES_MAX = 70
NAMED_LIMITS = {"main": 80, "forward": 60, "tick": 30}
FILE_LINES_MAX = 600
COLUMNS_MAX = 100
INCLUDE_DEPTH_MAX = 12

# header prefix -> the units that may include it: a library can be exchanged in one place
LIBRARY_UNITS = {
    "yaml-cpp/": ["src/workflow/yaml.cc"],
    "curl/": ["src/net/"],
    "boost/beast": ["src/net/"],
    "boost/asio": ["src/net/", "src/worker/"],
    "prometheus/": ["src/server/metrics"],
    "sqlite3.h": ["src/store/sqlite"],
    "CLI/": ["src/cli/options"],
    "openssl/": ["src/base/digest.cc", "src/base/git_blob.cc", "src/net/tls_",
                 "src/security/jwk.cc"],
    "sodium.h": ["src/security/crypto.cc"],
    "utf8proc.h": ["src/text/unicode.cc"],
    "pcre2.h": ["src/text/", "src/schema/"],
    "spdlog/": ["src/obs/log"],
    "gtest/": ["_test.", "tests/"],
    "gmock/": ["_test.", "tests/"],
}

# pattern, the files it is allowed in, and what to write instead
BANNED = [
    (r"std::regex\b|#include <regex>", [], "a hand-written scanner, or PCRE2 behind its unit"),
    (r"\brand\(\)|\bsrand\(|std::random_device|std::mt19937", ["_test.cc", "tests/", "bench/"],
     "randomness from Env, or a generator seeded by the caller"),
    (r"system_clock|steady_clock|gettimeofday|clock_gettime|\btime\(nullptr\)",
     ["src/base/env.cc", "src/net/", "_test.cc", "tests/", "bench/", "training/"],
     "Env::wall_us, Env::mono_ns"),
    (r"\bgetenv\(", ["src/cli/config.cc", "_test.cc", "tests/", "bench/"], "cli/config"),
    (r"std::cerr|std::cout|\bprintf\(|fprintf\(|\bputs\(",
     ["src/obs/log", "src/cli/terminal.cc", "src/base/error.cc", "_test.cc", "tests/", "bench/",
      "training/"], "obs/log or cli/terminal"),
    (r"\bsprintf\(|\bstrcpy\(|\bstrcat\(|\batoi\(|\batof\(|\bstrtod\(|std::stoi\b|std::stod\b",
     ["bench/"],
     "fmt::format, std::from_chars"),
    (r"std::(exp|log|sin|cos|pow|tanh)f?\(",
     ["src/model/rope.cc", "_test.cc", "tests/", "bench/", "training/"],
     "the operations of tensor/ (libm differs between machines)"),
    (r"catch \(\.\.\.\)", ["_test.cc"], "catch the library's own exception type"),
    (r"using namespace std\b", [], "std:: in front"),
]

EXCEPTIONS = {}  # (rule, path): reason
GLOBALS_FILE = os.path.join(os.path.dirname(__file__), "globals.txt")


class Tree:
    """The files of a checkout that rules look at: path -> text."""

    def __init__(self, root, files):
        self.root = root
        self.text = files

    @staticmethod
    def of_checkout(root):
        names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root,
                               check=True, capture_output=True, text=True).stdout.split("\n")
        files = {}
        for name in names:
            path = os.path.join(root, name)
            if not name or not os.path.isfile(path) or os.path.islink(path):
                continue
            if os.path.getsize(path) > 1 << 20:
                continue
            data = open(path, "rb").read()
            if b"\0" in data:
                continue
            files[name] = data.decode("utf-8", "replace")
        return Tree(root, files)

    def sources(self, *prefixes):
        for path, text in sorted(self.text.items()):
            if path.endswith((".h", ".cc", ".cpp")) and path.startswith(prefixes):
                yield path, text


CODE = ("src/", "tests/", "bench/", "training/")


def module_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def includes_of(text):
    for number, line in enumerate(text.split("\n"), 1):
        found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if found:
            yield number, found.group(1)


def is_test(path):
    return path.endswith("_test.cc") or not path.startswith("src/")


def blanked(text):
    """The text with comments, strings and character literals blanked, same length and lines."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^(\s]*)\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9a-zA-Z_])'(?:\\.|[^'\\\n])+'", re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def rule_layers(tree):
    known = {m for layer in LAYERS for m in layer}
    for path, text in tree.sources("src/"):
        module = module_of(path)
        if module not in known:
            yield path, 1, f"module '{module}' stands in no layer (tests/tidy LAYERS)"
            continue
        if is_test(path):
            continue
        allowed = set(MAY_INCLUDE[module].split()) | {module}
        for number, target in includes_of(text):
            other = target.split("/")[0]
            if other not in known:
                yield path, number, f"include of '{target}': not a path below src/"
            elif other not in allowed:
                yield path, number, f"{module} may not include {other} (architecture: {module} → " \
                                    f"{MAY_INCLUDE[module] or 'nothing'})"
            if "/kernels/" in target and module != "tensor":
                yield path, number, "kernels are seen by tensor/ alone"


def rule_cycles_and_depth(tree):
    graph = {p[4:]: [t for _, t in includes_of(x) if "src/" + t in tree.text]
             for p, x in tree.sources("src/")}
    depth, state = {}, {}

    def visit(node, trail):
        if state.get(node) == "open":
            return [trail[trail.index(node):] + [node]]
        if node in depth:
            return []
        state[node] = "open"
        cycles, deepest = [], 0
        for target in graph.get(node, []):
            cycles += visit(target, trail + [node])
            deepest = max(deepest, depth.get(target, 0) + 1)
        state[node] = "done"
        depth[node] = deepest
        return cycles

    for node in sorted(graph):
        for cycle in visit(node, []):
            yield "src/" + cycle[0], 1, "include cycle: " + " → ".join(cycle)
    for node, d in sorted(depth.items()):
        if d > INCLUDE_DEPTH_MAX:
            yield "src/" + node, 1, f"include chain of {d}, at most {INCLUDE_DEPTH_MAX}"


NOT_A_FUNCTION = re.compile(
    r"^\s*(?:\}?\s*else\b|if\b|for\b|while\b|switch\b|do\b|try\b|catch\b|namespace\b|class\b"
    r"|struct\b|enum\b|union\b|extern\b|return\b|case\b|default\b)")


def functions_of(text):
    """(name, first line, line count) of function bodies; lambdas count with their function."""
    plain = blanked(text)
    plain = re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda m: re.sub(r"[^\n]", " ", m.group(0)),
                   plain, flags=re.M)
    stack, start, inside = [], 0, None
    for at, char in enumerate(plain):
        if char in ";":
            if not inside:
                start = at + 1
        elif char == "{":
            head = plain[start:at]
            name = None
            if not inside and re.search(r"\)\s*(noexcept\s*)?:[^:]", head) and \
                    re.search(r"[\w>]$", head):  # a member initialised with braces
                stack.append("init")
                continue
            if not inside and "(" in head and not NOT_A_FUNCTION.match(head):
                before = head.split("(", 1)[0]
                if "=" not in before.replace("operator=", "").replace("operator==", ""):
                    name = (re.findall(r"[~\w]+", before) or ["operator"])[-1]
            stack.append(name)
            if name and not inside:
                lead = len(head) - len(head.lstrip())
                inside = (name, plain.count("\n", 0, start + lead) + 1, len(stack))
            if not inside:
                start = at + 1
        elif char == "}":
            if not stack:
                return
            if stack.pop() == "init" and not inside:
                continue
            if inside and len(stack) < inside[2]:
                last = plain.count("\n", 0, at) + 1
                yield inside[0], inside[1], last - inside[1] + 1
                inside = None
            if not inside:
                start = at + 1


def rule_sizes(tree):
    for path, text in tree.sources(*CODE):
        lines = text.split("\n")
        if len(lines) - 1 > FILE_LINES_MAX:
            yield path, 1, f"{len(lines) - 1} lines, at most {FILE_LINES_MAX}: split by idea"
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX:
                yield path, number, f"{len(line)} columns, at most {COLUMNS_MAX}"
        for name, line, count in functions_of(text):
            limit = NAMED_LIMITS.get(name, FUNCTION_LINES_MAX)
            if count > limit:
                yield path, line, f"function {name} has {count} lines, at most {limit}"


def rule_check_floors(tree):
    for part, (floor, paths) in CHECK_FLOORS.items():
        texts = [tree.text[path] for path in paths if path in tree.text]
        functions = sum(1 for text in texts for _ in functions_of(text))
        checks = sum(len(re.findall(r"\bCHECK\(", text)) for text in texts)
        if functions and checks < floor * functions:
            yield paths[0], 1, f"the {part} has {checks} CHECKs in {functions} functions, at least " \
                               f"{floor} each: say what must hold before and after"


def rule_heads(tree):
    for path, text in tree.sources(*CODE):
        lines = text.split("\n")
        if not lines[0].startswith("// SPDX-License-Identifier: Apache-2.0"):
            yield path, 1, "the first line must be the SPDX line"
        if path.endswith(".h"):
            head = 0
            while head + 1 < len(lines) and lines[head + 1].startswith("//"):
                head += 1
            if head < 3:
                yield path, 2, "a header opens with 3 to 15 lines that say what it is, the one " \
                               "idea, and what it does not do"


def rule_leftovers(tree):
    for path, text in sorted(tree.text.items()):
        if path.startswith("tests/tidy/"):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            if path.endswith((".h", ".cc", ".cpp", ".py", ".mjs", ".ts")):
                if re.search(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))", line):
                    yield path, number, "TODO without an issue number"
            if re.search(r"(^|[\s\"'=(])/work/", line):
                yield path, number, "a path of somebody's machine"


def rule_banned(tree):
    for path, text in tree.sources("src/", "tests/", "bench/"):
        plain = blanked(text)
        for pattern, allowed, instead in BANNED:
            if any(a in path for a in allowed):
                continue
            for found in re.finditer(pattern, plain):
                line = plain.count("\n", 0, found.start()) + 1
                yield path, line, f"'{found.group(0)}' is banned here; use {instead}"


def rule_co_await(tree):
    for path, text in tree.sources("src/"):
        plain = blanked(text)
        for found in re.finditer(r"\bco_await\b[^;]*\{", plain):
            yield path, plain.count("\n", 0, found.start()) + 1, \
                "'{' between co_await and the end of its statement (g++ 12 destroys it twice): " \
                "name the object first and move it"


HIDDEN = re.compile(  # what an unnamed namespace defines, at the beginning of a line
    r"(?:template <.*> )?(?:class|struct|enum class|enum) (\w+)"
    r"|(?:constexpr|const|thread_local) [^(]*?(\w+)(?:\[\w*\])? ?[={]"
    r"|(?!return\b|using\b|namespace\b)(?:template <.*> )?[A-Za-z_][\w:<>,&*\s]*?[ &*>](\w+)\(")


def rule_hidden_names(tree):
    """Files of a module may be compiled together (WEFT_UNITY): an overload would change its callee."""
    first = {}
    shown = {(module_of(path), name): path for path, text in tree.sources("src/")
             if path.endswith(".h")
             for name in re.findall(r"^(?:class|struct|enum class) (\w+)", blanked(text), re.M)}
    for path, text in tree.sources("src/"):
        if "/kernels/" in path:  # one source for all instruction sets
            continue
        hidden = False
        for number, line in enumerate(blanked(text).split("\n") if path.endswith(".cc") else [], 1):
            if line.startswith("namespace"):
                hidden = line.startswith("namespace {")
            elif line.startswith("}  "):  # its comment is blank
                hidden = False
            found = hidden and HIDDEN.match(line)
            if not found:
                continue
            name = found[1] or found[2] or found[3]
            other = first.setdefault((module_of(path), is_test(path), name), path)
            if other != path:
                yield path, number, f"the hidden '{name}' stands in {other} too: one name a module"
            if found[1] and (module_of(path), name) in shown:
                yield path, number, (f"the hidden '{name}' is a type of "
                                     f"{shown[module_of(path), name]} too: one name a module")


def rule_libraries(tree):
    for path, text in tree.sources(*CODE):
        for number, line in enumerate(text.split("\n"), 1):
            found = re.match(r"\s*#\s*include\s+[<\"]([^>\"]+)[>\"]", line)
            for prefix, units in LIBRARY_UNITS.items():
                if found and found.group(1).startswith(prefix) and \
                        path.startswith("src/") and not path.endswith("_test.cc") and \
                        not any(u in path for u in units):
                    yield path, number, f"<{found.group(1)}> belongs behind {', '.join(units)}"


def rule_kernel_includes(tree):
    for path, text in tree.sources("src/tensor/kernels/"):
        if path.endswith("_test.cc"):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            found = re.match(r"\s*#\s*include\s+([<\"][^>\"]+[>\"])", line)
            if found and not re.match(r'<immintrin\.h>|<stdint\.h>|<stddef\.h>|'
                                      r'"tensor/kernels/[\w-]+\.h"', found.group(1)):
                yield path, number, f"kernels include no C++ library: {found.group(1)}"


def rule_dead_files(tree):
    included = {}
    for path, text in tree.sources(*CODE):
        for _, target in includes_of(text):
            included.setdefault("src/" + target, set()).add(path)
    for path, _ in tree.sources("src/"):
        stem = re.sub(r"(_test)?\.(h|cc)$", "", path)
        if path.endswith(".h"):
            users = {u for u in included.get(path, ()) if re.sub(r"(_test)?\.(h|cc)$", "", u) != stem}
            if not users:
                yield path, 1, "nothing but its own unit includes this header: dead"
        elif not path.endswith(("_test.cc", "/main.cc")):
            base = os.path.dirname(path)
            own = stem + ".h" in tree.text
            through = any(os.path.dirname(t) == base[4:] for _, t in includes_of(tree.text[path]))
            if not own and not through and "asio_impl" not in path:
                yield path, 1, "no header of its module declares what this file defines: dead?"


def rule_error_pages(tree):
    used = {}
    for path, text in tree.sources("src/"):
        if is_test(path):
            continue
        code = re.sub(r"//[^\n]*", "", text)
        for found in re.finditer(r'"(E\d{4})"', code):
            used.setdefault(found.group(1), (path, code.count("\n", 0, found.start()) + 1))
    pages = {p[12:-3]: p for p in tree.text if re.match(r"docs/errors/E\d{4}\.md$", p)}
    for code, (path, line) in sorted(used.items()):
        if code not in pages:
            yield path, line, f"error code {code} has no page docs/errors/{code}.md"
    for code, path in sorted(pages.items()):
        if code not in used:
            yield path, 1, f"no code uses {code}"
        for part in ("## What happened", "## How to fix", "## Common causes"):
            if part not in tree.text[path]:
                yield path, 1, f"the page lacks '{part}'"


RULES = [value for name, value in sorted(globals().items()) if name.startswith("rule_")]


def objects_below(build):
    for directory, _, names in os.walk(os.path.join(build, "CMakeFiles")):
        for name in names:
            if name.endswith(".o"):
                yield os.path.join(directory, name)


def declared_const(object_path, symbol):
    """A constant that is only filled at start lies among the mutable data all the same."""
    source = re.sub(r".*?\.dir/(?=src/)|\.o$", "", object_path)
    name = re.sub(r"\[abi:\w+\]", "", symbol).rsplit("::", 1)[-1]
    text = open(source, encoding="utf-8").read() if os.path.isfile(source) else ""
    return re.search(r"\bconst(?:expr)?\b[^;{}()]*\b" + re.escape(name) + r"\b\s*[\[=({;]", text) is not None


def check_objects(build):
    """Weak symbols in kernel objects, and mutable globals that nobody listed."""
    listed = set()
    for line in open(GLOBALS_FILE, encoding="utf-8"):
        if line.strip() and not line.startswith("#"):
            listed.add(line.split("#")[0].strip())
    kernels = 0
    for path in objects_below(build):
        in_kernels = "/kernels/" in path
        kernels += in_kernels
        if "/src/" not in path or "_test.cc" in path:
            continue
        out = subprocess.run(["nm", "-C", "--format=sysv", path], check=True, capture_output=True,
                             text=True).stdout
        for row in out.split("\n"):
            cells = [c.strip() for c in row.split("|")]
            if len(cells) < 7:
                continue
            name, kind, section = cells[0], cells[2], cells[6]
            if in_kernels and kind in ("W", "V", "w", "v", "u"):
                yield path, 0, f"weak symbol in a kernel object: {name}"
            mutable = re.match(r"\.(data|bss|tdata|tbss)", section) and ".rel.ro" not in section
            if mutable and "weft" in name and not name.startswith(("guard variable", "typeinfo")):
                if name not in listed and not declared_const(path, name):
                    yield path, 0, f"mutable global not listed in tests/tidy/globals.txt: {name}"
    if kernels == 0 and os.path.isdir("src/tensor/kernels"):
        yield build, 0, "no kernel objects found: build first"


def density(tree):
    """CHECKs a function and comment share by module; information only (floors: CHECK_FLOORS)."""
    rows = {}
    for path, text in tree.sources("src/"):
        if is_test(path):
            continue
        row = rows.setdefault(module_of(path), [0, 0, 0, 0])
        row[0] += sum(1 for _ in functions_of(text))
        row[1] += len(re.findall(r"\bCHECK\(", text))
        row[2] += len(re.findall(r"^\s*//", text, re.M))
        row[3] += len([x for x in text.split("\n") if x.strip()])
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(__file__), "..", ".."))
    parser.add_argument("--objects", help="a build directory whose objects are checked too")
    options = parser.parse_args()
    os.chdir(options.root)
    tree = Tree.of_checkout(".")
    found = [f for rule in RULES for f in rule(tree)
             if (rule.__name__, f[0]) not in EXCEPTIONS]
    if options.objects:
        found += list(check_objects(options.objects))
    for path, line, message in found:
        print(f"{path}:{line}: {message}")
    for module, (functions, checks, comments, lines) in sorted(density(tree).items()):
        print(f"# {module:9} {functions:4} functions, {checks / max(functions, 1):.2f} CHECKs each, "
              f"{100 * comments / max(lines, 1):.0f} % comment lines")
    print(f"{len(RULES)} rules, {len(tree.text)} files, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
