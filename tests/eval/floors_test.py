#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the embedded model to what it must reach on the hand-written cases.

  floors_test.py [WEFT [REPORT_DIRECTORY]]

floors-*.json is what the shipped model should reach, less 3 points. The cases are made from
training/data by weft_mini.eval_cases. With a directory, the whole reports stay there.
"""
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TRAINING = HERE.parent.parent / "training"
sys.path.insert(0, str(TRAINING))
from weft_mini import eval_cases, wordings  # noqa: E402

TRIAGE = ["--system", wordings.EXAMPLE_SYSTEM, "--prompt", wordings.EXAMPLE_PREFIX + "{}"]
# report: the floors, the suites and what stands around a message
PARTS = {"triage": ("floors-triage", ["triage", "triage-among-3", "triage-among-8", "oos"],
                    TRIAGE),
         "tools": ("floors-tools", ["tools", "tools-copied", "invented", "invented-copied"], [])}


def main():
    weft = sys.argv[1] if len(sys.argv) > 1 else "build/weft"
    missed = False
    with tempfile.TemporaryDirectory(prefix="weft-eval-") as directory:
        eval_cases.write(directory)
        for name, (floors, suites, words) in PARTS.items():
            kept = []
            if len(sys.argv) > 2:
                target = pathlib.Path(sys.argv[2])
                target.mkdir(parents=True, exist_ok=True)
                kept = ["--html", str(target / f"{name}.html"),
                        "--markdown", str(target / f"{name}.md")]
            files = [str(pathlib.Path(directory) / f"{suite}.jsonl") for suite in suites]
            done = subprocess.run([weft, "eval", *files, "--no-think", "--parallel", "8",
                                   "--require", str(HERE / f"{floors}.json"), *words, *kept])
            missed = missed or done.returncode != 0
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
