"""`weir inject` through the real binary: what it makes of manifests, and what it says."""

from __future__ import annotations

import json
import subprocess
import tempfile
import textwrap
import unittest
from pathlib import Path
from typing import Any

import yaml
from harness import BINARY

MANIFEST = """\
# Two objects, of which one has pods.
apiVersion: v1
kind: Service
metadata: {name: orders}   # stays as it is
spec:
  ports: [{port: 80, targetPort: http}]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: orders
spec:
  selector: {matchLabels: {app: orders}}
  template:
    metadata:
      labels: {app: orders}
      annotations:
        weir.dev/timeout.request: 3s
        weir.dev/skip-outbound-ports: "5432"
    spec:
      containers:
        - name: app
          image: registry.example/orders:1
          command: [/bin/sh, -c, "echo 'a: b' # no comment"]
          env:
            - {name: FLAG, value: "true"}
            - name: SCRIPT
              value: |
                line one
                  line two
          ports: [{name: http, containerPort: 8080}]
          readinessProbe:
            httpGet: {path: /ready, port: http}
          livenessProbe:
            exec: {command: [alive]}
"""


def inject(text: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BINARY, "inject", "-f", "-", "--image", "weir:test", *words], input=text,
                          capture_output=True, text=True, timeout=30)


def documents(text: str) -> list[Any]:
    return list(yaml.safe_load_all(text))


class InjectTest(unittest.TestCase):
    def injected(self, text: str = MANIFEST) -> str:
        done = inject(text)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_adds_a_sidecar_that_its_own_binary_would_run(self) -> None:
        out = self.injected()
        self.assertEqual(out.split("---")[0], MANIFEST.split("---")[0], "the Service, byte for byte")
        before, after = documents(MANIFEST)[1], documents(out)[1]
        template, was = after["spec"]["template"], before["spec"]["template"]
        init, sidecar = template["spec"].pop("initContainers")
        self.assertEqual((init["name"], sidecar["name"]), ("weir-init", "weir"))
        self.assertEqual(init["args"][-2:], ["--skip-outbound-ports", "5432"])
        self.assertEqual(sidecar["restartPolicy"], "Always")
        self.assertEqual(sidecar["securityContext"]["capabilities"], {"drop": ["ALL"]})
        self.assertTrue(sidecar["securityContext"]["readOnlyRootFilesystem"])
        volumes = {volume["name"] for volume in template["spec"].pop("volumes")}
        for container in init, sidecar:
            self.assertLessEqual({mount["name"] for mount in container["volumeMounts"]}, volumes)
        probe = template["spec"]["containers"][0]["readinessProbe"]
        self.assertEqual(probe, {"httpGet": {"path": "/probe/app/readiness", "port": 9348}})
        probe.clear()
        probe.update(was["spec"]["containers"][0]["readinessProbe"])
        self.assertEqual(template["spec"], was["spec"], "all else is as it was")

        config = template["metadata"]["annotations"]["weir.dev/config"]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(config)
            file.flush()
            done = subprocess.run([BINARY, "check", file.name], capture_output=True, text=True, timeout=30,
                                  env={"POD_NAME": "orders-1", "POD_IP": "10.0.0.1", "PATH": ""})
            self.assertEqual(done.returncode, 0, done.stderr + config)
        self.assertEqual(yaml.safe_load(config)["defaults"], {"timeout": {"request": "3s"}})

    def test_is_idempotent_and_reversible(self) -> None:
        once = self.injected()
        again = inject(once)
        self.assertEqual((again.returncode, again.stdout), (0, once))
        self.assertIn("Deployment orders: unchanged", again.stderr)
        back = inject(once, "--uninject")
        self.assertEqual(documents(back.stdout), documents(MANIFEST))
        self.assertIn("Deployment orders: removed", back.stderr)

    def test_follows_a_change_of_annotations_and_image(self) -> None:
        once = self.injected()
        changed = once.replace("request: 3s", "request: 4s", 1)
        done = inject(changed, "--image", "weir:other")
        self.assertEqual(done.returncode, 2, "twice the same option")
        done = subprocess.run([BINARY, "inject", "-f", "-", "--image", "weir:other"], input=changed, text=True,
                              capture_output=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("weir:test", done.stdout)
        self.assertEqual(documents(inject(done.stdout, "--uninject").stdout),
                         documents(MANIFEST.replace("request: 3s", "request: 4s")))

    def test_shows_the_difference(self) -> None:
        done = inject(self.injected(), "--diff")
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "deploy.yaml"
            file.write_text(MANIFEST)
            done = subprocess.run([BINARY, "inject", "--file", str(file), "--image", "weir:test", "--diff"],
                                  capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 0, done.stderr)
            patched = subprocess.run(["patch", "--quiet", str(file)], input=done.stdout, text=True,
                                     capture_output=True)
            self.assertEqual(patched.returncode, 0, patched.stderr + patched.stdout)
            self.assertEqual(file.read_text(), self.injected())

    def test_refuses_with_a_reason_and_passes_the_object_on(self) -> None:
        for line, reason in (("      hostNetwork: true\n", "hostNetwork"),
                             ("      volumes: [{name: weir-own}]\n", "volume 'weir-own' of its own")):
            text = MANIFEST + line
            done = inject(text)
            self.assertEqual((done.returncode, done.stdout), (1, text))
            self.assertIn("Deployment orders: refused: ", done.stderr)
            self.assertIn(reason, done.stderr)
        done = inject(MANIFEST.replace("timeout.request", "timeout.requests"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("weir.dev/timeout.requests", done.stderr)
        self.assertIn("did you mean 'request'?", done.stderr)

    def test_tells_of_files_that_cannot_be_read(self) -> None:
        done = subprocess.run([BINARY, "inject", "-f", "/nowhere.yaml"], capture_output=True, text=True, timeout=30)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("/nowhere.yaml", done.stderr)
        done = inject("kind: Pod\n\tspec: {}\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("a document: refused: it cannot be read: line 2", done.stderr)

    def test_takes_lists_and_json(self) -> None:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
               "spec": {"containers": [{"name": "app", "image": "a", "args": ["1", "é\n", "\U0001f600"]}]}}
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [pod, pod]})
        out = json.loads(self.injected(text))
        for item in out["items"]:
            self.assertEqual(len(item["spec"]["initContainers"]), 2)
            self.assertEqual(item["spec"]["containers"], pod["spec"]["containers"])
        self.assertEqual(json.loads(inject(json.dumps(out), "--uninject").stdout), json.loads(text))

    def test_understands_what_yaml_readers_disagree_about(self) -> None:
        text = textwrap.dedent("""\
            kind: Pod
            metadata:
              name: odd
              annotations: {on: "off", "1": '2', time: "08:00", empty: "", tilde: "~", hex: "0x1F", float: "1e3"}
            spec:
              containers:
              - name: app
                image: "1.0"
                args: ["yes", no, "- x", "a: b", "#c", " lead", "trail ", "*a", "&b", "!c", "%d", "@e", "`f", "{g", "é"]
            """)
        before, after = documents(text)[0], documents(self.injected(text))[0]
        self.assertEqual(after["spec"]["containers"], before["spec"]["containers"])
        for name, value in before["metadata"]["annotations"].items():
            self.assertEqual(after["metadata"]["annotations"][str(name) if name is not True else "on"], value)


if __name__ == "__main__":
    unittest.main()
