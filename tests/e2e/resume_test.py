# SPDX-License-Identifier: Apache-2.0
"""kill -9 in the middle of an answer: the next process goes on from the tokens that are on disk,
to the same text, and what was on disk is not generated again."""
import json
import time

from harness import Place, main

LONG = """
weft: "1"
id: long
steps:
  - id: talk
    type: llm
    parameters:
      prompt: "Customer inquiry: I was charged twice for my order and nobody answers!"
      temperature: 0.9
      max_tokens: 1800
      output:
        type: array
        minItems: 64
        maxItems: 64
        items: { type: string, minLength: 24, maxLength: 40 }
output: "{{ steps.talk }}"
"""


def wait_for(condition, seconds):
    """Looks often: a piece comes every some milliseconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def essence(document):
    return document["status"], document["output"]


def undisturbed():
    with Place() as place:
        place.write("long.yaml", LONG)
        document = place.run_json("long.yaml", timeout=120)
        (ids, resumed), = place.rows("select output_ids, tokens_resumed from ai_call")
        assert resumed == 0
        assert place.rows("select count(*) from ai_partial") == [(0,)]
        return essence(document), ids


def pieces(place):
    try:
        return place.rows("select first, length(ids) / 4 from ai_partial order by first")
    except Exception:
        return []


def test_a_killed_answer_goes_on_to_the_same_text():
    expected, expected_ids = undisturbed()
    assert expected[0] == "succeeded" and len(expected[1]) == 64, expected
    total = len(expected_ids) // 4
    for kills, at in ((1, 1), (1, 4), (3, 2)):
        with Place() as place:
            place.write("long.yaml", LONG)
            process = place.start("run", "long.yaml")
            for kill in range(kills):
                wanted = at * (kill + 1)
                wait_for(lambda: len(pieces(place)) >= wanted or process.poll() is not None, 60)
                assert process.poll() is None, "it was faster than the test: raise max_tokens"
                process.kill()
                process.communicate()
                kept = sum(count for _, count in pieces(place))
                assert kept >= 32 * wanted, kept
                process = place.start("runs", "resume", "--quiet")
            process.communicate(timeout=120)
            (run, status), = place.rows("select id, status from run")
            document = json.loads(place.weft("runs", "show", run, "--json").stdout)
            (ids, resumed), = place.rows("select output_ids, tokens_resumed from ai_call")
            assert resumed >= kept, (resumed, kept)
            assert ids == expected_ids
            assert essence(document) == expected
            assert place.rows("select count(*) from ai_partial") == [(0,)]
            assert "agree" in place.weft("fsck").stderr
            replayed = place.weft("replay", run, "--verify", timeout=120)
            assert replayed.returncode == 0, replayed.stderr
            print(f"        {kills} kills: {resumed} of {total} tokens came from the journal")


def test_what_is_kept_is_never_more_than_32_tokens_behind():
    with Place() as place:
        place.write("long.yaml", LONG)
        place.run_json("long.yaml", timeout=120)
        # The pieces are gone; how they came is seen while a run goes on.
        process = place.start("run", "long.yaml")
        seen = []
        while process.poll() is None:
            seen = max(seen, pieces(place), key=len)
            time.sleep(0.002)
        process.communicate()
        firsts = [first for first, _ in seen]
        assert firsts == list(range(0, 32 * len(seen), 32)), seen
        assert all(count == 32 for _, count in seen), seen


def test_a_damaged_piece_is_generated_anew():
    expected, expected_ids = undisturbed()
    with Place() as place:
        place.write("long.yaml", LONG)
        process = place.start("run", "long.yaml")
        wait_for(lambda: len(pieces(place)) >= 3 or process.poll() is not None, 60)
        assert process.poll() is None, "it was faster than the test: raise max_tokens"
        process.kill()
        process.communicate()
        import sqlite3
        db = sqlite3.connect(place.store)
        (length,), = db.execute("select length(ids) from ai_partial where first = 32")
        db.execute("update ai_partial set ids = ? where first = 32", (b"\x7f" * length,))
        db.commit()
        db.close()
        place.weft("runs", "resume", "--quiet", timeout=120)
        (ids, resumed), = place.rows("select output_ids, tokens_resumed from ai_call")
        assert ids == expected_ids and 32 <= resumed < 96, (len(ids), resumed)


if __name__ == "__main__":
    main(dict(globals()))
