# SPDX-License-Identifier: Apache-2.0
"""Tools and the steps behind them, against real peers: databases, a mail server, webhooks, files, the
sandbox; and everything that must be refused."""
import http.server
import json
import os
import pathlib
import shutil
import socketserver
import sqlite3
import subprocess
import sys
import threading

from agent_test import Crm, document
from harness import WEFT, Place, main
from postgres_test import Server, programs, psql


def call(place, *words, code=0):
    done = subprocess.run([WEFT, "tools", "call", *words], cwd=place.path, env=place.env, text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done


def database(place):
    db = sqlite3.connect(place.path / "crm.db")
    db.execute("create table customer (id text primary key, name text, age integer, photo blob)")
    db.executemany("insert into customer values (?, ?, ?, ?)",
                   [(f"C-{i}", f"name {i}", i, None) for i in range(50)])
    db.execute("insert into customer values ('B', 'binary', 1, x'fffe00')")
    db.commit()
    db.close()


def query(place, sql, args=None, grant="crm=sqlite:crm.db", code=0, **more):
    place.write("args.json", json.dumps({"connection": "crm", "query": sql, "args": args or {}, **more}))
    return call(place, "database", "-i", "@args.json", "--database", grant, code=code)


def count(place):
    return sqlite3.connect(place.path / "crm.db").execute("select count(*) from customer").fetchone()


def test_sqlite_reads_with_bound_values():
    with Place() as place:
        database(place)
        found = json.loads(query(place, "select id, age from customer where id = :id", {"id": "C-7"}).stdout)
        assert found == {"rows": [{"id": "C-7", "age": 7}], "more": False, "changed": 0}, found
        evil = "C-7'; drop table customer; --"
        assert json.loads(query(place, "select id from customer where id = :id", {"id": evil}).stdout)[
            "rows"] == []
        assert count(place) == (51,)
        assert query(place, "select id from customer where id = :id", code=1)
        assert query(place, "select 1", {"id": 1}, code=1)
        assert "text" in query(place, "select photo from customer where id = 'B'", code=1).stderr


def test_sqlite_is_read_only_until_granted():
    with Place() as place:
        database(place)
        for sql in ("delete from customer", "select 1; delete from customer", "drop table customer",
                    "attach 'other.db' as x", "pragma journal_mode = delete",
                    "with a as (select 1) insert into customer(id) select 'x'",
                    "/* select */ delete from customer", "create table y (a)"):
            refused = query(place, sql, code=1)
            assert "E0626" in refused.stderr, (sql, refused.stderr)
        assert count(place) == (51,) and not (place.path / "other.db").exists()
        done = json.loads(query(place, "delete from customer where id = :id", {"id": "C-1"},
                                grant="crm=write:sqlite:crm.db").stdout)
        assert done["changed"] == 1 and count(place) == (50,), done
        assert "E0626" in query(place, "select 1", grant="other=sqlite:crm.db", code=1).stderr


def test_rows_and_time_are_bounded():
    with Place() as place:
        database(place)
        many = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n"
        found = json.loads(query(place, "values (1), (2)").stdout)
        assert len(found["rows"]) == 2
        sql = many.replace("with recursive", "select * from (with recursive") + ")"
        found = json.loads(query(place, sql).stdout)
        assert len(found["rows"]) == 1000 and found["more"], found["more"]
        place.write("a.json", json.dumps({"connection": "crm", "query": f"select count(*) from ({sql})"}))
        late = call(place, "database", "-i", "@a.json", "--database", "crm=sqlite:crm.db", "--timeout", "1",
                    code=1)
        assert "longer" in late.stderr, late.stderr


def test_postgresql_by_the_same_rules():
    if programs() is None:
        print("        SKIPPED: no PostgreSQL server is installed")
        return
    with Server(programs()) as server, Place() as place:
        read, write = f"crm={server.url}", f"crm=write:{server.url}"
        psql(server, "create table customer (id text primary key, age integer, seen timestamptz, "
                     "spent numeric(10, 2), tags jsonb, photo bytea)")
        psql(server, "insert into customer select 'C-' || i, i, '2026-11-22T01:02:03Z', i * 0.1, "
                     "'[1]', null from generate_series(1, 2000) i")

        def total():
            return int(psql(server, "select count(*) from customer"))

        found = json.loads(query(place, "select id, age, spent, tags from customer where id = :id and "
                                        "age = :age", {"id": "C-7", "age": 7}, read).stdout)
        assert len(found["rows"]) == 1 and found["rows"][0]["id"] == "C-7", found
        assert found["rows"][0]["age"] == 7 and not found["more"], found
        evil = "C-7'; drop table customer; --"
        assert json.loads(query(place, "select id from customer where id = :id", {"id": evil},
                                read).stdout)["rows"] == []
        many = json.loads(query(place, "select id from customer", grant=read).stdout)
        assert len(many["rows"]) == 1000 and many["more"], many["more"]
        for sql in ("delete from customer", "select 1; delete from customer", "drop table customer",
                    "with gone as (delete from customer returning id) select id from gone",
                    "commit; delete from customer", "commit", "set transaction read write",
                    "copy customer to program 'cat > /dev/null'",
                    "do $$ begin delete from customer; end $$"):
            query(place, sql, grant=read, code=1)
            assert total() == 2000, sql
        done = json.loads(query(place, "delete from customer where age = :age", {"age": 1},
                                write).stdout)
        assert done["changed"] == 1 and total() == 1999, done
        # More rows than may come back: it is done as a whole, and said to be.
        gone = json.loads(query(place, "delete from customer returning id", grant=write).stdout)
        assert (len(gone["rows"]), gone["more"], gone["changed"], total()) == (1000, True, 1999, 0)
        place.write("args.json", json.dumps({"connection": "crm", "query": "select pg_sleep(30)"}))
        late = call(place, "database", "-i", "@args.json", "--database", read, "--timeout", "1", code=1)
        assert "E0626" in late.stderr and "timeout" in late.stderr, late.stderr


def test_files_stay_below_their_root():
    with Place() as place:
        (place.path / "root").mkdir()
        place.write("secret.txt", "secret")
        place.write("root/a.csv", "id,n\nx,1\n")
        os.symlink(place.path / "secret.txt", place.path / "root" / "link")
        read = call(place, "file_processor", "-i", "action=parse", "-i", "path=a.csv", "--files", "root")
        assert json.loads(read.stdout) == [{"id": "x", "n": "1"}], read.stdout
        for path in ("../secret.txt", "link", str(place.path / "secret.txt"), "x/../../secret.txt"):
            refused = call(place, "file_processor", "-i", "action=read", "-i", f"path={path}",
                           "--files", "root", code=1)
            assert "secret" not in refused.stdout, path


PDF = (b"%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>"
       b"endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 100]/Contents 4 0 R/Resources<</Font<<"
       b"/F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>endobj\n4 0 obj<</Length 44>>stream\n"
       b"BT /F1 18 Tf 20 50 Td (Invoice 4471) Tj ET   \nendstream endobj\ntrailer<</Root 1 0 R>>\n")


def sandboxed():
    return shutil.which("bwrap") is not None and subprocess.run(
        ["bwrap", "--ro-bind", "/", "/", "--unshare-all", "true"],
        capture_output=True).returncode == 0


def test_pdf_text_in_the_sandbox():
    if not (sandboxed() and shutil.which("pdftotext")):
        print("        SKIPPED: no sandbox can be made here, or pdftotext is not installed")
        return
    with Place() as place:
        (place.path / "a.pdf").write_bytes(PDF)
        read = call(place, "file_processor", "-i", "action=parse", "-i", "path=a.pdf")
        assert "Invoice 4471" in read.stdout, read.stdout
        (place.path / "b.pdf").write_bytes(b"no pdf at all")
        call(place, "file_processor", "-i", "action=parse", "-i", "path=b.pdf", code=1)


def shell(place, *command, code=0, allow=True):
    place.write("c.json", json.dumps({"command": list(command)}))
    words = ["--allow-shell"] if allow else []
    return call(place, "shell", "-i", "@c.json", *words, code=code)


def test_commands_run_only_where_allowed_and_in_a_sandbox():
    if not sandboxed():
        print("        SKIPPED: bubblewrap cannot make a sandbox here")
        return
    with Place() as place:
        assert "E0627" in shell(place, "id", code=1, allow=False).stderr
        assert json.loads(shell(place, "echo", "a", "b; echo c").stdout)["stdout"] == "a b; echo c\n"
        place.write("secret.txt", "secret")
        for path in (place.path / "secret.txt", "/etc/passwd", "/root"):
            shell(place, "cat", str(path), code=1)
        assert "lo" in shell(place, "sh", "-c", "cat /proc/net/dev").stdout
        assert "eth" not in shell(place, "sh", "-c", "cat /proc/net/dev").stdout
        assert json.loads(shell(place, "sh", "-c", "echo $HOME-$WEFT_HOME").stdout)["stdout"] == "-\n"
        assert "ended with code 3" in shell(place, "sh", "-c", "exit 3", code=1).stderr
        said = shell(place, "sh", "-c", "printf x >&2; yes é | head -n 300 | tr -d '\\n' >&2; exit 3",
                     code=1).stderr
        assert "xéé" in said and "\ufffd" not in said, said  # cut between two characters
        assert "wrote more" in shell(place, "sh", "-c", "yes", code=1).stderr
        slow = call(place, "shell", "-i", "@c.json", "--allow-shell", "--timeout", "1", code=1) if \
            place.write("c.json", json.dumps({"command": ["sleep", "60"]})) else None
        assert "longer" in slow.stderr, slow.stderr


def test_commands_see_nothing_of_the_environment_of_weft():
    if not sandboxed():
        print("        SKIPPED: bubblewrap cannot make a sandbox here")
        return
    with Place() as place:
        place.env["WEFT_SMTP_PASSWORD"] = "pass-4471-word"
        seen = shell(place, "sh", "-c", "cat /proc/*/environ | tr '\\0' '\\n'; env")
        assert "pass-4471-word" not in seen.stdout and "HOME=" not in seen.stdout, seen.stdout
        assert "PATH=/usr/bin:/bin" in seen.stdout, seen.stdout


def test_what_a_command_may_fill_is_bounded():
    if not sandboxed():
        print("        SKIPPED: bubblewrap cannot make a sandbox here")
        return
    with Place() as place:
        sizes = json.loads(shell(place, "sh", "-c", "df -m --output=target,size /tmp /dev/shm").stdout)
        assert [line.split() for line in sizes["stdout"].splitlines()[1:]] == [
            ["/tmp", "256"], ["/dev/shm", "64"]], sizes
        shell(place, "sh", "-c", "touch /tmp/x /dev/shm/x && echo > /dev/null")
        for elsewhere in ("/x", "/dev/x"):
            assert "Read-only" in shell(place, "touch", elsewhere, code=1).stderr
        assert "did not start" in shell(place, "no-such-program", code=1).stderr
        # Root is not counted, and old kernels count what its user runs elsewhere.
        release = [int(n) for n in os.uname().release.split("-")[0].split(".")[:2]]
        if shutil.which("prlimit") and release >= [5, 14]:
            assert json.loads(shell(place, "sh", "-c", "ulimit -p").stdout)["stdout"] == "256\n"


class Mail(socketserver.StreamRequestHandler):
    """Enough of SMTP (RFC 5321) to take a mail."""

    def handle(self):
        self.say("220 test")
        while line := self.rfile.readline().decode().strip():
            self.server.lines.append(line)
            word = line.split(" ")[0].upper()
            if word == "DATA":
                self.say("354 go")
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    text += self.rfile.readline()
                self.server.mails.append(text.decode())
            if word == "QUIT":
                self.say("221 bye")
                return
            self.say("550 no such user" if "nobody@" in line else "250 ok")

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")


def test_mail():
    with Place() as place, socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail) as server:
        server.mails, server.lines = [], []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        grant = ["--smtp", f"smtp://127.0.0.1:{server.server_address[1]}", "--mail-from", "weft@example.com"]
        words = ["notification", "-i", "channel=email", "-i", "subject=제목", "-i", "text=본문"]
        call(place, *words, "-i", "to=ada@example.com", *grant)
        assert "RCPT TO:<ada@example.com>" in server.lines[2], server.lines
        assert "Message-ID: <" in server.mails[0] and "=?utf-8?B?" in server.mails[0], server.mails
        assert "E0628" in call(place, *words, "-i", "to=nobody@example.com", *grant, code=1).stderr
        before = len(server.mails)
        for to in ("a@b\r\nBcc: c@d", "no address", "a@b>,<c@d"):
            place.write("m.json", json.dumps({"channel": "email", "to": to, "text": "x"}))
            assert "E0628" in call(place, "notification", "-i", "@m.json", *grant, code=1).stderr
        assert len(server.mails) == before
        assert "E0628" in call(place, *words, "-i", "to=a@b", code=1).stderr
        server.shutdown()


