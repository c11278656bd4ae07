# SPDX-License-Identifier: Apache-2.0
"""Clients that mean harm, or might: requests that two servers would read differently, heads and
bodies that never end, bodies of 100 MB, floods of headers, thousands of idle readers, sockets
closed by half. Limits hold, memory stays bounded, and other clients are served meanwhile."""
import http.client
import json
import os
import re
import resource
import select
import socket
import subprocess
import threading
import time

from harness import WEFT, Place, main
from serving import Server, until

STATUS = re.compile(rb"HTTP/1\.1 \d{3} ")
HOST = b"Host: localhost\r\n"
WAITING = """weft: "1"
id: waiting
steps:
  - id: ask
    type: approval
    parameters: { role: boss, title: "May I?" }
"""


def serving():
    server = Server("--workflow", "waiting.yaml")
    server.write("waiting.yaml", WAITING)
    return server


def resident_mib(server):
    with open(f"/proc/{server.process.pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() >> 20


def said(connection, seconds=60):
    """Everything until the server closes; None: it did not."""
    connection.settimeout(seconds)
    out = b""
    try:
        while piece := connection.recv(65536):
            out += piece
    except ConnectionError:
        return out
    except TimeoutError:
        return None
    return out


class Others:
    """A client with good manners, all the while; its answers are counted, its worst time kept."""

    def __init__(self, server):
        self.server, self.stop, self.answers, self.faults = server, False, 0, []
        self.thread = threading.Thread(target=self.ask)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *unused):
        self.stop = True
        self.thread.join()
        if kind is None:
            assert self.answers > 0 and not self.faults, (self.answers, self.faults[:3])

    def ask(self):
        while not self.stop:
            try:
                status = self.server.get("/workflows?limit=1").status
                if status != 200:
                    self.faults.append(status)
                self.answers += 1
            except OSError as error:
                self.faults.append(repr(error))
            time.sleep(0.02)

    def still_served(self):
        goal = self.answers + 5
        assert until(lambda: self.answers >= goal or self.faults) and not self.faults, self.faults


def post(*headers, body=b"", path=b"/definitions/validate"):
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"".join(h + b"\r\n" for h in headers) + \
        b"\r\n" + body


# What another server in front might take for the end of one request and the beginning of the next.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked"
AMBIGUOUS = {
    "both lengths": post(b"Content-Length: 4", CHUNKED, body=b"0\r\n\r\n"),
    "both lengths, the other way round": post(CHUNKED, b"Content-Length: 4", body=b"0\r\n\r\n"),
    "two lengths": post(b"Content-Length: 2", b"Content-Length: 40", body=b"{}"),
    "a list of lengths": post(b"Content-Length: 2, 40", body=b"{}"),
    "a length with a sign": post(b"Content-Length: +2", body=b"{}"),
    "a negative length": post(b"Content-Length: -2", body=b"{}"),
    "a length in hexadecimal": post(b"Content-Length: 0x2", body=b"{}"),
    "a length beyond 64 bits": post(b"Content-Length: 18446744073709551618", body=b"{}"),
    "a length with a space in it": post(b"Content-Length: 2 0", body=b"{}"),
    "two codings": post(CHUNKED, CHUNKED, body=b"0\r\n\r\n"),
    "a coding that is none": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "chunked is not the last": post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    "a coding with a control": post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "a space before the colon": post(b"Content-Length : 2", body=b"{}"),
    "a coding with a space before": post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
    "a chunk's size with a sign": post(CHUNKED, body=b"+2\r\n{}\r\n0\r\n\r\n"),
    "a chunk's size with 0x": post(CHUNKED, body=b"0x2\r\n{}\r\n0\r\n\r\n"),
    "a chunk's size that overflows": post(CHUNKED, body=b"10000000000000002\r\n{}\r\n0\r\n\r\n"),
    "a chunk without its end": post(CHUNKED, body=b"2\r\n{}XX0\r\n\r\n"),
    "a line folded before any": b"POST / HTTP/1.1\r\n Content-Length: 2\r\n" + HOST + b"\r\n{}",
    "a name with a NUL": post(b"Content\0-Length: 2", body=b"{}"),
    "a value with a CR": post(b"X: a\rContent-Length: 2", body=b"{}"),
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST + b"Host: elsewhere\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "a version that is none": b"GET / HTTP/7.1\r\n" + HOST + b"\r\n",
    "HTTP/2 without being asked": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a target with a space": b"GET /work flows HTTP/1.1\r\n" + HOST + b"\r\n",
}


