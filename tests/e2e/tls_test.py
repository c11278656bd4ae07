# SPDX-License-Identifier: Apache-2.0
"""`weft serve` over TLS, spoken to by Python's ssl and curl: runs, streams, versions, wrong names,
expired certificates, renewal while a stream is open, plain HTTP on the port, handshakes that never
end, and pairs that it does not start with."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
import warnings

from harness import WEFT, main
from serving import Answer, Server, until

warnings.simplefilter("ignore", DeprecationWarning)  # of the old versions that are refused

HELLO = """weft: "1"
id: hello
input: { type: object, properties: { name: { type: string, default: you } } }
steps:
  - id: greet
    type: set
    parameters: { value: "Hello, {{ input.name }}!" }
output: "{{ steps.greet }}"
"""
ASKING = """weft: "1"
id: asking
steps:
  - id: ask
    type: approval
    parameters: { title: "Pay?", role: approver }
output: "{{ steps.ask.by }}"
"""


class TlsServer(Server):
    """With a certificate of `name` in cert.pem and key.pem; asks are made over TLS."""

    def __init__(self, *words, certificate=True):
        super().__init__("--workflow", "hello.yaml", "--workflow", "asking.yaml",
                         *(("--tls-cert", "cert.pem", "--tls-key", "key.pem")
                           if certificate else ()), *words)
        self.write("hello.yaml", HELLO)
        self.write("asking.yaml", ASKING)
        self.write("weft.yaml", "tls: { certificate: cert.pem, key: key.pem, min_version: 1.3 }\n")
        self.certificate("cert", "key")

    def certificate(self, cert, key, name="localhost", days=2):
        """A self-signed pair; with days < 0 one that has expired."""
        def openssl(*words):
            subprocess.run(["openssl", *words], cwd=self.path, check=True, capture_output=True)

        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={name}", "-keyout", f"{key}.new", "-out", "request.pem")
        self.write("names", f"subjectAltName=DNS:{name},IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", "request.pem", "-signkey", f"{key}.new", "-days", str(days),
                "-extfile", "names", "-out", f"{cert}.new")
        os.replace(self.path / f"{cert}.new", self.path / f"{cert}.pem")
        os.replace(self.path / f"{key}.new", self.path / f"{key}.pem")

    def context(self, trusted="cert.pem"):
        context = ssl.create_default_context(cafile=str(self.path / trusted))
        context.check_hostname = True
        return context

    def wrapped(self, trusted="cert.pem", name="localhost", context=None):
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        return (context or self.context(trusted)).wrap_socket(plain, server_hostname=name)

    def serial(self):
        """Of the certificate that a new connection is shown."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with self.wrapped(context=context) as connection:
            return connection.getpeercert(binary_form=True)

    def connection(self):
        return http.client.HTTPSConnection("localhost", self.port, timeout=60,
                                           context=self.context())

    def ask(self, method, path, body=None, headers=None, timeout=60):
        connection = self.connection()
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        connection.request(method, path, body=body,
                           headers={"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        answer = Answer(response.status, dict(response.getheaders()), response.read())
        connection.close()
        return answer

    def logged(self):
        return (self.path / "log").read_text()


def curl(server, *words, code=0):
    done = subprocess.run(["curl", "-sS", "--max-time", "60", "--cacert", "cert.pem", *words],
                          cwd=server.path, text=True, capture_output=True, timeout=90)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout


def test_runs_events_and_kept_connections():
    with TlsServer() as server:
        assert server.url == f"https://127.0.0.1:{server.port}", server.url
        base = f"https://localhost:{server.port}"
        started = json.loads(curl(server, f"{base}/workflows/execute", "-H",
                                  "Content-Type: application/json", "-d",
                                  '{"workflow_id": "hello", "input_data": {"name": "Ada"}}'))
        path = f"/workflows/{started['task_id']}"
        events = curl(server, "-N", f"{base}{path}/events")
        assert "event: " in events and "succeeded" in events, events
        connection = server.connection()
        connection.connect()
        first = connection.sock
        for _ in range(5):
            connection.request("GET", path)
            shown = json.loads(connection.getresponse().read())
            assert shown["output"] == "Hello, Ada!", shown
        assert connection.sock is first  # one handshake for all
        connection.close()
        chosen = curl(server, "--http2", "-o", "/dev/null", "-w", "%{http_version} %{ssl_verify_result}",
                      f"{base}/health")
        assert chosen == "1.1 0", chosen
        big = server.ask("PUT", "/definitions/large", "x" * 300_000)
        assert big.status == 422, big.status  # all of it came through, and are no workflow
        assert server.metric("weft_tls_handshakes_failed_total") == 0
        ends = server.metric("weft_tls_certificate_expiry_timestamp_seconds")
        assert 86_400 < ends - time.time() < 3 * 86_400, ends


def test_wrong_names_and_strangers_are_refused_by_clients():
    with TlsServer() as server:
        for words in ({"name": "example.com"}, {"trusted": "other.pem"}):
            server.certificate("other", "other-key")
            try:
                server.wrapped(**words).close()
                raise AssertionError(words)
            except ssl.SSLCertVerificationError:
                pass
        assert until(lambda: server.metric("weft_tls_handshakes_failed_total") == 2)
        curl(server, f"https://127.0.0.1:{server.port}/health")


def test_versions():
    def versions(server):
        out = []
        for version in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = server.context()
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
            try:
                with server.wrapped(context=context) as connection:
                    out.append(connection.version())
            except ssl.SSLError as error:
                assert "VERSION" in str(error) or "PROTOCOL" in str(error), error
                out.append("refused")
        return out

    with TlsServer() as server:
        assert versions(server) == ["refused", "TLSv1.2", "TLSv1.3"]
        weak = server.context()
        weak.maximum_version = ssl.TLSVersion.TLSv1_2
        weak.set_ciphers("AES128-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
        try:
            server.wrapped(context=weak).close()
            raise AssertionError("a cipher without authentication")
        except ssl.SSLError:
            pass
    with TlsServer("--config", "weft.yaml", certificate=False) as server:
        assert versions(server) == ["refused", "refused", "TLSv1.3"]


def test_renewal_while_a_stream_is_open():
    with TlsServer("--config", "weft.yaml") as server:
        run = server.post("/workflows/execute", {"workflow_id": "asking"}).json["task_id"]
        stream = server.connection()
        stream.request("GET", f"/workflows/{run}/events")
        events = stream.getresponse()
        assert events.status == 200
        assert until(lambda: server.get("/approvals").json["items"])
        before = server.serial()
        shutil.copy(server.path / "key.pem", server.path / "old-key.pem")
        shutil.copy(server.path / "cert.pem", server.path / "old-cert.pem")
        server.certificate("cert", "key")  # noticed without a signal
        assert until(lambda: server.serial() != before, 60)
        renewed = server.serial()
        os.replace(server.path / "old-key.pem", server.path / "key.pem")  # of another certificate
        server.process.send_signal(signal.SIGHUP)
        assert until(lambda: "E0822" in server.logged(), 60), server.logged()
        assert "does not belong to" in server.logged() and "stays" in server.logged()
        assert server.serial() == renewed
        os.replace(server.path / "old-cert.pem", server.path / "cert.pem")
        server.process.send_signal(signal.SIGHUP)
        assert until(lambda: server.serial() == before, 60), server.logged()
        os.remove(server.path / "key.pem")
        server.process.send_signal(signal.SIGHUP)
        assert until(lambda: "cannot be read" in server.logged(), 60), server.logged()
        assert server.serial() == before
        assert server.post(f"/workflows/{run}/approvals/ask", {"decision": "approved"}).status == 200
        said = events.read().decode()  # the stream of the first certificate, to its end
        assert "succeeded" in said, said


def test_plain_http_and_slow_handshakes():
    with TlsServer() as server:
        told = curl(server, "-i", f"http://127.0.0.1:{server.port}/health")
        assert told.startswith("HTTP/1.1 400") and "https://" in told, told
        hello = bytes.fromhex("160301010001")
        slow = [server.connect() for _ in range(50)]
        for at, connection in enumerate(slow):
            connection.sendall(hello[:at % 6])
        assert server.get("/health").status == 200
        for connection in slow:  # each is closed by the server's deadline
            assert connection.recv(100) == b""
            connection.close()
        assert until(lambda: server.metric("weft_tls_handshakes_failed_total") >= 51)


def test_cookies_are_secure_and_browsers_come_back_by_tls():
    server = TlsServer()
    key = server.weft("keys", "create", "--name", "me", "--role", "admin").stdout.strip()
    with server:
        opened = server.post("/session", {"key": key})
        assert "; Secure" in opened.headers["Set-Cookie"], opened.headers
        assert "Strict-Transport-Security" not in opened.headers  # "localhost" is everybody's
        cookie = opened.headers["Set-Cookie"].split(";")[0]
        headers = {"Cookie": cookie, "X-Weft-CSRF": opened.json["csrf"]}
        body = {"workflow_id": "hello"}
        origin = f"localhost:{server.port}"
        for scheme, status in (("https", 202), ("http", 403)):
            got = server.post("/workflows/execute", body,
                              headers={**headers, "Origin": f"{scheme}://{origin}"})
            assert got.status == status, (scheme, got.body)
        server.words = (*server.words, "--host", "0.0.0.0")
        server.stop()
        with_all = server.__enter__()
        answer = with_all.get("/health")
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000", answer.headers


def test_pairs_that_it_does_not_start_with():
    with TlsServer() as server:
        server.certificate("other", "other-key")
        server.certificate("old", "old-key", days=-1)
        server.write("half.yaml", "tls: { certificate: cert.pem }\n")
        server.write("least.yaml", "tls: { min_version: 1.1 }\n")

        def refused(*words):
            done = subprocess.run([WEFT, "serve", "--port", "0", "--store", "x.db", *words],
                                  cwd=server.path, env=server.env, text=True,
                                  capture_output=True, timeout=60)
            return done.returncode, done.stderr

        for words, code, text in (
                (("--tls-cert", "none.pem", "--tls-key", "key.pem"), 3, "cannot be read"),
                (("--tls-cert", "cert.pem", "--tls-key", "other-key.pem"), 3, "does not belong"),
                (("--tls-cert", "key.pem", "--tls-key", "key.pem"), 3, "holds no certificate"),
                (("--tls-cert", "cert.pem"), 2, "--tls-key"),
                (("--tls-key", "key.pem"), 2, "--tls-cert"),
                (("--config", "half.yaml"), 3, "belong together"),
                (("--config", "least.yaml"), 3, "1.2 or 1.3")):
            got, said = refused(*words)
            assert got == code and text in said, (words, got, said)
            assert code == 2 or re.search("E0(822|411|412)", said), said
    expired = TlsServer()
    expired.certificate("cert", "key", days=-1)
    with expired as server:  # it starts, says so, and clients refuse it
        assert "has expired" in server.logged(), server.logged()
        try:
            server.wrapped().close()
            raise AssertionError("expired")
        except ssl.SSLCertVerificationError as error:
            assert "expired" in str(error), error


if __name__ == "__main__":
    main(dict(globals()))
