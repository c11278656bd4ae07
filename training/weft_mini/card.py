# SPDX-License-Identifier: Apache-2.0
"""Writes the tables of the model card anew: what `weft eval` sees with the model directory, and the
results and the reliability curve of `make -C training evaluate`. The words between are a person's.

  python3 -m weft_mini.card --weft ../build/weft --model ../models/weft-mini --results build/results
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

from weft_mini import corpora, eval_cases, wordings

_TRIAGE = ("--system", wordings.EXAMPLE_SYSTEM, "--prompt", wordings.EXAMPLE_PREFIX + "{}")
_ALONG = {"triage": _TRIAGE, "triage-among-3": _TRIAGE, "triage-among-8": _TRIAGE, "oos": _TRIAGE}
_NAMES = {"$valid": "valid form", "$all": "everything right",
          "$call name": "tool name", "$call": "tool call exact"}
# suite, measure of the report, floor as demo-model.md's section 9 has it
_ROWS = (
    ("triage", "category", "97 / 95 / 92 %"), ("triage", "intent", "92 / 90 / 85 %"),
    ("triage", "urgency within 1", "92 %"), ("triage", "$valid", "99.5 %"), ("triage", "$all", "–"),
    ("triage-among-3", "category", "–"), ("triage-among-3", "intent", "–"),
    ("triage-among-3", "$valid", "–"), ("triage-among-8", "category", "–"),
    ("triage-among-8", "intent", "–"), ("triage-among-8", "$valid", "–"), ("oos", "intent", "–"),
    ("tools", "$call name", "–"), ("tools", "$call", "85 %"), ("tools-copied", "$call", "85 %"),
    ("tools-copied", "$valid", "99.5 %"), ("invented", "$call", "–"),
    ("invented-copied", "$call", "–"),
)


def shares(weft, model, suite, directory):
    """{(language, measure): (right, total)} of one suite."""
    done = subprocess.run([weft, "eval", str(pathlib.Path(directory) / f"{suite}.jsonl"), "--model",
                           model, "--no-think", "--parallel", "8", "--json", *_ALONG.get(suite, ())],
                          stdout=subprocess.PIPE, text=True, check=True)
    return {(share["language"], share["measure"]): (share["right"], share["total"])
            for share in json.loads(done.stdout)["shares"] if share["suite"] == suite}


def measured(weft, model):
    rows = ["| suite | measure | floor (en / ko / es) | en | ko | es |",
            "| --- | --- | --- | ---: | ---: | ---: |"]
    with tempfile.TemporaryDirectory(prefix="weft-card-") as directory:
        eval_cases.write(directory)
        found = {suite: shares(weft, model, suite, directory)
                 for suite in dict.fromkeys(row[0] for row in _ROWS)}
    for suite, measure, floor in _ROWS:
        cells = []
        for language in corpora.LANGUAGES:
            right, total = found[suite][language, measure]
            cells.append(f"{100 * right / total:.1f} % ({right}/{total})")
        rows.append(f"| {suite} | {_NAMES.get(measure, measure)} | {floor} | {' | '.join(cells)} |")
    return rows


def first_table(text):
    """The lines of the first table in a text."""
    lines = text.splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("|"))
    end = next((i for i in range(begin, len(lines)) if not lines[i].startswith("|")), len(lines))
    return lines[begin:end]


def replaced(card, heading, table):
    """The card with another first table behind a heading."""
    head, mark, rest = card.partition(heading)
    if not mark:
        raise ValueError(f"expected the heading '{heading}' in the card, found none")
    old = "\n".join(first_table(rest))
    return head + mark + rest.replace(old, "\n".join(table), 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weft", default="../build/weft")
    parser.add_argument("--model", default="../models/weft-mini")
    parser.add_argument("--results", default="build/results")
    options = parser.parse_args()
    path, results = pathlib.Path(options.model) / "README.md", pathlib.Path(options.results)
    card = path.read_text(encoding="utf-8")
    for heading, table in (
            ("## Measured in the program", measured(options.weft, options.model)),
            ("### How sure it is", first_table((results / "calibration.md").read_text())),
            ("## Measured without a grammar", first_table((results / "results.md").read_text()))):
        card = replaced(card, heading, table)
    path.write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()
