# SPDX-License-Identifier: Apache-2.0
"""What the command line says and refuses before anything is loaded: help, contradictions, texts."""
import json
import pathlib
import subprocess
import time

import harness
from harness import Place, main

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
TINY = str(GOLDEN / "logits" / "qwen3-tied")


def weft(place, *words, code=0, timeout=120, **more):
    done = subprocess.run([harness.WEFT, *words], cwd=place.path, env=place.env,
                          capture_output=True, timeout=timeout, **more)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, (words, done.returncode, out[-1000:], err)
    return out, err


def commands(place, *words):
    """Every command and its subcommands, as words, with the text of its --help."""
    text, _ = weft(place, *words, "--help")
    yield words, text
    inside = False
    for line in text.splitlines():
        if line.rstrip().lower() == "subcommands:":
            inside = True
        elif inside and line.startswith("  ") and line[2] != " ":
            yield from commands(place, *words, line.split()[0])
        elif inside and line and line[0] != " ":
            inside = False


def test_every_command_has_an_example_of_its_own():
    with Place() as place:
        found = dict(commands(place))
        assert len(found) > 50 and ("runs", "approve") in found, sorted(found)
        for words, text in found.items():
            if not words:
                continue
            lines = text.splitlines()
            own = [line for line in lines if line.startswith("  ") and
                   f"weft {' '.join(words)}" in line]
            own += [line for line in lines if '"args": ["mcp"' in line and words == ("mcp",)]
            assert own, (words, text[-400:])
            if words != ("run",):
                assert "weft run examples/customer-service.yaml" not in text, words


def test_thinking_flags_that_contradict_each_other_are_refused():
    with Place() as place:
        for flags, said in ((["--no-think", "--thinking-budget", "5"],
                             "--thinking-budget: 5 contradicts --no-think"),
                            (["--think", "--thinking-budget", "0"],
                             "--thinking-budget: 0 contradicts --think"),
                            (["--think", "--no-think"], "contradicts"),
                            (["--thinking-budget", "-7"], "--thinking-budget: expected")):
            _, err = weft(place, "generate", "--prompt", "x", *flags, code=2)
            assert "E0904" in err and said in err, (flags, err)


def test_texts_that_say_nothing_are_refused():
    with Place() as place:
        for words, said in ((["--prompt", ""], "--prompt is empty"),
                            (["--prompt", "x", "--choice", ""], "--choice is empty"),
                            (["--prompt", "x", "--choice", "a,,b"], "empty alternative"),
                            (["--prompt", "x", "--regex", ""], "--regex is empty"),
                            (["--prompt", b"caf\xe9"], "--prompt is not UTF-8, at byte 3"),
                            ([], "expected either --prompt or --messages"),
                            (["--prompt", "x", "--seed", "-1"],
                             "--seed: expected a whole number from 0 to 18446744073709551615, found"),
                            (["--prompt", "x", "--seed", "18446744073709551616"], "--seed"),
                            (["--prompt", "x", "--threads", "-1"], "--threads"),
                            (["--prompt", "x", "--top-p", "0"], "top_p: expected"),
                            (["--prompt", "x", "--top-k", "-5"], "found -5"),
                            (["--prompt", "x", "--max-tokens", "9999999999"], "1 to 1073741824"),
                            (["--prompt", "x", "--dtype", "q9"], "q9")):
            _, err = weft(place, "generate", *words, code=2)
            assert said in err, (words, err)
        _, err = weft(place, "models", "quantize", TINY, "out", "--type", "q5", code=2)
        assert "expected q8 or q4" in err and "f32" not in err, err


def test_numbers_out_of_range_are_refused_before_anything_runs():
    with Place() as place:
        place.write("cases.jsonl", '{"input": "x", "expect": {"category": "billing"}}\n')
        for words in (["chat", "--threads", "-1"], ["serve", "--port", "0", "--threads", "-1"],
                      ["eval", "cases.jsonl", "--max-tokens", "0"],
                      ["eval", "cases.jsonl", "--temperature", "nan"],
                      ["eval", "cases.jsonl", "--case-timeout", "nan"]):
            _, err = weft(place, *words, code=2)
            assert words[-2] in err and len(err) < 300, (words, err)


def test_texts_and_files_that_cannot_be_read_are_wrong_use():
    with Place() as place:
        place.write("broken.json", "[{]")
        _, err = weft(place, "generate", "--messages", "@broken.json", code=2)
        assert "E0904" in err and "--messages 'broken.json' cannot be read" in err, err
        _, err = weft(place, "chat", "--no-think", "--max-tokens", "4", code=2,
                      input=b"Hello\ncaf\xe9\n")
        assert "E0904" in err and "message 2 is not UTF-8, at byte 3" in err, err
        place.write("say.yaml", """
weft: "1"
id: say
input: {type: object, properties: {text: {type: string}}}
steps: [{id: say, type: set, parameters: {value: "{{ input.text }}"}}]
""")
        _, err = weft(place, "run", "say.yaml", "-i", "@broken.json", code=2)
        assert "E0902" in err and "-i @broken.json: " in err, err


