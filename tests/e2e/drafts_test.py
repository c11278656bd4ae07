# SPDX-License-Identifier: Apache-2.0
"""A workflow drafted over HTTP from what a person says: valid whatever the model, the same with the
same seed, as it is written, given up when the client goes; and who may ask."""
import json

from access_test import Guarded
from harness import main
from serving import Server, until

WISHES = ("sort inquiries and let a person approve refunds", "문의를 분류하고 담당자에게 알림을 보내기",
          "{{ 7 * 7 }} {% if %} \" ' \\ #", "traduce el texto a tres idiomas", "x" * 900)


def test_every_draft_is_a_document_that_can_be_stored_and_started():
    with Server() as server:
        assert server.get("/definitions").json["items"] == []
        for seed, wish in enumerate(WISHES):
            answer = server.post("/definitions/draft", {"description": wish, "seed": seed})
            assert answer.status == 200, answer.body
            draft = answer.json
            assert draft["model"] == "default" and draft["seed"] == seed, draft
            assert draft["tokens"]["prompt"] > 0 and draft["tokens"]["answer"] > 0, draft
            checked = server.post("/definitions/validate", {"text": draft["text"]}).json
            assert checked["valid"] and not checked["errors"], (draft["text"], checked)
        assert server.get("/definitions").json["items"] == [], "a draft is not stored"
        put = server.ask("PUT", "/definitions/draft", draft["text"].encode())
        assert put.status == 201, put.body
        assert server.get("/definitions/draft").json["origin"] == "stored"


def test_the_same_seed_gives_the_same_draft_and_the_command_line_too():
    with Server() as server:
        body = {"description": WISHES[0], "seed": 7}
        first = server.post("/definitions/draft", body).json["text"]
        assert server.post("/definitions/draft", body).json["text"] == first
        assert server.weft_bare("new", "--from", WISHES[0], "--seed", "7").stdout == first
        free = server.post("/definitions/draft", {"description": WISHES[0]}).json
        again = server.post("/definitions/draft", {"description": WISHES[0], "seed": free["seed"]})
        assert again.json["text"] == free["text"], "the seed that was taken is told"


def test_it_is_shown_as_it_is_written():
    with Server() as server:
        body = {"description": WISHES[1], "seed": 3}
        whole = server.post("/definitions/draft", body).json
        stream = server.post("/definitions/draft", body, headers={"Accept": "text/event-stream"})
        assert stream.headers["Content-Type"].startswith("text/event-stream"), stream.headers
        events = stream.events
        assert events[-1] == whole, events[-1]
        form = json.loads("".join(event["text"] for event in events[:-1]))
        assert form["steps"] and form["title"], form
        counts = [event["tokens"] for event in events[:-1]]
        assert counts == sorted(counts) and len(counts) > 3, counts


def test_a_client_that_goes_away_ends_it():
    with Server() as server:
        assert until(lambda: server.get("/readyz").status == 200)
        for headers in ({}, {"Accept": "text/event-stream"}):
            body = json.dumps({"description": "a long story"}).encode()
            with server.connect() as connection:
                head = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
                connection.sendall(f"POST /definitions/draft HTTP/1.1\r\nHost: localhost\r\n{head}"
                                   f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert until(lambda: server.get("/overview").json["engine"]["running"] == 0)
        assert server.post("/definitions/draft", {"description": "mail"}).status == 200


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
                             ("author", 200), ("admin", 200)):
            answer = server.ask_as(role, "POST", "/definitions/draft", body)
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
        decided = [("admin", "ok"), ("author", "ok")]
        assert until(lambda: records("ai_decision") == decided), records("ai_decision")
        asked = records("data_processing")
        assert asked[-2:] != [] and {("author", "ok"), ("operator", "refused")} <= set(asked), asked


if __name__ == "__main__":
    main(dict(globals()))
