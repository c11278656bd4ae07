# SPDX-License-Identifier: Apache-2.0
"""Approvals, signals, cancelling, retries, forks and sub-workflows, from another process."""
import json
import signal
import time

from harness import Place, main
from run_test import is_waiting, wait_for

ASKS = """
weft: "1"
id: asks
input: {type: object, properties: {amount: {type: integer, default: 7}}}
steps:
  - {id: before, type: file, parameters: {action: append, path: log.txt, content: x}}
  - {id: ask, type: approval, dependencies: [before], timeout: 1h,
     parameters: {role: lead, title: "Pay?", show: "{{ input.amount }}"}}
  - {id: go, type: signal, dependencies: [ask], parameters: {name: go}}
output: ["{{ steps.ask.decision }}", "{{ steps.go }}"]
"""


def actions(place):
    return json.loads(place.weft("runs", "actions", "--json").stdout)


def waiting_for(place, kind):
    wait_for(lambda: any(a["kind"] == kind for a in actions(place)))
    return next(a for a in actions(place) if a["kind"] == kind)


def test_an_approval_and_a_signal_from_another_process():
    with Place() as place:
        place.write("asks.yaml", ASKS)
        process = place.start("run", "asks.yaml", "--json")
        ask = waiting_for(place, "approval")
        assert (ask["role"], ask["title"], ask["show"]) == ("lead", "Pay?", 7), ask
        begin = time.monotonic()
        done = place.weft("runs", "approve", ask["run"], "--by", "ada", "--json")
        assert json.loads(done.stdout)["outcome"] == "applied", done.stdout
        took = time.monotonic() - begin
        assert "E0614" in place.weft("runs", "reject", ask["run"], "ask", code=1).stderr
        waiting_for(place, "signal")
        place.weft("runs", "signal", ask["run"], "go", "--payload", '{"n": 1}')
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        document = json.loads(out)
        assert document["output"] == ["approved", {"n": 1}], document
        assert document["steps"]["ask"]["output"]["by"] == "ada"
        assert actions(place) == []
        print(f"        decided and heard in {took * 1000:.0f} ms, the command included")


def test_a_run_that_waits_says_what_to_type():
    with Place() as place:
        place.write("asks.yaml", ASKS)
        process = place.start("run", "asks.yaml")
        run = waiting_for(place, "approval")["run"]
        place.weft("runs", "approve", run)
        waiting_for(place, "signal")
        place.weft("runs", "signal", run, "go")
        told = process.communicate(timeout=30)[1]
        assert process.returncode == 0, told
        for command in (f"weft runs approve {run} ask --store {place.store}   (or reject)",
                        f"weft runs signal {run} go --store {place.store}"):
            assert told.count("in another terminal: " + command) == 1, told


def test_an_approval_survives_kill_9_and_is_decided_while_nobody_runs():
    with Place() as place:
        place.write("asks.yaml", ASKS)
        process = place.start("run", "asks.yaml")
        run = waiting_for(place, "approval")["run"]
        process.kill()
        process.communicate()
        stored = place.weft("runs", "approve", run, "--detach", "--json", timeout=60)
        assert json.loads(stored.stdout)["outcome"] in ("stored", "applied"), stored.stdout
        done = place.weft("runs", "signal", run, "go", "--payload", "2", "--json", timeout=60)
        assert json.loads(done.stdout)["output"] == ["approved", 2], done.stdout
        assert (place.path / "log.txt").read_text() == "x"


def test_cancel_reaches_a_living_process():
    with Place() as place:
        place.write("asks.yaml", ASKS)
        process = place.start("run", "asks.yaml")
        run = waiting_for(place, "approval")["run"]
        place.weft("runs", "cancel", run, "--reason", "too late")
        _, err = process.communicate(timeout=30)
        assert process.returncode == 1 and "too late" in err, err


FRAGILE = """
weft: "1"
id: fragile
input: {type: object, properties: {name: {type: string, default: a}}}
steps:
  - {id: count, type: file, parameters: {action: append, path: count.txt, content: x}}
  - {id: read, type: file, dependencies: [count],
     parameters: {action: read, path: "{{ input.name }}.txt"}}
output: "{{ steps.read }}"
"""


def test_retry_and_fork_keep_what_was_done():
    with Place() as place:
        place.write("fragile.yaml", FRAGILE)
        place.weft("run", "fragile.yaml", code=1)
        (run,), = place.rows("select id from run")
        place.write("a.txt", "A")
        place.write("b.txt", "B")
        retried = json.loads(place.weft("runs", "retry", run, "--json").stdout)
        assert retried["output"] == "A", retried
        forked = json.loads(place.weft("runs", "fork", run, "--from", "read", "--set", "name=b",
                                       "--json").stdout)
        assert forked["output"] == "B", forked
        assert (place.path / "count.txt").read_text() == "x"
        assert "E0614" in place.weft("runs", "retry", retried["run"], code=1).stderr
        assert place.rows("select count(*) from run where origin = ?", run) == [(2,)]


PARENT = """
weft: "1"
id: parent
steps:
  - {id: sub, type: workflow, parameters: {workflow: child, input: {n: 20}}}
  - {id: plus, type: set, dependencies: [sub], parameters: {value: "{{ steps.sub + 2 }}"}}
output: "{{ steps.plus }}"
"""
CHILD = """
weft: "1"
id: child
input: {type: object, required: [n], properties: {n: {type: integer}}}
steps:
  - {id: pause, type: wait, parameters: {for: 2s}}
  - {id: double, type: set, dependencies: [pause], parameters: {value: "{{ input.n * 2 }}"}}
output: "{{ steps.double }}"
"""


def test_a_sub_workflow_survives_kill_9_and_a_new_version_of_its_file():
    with Place() as place:
        place.write("parent.yaml", PARENT)
        place.write("child.yaml", CHILD)
        process = place.start("run", "parent.yaml")
        wait_for(lambda: is_waiting(place))
        process.kill()
        process.communicate()
        place.write("child.yaml", CHILD.replace("n * 2", "n * 3"))  # the run is pinned
        place.weft("runs", "resume", "--quiet", timeout=60)
        runs = dict(place.rows("select workflow, status from run"))
        assert runs == {"parent": "succeeded", "child": "succeeded"}, runs
        (run,), = place.rows("select id from run where workflow = 'parent'")
        document = json.loads(place.weft("runs", "show", run, "--json").stdout)
        assert document["output"] == 42, document


def test_a_sub_workflow_that_is_not_there():
    with Place() as place:
        place.write("parent.yaml", PARENT)
        told = place.weft("run", "parent.yaml", code=1).stderr
        assert "E0616" in told and "child.yaml" in told, told


def test_ctrl_c_keeps_a_waiting_run():
    with Place() as place:
        place.write("asks.yaml", ASKS)
        process = place.start("run", "asks.yaml")
        run = waiting_for(place, "approval")["run"]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        process.communicate()
        assert [a["run"] for a in actions(place)] == [run]
        place.weft("runs", "reject", run, "--comment", "no", code=1)
        assert actions(place) == []


if __name__ == "__main__":
    main(dict(globals()))
