# SPDX-License-Identifier: Apache-2.0
"""Workflows that run by themselves, and steps that are not known before the run."""
import json
import signal

from harness import Place, main
from run_test import wait_for

TICK = """
weft: "1"
id: tick
input: {type: object, properties: {at: {type: string}}}
schedule: {every: 1s, missed: all, time_as: at}
steps:
  - {id: note, type: file, parameters: {action: write, path: "{{ run.id }}.txt",
     content: "{{ input.at }}"}}
"""


def slots(place):
    return place.rows("select slot_us, run from schedule_slot order by slot_us")


def test_two_workers_fire_every_second_once_while_one_is_killed():
    with Place() as place:
        place.write("tick.yaml", TICK)
        added = json.loads(place.weft("schedules", "add", "tick.yaml", "--json").stdout)
        assert added["schedule"] == "tick" and added["next"].endswith("Z"), added
        workers = [place.start("worker") for _ in range(2)]
        wait_for(lambda: len(slots(place)) >= 3, 30)
        workers[0].kill()
        workers[0].communicate()
        seen = len(slots(place))
        wait_for(lambda: len(slots(place)) >= seen + 4, 30)
        place.weft("schedules", "pause", "tick")
        wait_for(lambda: not place.rows("select 1 from run where finished_us is null"), 40)
        workers[1].send_signal(signal.SIGINT)
        assert workers[1].wait(20) == 130
        workers[1].communicate()
        fired = slots(place)
        times = [slot for slot, _ in fired]
        assert times == list(range(times[0], times[-1] + 1, 1_000_000)), times
        runs = place.rows("select id, status from run")
        assert sorted(id for id, _ in runs) == sorted(run for _, run in fired)
        assert all(status == "succeeded" for _, status in runs), runs
        listed = json.loads(place.weft("schedules", "list", "--json").stdout)
        assert listed[0]["fired"] == len(fired) and listed[0]["paused"] is True, listed
        assert "agree" in place.weft("fsck").stderr


def test_the_document_may_be_overruled_and_mistakes_are_told():
    with Place() as place:
        place.write("tick.yaml", TICK)
        place.weft("schedules", "add", "tick.yaml", "--name", "nightly", "--cron", "30 2 * * *",
                   "--timezone", "Europe/Berlin")
        line = place.weft("schedules", "list").stdout
        assert "30 2 * * *" in line and "Europe/Berlin" in line, line
        for words, code, said in [
                (("--cron", "61 * * * *"), 2, "E0441"),
                (("--timezone", "Mars/Olympus"), 2, "E0441"),
                (("-i", "at"), 2, "E0902"),
                (("--name", "a b"), 4, "E0622")]:
            told = place.weft("schedules", "add", "tick.yaml", *words, code=None)
            assert told.returncode == code and said in told.stderr, (words, told)
        assert "E0622" in place.weft("schedules", "remove", "other", code=4).stderr
        place.weft("schedules", "remove", "nightly")
        assert place.weft("schedules", "list").stdout == ""


def test_next_shows_both_clocks():
    with Place() as place:
        done = place.weft_bare("schedules", "next", "--cron", "0 9 * * 1", "--timezone",
                               "Asia/Seoul", "--count", "3")
        lines = done.stdout.splitlines()
        assert len(lines) == 3 and all(l.endswith("T09:00") for l in lines), lines


PLAN = """
weft: "1"
id: planner
steps:
  - id: plan
    type: plan
    retry: {attempts: 3, initial: 100ms}
    parameters:
      goal: "Say hello to the customer."
      types: [set]
      max_steps: 1
      max_tokens: 200
output: "{{ steps.plan }}"
"""


def test_a_model_plans_a_step_which_runs_and_can_be_replayed():
    with Place() as place:
        place.write("plan.yaml", PLAN)
        document = place.run_json("plan.yaml", timeout=120)
        assert document["status"] == "succeeded" and len(document["output"]) == 1, document
        child, = place.rows("select id, status from run where parent is not null")
        assert child[1] == "succeeded"
        assert place.rows("select count(*) from ai_call") != [(0,)]
        replayed = place.weft("replay", document["run"], "--verify", timeout=120)
        assert replayed.returncode == 0, replayed


if __name__ == "__main__":
    main(dict(globals()))
