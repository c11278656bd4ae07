# SPDX-License-Identifier: Apache-2.0
"""`weft models`: show and quantize on small models, pull from a server of the test that speaks the
Hugging Face HTTP API and misbehaves on demand."""
import contextlib
import hashlib
import http.server
import json
import pathlib
import random
import shutil
import subprocess
import threading

from harness import WEFT, Place, main

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
QWEN3 = GOLDEN / "logits" / "qwen3-tied"
GGUF = GOLDEN / "gguf" / "models"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.ThreadingHTTPServer):
    """Repository acme/tiny. `faults` is what goes wrong; `requests` what was asked, in order."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.daemon_threads = True
        self.files = {"config.json": b'{"architectures": ["Qwen3ForCausalLM"]}',
                      "README.md": b"no", "model.safetensors": random.Random(1).randbytes(300_000)}
        self.commit = COMMIT
        self.faults = {}
        self.requests = []
        self.address = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *unused):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        hub = self.server
        hub.requests.append((self.path, self.headers.get("Range"),
                             self.headers.get("Authorization")))
        if hub.faults.get("token") and self.headers.get("Authorization") != "Bearer secret" and \
                not self.path.startswith("/cdn/"):
            return self.answer(401)
        if self.path in (f"/api/models/acme/tiny/revision/{revision}?blobs=true"
                         for revision in ("main", "v2")):
            return self.answer(200, json.dumps(self.listing()).encode())
        prefix = f"/acme/tiny/resolve/{hub.commit}/"
        if self.path.startswith(prefix):
            name = self.path[len(prefix):]
            if hub.faults.get("redirect"):
                place = hub.faults["redirect"] + "/cdn/" + name
                return self.answer(302, headers=[("Location", place)])
            return self.content(name)
        if self.path.startswith("/cdn/"):
            return self.content(self.path[5:])
        return self.answer(404)

    def listing(self):
        files = []
        for name, data in self.server.files.items():
            entry = {"rfilename": name, "size": len(data)}
            if name.endswith(".safetensors") or name.endswith(".gguf"):
                digest = hashlib.sha256(data).hexdigest()
                if self.server.faults.get("hash"):
                    digest = "0" * 64
                entry["lfs"] = {"sha256": digest, "size": len(data)}
            elif not self.server.faults.get("no blobs"):
                blob = b"blob %d\0" % len(data) + data
                entry["blobId"] = hashlib.sha1(blob).hexdigest()
            files.append(entry)
        return {"sha": self.server.commit, "siblings": files}

    def content(self, name):
        data = self.server.files[name]
        begin = 0
        if self.headers.get("Range") and not self.server.faults.get("no range"):
            begin = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        cuts = self.server.faults.get("cuts", 0)
        if cuts and name == "model.safetensors":
            self.server.faults["cuts"] = cuts - 1
            self.wfile.write(data[begin:begin + 100_000])
            self.close_connection = True
            return
        self.wfile.write(data[begin:])


@contextlib.contextmanager
def hub():
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def weft(place, *words, code=0, timeout=120, **env):
    done = subprocess.run([WEFT, *words], cwd=place.path, env=dict(place.env, **env), text=True,
                          capture_output=True, timeout=timeout)
    assert done.returncode == code, (words, done.returncode, done.stdout[-2000:], done.stderr)
    return done


def pull(place, server, *words, **more):
    return weft(place, "models", "pull", "acme/tiny", "--to", "got", "--json", *words,
                HF_ENDPOINT=server.address, **more)


def same(place, server, name="model.safetensors"):
    return (place.path / "got" / name).read_bytes() == server.files[name]


def test_pull_fetches_what_a_model_needs_once():
    with Place() as place, hub() as server:
        report = json.loads(pull(place, server).stdout)
        assert report["commit"] == COMMIT
        assert [f["name"] for f in report["files"]] == ["config.json", "model.safetensors"]
        assert same(place, server)
        asked = len(server.requests)
        again = json.loads(pull(place, server).stdout)
        assert not any(f["fetched"] for f in again["files"])
        assert len(server.requests) == asked + 1  # the list only
        assert not list((place.path / "got").glob("*.part"))


def test_pull_continues_after_the_connection_broke():
    with Place() as place, hub() as server:
        server.faults["cuts"] = 2
        pull(place, server)
        assert same(place, server)
        ranges = [r for path, r, _ in server.requests if path.endswith("model.safetensors")]
        assert ranges == [None, "bytes=100000-", "bytes=200000-"], ranges


def test_pull_continues_in_the_next_process():
    with Place() as place, hub() as server:
        (place.path / "got").mkdir()
        part = place.path / "got" / "model.safetensors.part"
        part.write_bytes(server.files["model.safetensors"][:123_456])
        pull(place, server)
        assert same(place, server)
        assert ("bytes=123456-") in [r for _, r, _ in server.requests]


def test_pull_from_a_server_without_ranges_begins_again():
    with Place() as place, hub() as server:
        server.faults["no range"] = True
        server.faults["cuts"] = 1
        pull(place, server)
        assert same(place, server)


def test_pull_refuses_wrong_content():
    with Place() as place, hub() as server:
        server.faults["hash"] = True
        done = pull(place, server, code=1)
        assert "E0933" in done.stderr and "SHA-256" in done.stderr
        assert not (place.path / "got" / "model.safetensors").exists()
        server.faults.clear()
        pull(place, server)
        assert same(place, server)


def test_pull_drops_a_damaged_part():
    with Place() as place, hub() as server:
        (place.path / "got").mkdir()
        (place.path / "got" / "model.safetensors.part").write_bytes(b"x" * 1000)
        pull(place, server)  # begun anew: its bytes were of another version, or wrong
        assert same(place, server)


def second_version(server):
    """The same sizes, other bytes."""
    server.commit = COMMIT[::-1]
    server.files["config.json"] = server.files["config.json"].replace(b"Qwen3", b"Qwen4")
    server.files["model.safetensors"] = random.Random(2).randbytes(300_000)


def test_pull_of_another_version_replaces_files_of_the_same_size():
    for faults in ({}, {"no blobs": True}):
        with Place() as place, hub() as server:
            server.faults.update(faults)
            pull(place, server)
            second_version(server)
            report = json.loads(pull(place, server).stdout)
            assert all(f["fetched"] for f in report["files"]), report
            assert same(place, server) and same(place, server, "config.json")
            assert report["other_versions"] == []


def test_pull_fetches_damaged_files_again():
    with Place() as place, hub() as server:
        pull(place, server)
        for name in ("model.safetensors", "config.json"):
            path = place.path / "got" / name
            path.write_bytes(b"x" * len(server.files[name]))
            report = json.loads(pull(place, server).stdout)
            assert [f["name"] for f in report["files"] if f["fetched"]] == [name], report
            assert same(place, server, name)


def test_pull_without_a_record_goes_by_the_hashes():
    with Place() as place, hub() as server:
        pull(place, server)
        (place.path / "got" / ".weft-pull.json").write_text("{damaged")
        asked = len(server.requests)
        report = json.loads(pull(place, server).stdout)
        assert not any(f["fetched"] for f in report["files"]), report
        assert len(server.requests) == asked + 1


def test_pull_never_mixes_versions_silently():
    with Place() as place, hub() as server:
        pull(place, server)
        first = {name: (place.path / "got" / name).read_bytes() for name in
                 ("config.json", "model.safetensors")}
        second_version(server)
        server.faults["hash"] = True  # the new weights do not arrive
        pull(place, server, code=1)
        for name, data in first.items():
            assert (place.path / "got" / name).read_bytes() == data, name
        server.faults.clear()
        done = pull(place, server, "--file", "config.json")
        assert "warning: model.safetensors there is not of commit" in done.stderr, done.stderr
        assert json.loads(done.stdout)["other_versions"] == ["model.safetensors"]
        pull(place, server)
        server.files["other.safetensors"] = server.files.pop("model.safetensors")
        server.commit = COMMIT
        assert json.loads(pull(place, server).stdout)["other_versions"] == ["model.safetensors"]


def test_pull_that_was_interrupted_leaves_no_model_of_two_versions():
    """Between the renames of two shards, of which the configuration does not change."""
    with Place() as place, hub() as server:
        server.files["other.safetensors"] = random.Random(3).randbytes(1000)
        pull(place, server)
        server.files["model.safetensors"] = random.Random(4).randbytes(300_000)
        server.files["other.safetensors"] = random.Random(5).randbytes(1000)
        server.commit = COMMIT[::-1]
        got = place.path / "got"
        (got / "other.safetensors").unlink()
        (got / "other.safetensors" / "in the way").mkdir(parents=True)
        pull(place, server, code=1)
        assert same(place, server), "the first is in its place"
        assert not (got / "config.json").exists()
        shutil.rmtree(got / "other.safetensors")
        asked = len(server.requests)
        report = json.loads(pull(place, server).stdout)
        assert same(place, server, "other.safetensors") and same(place, server, "config.json")
        assert report["other_versions"] == [] and not list(got.glob("*.part")), report
        paths = [path for path, _, _ in server.requests[asked:]]
        assert not any(path.endswith("/config.json") for path in paths), "it was there"


def test_pull_says_what_was_not_checked():
    with Place() as place, hub() as server:
        server.faults["no blobs"] = True
        done = pull(place, server)
        checked = {f["name"]: f["checked_by"] for f in json.loads(done.stdout)["files"]}
        assert checked == {"config.json": "size", "model.safetensors": "sha256"}, checked
        warning = "warning: config.json: the server names no hash, so that only its size was checked"
        assert warning in done.stderr and "model.safetensors: the" not in done.stderr, done.stderr
        server.faults.clear()
        assert "no hash" not in pull(place, server).stderr


def test_pull_gives_every_revision_its_directory():
    with Place() as place, hub() as server:
        at = [json.loads(weft(place, "models", "pull", "acme/tiny", "--revision", revision, "--json",
                              HF_ENDPOINT=server.address).stdout)["model"]
              for revision in ("main", "v2")]
        assert at[0].endswith("/models/acme_tiny") and at[1] == at[0] + "@v2", at


def test_pull_follows_redirects_without_the_token():
    with Place() as place, hub() as server, hub() as cdn:
        server.faults.update(redirect=cdn.address.replace("127.0.0.1", "localhost"), token=True)
        cdn.files = server.files
        # Another host in the private network is refused, wherever the redirect leads.
        done = pull(place, server, code=1, HF_TOKEN="secret")
        assert "E0801" in done.stderr, done.stderr
        server.faults["redirect"] = server.address
        pull(place, server, HF_TOKEN="secret")
        assert same(place, server)


def test_pull_says_what_is_missing_or_not_allowed():
    with Place() as place, hub() as server:
        done = weft(place, "models", "pull", "acme/none", code=4, HF_ENDPOINT=server.address)
        assert "E0932" in done.stderr and "404" in done.stderr
        done = pull(place, server, "--file", "model.safetensor", code=4)
        assert "did you mean 'model.safetensors'" in done.stderr, done.stderr
        server.faults["token"] = True
        assert "E0931" in pull(place, server, code=5).stderr
        assert "HF_TOKEN" in pull(place, server, code=5).stderr
        pull(place, server, HF_TOKEN="secret")
        assert all(token == "Bearer secret" for _, _, token in server.requests[-3:])
        for bad in ("acme", "../x", "acme/..", "a/b/c"):
            assert "E0904" in weft(place, "models", "pull", bad, code=2).stderr


def test_pull_asks_which_of_several_gguf_files():
    with Place() as place, hub() as server:
        server.files = {"a-Q4.gguf": b"GGUF one", "a-Q8.gguf": b"GGUF two"}
        assert "--file a-Q4.gguf" in pull(place, server, code=2).stderr
        pull(place, server, "--file", "a-Q8.gguf")
        assert same(place, server, "a-Q8.gguf")


def test_show_tells_shape_and_memory():
    with Place() as place:
        path = str(GGUF / "granitehybrid-moe" / "model.gguf")
        card = json.loads(weft(place, "models", "show", path, "--json").stdout)
        assert card["family"] == "granite" and card["experts"] == 6 and card["layers"] == 3
        assert card["kv_bytes_per_token"] == 2 * (8 + 16) * 2  # one attention layer, two heads of 8, f16
        assert card["state_bytes"] > 0 and card["memory"]["native"]["fits"]
        assert "granitehybrid" in weft(place, "models", "show", path).stdout
        assert "embedded" in weft(place, "models", "list").stdout
        weft(place, "models", "show", "no/such/model", code=4)


def changed(place, source, name="copy", **fields):
    """A copy of a model in Hugging Face layout whose config.json says something else."""
    shutil.copytree(source, place.path / name)
    config = json.loads((place.path / name / "config.json").read_text())
    config.update(fields)
    (place.path / name / "config.json").write_text(json.dumps(config))
    return name


def test_show_refuses_a_config_that_contradicts_the_tensors():
    with Place() as place:
        for number, fields in enumerate(({"hidden_size": 96}, {"intermediate_size": 200},
                                         {"vocab_size": 300}, {"attention_bias": True})):
            model = changed(place, QWEN3, f"m{number}", **fields)
            done = weft(place, "models", "show", model, code=3)
            assert "E0212" in done.stderr and "tensor '" in done.stderr, (fields, done.stderr)
        assert weft(place, "models", "show", str(QWEN3)).stdout


def logits(place, model, *words):
    lines = json.dumps({"tokens": [1, 2, 3, 4, 5, 6], "top": 3, "greedy": 3}) + "\n"
    done = subprocess.run([WEFT, "logits", "--model", model, *words], input=lines, text=True,
                          cwd=place.path, env=place.env, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_gguf_files_serve_every_command():
    with Place() as place:
        path = str(GGUF / "qwen3moe" / "model.gguf")
        f32 = logits(place, path)
        native = logits(place, path, "--dtype", "native")
        assert f32["greedy"] == native["greedy"]
        done = subprocess.run([WEFT, "tokenize", "--model", path], text=True, capture_output=True,
                              input='{"text": "the inner"}\n', env=place.env, timeout=60)
        ids = json.loads(done.stdout)["ids"]
        assert len(ids) < 9, ids
        done = subprocess.run([WEFT, "template", "--model", path], text=True, capture_output=True,
                              input='{"messages": [{"role": "user", "content": "hi"}]}\n',
                              env=place.env, timeout=60)
        assert json.loads(done.stdout)["text"].startswith("<|im_start|>user\nhi<|im_end|>")


def test_quantize_writes_a_model_that_loads():
    with Place() as place:
        source = str(GOLDEN / "gguf" / "quant" / "q4_k_m" / "model.gguf")
        for kind, error in (("q8", 0.01), ("q4", 0.12)):
            report = json.loads(weft(place, "models", "quantize", source, kind, "--type", kind,
                                     "--positions", "24", "--json").stdout)
            worst = max(t["relative_error"] for t in report["tensors"])
            assert 0 < worst < error, (kind, worst)
            assert report["logits"]["positions"] == 24 and "mean_kl" in report["logits"], report
            assert logits(place, kind, "--dtype", "native")["greedy"]
            card = json.loads(weft(place, "models", "show", kind, "--json").stdout)
            assert ("I8" if kind == "q8" else "U8") in card["parameters_by_type"], card
        assert "E0222" in weft(place, "models", "quantize", source, "q8", code=3).stderr
        assert "E0214" in weft(place, "models", "quantize", source, "x", "--type", "f32",
                               code=2).stderr


def test_quantize_again_keeps_the_codes():
    with Place() as place:
        weft(place, "models", "quantize", "embedded", "same", "--positions", "0")
        report = json.loads(weft(place, "models", "quantize", "same", "again", "--positions", "0",
                                 "--json").stdout)
        assert all(t["relative_error"] == 0 for t in report["tensors"]), report


main(globals())
