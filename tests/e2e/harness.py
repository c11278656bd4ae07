# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: a directory of its own for each test, the program, the store."""
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import traceback

WEFT = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else "build/weft"


def can_trace():
    return shutil.which("strace") is not None and subprocess.run(
        ["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


class Place:
    """A temporary directory with a store; the program runs there and nowhere else."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="weft-e2e-"))
        self.store = self.path / "store.db"
        self.env = dict(os.environ, WEFT_HOME=str(self.path / "home"), NO_COLOR="1")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        shutil.rmtree(self.path, ignore_errors=True)

    def write(self, name, text):
        (self.path / name).write_text(text, encoding="utf-8")
        return name

    def command(self, *words):
        return [WEFT, *words, "--store", str(self.store)]

    def weft(self, *words, timeout=60, code=0):
        done = subprocess.run(self.command(*words), cwd=self.path, env=self.env, text=True,
                              capture_output=True, timeout=timeout)
        if code is not None:
            assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done

    def weft_bare(self, *words, timeout=60):
        """A command that has no store."""
        return subprocess.run([WEFT, *words], cwd=self.path, env=self.env, text=True,
                              capture_output=True, timeout=timeout, check=True)

    def start(self, *words):
        return subprocess.Popen(self.command(*words), cwd=self.path, env=self.env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run_json(self, *words, **more):
        return json.loads(self.weft("run", *words, "--json", **more).stdout)

    def rows(self, sql, *values):
        db = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=20)
        try:
            return db.execute(sql, values).fetchall()
        finally:
            db.close()


def main(tests):
    """Runs every test_… function, or those that the command line names after the program; one line
    each; exit status 1 if one failed."""
    failed = 0
    chosen = sys.argv[2:] or [name for name in tests if name.startswith("test_")]
    for name in chosen:
        test = tests[name]
        try:
            test()
            print(f"ok      {name}", flush=True)
        except Exception as error:  # a test shows what it saw and the others go on
            failed += 1
            line = traceback.extract_tb(error.__traceback__)[-1]
            print(f"FAILED  {name} line {line.lineno}: {type(error).__name__}: {error}", flush=True)
    sys.exit(1 if failed else 0)