def test_no_request_hides_in_another():
    with serving() as server, Others(server) as others:
        for name, bytes_sent in AMBIGUOUS.items():
            with server.connect() as connection:
                connection.sendall(bytes_sent + SMUGGLED)
                answer = said(connection)
            assert answer is not None, name
            assert len(STATUS.findall(answer)) <= 1 and b"smuggled" not in answer, (name, answer)
            if answer:  # a protocol that is none may be left without one
                status = int(answer.split(b" ")[1])
                assert status in (400, 431, 501, 505), (name, answer)
        # one reading only: a folded line is a part of the line before
        folded = post(b"X: a\r\n Content-Length: 40", b"Content-Length: 2", body=b"{}")
        with server.connect() as connection:
            connection.sendall(folded + b"GET /livez HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
            answer = said(connection)
        assert len(STATUS.findall(answer)) <= 2 and b"HTTP/1.1 404" not in answer, answer
        others.still_served()


def test_heads_and_bodies_that_never_end():
    """Each has a deadline of its own, however busily its bytes drip."""
    with serving() as server, Others(server) as others:
        dripping = []
        for i in range(300):
            connection = server.connect()
            connection.setblocking(False)
            connection.send(b"GET /workflows HTTP/1.1\r\nX: " if i % 2 else
                            post(b"Content-Length: 4000").replace(b"\r\n\r\n{}", b"\r\n\r\n"))
            dripping.append(connection)
        left, end = list(dripping), time.monotonic() + 200
        while left and time.monotonic() < end:
            time.sleep(0.2)
            for connection in list(left):
                try:
                    connection.send(b"a")
                    readable = select.select([connection], [], [], 0)[0]
                    if readable and connection.recv(4096) == b"":
                        left.remove(connection)
                except BlockingIOError:
                    pass
                except OSError:
                    left.remove(connection)
        assert not left, len(left)
        others.still_served()
        assert server.metric("weft_http_timeouts_total") >= 300
        for connection in dripping:
            connection.close()


def test_bodies_of_100_mb():
    with serving() as server, Others(server) as others:
        assert until(lambda: server.get("/readyz").status == 200)
        before = resident_mib(server)
        peak = before
        size = 100 << 20
        piece = b"%x\r\n" % (1 << 20) + b"a" * (1 << 20) + b"\r\n"
        for chunked in (False, True):
            for _ in range(8):
                with server.connect() as connection:
                    length = CHUNKED if chunked else b"Content-Length: %d" % size
                    connection.sendall(post(length, path=b"/workflows/execute"))
                    try:
                        for _ in range(100):
                            connection.sendall(piece)
                            peak = max(peak, resident_mib(server))
                    except OSError:
                        pass
                    answer = said(connection)
                    assert answer is not None and answer[:12] in (b"HTTP/1.1 413", b""), answer
        others.still_served()
        assert peak - before < 300, (before, peak)
        assert until(lambda: server.metric("weft_http_body_bytes") == 0)


def test_floods_of_headers():
    with serving() as server, Others(server) as others:
        before = resident_mib(server)
        floods = (b"X: " + b"a" * (64 << 10) + b"\r\n",
                  b"".join(b"X-%d: a\r\n" % i for i in range(10_000)),
                  b"Cookie: " + b"; ".join(b"a%d=b" % i for i in range(20_000)) + b"\r\n")
        for flood in floods * 20:
            with server.connect() as connection:
                try:
                    connection.sendall(b"GET /workflows HTTP/1.1\r\n" + HOST + flood + b"\r\n")
                except OSError:
                    pass
                answer = said(connection)
                assert answer is not None and answer[:12] in (b"HTTP/1.1 431", b""), answer
        target = b"GET /" + b"a" * (64 << 10) + b" HTTP/1.1\r\n" + HOST + b"\r\n"
        with server.connect() as connection:
            try:
                connection.sendall(target)
            except OSError:
                pass
            assert said(connection)[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 414", b"")
        others.still_served()
        assert resident_mib(server) - before < 100, (before, resident_mib(server))


def cpu_seconds(server):
    with open(f"/proc/{server.process.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def heads_of(readers):
    for connection in readers:
        try:
            yield connection.recv(4096)
        except ConnectionError:
            yield b""  # so many more than the limit that they are not told


def test_ten_thousand_idle_readers():
    """They cost memory, bounded, and next to no time; others are served. Beyond the limit the next
    ones are told 503; when some have gone, others come in."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(10_000, hard - 1_000)
    if count < 3_000:
        print(f"        SKIPPED: {hard} open files are too few")
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = serving()
    server.write("weft.yaml", f"server: {{ connections: {count + 100} }}\n")
    server.words += ("--config", "weft.yaml")
    with server:
        task = server.post("/workflows/execute", {"workflow_id": "waiting"}).json["task_id"]
        before = resident_mib(server)
        request = f"GET /workflows/{task}/events HTTP/1.1\r\n".encode() + HOST + b"\r\n"
        first = server.connect()  # comes before the flood, and is served through it
        readers = []

        def ask_first():
            first.sendall(b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n")
            answer = http.client.HTTPResponse(first)
            answer.begin()
            assert answer.status == 200 and answer.read()

        try:
            for i in range(count):
                if i % 100 == 0:
                    ask_first()
                readers.append(server.connect())
                readers[-1].sendall(request)
            for head in heads_of(readers):
                assert head.startswith(b"HTTP/1.1 200"), head
            grown = resident_mib(server) - before
            used, began = cpu_seconds(server), time.monotonic()
            slowest = 0.0
            while time.monotonic() - began < 5:
                asked = time.monotonic()
                assert served(server)
                slowest = max(slowest, time.monotonic() - asked)
                time.sleep(0.05)
            share = (cpu_seconds(server) - used) / (time.monotonic() - began)
            print(f"        {count} readers: {grown} MiB, {share:.0%} of a core, slowest other answer "
                  f"{slowest * 1000:.0f} ms")
            assert grown < count * 0.06, grown
            assert share < 0.6, share
            for _ in range(300):
                readers.append(server.connect())
                try:
                    readers[-1].sendall(request)
                except ConnectionError:
                    pass
            told = list(heads_of(readers[count:]))
            assert {head[:12] for head in told} <= {b"", b"HTTP/1.1 200", b"HTTP/1.1 503"}, told
            refused = [head for head in told if head[:12] == b"HTTP/1.1 503"]
            assert refused and all(b"Retry-After" in head for head in refused), refused
            for _ in range(3):
                ask_first()
            for connection in readers[:1000]:
                connection.close()
            assert until(lambda: served(server))
            # what happens is told to every one that is left
            assert server.post(f"/workflows/{task}/cancel", {}).status == 200
            for connection in readers[1000:count]:
                connection.settimeout(60)
                piece = b""
                while b"event: end" not in piece:
                    more = connection.recv(65536)
                    assert more, piece
                    piece += more
        finally:
            for connection in (first, *readers):
                connection.close()
        assert until(lambda: served(server) and server.metric("weft_http_connections") < 10)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_few_open_files_are_said_and_kept_to():
    with Place() as place:
        place.write("weft.yaml", "server: { connections: 5000 }\n")
        process = subprocess.Popen(
            ["bash", "-c", f"ulimit -n 600; exec {WEFT} serve --config weft.yaml --port 0 --json "
             f"--store {place.store}"], cwd=place.path, env=place.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        port = int(json.loads(process.stdout.readline())["url"].rsplit(":", 1)[1])
        held = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(500)]
        refused = 0
        for connection in held:
            try:
                connection.sendall(b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n")
                refused += not connection.recv(4096).startswith(b"HTTP/1.1 200")
            except ConnectionError:
                refused += 1
        assert refused == 500 - 344, refused
        for connection in held:
            connection.close()
        process.terminate()
        _, said_at_start = process.communicate(timeout=60)
        assert "at most 344 connections at once instead of 5000: 600 files" in said_at_start
        assert process.returncode == 0, process.returncode


def served(server):
    try:
        return server.get("/workflows").status == 200
    except OSError:
        return False


def test_sockets_closed_by_half():
    with serving() as server, Others(server) as others:
        for beginning in (b"", b"GET /workflows HTTP/1.1\r\n", post(b"Content-Length: 40", body=b"{")):
            closed = [server.connect() for _ in range(100)]
            for connection in closed:
                connection.sendall(beginning)
                connection.shutdown(socket.SHUT_WR)
            for connection in closed:
                assert said(connection) is not None, beginning
                connection.close()
        with server.connect() as connection:  # a whole request is answered all the same
            connection.sendall(b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n")
            connection.shutdown(socket.SHUT_WR)
            assert said(connection).startswith(b"HTTP/1.1 200")
        others.still_served()
        assert until(lambda: server.metric("weft_http_connections") < 10)


if __name__ == "__main__":
    main(globals())
