"""The manifests, overlays and chart of deploy/k8s: valid, safe, of one source, and true to the binary."""

from __future__ import annotations

import base64
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import threading
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from harness import BARE, BINARY, Weir, WeirTest, eventually, fetch, free_port
from origins import Peer
from wire import Message, response

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "deploy/k8s"
VALIDATOR = ROOT / "build/tools/grpc/bin/kubernetes-validate"
VERSIONS = ("1.30", "1.33", "1.37")
CUSTOM = {"ServiceMonitor", "PodMonitor", "PrometheusRule", "Certificate", "Issuer"}


def documents(text: str) -> list[Any]:
    return [document for document in yaml.safe_load_all(text) if document]


def sources() -> Iterator[tuple[Path, Any]]:
    for path in sorted(K8S.glob("base/*/*.yaml")) + sorted(K8S.glob("example/*.yaml")):
        if path.name != "kustomization.yaml":
            for document in documents(path.read_text()):
                yield path, document


def identity(document: Any) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def pods() -> Iterator[tuple[str, Any]]:
    for path, document in sources():
        if document["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
            yield f"{path.name} {document['metadata']['name']}", document["spec"]["template"]["spec"]


def validate(test: unittest.TestCase, text: str) -> None:
    """By the schemas of several versions of Kubernetes, unknown fields refused."""
    test.assertTrue(VALIDATOR.exists(), "kubernetes-validate is missing: ./dev test installs it")
    known = [document for document in documents(text) if document["kind"] not in CUSTOM]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump_all(known, file)
        file.flush()
        for version in VERSIONS:
            done = subprocess.run([str(VALIDATOR), "--strict", "-k", version, file.name], capture_output=True,
                                  text=True, timeout=50)
            test.assertEqual(done.returncode, 0, f"{version}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def weir(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([BINARY, *words], input=text, capture_output=True, text=True, timeout=30,
                          env={"PATH": "/usr/bin:/bin", "POD_NAME": "pod-1", "POD_IP": "10.0.0.1"})


def build(folder: str) -> str:
    done = subprocess.run(["kubectl", "kustomize", str(K8S / folder)], capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout


class Renderer:
    """As much of Helm as the chart uses."""

    def __init__(self, values: Any) -> None:
        self.scope = {"Values": values, "Release": {"Namespace": "weir-system"}}

    def value(self, expression: str) -> Any:
        expression, *filters = [part.strip() for part in expression.split("|")]
        words = re.findall(r'"[^"]*"|\S+', expression)
        if words[0] == "printf":
            out: Any = words[1].strip('"') % tuple(self.look_up(word) for word in words[2:])
        elif words[0] == "and":
            out = all(self.look_up(word) for word in words[1:])
        else:
            out = self.look_up(words[0])
        for each in filters:
            if each == "quote":
                out = json.dumps(str(out))
            elif each.startswith("indent "):
                out = "\n".join(" " * int(each.split()[1]) + line if line else line for line in out.split("\n"))
            else:
                raise AssertionError(each)
        return out

    def look_up(self, path: str) -> Any:
        at: Any = self.scope
        for step in path.lstrip(".").split("."):
            at = at[step]
        return at

    def render(self, text: str) -> str:
        shown = [True]
        out = []
        for line in text.splitlines():
            if line.startswith("{{- if "):
                shown.append(bool(self.value(line[len("{{- if "):-len(" }}")])))
            elif line == "{{- end }}":
                shown.pop()
            elif all(shown):
                out.append(re.sub(r"\{\{`(.*?)`\}\}|\{\{ (.*?) \}\}",
                                  lambda match: match[1] or str(self.value(match[2])), line))
        return "\n".join(out) + "\n"


def rendered(**switches: bool) -> dict[tuple[str, str], Any]:
    values = yaml.safe_load((K8S / "chart/values.yaml").read_text())
    for name, value in switches.items():
        folder, key = name.split("_", 1)
        values[folder][key] = value
    renderer = Renderer(values)
    out = {}
    for path in sorted((K8S / "chart/templates").glob("*.yaml")):
        for document in documents(renderer.render(path.read_text())):
            out[identity(document)] = document
    return out


class ManifestTest(unittest.TestCase):
    def test_are_what_kubernetes_knows(self) -> None:
        validate(self, "---\n".join(yaml.safe_dump(document) for _, document in sources()))
        for path, document in sources():
            if document["kind"] in CUSTOM:
                self.assertRegex(document["apiVersion"], r"^(monitoring\.coreos\.com|cert-manager\.io)/v1$", path)

    def test_give_containers_no_more_than_they_need(self) -> None:
        for name, spec in pods():
            with self.subTest(name):
                everywhere = spec["securityContext"]
                self.assertEqual(everywhere["seccompProfile"], {"type": "RuntimeDefault"})
                self.assertGreater(everywhere["runAsUser"], 0)
                self.assertIn("automountServiceAccountToken", spec)
                for container in spec["containers"]:
                    context = container["securityContext"]
                    self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
                    self.assertTrue(context["readOnlyRootFilesystem"] and context["runAsNonRoot"])
                    self.assertFalse(context["allowPrivilegeEscalation"])
                    self.assertLessEqual({"cpu", "memory"}, container["resources"]["requests"].keys())
                    self.assertIn("memory", container["resources"]["limits"])
                    self.assertLessEqual({"readinessProbe", "livenessProbe"}, container.keys())
                    mounts = {mount["name"] for mount in container["volumeMounts"]}
                    self.assertEqual(mounts, {volume["name"] for volume in spec["volumes"]})

    def test_name_each_other_rightly(self) -> None:
        objects = {identity(document): document for _, document in sources()}
        for path, document in sources():
            spec = document.get("spec", {})
            if document["kind"] == "Service":
                matching = [other["spec"]["template"] for other in objects.values() if other["kind"] == "Deployment"
                            and spec["selector"].items() <= other["spec"]["template"]["metadata"]["labels"].items()]
                self.assertTrue(matching, f"{path}: {document['metadata']['name']} selects nothing")
                for port in spec["ports"]:
                    for template in matching:
                        self.assertIn(port["targetPort"],
                                      [each["name"] for each in template["spec"]["containers"][0]["ports"]])
            elif document["kind"] == "HorizontalPodAutoscaler":
                target = spec["scaleTargetRef"]
                self.assertNotIn("replicas", objects[target["kind"], target["name"]]["spec"])
            elif document["kind"] == "Deployment":
                self.assertLessEqual(spec["selector"]["matchLabels"].items(),
                                     spec["template"]["metadata"]["labels"].items())
                for volume in spec["template"]["spec"]["volumes"]:
                    if "configMap" in volume:
                        self.assertIn(("ConfigMap", volume["configMap"]["name"]), objects)
            elif document["kind"] in ("PodDisruptionBudget", "NetworkPolicy"):
                labels = (spec.get("selector") or spec.get("podSelector"))["matchLabels"]
                self.assertTrue(any(labels.items() <= other["spec"]["template"]["metadata"]["labels"].items()
                                    for other in objects.values() if other["kind"] == "Deployment"), path)

    def test_let_a_drain_take_the_time_it_needs(self) -> None:
        objects = {identity(document): document for _, document in sources()}
        spec = objects["Deployment", "weir-gateway"]["spec"]["template"]["spec"]
        config = yaml.safe_load(objects["ConfigMap", "weir-gateway"]["data"]["weir.yaml"])
        self.assertLess(int(config["drain"].removesuffix("s")) + 5, spec["terminationGracePeriodSeconds"])

    def test_ask_the_api_server_for_little(self) -> None:
        for _, document in sources():
            self.assertNotIn(document["kind"], ("ClusterRole", "ClusterRoleBinding"))
            if document["kind"] == "Role":
                for rule in document["rules"]:
                    self.assertLessEqual(set(rule["verbs"]), {"get", "list", "watch"})
                    self.assertLessEqual(set(rule["resources"]), {"endpointslices", "services"})

    def test_ask_webhooks_only_of_namespaces_that_want_them(self) -> None:
        webhooks = {identity(document): document for _, document in sources()}[
            "MutatingWebhookConfiguration", "weir-injector"]["webhooks"]
        policies = {}
        for webhook in webhooks:
            wanted, kept = webhook["namespaceSelector"]["matchExpressions"]
            self.assertEqual((wanted["key"], wanted["operator"]), ("weir.dev/inject", "In"))
            self.assertIn("kube-system", kept["values"])
            policies[wanted["values"][0]] = webhook["failurePolicy"]
            self.assertEqual(webhook["clientConfig"]["service"]["path"], "/inject")
        self.assertEqual(policies, {"enabled": "Ignore", "required": "Fail"})

    def test_hold_configurations_that_are_valid(self) -> None:
        for path, document in sources():
            if document["kind"] != "ConfigMap":
                continue
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(document["data"]["weir.yaml"])
                file.flush()
                done = weir("check", file.name)
                self.assertEqual(done.returncode, 0, f"{path}: {done.stderr}")

    def test_start_the_binary_with_words_it_knows(self) -> None:
        for name, spec in pods():
            for container in spec["containers"]:
                verb = container["args"][0]
                known = weir(verb, "--help").stdout
                for word in container["args"][1:]:
                    if word.startswith("--"):
                        self.assertIn(word.split("=")[0], known, name)


class KustomizeTest(unittest.TestCase):
    def test_overlays_build_and_are_valid(self) -> None:
        for overlay in sorted(path.parent for path in K8S.glob("overlays/*/kustomization.yaml")):
            text = build(str(overlay))
            names = {identity(document) for document in documents(text)}
            self.assertTrue(names, overlay)
            validate(self, text)

    def test_a_mesh_by_cert_manager_gets_its_authority_from_it(self) -> None:
        made = {identity(document): document for document in documents(build("overlays/mesh-cert-manager"))}
        webhook = made["MutatingWebhookConfiguration", "weir-injector"]
        certificate = made["Certificate", "weir-injector"]
        self.assertEqual(webhook["metadata"]["annotations"]["cert-manager.io/inject-ca-from"],
                         f"{certificate['metadata']['namespace']}/{certificate['metadata']['name']}")
        self.assertEqual(len(webhook["webhooks"]), 2)

    def test_the_example_is_taken_by_the_injector(self) -> None:
        text = build("example")
        done = weir("inject", "-f", "-", "--image", "weir:0.1.0", text=text)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count(": injected"), 4, done.stderr)
        validate(self, done.stdout)


class ExampleTest(WeirTest):
    """The services of the example, and the caller's sidecar with the clusters of its annotations."""

    def service(self, name: str) -> int:
        config = {identity(document): document for _, document in sources()}["ConfigMap", name]["data"]["weir.yaml"]
        port, inner = free_port(), free_port()
        text = config.replace(":8080", f"127.0.0.1:{port}").replace(":8081", f":{inner}")
        proxy = Weir(text.replace("admin: {listen: off}", "").replace("telemetry: {listen: off}", ""))
        self.addCleanup(proxy.stop)
        proxy.wait_ready()
        return port

    def test_the_flaky_one_of_three_is_ejected(self) -> None:
        ports = [self.service("orders"), self.service("orders"), self.service("orders-flaky")]
        text = (K8S / "example/front.yaml").read_text()
        done = weir("inject", "-f", "-", text=text)
        self.assertEqual(done.returncode, 0, done.stderr)
        front = next(document for document in documents(done.stdout) if document["kind"] == "Deployment")
        config = yaml.safe_load(front["spec"]["template"]["metadata"]["annotations"]["weir.dev/config"])
        config["clusters"]["orders"]["endpoints"] = [f"127.0.0.1:{port}" for port in ports]
        out = config["listeners"][1]
        out["listen"], out["transparent"] = ["$LISTEN"], False
        config["listeners"] = [out]
        del config["telemetry"], config["node"]
        sidecar = self.weir(yaml.safe_dump(config))

        def is_ejected() -> bool:
            fetch(sidecar.port, "GET", "/orders/1")
            states = {each["address"]: each["state"] for each in sidecar.api("clusters/orders/endpoints")}
            return bool(states[f"127.0.0.1:{ports[2]}"] == "ejected")

        eventually(is_ejected, "the flaky one is ejected")
        states = [each["state"] for each in sidecar.api("clusters/orders/endpoints")]
        self.assertEqual(states.count("healthy"), 2, states)


class ChartTest(unittest.TestCase):
    def test_is_made_of_the_manifests(self) -> None:
        done = subprocess.run([sys.executable, str(K8S / "generate.py"), "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_says_with_its_defaults_what_the_manifests_say(self) -> None:
        wanted = {identity(document): document for path, document in sources()
                  if path.parent.parent.name == "base" and document["kind"] != "Namespace"}
        made = rendered(injector_certManager=True, monitoring_enabled=True)
        webhook = made["MutatingWebhookConfiguration", "weir-injector"]
        self.assertEqual(webhook["metadata"].pop("annotations"),
                         {"cert-manager.io/inject-ca-from": "weir-system/weir-injector"})
        self.assertEqual(made, wanted)

    def test_leaves_out_what_is_switched_off(self) -> None:
        kinds = {kind for kind, _ in rendered(injector_enabled=False)}
        self.assertFalse(kinds & (CUSTOM | {"MutatingWebhookConfiguration"}), kinds)
        self.assertIn("HorizontalPodAutoscaler", kinds)

    def by_helm_is_rendered_alike(self) -> None:
        done = subprocess.run(["helm", "template", "weir", str(K8S / "chart"), "--namespace", "weir-system"],
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual({identity(document): document for document in documents(done.stdout)}, rendered())


class RulesTest(unittest.TestCase):
    rules: Any

    def setUp(self) -> None:
        rule = {identity(document): document for _, document in sources()}["PrometheusRule", "weir"]
        self.rules = {"groups": rule["spec"]["groups"]}

    def test_pass_promtool(self) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(self.rules, file)
            file.flush()
            done = subprocess.run(["promtool", "check", "rules", "--lint-fatal", file.name], capture_output=True,
                                  text=True, timeout=30)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_speak_of_metrics_there_are(self) -> None:
        catalogue = weir("reference", "metrics").stdout
        recorded = {rule["record"] for group in self.rules["groups"] for rule in group["rules"] if "record" in rule}
        for group in self.rules["groups"]:
            for rule in group["rules"]:
                for name in re.findall(r"\bweir[_:][a-z0-9_:]+", rule["expr"]):
                    known = name in recorded or f"`{name.removesuffix('_bucket')}`" in catalogue
                    self.assertTrue(known, f"{rule.get('alert')}: {name}")


class CertificateTest(unittest.TestCase):
    def test_is_made_for_the_name_that_api_servers_use(self) -> None:
        done = subprocess.run([str(K8S / "make-certificate"), "elsewhere"], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        secret, webhook = documents(done.stdout)
        with tempfile.TemporaryDirectory() as folder:
            for name, content in secret["data"].items():
                (Path(folder) / name).write_bytes(base64.b64decode(content))
            done = subprocess.run(["openssl", "verify", "-CAfile", "ca.crt", "-verify_hostname",
                                   "weir-injector.elsewhere.svc", "tls.crt"], cwd=folder, capture_output=True,
                                  text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        names = [each["name"] for each in {identity(document): document for _, document in sources()}[
            "MutatingWebhookConfiguration", "weir-injector"]["webhooks"]]
        self.assertEqual([each["name"] for each in webhook["webhooks"]], names)
        self.assertEqual({each["clientConfig"]["caBundle"] for each in webhook["webhooks"]},
                         {secret["data"]["ca.crt"]})


class AutoscalerTest(WeirTest):
    """What the autoscaler would decide, from a scrape of a Weir whose origin does not answer."""

    def test_scales_on_requests_in_flight(self) -> None:
        hpa = {identity(document): document for _, document in sources()}["HorizontalPodAutoscaler", "weir-gateway"]
        metric = next(each["pods"] for each in hpa["spec"]["metrics"] if each["type"] == "Pods")
        target = int(metric["target"]["averageValue"])
        least, most = hpa["spec"]["minReplicas"], hpa["spec"]["maxReplicas"]

        def wait(peer: Peer, _: Message) -> None:
            peer.hang()
            peer.send(response(200, b"ok"))

        proxy, origin = self.proxied(wait, cluster=BARE)

        def wish(replicas: int) -> int:
            """As the autoscaler has it: within 10 % nothing changes; else the ceiling, in its bounds."""
            in_flight = proxy.metrics().sum(metric["metric"]["name"])
            ratio = in_flight / (replicas * target)
            wanted = replicas if abs(ratio - 1) <= 0.1 else math.ceil(in_flight / target)
            return min(max(wanted, least), most)

        self.assertEqual(wish(least), least)
        wanted = 5 * target // 2
        threads = [threading.Thread(target=fetch, args=(proxy.port, "GET", "/")) for _ in range(wanted)]
        for thread in threads:
            thread.start()
        eventually(lambda: proxy.metrics().sum("weir_requests_active") == wanted, "requests in flight")
        self.assertEqual(wish(least), 3)
        self.assertEqual(wish(3), 3, "and there it stays")
        origin.released.set()
        for thread in threads:
            thread.join(15)
        eventually(lambda: proxy.metrics().sum("weir_requests_active") == 0, "none in flight")
        self.assertEqual(wish(3), least)


# kubectl and helm are none of Debian's: who has them asks for them.
if os.environ.get("WEIR_K8S") == "1":
    ChartTest.test_is_rendered_alike_by_helm = ChartTest.by_helm_is_rendered_alike  # type: ignore[attr-defined]
else:
    del KustomizeTest


if __name__ == "__main__":
    unittest.main()
