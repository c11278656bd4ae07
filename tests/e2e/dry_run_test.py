# SPDX-License-Identifier: Apache-2.0
"""`weft run --dry-run` and what `weft new` shows of its draft: everything is planned, rendered and
thought, and nothing is sent, written, kept or waited for, against services that would notice."""
import http.server
import json
import threading
import time

import agent_test
from harness import Place, main

ACTS = """
weft: "1"
id: acts
input:
  type: object
  required: [url, who]
  properties: { url: { type: string }, who: { type: string } }
steps:
  - { id: fetch, type: http, parameters: { url: "{{ input.url }}/customers/{{ input.who }}" } }
  - id: order
    type: http
    dependencies: [fetch]
    parameters: { method: POST, url: "{{ input.url }}/orders", json: { for: "{{ input.who }}" }, expect_status: 201 }
  - { id: rest, type: wait, parameters: { for: 2h } }
  - { id: allow, type: approval, dependencies: [rest], parameters: { role: lead, title: "Order for {{ input.who }}?" } }
  - id: paid
    type: signal
    dependencies: [allow]
    parameters:
      name: payment
      schema: { type: object, required: [amount], properties: { amount: { type: integer, minimum: 5 } } }
  - { id: read, type: file, parameters: { action: read, path: greeting.txt } }
  - { id: save, type: file, dependencies: [read], parameters: { action: write, path: out.txt, content: "{{ steps.read }} {{ input.who }}" } }
  - { id: tell, type: notification, parameters: { channel: webhook, to: "{{ input.url }}/hook", text: "Order for {{ input.who }}" } }
  - id: sort
    type: llm
    parameters: { prompt: "I was charged twice!", temperature: 0, output: { enum: [billing, technical] } }
  - { id: each, type: set, for_each: "{{ [1, 2] }}", dependencies: [save], parameters: { value: "{{ item }}" } }
output:
  status: "{{ steps.order.status }}"
  decision: "{{ steps.allow.decision }}"
  amount: "{{ steps.paid.amount }}"
  sort: "{{ steps.sort }}"
  saved: "{{ steps.save.bytes }}"
"""
NEEDS = """
weft: "1"
id: needs
input: { type: object, required: [url], properties: { url: { type: string } } }
steps:
  - { id: fetch, type: http, parameters: { url: "{{ input.url }}" } }
  - { id: use, type: set, dependencies: [fetch], parameters: { value: "{{ steps.fetch.body.customer.name }}" } }
output: "{{ steps.use }}"
"""


class Listener:
    """Any request at all is one too many."""

    def __init__(self):
        listener = self
        self.got = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                listener.got.append(self.path)
                self.send_response(200)
                self.end_headers()

            do_POST = do_GET

            def log_message(self, *unused):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.server.shutdown()
        self.server.server_close()


class Dry(Place):
    """A place whose temporary directory is its own, so that what stays behind is seen."""

    def __init__(self):
        super().__init__()
        (self.path / "tmp").mkdir()
        self.env["TMPDIR"] = str(self.path / "tmp")

    def dry(self, file, *words, code=0):
        done = self.weft("run", file, "--dry-run", "--allow-host", "127.0.0.1", *words, code=code)
        assert not self.store.exists(), "nothing is kept"
        assert list((self.path / "tmp").iterdir()) == [], "nor left behind"
        return done


def test_everything_is_shown_and_nothing_done():
    with Dry() as place, Listener() as outside:
        place.write("acts.yaml", ACTS)
        place.write("greeting.txt", "Hello")
        words = ("-i", "url=" + outside.url, "-i", "who=Ada")
        begun = time.monotonic()
        report = json.loads(place.dry("acts.yaml", *words, "--json").stdout)
        assert time.monotonic() - begun < 60, "it does not wait two hours"
        assert report["dry_run"] and report["status"] == "succeeded", report
        assert outside.got == [] and not (place.path / "out.txt").exists()
        would = {one["step"]: one for one in report["would"]}
        assert set(would) == {"fetch", "order", "rest", "allow", "paid", "save", "tell"}, would
        assert would["order"]["parameters"]["json"] == {"for": "Ada"}, would["order"]
        assert would["order"]["answered"]["status"] == 201
        assert would["save"]["parameters"]["content"] == "Hello Ada", "reading is done"
        assert would["tell"]["parameters"]["text"] == "Order for Ada"
        assert would["allow"]["parameters"]["title"] == "Order for Ada?"
        assert report["output"] == {"status": 201, "decision": "approved", "amount": 5,
                                    "sort": report["steps"]["sort"]["output"], "saved": 9}, report
        assert report["output"]["sort"] in ("billing", "technical")
        text = place.dry("acts.yaml", *words).stdout
        for said in ("nothing was sent", f"fetch would send GET {outside.url}/customers/Ada",
                     "save would write the file out.txt", "allow would ask lead to approve",
                     "paid would wait for the signal payment"):
            assert said in text, (said, text)


