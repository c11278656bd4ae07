# SPDX-License-Identifier: Apache-2.0
"""A run that somebody asks to be removed: over HTTP and on the command line, in both stores; what
was in it is in no file afterwards, the history can still be proven, and who may not is refused."""
import json
import secrets

import audit_test
import postgres_test
from harness import main
from serving import Server, until

NAME = f"Rumpelstiltskin{secrets.token_hex(4)}"


def ended(server, task):
    view = server.ask_as(server.admin, "GET", f"/workflows/{task}")
    return view.status == 200 and view.json["status"] in ("succeeded", "cancelled")


def greeted(server, name=NAME):
    task = audit_test.greet(server, name)
    assert until(lambda: ended(server, task))
    return task


def files_with(server, word):
    return [str(file.relative_to(server.path)) for file in server.path.rglob("*")
            if file.is_file() and word.encode() in file.read_bytes()]


def audited():
    server = audit_test.Audited()
    server.write("greeting.yaml", audit_test.GREETING)
    server.write("waiting.yaml", audit_test.WAITING)
    server.words += ("--workflow", "greeting.yaml", "--workflow", "waiting.yaml")
    return server


def test_a_run_goes_for_good_and_the_rest_is_proven():
    with audited() as server:
        task = greeted(server)
        other = greeted(server, "Ada")
        assert files_with(server, NAME)
        for key, status in ((server.viewer, 403), (server.acme, 404)):
            assert server.ask_as(key, "DELETE", f"/workflows/{task}").status == status
        assert server.ask("DELETE", f"/workflows/{task}").status == 401
        gone = server.ask_as(server.admin, "DELETE", f"/workflows/{task}")
        assert gone.status == 200, gone.body
        assert gone.json["removed"] == [task] and gone.json["copies"] == [], gone.json
        assert gone.json["wiped"] and gone.json["events"] >= 3, gone.json
        assert files_with(server, NAME) == [], files_with(server, NAME)  # while it runs
        for path in ("", "/view", "/events", "/steps/greet"):
            got = server.ask_as(server.admin, "GET", f"/workflows/{task}{path}")
            assert got.status == 404, (path, got.status)
        again = server.ask_as(server.admin, "DELETE", f"/workflows/{task}")
        assert again.status == 404 and again.json["code"] == "E0601", again.body

        def outcomes():
            return sorted(r["outcome"] for r in server.records(action="runs:delete")
                          if task in r["resource"])

        assert until(lambda: outcomes() == ["failed", "failed", "ok", "refused"]), outcomes()
        report = server.ask_as(server.admin, "GET", "/audit/verify").json
        assert report["good"] and report["pruned_runs"] == 1, report
        assert ended(server, other)
        server.stop()
        server.weft("fsck")
        assert "1 runs were removed on purpose" in server.weft("audit", "verify").stderr
        # nobody else can pass another one off as removed
        bare = f"update event set kind = 'pruned', path = '', body = '' where run = '{other}'"
        server.weft_verify = lambda copy: audit_test.server_verify(server, copy)
        assert audit_test.tampered(server, bare)["problem"]["code"] == "E0607"
        server.__enter__()


def test_runs_that_have_not_ended_stay():
    with audited() as server:
        task = server.ask_as(server.admin, "POST", "/workflows/execute",
                             {"workflow_id": "waiting"}).json["task_id"]
        early = server.ask_as(server.admin, "DELETE", f"/workflows/{task}")
        assert early.status == 409 and "has not ended" in early.json["detail"], early.body
        assert server.ask_as(server.admin, "POST", f"/workflows/{task}/cancel", {}).status == 200
        assert until(lambda: ended(server, task))
        assert server.ask_as(server.admin, "DELETE", f"/workflows/{task}").status == 200


