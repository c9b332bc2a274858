"""What `weir inject` puts into a pod, at work: its rules and its configuration in network namespaces."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml
from harness import BINARY, eventually
from pki import Authority
from test_redirect import UID, Pod, RedirectTest

MANIFEST = """\
kind: Pod
metadata:
  name: shop
  annotations: {ANNOTATIONS}
spec:
  containers:
  - name: app
    image: nginx
    readinessProbe: {httpGet: {path: /, port: 8080}}
    livenessProbe: {tcpSocket: {port: 8081}}
"""


class Sidecar:
    """The two containers that were added, run in a pod."""

    def __init__(self, pod: Pod, annotations: dict[str, str]) -> None:
        text = MANIFEST.replace("ANNOTATIONS", yaml.safe_dump(annotations, default_flow_style=True).strip("{}\n "))
        done = subprocess.run([BINARY, "inject", "-f", "-", "--image", "weir:test"], input=text, capture_output=True,
                              text=True, timeout=30)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        self.manifest: Any = yaml.safe_load(done.stdout)
        self.pod = pod
        self.init, self.weir = self.manifest["spec"]["initContainers"]

    @property
    def config(self) -> str:
        return str(self.manifest["metadata"]["annotations"]["weir.dev/config"])

    def run(self, more: str = "") -> None:
        pod = self.pod
        pod.run(BINARY, *self.init["args"])
        file = pod.root / "weir.yaml"
        file.write_text(self.config + more)
        pod.spawn("env", f"POD_NAME={pod.name}", "setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups",
                  BINARY, "run", str(file), out="log")
        path = self.weir["startupProbe"]["httpGet"]
        eventually(lambda: self.status(path["path"]) == "200", f"the sidecar; {(pod.root / 'err').read_text()}")

    def status(self, path: str, host: str = "127.0.0.1") -> str:
        return self.pod.curl(f"http://{host}:9348{path}", "-o", "/dev/null", "-w", "%{http_code}", check=False)


class SidecarTest(RedirectTest):
    def test_passes_both_ways_and_answers_probes(self) -> None:
        opaque = {"weir.dev/opaque-ports": "4444"}
        client, server = Sidecar(self.client, opaque), Sidecar(self.server, opaque)
        self.server.nginx()
        self.server.greeter(3306)
        self.server.greeter(4444)
        server.run()
        client.run()
        app = server.manifest["spec"]["containers"][0]
        ready = app["readinessProbe"]["httpGet"]
        self.assertEqual(ready["port"], 9348)

        # Any port of the pod, declared or not, by either family, through both sidecars.
        self.assertIn("nginx for 10.77.0.2", self.client.curl("http://10.77.0.2:8080/a"))
        self.client.record(path="/a", listener="out", cluster="passthrough", endpoint="10.77.0.2:8080")
        self.server.record(path="/a", listener="in", cluster="passthrough", endpoint="10.77.0.2:8080")
        self.assertIn("nginx for [fd77::2]", self.client.curl("http://[fd77::2]:8080/six"))
        self.server.record(path="/six", listener="in", client="fd77::1")
        self.assertEqual(self.client.say("10.77.0.2", 3306), "220 ready")

        # On a port that is opaque HTTP is bytes, too, which are echoed.
        said = self.client.say("10.77.0.2", 4444, "GET / HTTP/1.1\r\n\r\n")
        self.assertTrue(said.startswith("220 ready"), said)
        self.server.record(protocol="TCP", listener="in", endpoint="10.77.0.2:4444")

        # Probes, from the node: at the pod's address.
        self.assertEqual(server.status(ready["path"], "10.77.0.2"), "200")
        self.assertEqual(server.status("/probe/app/liveness", "10.77.0.2"), "503")  # nobody is at 8081
        self.server.greeter(8081)
        self.assertEqual(server.status("/probe/app/liveness", "10.77.0.2"), "200")
        self.assertEqual(server.status("/probe/app/startup", "10.77.0.2"), "404")
        status = self.client.curl("http://10.77.0.2:9348/probe/app/liveness", "-o", "/dev/null", "-w", "%{http_code}")
        self.assertEqual(status, "200")

        # The sidecar's own ports lead nowhere.
        answer = self.client.curl("http://10.77.0.2:15006/", "-o", "/dev/null", "-w", "%{http_code}", check=False)
        self.assertIn(answer, ("404", "000", "502", "503"))
        self.assertEqual(self.client.curl("http://10.77.0.2:9347/readyz", "-o", "/dev/null", check=False), "")

    def test_mesh_is_permissive_at_first_and_probes_need_no_certificate(self) -> None:
        authority = Authority("mesh")
        self.addCleanup(authority.close)
        pair = authority.issue("shop", "URI:spiffe://shop/app")
        server = Sidecar(self.server, {"weir.dev/identity": "shop-id", "weir.dev/listeners.in.detect-timeout": "100ms"})
        folder = self.server.root / "identity"
        folder.mkdir()
        for name, path in (("tls.crt", pair.cert), ("tls.key", pair.key), ("ca.crt", authority.cert)):
            (folder / name).write_bytes(Path(path).read_bytes())
            (folder / name).chmod(0o644)
        mount = next(each for each in server.weir["volumeMounts"] if each["name"] == "weir-identity")
        self.assertIn(mount["mountPath"], server.config)
        server.manifest["metadata"]["annotations"]["weir.dev/config"] = server.config.replace(
            mount["mountPath"], str(folder))
        self.server.nginx()
        server.run()
        self.assertIn("nginx", self.client.curl("http://10.77.0.2:8080/clear"))
        self.assertIn("nginx", self.client.curl("https://10.77.0.2:8080/tls", "-k", "--cert", pair.cert, "--key", pair.key))
        self.server.record(path="/tls", peer="spiffe://shop/app")
        # Who must show a certificate cannot be asked by kubelet; the probe is.
        config = (self.server.root / "weir.yaml").read_text()
        strict = config.replace("tls: mesh", "tls: {mode: strict, cert: CERT, key: KEY, client_ca: CA}").replace(
            "CERT", f"{folder}/tls.crt").replace("KEY", f"{folder}/tls.key").replace("CA}", f"{folder}/ca.crt}}")
        fresh = self.server.root / "fresh.yaml"
        fresh.write_text(strict)
        fresh.rename(self.server.root / "weir.yaml")
        eventually(lambda: self.client.curl("http://10.77.0.2:8080/", check=False) == "", "no plaintext")
        self.assertEqual(server.status("/probe/app/readiness", "10.77.0.2"), "200")


del RedirectTest  # its tests are another file's
