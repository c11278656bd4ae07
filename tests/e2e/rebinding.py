# SPDX-License-Identifier: Apache-2.0
"""Runs a command where names are what we say: usage inside a network of its own (bubblewrap):
    python3 rebinding.py PORT COMMAND…
Answers DNS on 127.0.0.1:53 for every name: the first question about an address gets one of the outside,
all further ones 127.0.0.1, beside it for names that begin with "both". A web server on 127.0.0.1:PORT
counts who gets through. Prints {"code", "stderr", "reached", "asked"} as JSON."""
import http.server
import json
import socket
import struct
import subprocess
import sys
import threading

OUTSIDE, INSIDE = "8.8.8.8", "127.0.0.1"
asked, reached = [], []


def answer(question):
    """The reply to one DNS message (RFC 1035): A records with no time to live; nothing for AAAA."""
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1:at + 1 + question[at]].decode())
        at += 1 + question[at]
    kind, = struct.unpack(">H", question[at + 1:at + 3])
    addresses = []
    if kind == 1:
        asked.append(".".join(labels))
        addresses = [OUTSIDE] if len(asked) == 1 else [INSIDE]
        if labels[0] == "both":
            addresses = [OUTSIDE, INSIDE]
    head = question[:2] + struct.pack(">HHHHH", 0x8180, 1, len(addresses), 0, 0)
    records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(address)
                       for address in addresses)
    return head + question[12:at + 5] + records


def serve_names():
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind((INSIDE, 53))

    def loop():
        while True:
            question, where = names.recvfrom(4096)
            names.sendto(answer(question), where)
    threading.Thread(target=loop, daemon=True).start()


class Inside(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        reached.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"secret")

    def log_message(self, *unused):
        pass


serve_names()
server = http.server.ThreadingHTTPServer((INSIDE, int(sys.argv[1])), Inside)
threading.Thread(target=server.serve_forever, daemon=True).start()
done = subprocess.run(sys.argv[2:], capture_output=True, text=True, timeout=60)
print(json.dumps({"code": done.returncode, "stderr": done.stderr, "reached": reached, "asked": asked}))
