# SPDX-License-Identifier: Apache-2.0
"""/metrics for those who read it: promtool finds nothing to say about it, a real Prometheus scrapes
it with a key, has the numbers of what was done, and answers what deploy/grafana.json asks."""
import json
import pathlib
import random
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

from harness import main
from serving import Server, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / "tools/prometheus/root/usr/bin"
FLOWS = {"hello": "type: set\n    parameters: { value: Hello }",
         "broken": 'type: http\n    parameters: { url: "http://127.0.0.1:1/" }'}
NAMED = {"exaone_workflows_total": ("counter", "Total number of workflows processed"),
         "exaone_processing_seconds": ("histogram", "Time spent processing workflows"),
         "exaone_errors_total": ("counter", "Total number of workflow errors")}


def serving():
    server = Server()
    for name, step in FLOWS.items():
        server.write(f"{name}.yaml", f'weft: "1"\nid: {name}\nsteps:\n  - id: one\n    {step}\n')
        server.words += ("--workflow", f"{name}.yaml")
    return server


def work(server):
    """Three runs, one of which fails, and an answer of the model, streamed."""
    for name in ("hello", "hello", "broken"):
        assert server.post("/workflows/execute", {"workflow_id": name}).status == 202
    answer = server.post("/v1/chat/completions", {
        "model": "default", "stream": True, "max_tokens": 4,
        "messages": [{"role": "user", "content": "Hi"}]})
    assert answer.status == 200
    assert until(lambda: server.metric("exaone_workflows_total") == 3)


def test_promtool_has_nothing_to_say():
    server = serving()
    server.write("weft.yaml", "retention: { runs: 1d, audit: 1d }\n"
                 "audit: { webhook: { url: 'http://127.0.0.1:9/' } }\n")
    server.words += ("--config", "weft.yaml")
    with server:
        work(server)
        server.get("/nowhere")
        text = server.get("/metrics").body
        for name in ("weft_audit_webhook_lag_seconds", "weft_retention_runs_removed_total"):
            assert f"\n{name} ".encode() in text, name
        done = subprocess.run([BIN / "promtool", "check", "metrics"], input=text,
                              capture_output=True, timeout=60, check=False)
        assert done.returncode == 0 and done.stdout + done.stderr == b"", done
        for name, (kind, words) in NAMED.items():
            assert f"# HELP {name} {words}\n# TYPE {name} {kind}\n".encode() in text, name


def free_port():
    """Below the ports that the system gives to connections: nobody takes it in between."""
    while True:
        port = random.randrange(20000, 32000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue


class Prometheus:
    """Scrapes one server once a second; its data lies in that server's directory."""

    def __init__(self, server, key):
        self.port = free_port()
        server.write("key", key)
        server.write("prometheus.yml", json.dumps({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [{
                "job_name": "weft", "static_configs": [{"targets": [f"127.0.0.1:{server.port}"]}],
                "authorization": {"credentials_file": str(server.path / "key")}}]}))
        checked = subprocess.run([BIN / "promtool", "check", "config", "prometheus.yml"],
                                 cwd=server.path, capture_output=True, timeout=60, check=False)
        assert checked.returncode == 0, checked
        self.log = open(server.path / "prometheus.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [BIN / "prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb",
             f"--web.listen-address=127.0.0.1:{self.port}"],
            cwd=server.path, stdout=self.log, stderr=self.log)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.terminate()
        self.process.wait(timeout=60)
        self.log.close()

    def ask(self, query):
        """What the query gives now: [(labels, number)], or None before it can be asked."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode(
            {"query": query})
        try:
            with urllib.request.urlopen(url, timeout=30) as got:
                answer = json.load(got)
        except urllib.error.HTTPError as error:
            if error.code != 503:  # it is starting
                raise AssertionError((query, error.read())) from error
            return None
        except OSError:
            return None
        assert answer["status"] == "success", (query, answer)
        result = answer["data"]["result"]
        return [(row["metric"], float(row["value"][1])) for row in result]

    def becomes(self, query, number):
        def so():
            found = self.ask(query)
            return bool(found) and found[0][1] == number
        assert until(so), (query, self.ask(query), number)


def test_a_real_prometheus_scrapes_it():
    with serving() as server:
        key = server.weft("keys", "create", "--name", "scraper", "--role", "viewer").stdout.strip()
        admin = server.weft("keys", "create", "--name", "me", "--role", "admin").stdout.strip()
        bare = server.ask
        server.ask = lambda *given, headers=None, **more: bare(
            *given, headers={"Authorization": "Bearer " + admin, **(headers or {})}, **more)
        assert until(lambda: bare("GET", "/metrics").status == 401)
        assert until(lambda: server.get("/metrics").status == 200)
        with Prometheus(server, key) as scraper:
            scraper.becomes('up{job="weft"}', 1)
            work(server)
            scraper.becomes("sum(exaone_workflows_total)", 3)
            scraper.becomes('exaone_workflows_total{workflow="hello"}', 2)
            scraper.becomes("sum(exaone_errors_total)", 1)
            scraper.becomes("sum(exaone_processing_seconds_count)", 3)
            scraper.becomes('weft_request_success_total{finished_reason="length"}', 1)
            known = scraper.ask('histogram_quantile(0.9, sum by (le) '
                                '(exaone_processing_seconds_bucket))')
            assert known and 0 < known[0][1] < 600, known
            ask_as_the_dashboard(scraper)
        assert server.process.poll() is None


def ask_as_the_dashboard(scraper):
    """Every expression is understood; those about now have an answer."""
    dashboard = json.loads((ROOT / "deploy/grafana.json").read_text())
    asked = 0
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            query = re.sub(r"\$__rate_interval|\$__interval|\$__range", "1m", target["expr"])
            assert "$" not in query, query
            assert scraper.ask(query) is not None, query
            asked += 1
    assert asked >= 10, asked
    assert scraper.ask("weft_http_connections")[0][1] >= 1


if __name__ == "__main__":
    if not (BIN / "prometheus").exists():
        print("SKIPPED: no prometheus; run tools/prometheus/setup first")
        sys.exit(0)
    main(globals())
