# SPDX-License-Identifier: Apache-2.0
"""What deploy/ holds fits those it is for: systemd reads the units, Kubernetes' own types take the
manifests, and a real server starts with the weft.yaml in them and answers their probes."""
import json
import pathlib
import shutil
import subprocess
import tempfile

import validating
from harness import WEFT, main
from serving import Server, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = validating.TOOLS / "node_modules"
TYPES = {"ConfigMap": "core/v1", "Service": "core/v1", "StatefulSet": "apps/v1",
         "PodDisruptionBudget": "policy/v1"}
READ = """import yaml from "yaml";
import { readFileSync } from "node:fs";
console.log(JSON.stringify(yaml.parseAllDocuments(readFileSync(process.argv[2], "utf8")).map((one) => {
  if (one.errors.length > 0) throw one.errors[0];
  return one.toJSON();
})));
"""


def test_systemd_reads_the_units():
    if shutil.which("systemd-analyze") is None:
        print("SKIPPED: no systemd-analyze here")
        return
    with tempfile.TemporaryDirectory() as place:
        units = []
        for name in ("weft.socket", "weft.service"):
            text = (ROOT / "deploy" / name).read_text().replace("/usr/local/bin/weft", WEFT)
            units.append(pathlib.Path(place) / name)
            units[-1].write_text(text)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], text=True,
                              capture_output=True, timeout=60, check=False)
        ours = [line for line in done.stderr.splitlines() if "weft" in line]
        assert done.returncode == 0 and not ours, done


def node(place, *words):
    return subprocess.run([validating.NODE, *words], cwd=place, text=True, capture_output=True,
                          timeout=240, check=False)


def manifests(place):
    place = pathlib.Path(place)
    (place / "node_modules").symlink_to(TOOLS)
    (place / "read.mjs").write_text(READ)
    done = node(place, "read.mjs", ROOT / "deploy/kubernetes.yaml")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def type_check(place, documents):
    """As literals of TypeScript: a field that Kubernetes does not have is an error."""
    lines = []
    for i, document in enumerate(documents):
        kind = document["kind"]
        lines.append(f'import type {{ {kind} as T{i} }} from "kubernetes-types/{TYPES[kind]}.js";')
        lines.append(f"export const d{i}: T{i} = {json.dumps(document)};")
    (pathlib.Path(place) / "all.ts").write_text("\n".join(lines))
    return node(place, TOOLS / "typescript/bin/tsc", "--strict", "--noEmit", "--module", "nodenext",
                "--skipLibCheck", "all.ts")


def test_kubernetes_types_take_the_manifests():
    if not (TOOLS / "kubernetes-types").exists():
        print("SKIPPED: no kubernetes-types; run tools/openapi/setup first")
        return
    with tempfile.TemporaryDirectory() as place:
        documents = manifests(place)
        kinds = {document["kind"]: document for document in documents}
        done = type_check(place, documents)
        assert done.returncode == 0, done.stdout
        broken = json.loads(json.dumps(documents))
        broken[-1]["spec"]["maxUnavailble"] = 1
        assert "maxUnavailble" in type_check(place, broken).stdout
        pod = kinds["StatefulSet"]["spec"]["template"]
        wanted = kinds["StatefulSet"]["spec"]["selector"]["matchLabels"]
        assert kinds["Service"]["spec"]["selector"] == wanted == pod["metadata"]["labels"]
        container = pod["spec"]["containers"][0]
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]} | \
            {claim["metadata"]["name"]
             for claim in kinds["StatefulSet"]["spec"]["volumeClaimTemplates"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
        start_as_the_container_does(kinds["ConfigMap"]["data"]["weft.yaml"], container)


def start_as_the_container_does(config, container):
    """With its weft.yaml, but for places that are not here; it is asked as the probes ask."""
    server = Server("--config", "weft.yaml", "--host", "127.0.0.1")
    for there, here in (("/var/lib/weft", "."), ("/etc/weft-secrets", ".")):
        assert there in config, there
        config = config.replace(there, here)
    server.write("weft.yaml", config)
    server.write("first-key", "a" * 64)
    server.write("audit-key", "cd" * 32)
    (server.path / "audit-key").chmod(0o600)
    secrets = [one["name"] for one in container["env"] if "valueFrom" in one]
    assert len(secrets) == 4, secrets
    server.env.update({name: "ab" * 32 for name in secrets})
    with server:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            path = container[probe]["httpGet"]["path"]
            assert until(lambda: server.get(path).status == 200), probe
        assert server.get("/keys").status == 401
        made = server.post("/keys", {"name": "me", "roles": ["admin"]},
                           headers={"Authorization": "Bearer " + "a" * 64})
        assert made.status == 201, made.body


if __name__ == "__main__":
    main(globals())