def test_on_the_command_line_beside_a_server():
    with audited() as server:
        first, second = greeted(server), greeted(server)
        forked = server.ask_as(server.admin, "POST", f"/workflows/{second}/fork",
                               {"from": "greet"}).json["task_id"]
        assert until(lambda: ended(server, forked))
        would = json.loads(server.weft("runs", "delete", second, "--dry-run", "--json").stdout)
        assert would["removed"] == [second] and would["copies"] == [forked], would
        assert ended(server, second)
        told = server.weft("runs", "delete", second).stderr
        assert f"removed {second}" in told and forked in told, told
        server.weft("runs", "delete", second, code=4)
        assert audit_test.gone(server, second) and ended(server, first)
        kept = json.loads(server.weft("runs", "prune", "--older-than", "1h", "--json").stdout)
        assert kept["runs"] == 0, kept
        server.weft("runs", "prune", code=2)
        would = json.loads(server.weft("runs", "prune", "--older-than", "0.001", "--dry-run",
                                       "--json").stdout)
        assert would["runs"] == 2 and ended(server, first), would
        done = json.loads(server.weft("runs", "prune", "--older-than", "0.001", "--json").stdout)
        assert done["runs"] == 2, done
        assert audit_test.gone(server, first) and audit_test.gone(server, forked)
        actions = [r["action"] for r in server.records()]
        assert "runs:delete" in actions and "runs:prune" in actions, actions
        report = server.ask_as(server.admin, "GET", "/audit/verify").json
        assert report["good"] and report["pruned_runs"] == 3, report
        server.stop()
        server.weft("fsck")
        assert server.verify()["pruned_runs"] == 3
        server.__enter__()


def test_servers_with_files_of_their_own_and_one_key_believe_each_other():
    with audited() as server:
        for name, key in (("a", "one"), ("b", "one"), ("c", "other")):
            server.write(f"{name}.yaml", f"audit: {{ checkpoints: {name}.lines, key: {key}.key }}\n")
            server.weft("keys", "create", "--name", name, "--role", "viewer", "--config",
                        f"{name}.yaml")  # its file has a line
        task = greeted(server)
        server.weft("runs", "delete", task, "--config", "a.yaml")
        for name, fine in (("a", True), ("b", True), ("c", False)):
            told = json.loads(server.weft("audit", "verify", "--json", "--config", f"{name}.yaml",
                                          code=0 if fine else 1).stdout)
            assert told["good"] == fine and told["pruned_runs"] == 1, (name, told)
            assert fine or told["problem"]["code"] == "E0607", told


def test_in_a_sealed_store_without_its_key():
    server = audited()
    server.env.update(WEFT_MASTER_KEY="env:THE_KEY", THE_KEY="5a" * 32)
    with server:
        first, second = greeted(server), greeted(server)
        assert server.ask_as(server.admin, "DELETE", f"/workflows/{first}").status == 200
        server.stop()
        server.weft("fsck")
        del server.env["WEFT_MASTER_KEY"]
        server.weft("runs", "delete", second)  # no payload is read
        report = server.verify()
        assert report["good"] and report["pruned_runs"] == 2, report


def test_in_postgresql():
    if postgres_test.programs() is None:
        print("        SKIPPED: no PostgreSQL server is installed")
        return
    weft = Server()
    with postgres_test.Server(postgres_test.programs()) as database:
        weft.store = database.url
        weft.write("greeting.yaml", audit_test.GREETING)
        weft.words = ("--workflow", "greeting.yaml")
        with weft:
            tasks = []
            for _ in range(2):
                tasks.append(weft.post("/workflows/execute", {
                    "workflow_id": "greeting", "input_data": {"name": NAME}}).json["task_id"])
            assert until(lambda: all(weft.get(f"/workflows/{task}").json["status"] == "succeeded"
                                     for task in tasks))
            gone = weft.ask("DELETE", f"/workflows/{tasks[0]}")
            assert gone.status == 200 and gone.json["wiped"], gone.body
            weft.weft("runs", "delete", tasks[1])
            assert weft.get(f"/workflows/{tasks[1]}").status == 404
            report = weft.get("/audit/verify").json
            assert report["good"] and report["pruned_runs"] == 2, report
            assert postgres_test.psql(database, "select count(*) from run") == "0"
            assert postgres_test.psql(
                database, f"select count(*) from event where body like '%{NAME}%'") == "0"
            weft.stop()
            weft.weft("fsck")
            weft.weft("audit", "verify")


if __name__ == "__main__":
    main(dict(globals()))