def test_webhooks_carry_one_key():
    with Place() as place, Crm() as crm:
        call(place, "notification", "-i", "channel=chat", "-i", f"to={crm.url}/hook", "-i", "text=hello",
             "--allow-host", crm.host)
        assert crm.asked[0][1:] == ("/hook", {"text": "hello"}), crm.asked
        assert len(crm.tickets) == 1
        refused = call(place, "notification", "-i", "channel=webhook", "-i", f"to={crm.url}/hook", "-i",
                       "text=hello", code=1)
        assert "E0801" in refused.stderr and len(crm.asked) == 1, refused.stderr


def test_addresses_inside_are_refused_after_redirects_too():
    class Away(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", self.server.to)
            self.end_headers()

        def log_message(self, *unused):
            pass
    with Place() as place, http.server.ThreadingHTTPServer(("127.0.0.1", 0), Away) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for to in ("http://169.254.169.254/latest/meta-data", "http://127.0.0.1:1/", "http://[::1]:1/",
                   "file:///etc/passwd"):
            server.to = to
            refused = call(place, "api_client", "-i", "method=GET", "-i",
                           f"url=http://127.0.0.1:{server.server_port}/", "--allow-host",
                           f"127.0.0.1:{server.server_port}", code=1)
            assert "E080" in refused.stderr, (to, refused.stderr)
        server.shutdown()


def where_names_change(place, host, *words):
    """`weft tools call api_client` for a host whose addresses change while it is asked."""
    place.write("resolv.conf", "nameserver 127.0.0.1\n")
    place.write("nsswitch.conf", "hosts: dns\n")
    files = [word for name in ("resolv.conf", "nsswitch.conf")
             for word in ("--ro-bind", str(place.path / name), os.path.realpath(f"/etc/{name}"))]
    done = subprocess.run(
        [*OWN_NETWORK, "--bind", str(place.path), str(place.path), *files, sys.executable,
         str(pathlib.Path(__file__).with_name("rebinding.py")), "8099", WEFT, "tools", "call",
         "api_client", "-i", "method=GET", "-i", f"url=http://{host}:8099/", *words],
        cwd=place.path, env=place.env, text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


OWN_NETWORK = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-user",
               "--unshare-net", "--uid", "0", "--cap-add", "CAP_NET_BIND_SERVICE"]


def test_a_name_that_changes_its_address_leads_nowhere_inside():
    if not (shutil.which("bwrap") and all(os.path.exists(f"/etc/{name}") for name in (
            "resolv.conf", "nsswitch.conf")) and subprocess.run(
                [*OWN_NETWORK, "true"], capture_output=True).returncode == 0):
        print("        SKIPPED: no network of its own can be made here")
        return
    with Place() as place:
        for host in ("both.example", "turns.example"):
            found = where_names_change(place, host)
            assert found["code"] == 1 and not found["reached"], found
            assert found["asked"] and set(found["asked"]) == {host}, found
            assert "E080" in found["stderr"], found
        allowed = where_names_change(place, "both.example", "--allow-host", "both.example:8099")
        assert allowed["code"] == 0 and allowed["reached"] == ["/"], allowed  # the names do lead there


def test_declared_tools_are_listed_and_called():
    with Place() as place, Crm() as crm:
        place.write("support.yaml", document())
        listed = json.loads(subprocess.run([WEFT, "tools", "list", "--workflow", "support.yaml", "--json"],
                                           cwd=place.path, capture_output=True, text=True,
                                           check=True).stdout)
        names = [tool["function"]["name"] for tool in listed]
        assert names[:2] == ["get_customer_profile", "create_support_ticket"] and "api_client" in names
        words = ["get_customer_profile", "--workflow", "support.yaml", "--run-input",
                 json.dumps({"crm": crm.url}), "--allow-host", crm.host]
        found = json.loads(call(place, *words, "-i", "customer_id=a/b c").stdout)
        assert crm.asked[0][1] == "/customers/a%2Fb%20c" and found["status"] == "damaged", crm.asked
        assert "E0603" in call(place, *words, "-i", "customer=1", code=1).stderr
        for away in ("..", ".", "%2e%2e", "../tickets", "..;x"):  # would be another address
            refused = call(place, *words, "-i", f"customer_id={away}", code=1)
            assert "E0802" in refused.stderr and len(crm.asked) == 1, (refused.stderr, crm.asked)
        assert "did you mean" in call(place, "get_customer_profil", "--workflow", "support.yaml",
                                      code=4).stderr


API = {"openapi": "3.1.0", "servers": [{"url": "URL"}], "paths": {
    "/customers/{id}": {"get": {"operationId": "getCustomer", "summary": "One customer", "parameters": [
        {"name": "id", "in": "path", "required": True, "schema": {"$ref": "#/components/schemas/Id"}},
        {"name": "full", "in": "query", "schema": {"type": "boolean"}}]}},
    "/tickets": {"post": {"operationId": "createTicket", "requestBody": {"required": True, "content": {
        "application/json": {"schema": {"type": "object", "properties": {"text": {"type": "string"}}}}}}}}},
    "components": {"schemas": {"Id": {"type": "string", "maxLength": 12}}}}


# What OpenAPI has and simple examples have not.
ODD_API = {"openapi": "3.0.3", "servers": [{"url": "/v3"}], "paths": {
    "/find": {"get": {"operationId": "find", "security": [{"key": []}], "parameters": [
        {"name": "X-Tenant", "in": "header", "required": True, "schema": {"type": "string"}},
        {"name": "tag", "in": "query", "schema": {
            "type": "array", "nullable": True, "items": {"type": "string"}}}]}},
    "/upload": {"post": {"operationId": "upload", "requestBody": {"required": True, "content": {
        "multipart/form-data": {}}}}}},
    "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}}}


def test_an_api_description_becomes_tools():
    with Place() as place, Crm() as crm:
        place.write("api.json", json.dumps(API).replace("URL", crm.url))
        text = subprocess.run([WEFT, "tools", "import", "api.json"], cwd=place.path, capture_output=True,
                              text=True, check=True).stdout
        place.write("w.yaml", 'weft: "1"\nid: w\nsteps: [{ id: a, type: set }]\n' + text)
        words = ["--workflow", "w.yaml", "--allow-host", crm.host]
        assert json.loads(call(place, "getCustomer", "-i", "id=C-1", *words).stdout)["customer_id"] == "C-1"
        call(place, "getCustomer", "-i", "id=C-1", "-i", "full=true", *words)
        assert crm.asked[-1][1] == "/customers/C-1?full=true", crm.asked
        assert "E0603" in call(place, "getCustomer", "-i", "id=much-too-long-an-id", *words, code=1).stderr
        place.write("b.json", json.dumps({"body": {"text": "x"}}))
        call(place, "createTicket", "-i", "@b.json", *words)
        assert crm.posts() == [{"text": "x"}], crm.asked
        place.write("odd.json", json.dumps(ODD_API))
        imported = subprocess.run([WEFT, "tools", "import", "odd.json", "--base-url", crm.url],
                                  cwd=place.path, capture_output=True, text=True, check=True).stdout
        assert "# upload: left out: it needs a body of multipart/form-data" in imported, imported
        assert '# find: the API asks for a credential' in imported and "X-Key" in imported, imported
        place.write("odd.yaml", 'weft: "1"\nid: w\nsteps: [{ id: a, type: set }]\n' + imported)
        place.write("a.json", json.dumps({"tag": ["a b", "c"], "X-Tenant": "t1"}))
        call(place, "find", "-i", "@a.json", "--workflow", "odd.yaml", "--allow-host", crm.host)
        assert crm.asked[-1][1] == "/v3/find?tag=a%20b&tag=c", crm.asked
        for broken in ({"swagger": "2.0"}, {"openapi": "3.0.0", "servers": API["servers"], "paths": {
                "/x": {"get": {"parameters": [{"$ref": "#/paths/~1x/get/parameters/0"}]}}}}):
            place.write("bad.json", json.dumps(broken).replace("URL", crm.url))
            bad = subprocess.run([WEFT, "tools", "import", "bad.json"], cwd=place.path,
                                 capture_output=True, text=True)
            assert bad.returncode == 1 and "E0629" in bad.stderr, bad.stderr


if __name__ == "__main__":
    main(dict(globals()))
