# SPDX-License-Identifier: Apache-2.0
"""`weft new`: whatever the model drafts is a valid document; nothing is overwritten."""
import http.server
import json
import threading

from harness import Place, main

LONG = 250  # seconds: a thousand tokens, on a machine that does other things


def test_any_draft_is_valid():
    with Place() as place:
        for seed, wish in enumerate(("sort inquiries and let a person approve refunds",
                                     "문의를 분류하고 담당자에게 알림을 보내기", "{{ 7 * 7 }} {% if %} \" ' \\ #",
                                     "traduce el texto a tres idiomas", "x" * 900)):
            name = f"draft{seed}.yaml"
            told = place.weft_bare("new", "--from", wish, "-o", name, "--seed", str(seed),
                                   timeout=LONG).stderr
            assert "the demo model, cannot draft workflows well" in told, told
            place.weft_bare("validate", name)
            assert "steps:" in (place.path / name).read_text()


def test_another_seed_is_another_draft():
    with Place() as place:
        drafts = [place.weft_bare("new", "--from", "answer mail", "--no-dry-run", "--seed", str(seed),
                                  timeout=LONG).stdout for seed in (1, 2, 3, 1)]
        assert len(set(drafts)) > 1 and drafts[0] == drafts[3], drafts


class Careless:
    """A server that takes any schema and heeds none: its answers are those given, then the last again."""

    def __init__(self, *answers):
        self.asked = []
        careless = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                careless.asked.append(body["messages"])
                text = answers[min(len(careless.asked), len(answers)) - 1]
                chunk = {"id": "c", "object": "chat.completion.chunk", "model": "m", "created": 1, "choices": [
                    {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                self.wfile.write(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())

            def log_message(self, *unused):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.grant = f"big=openai:http://127.0.0.1:{self.server.server_port}/v1#m"


GOOD = json.dumps({"title": "Mail", "inputs": ["mail"], "steps": [
    {"does": "think", "text": "Answer it", "choices": [], "waits": False}]})


def test_a_model_that_no_grammar_holds_is_asked_again():
    with Place() as place:
        second = Careless("Sure! Here is your workflow.", "```json\n" + GOOD + "\n```")
        words = ("new", "--from", "answer mail", "--model", "big", "--no-dry-run", "-o")
        told = place.weft_bare(*words, "second.yaml", "--backend", second.grant).stderr
        assert "demo model" not in told, told
        place.weft_bare("validate", "second.yaml")
        assert "Answer it" in (place.path / "second.yaml").read_text()
        assert len(second.asked) == 2 and "JSON Schema" in second.asked[1][-1]["content"], second.asked
        never = Careless("I would rather not.")
        told = place.weft_bare(*words, "never.yaml", "--backend", never.grant).stderr
        place.weft_bare("validate", "never.yaml")
        assert "frame to fill in" in (place.path / "never.yaml").read_text() and "3 tries" in told, told
        assert len(never.asked) == 3, never.asked


def test_nothing_is_overwritten_and_nothing_is_guessed():
    with Place() as place:
        place.write("mine.yaml", "precious")
        for words in (("--from", "a thing", "-o", "mine.yaml"), ("--from", " ")):
            try:
                place.weft_bare("new", *words)
            except Exception as error:
                assert "E0904" in error.stderr, error.stderr
            else:
                raise AssertionError(words)
        assert (place.path / "mine.yaml").read_text() == "precious"
        printed = place.weft_bare("new", "--from", "answer mail", timeout=LONG).stdout
        assert printed.startswith("# Drafted from: answer mail\n"), printed


if __name__ == "__main__":
    main(dict(globals()))
