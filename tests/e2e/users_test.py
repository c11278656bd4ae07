# SPDX-License-Identifier: Apache-2.0
"""People who sign in by name and password: made and removed on the command line, signed in over HTTP
with CSRF and roles, slowed down when they guess, and served beside many who do."""
import json
import threading
import time

from harness import main
from serving import Server, until

HELLO = """weft: "1"
id: hello
steps:
  - { id: greet, type: set, parameters: { value: "Hello!" } }
"""
PASSWORD = "correct horse battery"
KEPT = "a line that nobody forgets"


class House(Server):
    def __init__(self):
        super().__init__("--workflow", "hello.yaml")
        self.write("hello.yaml", HELLO)

    def users(self, *words, password=None, code=0):
        import subprocess
        done = subprocess.run(self.command("users", *words), cwd=self.path, env=self.env, text=True,
                              input=password, capture_output=True, timeout=60, check=False)
        assert done.returncode == code, (words, done.returncode, done.stderr)
        return done

    def sign_in(self, user, password):
        return self.ask("POST", "/session", {"user": user, "password": password})

    def signed_in(self, user, password=PASSWORD):
        answer = self.sign_in(user, password)
        assert answer.status == 201, answer.body
        return {"Cookie": answer.headers["Set-Cookie"].split(";")[0],
                "X-Weft-CSRF": answer.json["csrf"]}


def test_people_come_work_and_leave():
    with House() as server:
        assert server.get("/workflows").status == 200
        assert server.get("/session").json["passwords"] is False
        server.users("add", "ada", "--role", "admin", password=PASSWORD + "\n")
        assert until(lambda: server.get("/workflows").status == 401)  # closed from now on
        assert server.get("/session").json["passwords"] is True
        server.users("add", "Bo Kim", "--role", "viewer", "--tenant", "acme", password=KEPT)
        listed = json.loads(server.users("list", "--json").stdout)
        assert [(p["name"], p["roles"], p["tenant"]) for p in listed] == [
            ("Bo Kim", ["viewer"], "acme"), ("ada", ["admin"], "")], listed
        assert "hash" not in listed[0] and "argon2" not in json.dumps(listed)
        assert server.sign_in("ada", f" {PASSWORD} ").status == 201  # spaces around do not count
        ada, bo = server.signed_in("ada"), server.signed_in("Bo Kim", KEPT)
        start = {"workflow_id": "hello"}
        assert server.post("/workflows/execute", start, headers=ada).status == 202
        assert server.post("/workflows/execute", start, headers=bo).status == 403
        assert server.post("/workflows/execute", start,
                           headers={"Cookie": ada["Cookie"]}).status == 403  # no csrf
        me = server.get("/session", headers=bo).json
        assert (me["name"], me["tenant"], me["roles"]) == ("Bo Kim", "acme", ["viewer"]), me
        records = server.get("/audit?action=sign_in", headers=ada).json["items"]
        assert until(lambda: len(server.get("/audit?action=sign_in",
                                            headers=ada).json["items"]) == 3), records
        people = {p["name"]: p["id"] for p in listed}
        records = server.get("/audit?action=sign_in", headers=ada).json["items"]
        assert {r["user"] for r in records} == {f"ada (user:{people['ada']})",
                                                f"Bo Kim (user:{people['Bo Kim']})"}, records
        done = server.get("/audit?action=users:manage", headers=ada).json["items"]
        assert {r["resource"] for r in done} == {"add ada", "add Bo Kim"}, done
        server.stop()
        server.__enter__()
        assert server.get("/workflows", headers=ada).status == 200
        server.users("passwd", "ada", password="another horse battery")
        assert until(lambda: server.get("/workflows", headers=ada).status == 401)
        assert server.sign_in("ada", PASSWORD).status == 401
        ada = server.signed_in("ada", "another horse battery")
        server.users("remove", "Bo Kim")
        assert until(lambda: server.get("/workflows", headers=bo).status == 401)
        assert server.sign_in("Bo Kim", KEPT).status == 401
        assert server.ask("DELETE", "/session", headers=ada).status == 200
        assert server.get("/workflows", headers=ada).status == 401
        server.stop()
        for file in server.path.rglob("*"):
            text = file.read_bytes() if file.is_file() else b""
            assert PASSWORD.encode() not in text and KEPT.encode() not in text, file
        (hashed,), = server.rows("select hash from person")
        assert hashed.startswith("$argon2id$v=19$m=65536,t=2,p=1$"), hashed
        server.weft("audit", "verify")
        server.__enter__()


def test_what_will_not_do():
    with House() as server:
        for name, password in (("ada", "short"), ("ada", ""), ("", PASSWORD),
                               ("a name of twelve", "a name of twelve")):
            assert "E0769" in server.users("add", name, "--role", "viewer", password=password,
                                           code=2).stderr, name
        server.users("add", "ada", "--role", "viewer", password=PASSWORD)
        assert "already" in server.users("add", "ada", "--role", "admin", password=PASSWORD,
                                         code=2).stderr
        server.users("passwd", "eve", password=PASSWORD, code=4)
        server.users("remove", "eve", code=4)
        server.users("add", "eve", password=PASSWORD, code=2)  # which role?
        for body in ({"user": "ada"}, {"password": PASSWORD}, {"user": "ada", "password": 1},
                     {"user": "ada", "password": PASSWORD, "key": "x"}):
            assert server.ask("POST", "/session", body).status == 400, body
        assert server.sign_in("ada", "x" * 50_000).status == 401
        assert server.sign_in("x" * 50_000, PASSWORD).status == 401
        assert server.sign_in("ada", "x" * 100_000).status == 413  # nobody is known yet


def test_guessing_is_slow_and_others_are_served():
    with House() as server:
        server.users("add", "ada", "--role", "admin", password=PASSWORD)
        key = server.weft("keys", "create", "--name", "me", "--role", "admin").stdout.strip()
        bearer = {"Authorization": f"Bearer {key}"}
        assert until(lambda: server.get("/workflows", headers=bearer).status == 200)
        counts, slowest = {}, [0.0]

        def guess(user, times=12):
            for _ in range(times):
                status = server.sign_in(user, "guess after guess").status
                counts[status] = counts.get(status, 0) + 1
            return status

        guessing = [threading.Thread(target=guess, args=(user,)) for user in ("ada", "eve") * 3]
        for thread in guessing:
            thread.start()
        while any(thread.is_alive() for thread in guessing):
            began = time.monotonic()
            assert server.get("/workflows", headers=bearer).status == 200
            slowest[0] = max(slowest[0], time.monotonic() - began)
        assert counts.get(401, 0) <= 12 and counts[429] > 20 and set(counts) == {401, 429}, counts
        assert slowest[0] < 1, slowest
        while guess("ada", 1) != 429:  # a slow machine has allowed one more meanwhile
            pass
        refused = server.sign_in("ada", PASSWORD)
        assert refused.status == 429 and int(refused.headers["Retry-After"]) >= 1, refused.body
        print(f"        {counts}, slowest other answer {slowest[0] * 1000:.0f} ms")

        def records():
            return server.get("/audit?action=sign_in&limit=100", headers=bearer).json["items"]

        assert until(lambda: len(records()) == counts[401])
        assert {r["outcome"] for r in records()} == {"refused"}
        assert all("guess" not in json.dumps(r) and "eve" not in r["user"] for r in records())
        time.sleep(7)  # ten a minute
        assert server.signed_in("ada")


if __name__ == "__main__":
    main(dict(globals()))
