# SPDX-License-Identifier: Apache-2.0
"""A workflow drafted over HTTP from what a person says: valid whatever the model, the same with the
same seed, as it is written, given up when the client goes; and who may ask."""
import json

from access_test import Guarded
from harness import main
from serving import Server, until

WISH = "문의를 분류하고 담당자에게 알림을 보내기"
LONG = 250  # seconds: a thousand tokens, on a machine that does other things


def draft(server, body, **more):
    return server.post("/definitions/draft", body, timeout=LONG, **more)


def test_a_draft_is_a_document_that_can_be_stored():
    with Server() as server:
        assert server.get("/definitions").json["items"] == []
        answer = draft(server, {"description": "{{ 7 * 7 }} {% if %} \" ' \\ #", "seed": 1})
        assert answer.status == 200, answer.body
        made = answer.json
        assert made["model"] == "default" and made["seed"] == 1, made
        assert made["tokens"]["prompt"] > 0 and made["tokens"]["answer"] > 0, made
        checked = server.post("/definitions/validate", {"text": made["text"]}).json
        assert checked["valid"] and not checked["errors"], (made["text"], checked)
        assert server.get("/definitions").json["items"] == [], "a draft is not stored"
        put = server.ask("PUT", "/definitions/draft", made["text"].encode())
        assert put.status == 201, put.body
        assert server.get("/definitions/draft").json["origin"] == "stored"


def test_it_is_shown_as_it_is_written_and_its_seed_gives_the_same_on_the_command_line():
    with Server() as server:
        stream = draft(server, {"description": WISH}, headers={"Accept": "text/event-stream"})
        assert stream.headers["Content-Type"].startswith("text/event-stream"), stream.headers
        *progress, whole = stream.events
        form = json.loads("".join(event["text"] for event in progress))
        assert form["steps"] and form["title"], form
        counts = [event["tokens"] for event in progress]
        assert counts == sorted(counts) and len(counts) > 2, counts
        assert whole["tokens"]["answer"] >= counts[-1], whole
        assert server.post("/definitions/validate", {"text": whole["text"]}).json["valid"], whole
        again = server.weft_bare("new", "--from", WISH, "--seed", str(whole["seed"]),
                                 timeout=LONG).stdout
        assert again == whole["text"], whole["seed"]


def test_a_client_that_goes_away_ends_it():
    with Server() as server:
        assert until(lambda: server.get("/readyz").status == 200)

        def engine():
            return server.get("/overview").json["engine"]["running"]

        def ended():
            items = server.get("/audit?action=ai_decision&limit=1000").json["items"]
            return [item["details"]["finish_reason"] for item in items]

        def given_up(headers):  # before it was done, which the machine may not allow each time
            known = len(ended())
            body = json.dumps({"description": "a long story"}).encode()
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            with server.connect() as connection:
                connection.sendall(f"POST /definitions/draft HTTP/1.1\r\nHost: localhost\r\n{head}"
                                   f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
                until(lambda: engine() > 0 or len(ended()) > known)
            assert until(lambda: len(ended()) > known, LONG)
            return ended()[0] == "cancelled"
        for headers in ({}, {"Accept": "text/event-stream"}):
            assert any(given_up(headers) for _ in range(10)), ended()


def test_what_is_wrong_is_named():
    with Server() as server:
        for body, word in (({}, "description"), ({"description": "  "}, "description"),
                           ({"description": "x" * 4001}, "4000"), ({"description": 7}, "description"),
                           ({"description": "x", "seed": -1}, "seed"),
                           ({"description": "x", "modell": "default"}, "modell"), ([], "object")):
            answer = server.post("/definitions/draft", body)
            assert answer.status == 400 and word in answer.json["detail"], (body, answer.body)
            assert answer.headers["Content-Type"] == "application/problem+json", answer.headers
        unknown = server.post("/definitions/draft", {"description": "x", "model": "defualt"})
        assert unknown.status == 404 and unknown.json["code"] == "E0710", unknown.body
        assert "default" in unknown.json["hint"], unknown.json


def test_who_may_ask_and_what_is_recorded():
    with Guarded() as server:
        body = {"description": "sort mail", "seed": 1}
        for role, status in (("viewer", 403), ("approver", 403), ("operator", 403),
                             ("author", 200)):
            answer = server.ask_as(role, "POST", "/definitions/draft", body, timeout=LONG)
            assert answer.status == status, (role, answer.status, answer.body)
        refused = server.ask_as("operator", "POST", "/definitions/draft", body).json
        assert refused["code"] == "E0761" and "definitions:write" in refused["detail"], refused
        narrow = server.make_key("narrow", "--role", "author", "--scope", "definitions:write",
                                 "--scope", "models:use:other")
        assert until(lambda: server.ask_as(narrow, "GET", "/session").json["permissions"])
        scoped = server.ask_as(narrow, "POST", "/definitions/draft", body)
        assert scoped.status == 403 and "models:use" in scoped.json["detail"], scoped.body

        def records(action):
            items = server.ask_as("admin", "GET", f"/audit?action={action}&limit=1000").json["items"]
            return [(item["user"].split()[0], item["outcome"]) for item in items]
        decided = [("author", "ok")]
        assert until(lambda: records("ai_decision") == decided), records("ai_decision")
        asked = records("data_processing")
        assert {("author", "ok"), ("operator", "refused")} <= set(asked), asked


if __name__ == "__main__":
    main(dict(globals()))
