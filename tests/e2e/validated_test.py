# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document is true: the suites that speak HTTP run once more, through prism as a
validating proxy (validating.py says what that finds and what goes past it), and every operation of
the document but the streams and the pages must have been asked and have succeeded. A client that
openapi-typescript makes from the served document compiles under `tsc --strict` and works."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import validating
from harness import WEFT, main
from serving import HELLO, Server, until

HERE = pathlib.Path(__file__).parent
# of callbacks, erasure and users the rest is about waiting, stores and guessing
SUITES = [["serve_workflows"], ["definitions"], ["drafts"], ["access"], ["audit"], ["operations"],
          ["pages"], ["callbacks", "test_dead_letters_can_be_sent_again"],
          ["erasure", "test_a_run_goes_for_good_and_the_rest_is_proven",
           "test_runs_that_have_not_ended_stay"],
          ["users", "test_people_come_work_and_leave", "test_what_will_not_do"]]
# asked by nobody above and about other things than workflows, access and audit
ELSEWHERE = {"POST /tokenize", "POST /detokenize", "GET /workflow.schema.json"}
NODE = validating.NODE
TOOLS = validating.TOOLS / "node_modules"


def operations():
    with Server() as server:
        paths = server.get("/openapi.json").json["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def test_the_suites_through_prism():
    with tempfile.TemporaryDirectory() as place:
        asked = pathlib.Path(place) / "asked"
        for suite, *tests in SUITES:
            done = subprocess.run(
                [sys.executable, "-B", HERE / f"{suite}_test.py", WEFT, *tests], text=True,
                env=dict(os.environ, WEFT_VALIDATE=str(asked)), capture_output=True, check=False)
            assert done.returncode == 0, suite + "\n" + done.stdout + done.stderr
        lines = asked.read_text().splitlines()
    good = {line.rsplit(" ", 1)[0] for line in lines if int(line.rsplit(" ", 1)[1]) < 400}
    wanted = {op for op in operations() if not validating.PAST.match(
        op.split(" ")[1].replace("{", "").replace("}", ""))}
    print(f"{len(lines)} requests, {len(good)} of {len(wanted)} operations")
    assert wanted - good <= ELSEWHERE, wanted - good


CLIENT = """import createClient from "openapi-fetch";
import type { paths, components } from "./weft.js";

const client = createClient<paths>({ baseUrl: process.argv[2] });
const started = await client.POST("/workflows/execute", {
  params: { header: { "Idempotency-Key": "once" } },
  body: { workflow_id: "hello", input_data: {}, priority: 2, callback_url: null },
});
if (!started.data) throw new Error(started.error.detail);
const task_id: string = started.data.task_id;
let run: components["schemas"]["Run"] | undefined;
for (let tries = 0; tries < 500 && run?.status !== "succeeded"; ++tries) {
  const shown = await client.GET("/workflows/{task_id}", { params: { path: { task_id } } });
  if (!shown.data) throw new Error(shown.error.detail);
  run = shown.data;
  await new Promise((ready) => setTimeout(ready, 20));
}
const list = await client.GET("/workflows", { params: { query: { status: "succeeded", limit: 5 } } });
const wrong = await client.GET("/workflows/{task_id}", { params: { path: { task_id: "run_none" } } });
console.log(JSON.stringify({
  status: run?.status, output: run?.steps["greet"]?.output, first: list.data?.items[0]?.workflow_id,
  wrong: wrong.error?.status,
}));
"""
WRONG_CLIENT = """import createClient from "openapi-fetch";
import type { paths } from "./weft.js";
const client = createClient<paths>({ baseUrl: "" });
await client.POST("/workflows/execute", { body: { workflow: "hello" } });
"""


def run_node(server, *words):
    return subprocess.run([NODE, *words], cwd=server.path, text=True, capture_output=True,
                          timeout=240, check=False)


def test_a_client_made_from_the_document():
    server = Server("--workflow", "hello.yaml")
    server.write("hello.yaml", HELLO)
    server.write("package.json", '{"type": "module"}')
    server.write("tsconfig.json", json.dumps({"compilerOptions": {
        "strict": True, "noUncheckedIndexedAccess": True, "target": "es2022", "module": "nodenext",
        "types": ["node"], "typeRoots": [str(TOOLS / "@types")], "skipLibCheck": False}}))
    (server.path / "node_modules").symlink_to(TOOLS)
    with server:
        server.write("openapi.json", server.get("/openapi.json").body.decode())
        made = run_node(server, TOOLS / "openapi-typescript/bin/cli.js", "openapi.json",
                        "-o", "weft.d.ts")
        assert made.returncode == 0, made.stdout + made.stderr
        tsc = TOOLS / "typescript/bin/tsc"
        server.write("wrong.ts", WRONG_CLIENT)
        refused = run_node(server, tsc, "-p", ".", "--noEmit")
        assert refused.returncode != 0 and "workflow_id" in refused.stdout, refused.stdout
        (server.path / "wrong.ts").unlink()
        server.write("client.ts", CLIENT)
        compiled = run_node(server, tsc, "-p", ".")
        assert compiled.returncode == 0, compiled.stdout
        done = run_node(server, "client.js", server.url)
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout) == {"status": "succeeded", "output": "Hello",
                                           "first": "hello", "wrong": 404}, done.stdout
        assert until(lambda: server.metric("exaone_workflows_total") == 1)


if __name__ == "__main__":
    if not validating.installed():
        print("SKIPPED: no prism; run tools/openapi/setup first")
        sys.exit(0)
    main(globals())
