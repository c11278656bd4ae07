#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What pages stand on, over plain HTTP: the overview and its stream, views of runs and steps, lists
with filters and cursors, documents checked while they are written, tools, models, static files."""
import json
import urllib.parse

from harness import main
from serving import Server, until

COUNT = """weft: "1"
id: count
title: Counting
input: { type: object, required: [amount], properties: { amount: { type: number } } }
steps:
  - id: first
    type: set
    parameters: { value: "{{ input.amount }}" }
  - id: check
    type: validate
    dependencies: [first]
    when: "{{ input.amount < 100 }}"
    parameters: { value: "{{ steps.first }}", schema: { type: number, exclusiveMinimum: 0 } }
  - id: each
    type: set
    dependencies: [check]
    for_each: "{{ [1, 2, 3] }}"
    parameters: { value: "{{ item }}" }
output: "{{ steps.each }}"
"""
PAYMENT = """weft: "1"
id: payment
steps:
  - id: review
    type: approval
    parameters: { role: finance, title: "Pay?" }
"""


class Pages(Server):
    def __init__(self):
        super().__init__("--workflow", "count.yaml", "--workflow", "payment.yaml")
        self.write("count.yaml", COUNT)
        self.write("payment.yaml", PAYMENT)

    def run(self, workflow, status, **given):
        run = self.post("/workflows/execute",
                        {"workflow_id": workflow, "input_data": given}).json["task_id"]
        assert until(lambda: self.get(f"/workflows/{run}").json["status"] == status), run
        return run


def test_overview_counts_what_ended():
    with Pages() as server:
        empty = server.get("/overview").json
        assert empty["tiles"]["processed"] == {"value": 0, "delta": 0}, empty["tiles"]
        assert empty["tiles"]["mean_seconds"] == {"value": None, "delta": None}
        assert empty["window_s"] == 86400 and len(empty["series"]) == 60
        assert empty["tiles"]["utilization_percent"]["device"] == "cpu"
        for amount in (1, 2, 3):
            server.run("count", "succeeded", amount=amount)
        failed = server.run("count", "failed", amount=0)
        waiting = server.run("payment", "waiting")
        shown = {}

        def complete():
            shown.update(server.get("/overview?window=3600").json)
            return shown["tiles"]["processed"]["value"] == 4 and shown["actions"] == 1
        assert until(complete), shown
        assert shown["tiles"]["success_percent"]["value"] == 75.0, shown["tiles"]
        assert shown["tiles"]["mean_seconds"]["value"] > 0
        assert shown["alive"] == {"waiting": 1}
        assert sum(point[1] for point in shown["series"]) == 4
        assert sum(point[2] for point in shown["series"]) == 3
        assert [run["task_id"] for run in shown["newest"][:2]] == [waiting, failed]
        refused = server.get("/overview?window=7")
        assert refused.status == 400 and "window" in refused.json["detail"]


def test_overview_as_events():
    with Pages() as server:
        with server.connect() as connection:
            connection.sendall(b"GET /overview?window=3600 HTTP/1.1\r\nHost: localhost\r\n"
                               b"Accept: text/event-stream\r\n\r\n")
            stream = connection.makefile("rb")

            def next_document():
                for line in stream:
                    if line.startswith(b"data: "):
                        return json.loads(line[6:])
                return None
            assert next_document()["tiles"]["processed"]["value"] == 0
            server.run("count", "succeeded", amount=1)
            for _ in range(30):
                if next_document()["tiles"]["processed"]["value"] == 1:
                    break
            else:
                raise AssertionError("the stream does not follow")


def test_runs_by_status_workflow_and_search():
    with Pages() as server:
        runs = [server.run("count", "succeeded", amount=n) for n in (1, 2, 3)]
        failed = server.run("count", "failed", amount=0)
        waiting = server.run("payment", "waiting")

        def listed(**query):
            page = server.get("/workflows?" + urllib.parse.urlencode(query)).json
            return [item["task_id"] for item in page["items"]], page["next_cursor"]
        assert listed()[0] == [waiting, failed, *reversed(runs)]
        assert listed(status="failed")[0] == [failed]
        assert listed(status="failed,waiting")[0] == [waiting, failed]
        assert listed(status="running")[0] == []
        assert listed(workflow_id="payment")[0] == [waiting]
        assert listed(search="COUN", status="succeeded")[0] == list(reversed(runs))
        assert listed(search=failed[-9:])[0] == [failed]
        assert listed(search="%")[0] == [] and listed(search="_un_")[0] == []
        assert listed(search="'; drop table run; --")[0] == []
        first, cursor = listed(limit=2, search="count")
        assert first == [failed, runs[2]]
        assert listed(limit=2, search="count", cursor=cursor)[0] == [runs[1], runs[0]]
        errors = [item.get("error", {}).get("code") for item in server.get("/workflows").json["items"]]
        assert errors == [None, "E0310", None, None, None], errors


def test_a_run_and_its_steps_as_pages_draw_them():
    with Pages() as server:
        run = server.run("count", "succeeded", amount=5)
        view = server.get(f"/workflows/{run}/view").json
        assert view["title"] == "Counting" and view["input"] == {"amount": 5}
        assert view["output"] == [1, 2, 3] and view["sequence"] > 3
        first, check, each = view["steps"]
        assert (first["id"], first["after"], check["after"], each["after"]) == ("first", [], [0], [1])
        assert check["when"] == "{{ input.amount < 100 }}" and check["status"] == "succeeded"
        assert each["items"] == {"total": 3, "ended": 3, "failed": 0}
        assert view["created_ms"] <= first["started_ms"] <= first["finished_ms"]
        step = server.get(f"/workflows/{run}/steps/check").json
        assert step["output"] == 5 and step["dependencies"] == ["first"]
        assert step["parameters"]["schema"] == {"type": "number", "exclusiveMinimum": 0}
        assert [entry["status"] for entry in step["history"]][-1] == "succeeded"
        assert "check" in step["why"][0]
        items = server.get(f"/workflows/{run}/steps/each").json["items"]
        assert [item["output"] for item in items] == [1, 2, 3]
        failed = server.run("count", "failed", amount=0)
        broken = server.get(f"/workflows/{failed}/view").json
        assert broken["error"]["code"] == "E0310" and broken["error"]["hint"]
        assert server.get(f"/workflows/{run}/steps/chek").status == 404
        assert server.get("/workflows/run_none/view").status == 404


def test_decisions_of_models_with_their_evidence():
    with Server("--workflow", str(server_example())) as server:
        run = server.post("/workflows/execute", {
            "workflow_id": "customer-service",
            "input_data": {"inquiry": "I was charged twice for my order!"}}).json["task_id"]
        assert until(lambda: server.get(f"/workflows/{run}").json["status"] == "succeeded")
        view = server.get(f"/workflows/{run}/view").json
        assert view["tokens"]["calls"] == 1 and view["tokens"]["answer"] > 0
        (call,) = server.get(f"/workflows/{run}/steps/classify").json["calls"]
        assert call["chosen"]["/category"]["value"] == "billing"
        assert len(call["prompt_ids"]) == call["tokens"]["prompt"]
        prompt = server.post("/detokenize", {"tokens": call["prompt_ids"]}).json["content"]
        assert "I was charged twice" in prompt

        def counted():
            engine = server.get("/overview").json["engine"]
            return engine["answer_tokens"] == view["tokens"]["answer"]
        assert until(counted), server.get("/overview").json["engine"]
        assert server.metric("weft_answer_tokens_total") == view["tokens"]["answer"]


def server_example():
    import pathlib
    return pathlib.Path(__file__).parents[2] / "examples" / "customer-service.yaml"


def test_documents_are_checked_while_they_are_written():
    with Pages() as server:
        good = server.post("/definitions/validate", {"text": COUNT}).json
        assert good["valid"] and good["errors"] == []
        assert [(s["id"], s["after"], s["line"]) for s in good["workflow"]["steps"]] == [
            ("first", [], 6), ("check", [0], 9), ("each", [1], 14)], good["workflow"]["steps"]
        bad = server.post("/definitions/validate",
                          {"text": COUNT.replace("dependencies: [first]", "dependencies: [frist]")})
        (error,) = bad.json["errors"]
        assert (error["code"], error["line"]) == ("E0414", 11) and "first" in error["hint"], error
        assert bad.json["valid"] is False and "workflow" not in bad.json
        later = server.post("/definitions/validate", {"text": COUNT.replace("type: set", "type: mcp", 1)})
        assert later.status == 200
        for text in ("", "a: [", "\u0000", "- " * 5000, "x: " + "[" * 3000):
            refused = server.post("/definitions/validate", {"text": text}).json
            assert refused["valid"] is False and refused["errors"], text[:20]
        assert server.post("/definitions/validate", {"texts": "x"}).status == 400


def test_tools_and_models():
    with Pages() as server:
        tools = server.get("/tools").json["items"]
        names = {tool["function"]["name"] for tool in tools}
        assert {"api_client", "database", "file_processor", "notification"} <= names, names
        assert all(tool["type"] == "function" and tool["source"] for tool in tools)
        assert until(lambda: server.get("/readyz").status == 200)
        models = {model["name"]: model for model in server.get("/models").json["items"]}
        assert models["default"]["loaded"] and models["default"]["memory_bytes"] > 1_000_000
        assert server.post("/models/default/unload", None).json["unloaded"] is True
        assert not server.get("/models").json["items"][0]["loaded"]
        assert server.post("/models/default/load", None).json["loaded"] is True
        assert server.post("/models/nobody/load", None).status == 404


def test_pages_and_files():
    with Pages() as server:
        page = server.get("/")
        assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert server.get("/ui/runs/anything").body == page.body
        for missing in ("/assets/none.js", "/assets/..%2findex.html", "/ui/a/b/c"):
            assert server.get(missing).status in (400, 404), missing
        if b"not part of this build" in page.body:
            print("        SKIPPED: the dashboard is not part of this build")
            return
        etag = page.headers["ETag"]
        assert server.get("/", headers={"If-None-Match": etag}).status == 304
        assert server.get("/favicon.svg").headers["Content-Type"] == "image/svg+xml"


if __name__ == "__main__":
    main(globals())
