# SPDX-License-Identifier: Apache-2.0
"""Two processes on one store: one dies or is stopped, the other finishes its run, once."""
import json
import os
import signal
import time

from harness import Place, main
from run_test import is_waiting, wait_for

VICTIM = """
weft: "1"
id: victim
steps:
  - {id: before, type: file, parameters: {action: write, path: before.txt, content: x}}
  - {id: pause, type: wait, dependencies: [before], parameters: {for: 4s}}
  - {id: after, type: set, dependencies: [pause], parameters: {value: done}}
output: "{{ steps.after }}"
"""
BYSTANDER = """
weft: "1"
id: bystander
steps:
  - {id: pause, type: wait, parameters: {for: 30s}}
"""


def run_of(place, workflow):
    return place.rows("select id, status from run where workflow = ?", workflow)


def recorded_once(place, run):
    kinds = [kind for kind, in place.rows("select kind from event where run = ?", run)]
    assert kinds.count("run_finished") == 1, kinds
    ended = place.rows("select status from step where run = ?", run)
    assert ended == [("succeeded",)] * 3, ended


def start_both(place):
    place.write("victim.yaml", VICTIM)
    place.write("bystander.yaml", BYSTANDER)
    victim = place.start("run", "victim.yaml", "--json")
    wait_for(lambda: is_waiting(place))
    bystander = place.start("run", "bystander.yaml")
    wait_for(lambda: run_of(place, "bystander"))
    return victim, bystander


def test_a_killed_process():
    with Place() as place:
        victim, bystander = start_both(place)
        (run, _), = run_of(place, "victim")
        victim.kill()
        begin = time.monotonic()
        wait_for(lambda: run_of(place, "victim") == [(run, "succeeded")], 20)
        print(f"        taken over and finished {time.monotonic() - begin:.1f} s after kill -9")
        recorded_once(place, run)
        bystander.send_signal(signal.SIGINT)
        assert bystander.wait(20) == 130
        victim.communicate()


def test_a_stopped_process_wakes_up_fenced():
    with Place() as place:
        victim, bystander = start_both(place)
        (run, _), = run_of(place, "victim")
        os.kill(victim.pid, signal.SIGSTOP)
        begin = time.monotonic()
        wait_for(lambda: run_of(place, "victim") == [(run, "succeeded")], 30)
        print(f"        taken over and finished {time.monotonic() - begin:.1f} s after SIGSTOP")
        events = place.rows("select count(*) from event where run = ?", run)
        os.kill(victim.pid, signal.SIGCONT)
        shown, _ = victim.communicate(timeout=20)
        assert victim.returncode == 0 and json.loads(shown)["output"] == "done", shown
        assert place.rows("select count(*) from event where run = ?", run) == events
        recorded_once(place, run)
        bystander.send_signal(signal.SIGINT)
        assert bystander.wait(20) == 130


if __name__ == "__main__":
    main(dict(globals()))