def test_answers_that_are_given():
    with Dry() as place, Listener() as outside:
        place.write("needs.yaml", NEEDS)
        words = ("-i", "url=" + outside.url)
        without = place.dry("needs.yaml", *words, code=1).stdout
        assert "at use" in without and "--answer STEP=" in without, without
        place.write("answer.json", json.dumps({"status": 200, "body": {"customer": {"name": "Bo"}}}))
        for answer in ('fetch={"body": {"customer": {"name": "Bo"}}}', "fetch=@answer.json"):
            report = json.loads(place.dry("needs.yaml", *words, "--json", "--answer", answer).stdout)
            assert report["output"] == "Bo" and report["would"][0]["given"], report
        told = place.dry("needs.yaml", *words, "--answer", "fetsh=1", code=1).stdout
        assert "Nothing asked for --answer fetsh" in told, told
        assert "E0902" in place.dry("needs.yaml", *words, "--answer", "fetch", code=2).stderr
        place.write("acts.yaml", ACTS)
        place.write("greeting.txt", "Hello")
        more = (*words, "-i", "who=Ada", "--json")
        no = json.loads(place.dry("acts.yaml", *more, "--answer", 'allow={"decision": "rejected"}',
                                  code=1).stdout)
        assert no["error"]["code"] == "approval_rejected", no
        paid = json.loads(place.dry("acts.yaml", *more, "--answer", 'paid={"amount": 70}').stdout)
        assert paid["output"]["amount"] == 70, paid
        wrong = json.loads(place.dry("acts.yaml", *more, "--answer", 'paid={"amount": 1}',
                                     code=1).stdout)
        assert wrong["error"]["step"] == "paid", wrong
        assert outside.got == []


def test_what_a_run_refuses_a_dry_run_refuses():
    with Dry() as place:
        for step, code in (('{ id: s, type: http, parameters: { url: "{{ 7 }}" } }', "E0603"),
                           ('{ id: s, type: database, parameters: { connection: crm, query: select 1 } }',
                            "E0626"),
                           ('{ id: s, type: mcp, parameters: { server: none, tool: t } }', "E0630"),
                           ('{ id: s, type: notification, parameters: { channel: "{{ \'pigeon\' }}", to: x, text: y } }',
                            "E0603"),
                           ('{ id: s, type: file, parameters: { action: read, path: ../x } }', "E06"),
                           ('{ id: s, type: file, parameters: { action: "{{ \'burn\' }}", path: x } }', "E0603")):
            place.write("one.yaml", f'weft: "1"\nid: one\nsteps:\n  - {step}\n')
            report = json.loads(place.dry("one.yaml", "--json", code=1).stdout)
            assert report["error"]["code"].startswith(code), (step, report)
        place.write("acts.yaml", ACTS)
        assert "E0310" in place.dry("acts.yaml", code=2).stderr, "inputs are checked"
        for other in ("--detach", "--follow"):
            place.dry("acts.yaml", other, code=2)
        place.weft("run", "acts.yaml", "--answer", "fetch=1", code=2)


def test_an_agent_is_answered_instead_of_its_tools():
    with Dry() as place, agent_test.Crm() as crm:
        place.write("agent.yaml", agent_test.document(
            "approve_tools: [create_support_ticket, get_customer_profile]\n      temperature: 0"))
        words = ("-i", "crm=" + crm.url, "-i", "inquiry=" + agent_test.KOREAN, "--json")
        report = json.loads(place.dry("agent.yaml", *words).stdout)
        assert crm.asked == [], crm.asked
        call = report["would"][0]
        assert call["tool"] == "get_customer_profile" and call["step"] == "resolve", report
        assert call["approval"], "a person would be asked first"
        assert call["parameters"]["url"] == crm.url + "/customers/C-4471", call
        known = json.dumps({"status": 200, "body": {"customer_id": "C-4471", "status": "damaged",
                                                    "expected": "2026-03-04"}})
        given = json.loads(place.dry("agent.yaml", *words, "--answer",
                                     "get_customer_profile=" + known).stdout)
        tools = [one["tool"] for one in given["would"]]
        assert given["would"][0]["given"] and "create_support_ticket" in tools, given
        assert crm.asked == [] and given["status"] == "succeeded", given


def test_a_draft_is_tried_before_it_is_shown():
    with Dry() as place:
        for seed, wish in enumerate(("sort inquiries and let a person approve refunds",
                                     "fetch a page and save a summary of it", "문의를 분류하기",
                                     "{{ 7 * 7 }} {% if %}", "x" * 900)):
            done = place.weft_bare("new", "--from", wish, "--seed", str(seed))
            assert done.stdout.startswith("# Drafted from: ") and "steps:" in done.stdout
            assert "A dry run of draft: nothing was sent" in done.stderr, done.stderr
            granted = "is granted to this process" not in done.stderr  # it may want a database or mail
            assert not granted or "The output would be" in done.stderr, done.stderr
        assert list((place.path / "tmp").iterdir()) == []
        assert not list(place.path.glob("step_*.txt")), "saved nothing"
        alone = place.weft_bare("new", "--from", "answer mail", "--no-dry-run")
        assert "dry run" not in alone.stderr, alone.stderr


if __name__ == "__main__":
    main(dict(globals()))