def test_values_of_flags_that_cannot_be_are_wrong_use():
    with Place() as place:
        for words, said in ((["--kv", "foo"], "E0214"), (["--numerics", "foo"], "E0214"),
                            (["--dtype", "foo"], "E0214"), (["--max-tokens", "0"], "E0712"),
                            (["--temperature", "-1"], "E0730"), (["--top-p", "3"], "E0730"),
                            (["--threads", "5000"], "--threads"),
                            (["--threads", "-1"], "--threads")):
            _, err = weft(place, "generate", "--prompt", "x", *words, code=2)
            assert said in err, (words, err)
        _, err = weft(place, "serve", "--port", "0", "--threads", "5000", code=2)
        assert "--threads" in err, err


def test_a_model_that_does_not_fit_is_refused_before_it_is_read():
    with Place() as place:
        huge = place.path / "huge"
        huge.mkdir()
        config = json.loads((pathlib.Path(TINY) / "config.json").read_text())
        rows, columns = 1 << 21, 1 << 17
        config.update(vocab_size=rows, hidden_size=columns, tie_word_embeddings=True)
        (huge / "config.json").write_text(json.dumps(config))
        size = rows * columns * 2
        head = json.dumps({"model.embed_tokens.weight": {
            "dtype": "BF16", "shape": [rows, columns], "data_offsets": [0, size]}}).encode()
        with open(huge / "model.safetensors", "wb") as file:  # sparse: no byte is on the disk
            file.write(len(head).to_bytes(8, "little") + head)
            file.truncate(8 + len(head) + size)
        begin = time.monotonic()
        _, err = weft(place, "generate", "--model", str(huge), "--prompt", "x", code=1)
        assert "E0221" in err and "the weights need 512" in err and "are available" in err, err
        assert time.monotonic() - begin < 30


ASK = """
weft: "1"
id: ask
input: { type: object, properties: { text: { type: string } } }
steps:
  - id: ask
    type: llm
    parameters: { prompt: "I was charged twice", mode: non_reasoning, max_tokens: 4 }
"""


def test_every_command_with_models_takes_the_kind_of_cache():
    with Place() as place:
        fingerprints = {}
        for kv in ("f16", "q8"):
            out, _ = weft(place, "generate", "--prompt", "I was charged twice", "--kv", kv, "--json",
                          "--max-tokens", "4", "--no-think")
            fingerprints[kv] = json.loads(out)["system_fingerprint"]
        assert "-kvq8-" in fingerprints["q8"] and "-kvf16-" in fingerprints["f16"], fingerprints
        place.write("ask.yaml", ASK)
        run = place.run_json("ask.yaml", "--kv", "q8")
        assert run["status"] == "succeeded", run
        (found,) = {row[0] for row in place.rows("SELECT fingerprint FROM ai_call")}
        assert found == fingerprints["q8"], found
        place.weft("replay", run["run"], "--verify", "--kv", "q8")
        place.write("cases.jsonl", json.dumps({
            "id": "a", "input": "I was charged twice", "expect": {"category": "billing"}}) + "\n")
        for subject in (("--no-think", "--max-tokens", "4"), ("--workflow", "ask.yaml")):
            out, _ = weft(place, "eval", "cases.jsonl", "--kv", "q8", "--json", *subject)
            assert "-kvq8-" in json.loads(out)["subject"]["fingerprint"], out[:500]
        for words in (("run", "ask.yaml"), ("worker",), ("serve", "--port", "0")):
            done = place.weft(*words, "--kv", "q9", code=None)
            assert done.returncode in (2, 3) and "q9" in done.stderr, (words, done.stderr)


def test_every_command_with_models_takes_the_numerics():
    with Place() as place:
        out, _ = weft(place, "generate", "--prompt", "I was charged twice", "--numerics", "fast",
                      "--json", "--max-tokens", "4", "--no-think")
        fingerprint = json.loads(out)["system_fingerprint"]
        assert fingerprint.startswith("weft-fast-"), fingerprint
        place.write("ask.yaml", ASK)
        place.write("weft.yaml", "inference: { numerics: fast }\n")
        for words in (("--numerics", "fast"), ("--config", "weft.yaml")):
            run = place.run_json("ask.yaml", *words)
            assert run["status"] == "succeeded", run
            place.weft("replay", run["run"], "--verify", "--numerics", "fast")
        assert place.rows("SELECT DISTINCT fingerprint FROM ai_call") == [(fingerprint,)]
        run = place.run_json("ask.yaml", "--config", "weft.yaml", "--numerics", "portable")
        assert len(place.rows("SELECT DISTINCT fingerprint FROM ai_call")) == 2, "the flag wins"
        place.write("cases.jsonl", json.dumps({
            "id": "a", "input": "I was charged twice", "expect": {"category": "billing"}}) + "\n")
        out, _ = weft(place, "eval", "cases.jsonl", "--numerics", "fast", "--json", "--no-think",
                      "--max-tokens", "4")
        assert json.loads(out)["subject"]["fingerprint"] == fingerprint, out[:500]
        for words in (("run", "ask.yaml"), ("worker",), ("serve", "--port", "0")):
            done = place.weft(*words, "--numerics", "quick", code=None)
            assert done.returncode in (2, 3), (words, done.stderr)
            assert "'quick' is not known" in done.stderr, (words, done.stderr)


main(globals())
