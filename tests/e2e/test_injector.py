"""`weir injector`: the webhook over HTTPS, asked as an API server asks it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

from harness import BINARY, Metrics, eventually, fetch, free_port
from pki import Authority, Pair

REVIEWS = Path(__file__).resolve().parents[1] / "recorded/admission"


def apply(document: Any, patch: list[dict[str, Any]]) -> Any:
    """RFC 6902, as far as add, remove and replace go."""
    document = json.loads(json.dumps(document))
    for operation in patch:
        *steps, last = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]]
        at = document
        for step in steps:
            at = at[int(step)] if isinstance(at, list) else at[step]
        if isinstance(at, list):
            if operation["op"] == "add":
                at.insert(len(at) if last == "-" else int(last), operation["value"])
            elif operation["op"] == "replace":
                at[int(last)] = operation["value"]
            else:
                del at[int(last)]
        elif operation["op"] == "remove":
            del at[last]
        else:
            assert operation["op"] == "add" or last in at, operation
            at[last] = operation["value"]
    return document


class InjectorTest(unittest.TestCase):
    def setUp(self) -> None:
        self.authority = Authority()
        self.addCleanup(self.authority.close)
        self.root = Path(tempfile.mkdtemp(prefix="weir-injector-"))
        self.addCleanup(shutil.rmtree, self.root)
        self.use(self.authority.issue("injector"))
        self.port, self.telemetry = free_port(), free_port()
        self.log = self.root / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [BINARY, "injector", "--listen", f"127.0.0.1:{self.port}", "--telemetry",
                 f"127.0.0.1:{self.telemetry}", "--cert", str(self.root / "now/tls.crt"), "--key",
                 str(self.root / "now/tls.key"), "--image", "weir:test"], stderr=log, stdin=subprocess.DEVNULL)
        self.addCleanup(self.stop)
        eventually(self.is_ready, "the injector")

    def use(self, pair: Pair) -> None:
        """As kubelet updates a Secret's volume: a link that moves to another folder."""
        folder = self.root / f"data-{len(list(self.root.glob('data-*')))}"
        folder.mkdir()
        shutil.copy(pair.cert, folder / "tls.crt")
        shutil.copy(pair.key, folder / "tls.key")
        link = self.root / "next"
        link.symlink_to(folder.name)
        link.rename(self.root / "now")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGINT)  # at once
        self.assertEqual(self.process.wait(15), 0, self.log.read_text())
        self.assertNotRegex(self.log.read_text(), "Sanitizer|runtime error")

    def is_ready(self) -> bool:
        self.assertIsNone(self.process.poll(), self.log.read_text())
        try:
            return fetch(self.telemetry, "GET", "/readyz")[0] == 200
        except OSError:
            return False

    def curl(self, path: str, *words: str, body: bytes | None = None) -> tuple[int, str]:
        data = [] if body is None else ["--data-binary", "@-", "-H", "content-type: application/json"]
        done = subprocess.run(["curl", "-sS", "--max-time", "10", "--cacert", self.authority.cert, *data, "-w",
                               "\n%{http_code}", *words, f"https://127.0.0.1:{self.port}{path}"],
                              input=body or b"", capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        text, _, status = done.stdout.decode().rpartition("\n")
        return int(status), text

    def review(self, name: str) -> tuple[dict[str, Any], dict[str, Any], Any]:
        """The pod, the response, and the pod as patched."""
        text = (REVIEWS / f"{name}.json").read_bytes()
        request = json.loads(text)["request"]
        status, body = self.curl("/inject?timeout=10s", body=text)
        self.assertEqual(status, 200, body)
        answer = json.loads(body)
        self.assertEqual((answer["kind"], answer["apiVersion"]), ("AdmissionReview", "admission.k8s.io/v1"))
        response = answer["response"]
        self.assertEqual((response["uid"], response["allowed"]), (request["uid"], True))
        patch = json.loads(base64.b64decode(response["patch"])) if "patch" in response else []
        return request["object"], response, apply(request["object"], patch)

    def metric(self, result: str) -> float:
        return Metrics(fetch(self.telemetry, "GET", "/metrics")[1]).sum("weir_injector_reviews_total", result=result)

    def test_patches_pods(self) -> None:
        for name in ("replicaset-pod", "annotated-pod", "init-pod"):
            pod, response, made = self.review(name)
            self.assertEqual(response["patchType"], "JSONPatch")
            names = [each["name"] for each in made["spec"]["initContainers"]]
            self.assertEqual(names[:2], ["weir-init", "weir"])
            self.assertEqual(made["spec"]["initContainers"][2:], pod["spec"].get("initContainers", []))
            self.assertEqual(made["spec"]["volumes"][0], pod["spec"]["volumes"][0])
            # The same code: the verb finds nothing to do.
            done = subprocess.run([BINARY, "inject", "-f", "-", "--image", "weir:test"], text=True,
                                  input=json.dumps(made), capture_output=True, timeout=30)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("unchanged", done.stderr)
            done = subprocess.run([BINARY, "inject", "-f", "-", "--uninject"], text=True, input=json.dumps(made),
                                  capture_output=True, timeout=30)
            self.assertEqual(json.loads(done.stdout), pod)
        self.assertEqual(self.metric("injected"), 3)

    def test_lets_in_what_it_leaves_alone(self) -> None:
        for name, result in (("host-network-pod", "refused"), ("wrong-annotation-pod", "refused"),
                             ("disabled-pod", "disabled")):
            pod, response, made = self.review(name)
            self.assertEqual(made, pod)
            self.assertEqual(len(response.get("warnings", [])), 1 if result == "refused" else 0, response)
        self.assertIn("consecutive_failures", self.review("wrong-annotation-pod")[1]["warnings"][0])
        self.assertEqual((self.metric("refused"), self.metric("disabled")), (3, 1))

    def test_refuses_what_is_no_review(self) -> None:
        self.assertEqual(self.curl("/inject", body=b"{}")[0], 400)
        self.assertEqual(self.curl("/inject", body=b"no json")[0], 400)
        self.assertEqual(self.metric("invalid"), 2)
        self.assertEqual(self.curl("/inject")[0], 405)
        self.assertEqual(self.curl("/other", body=b"{}")[0], 404)
        self.assertEqual(self.curl("/inject", "-H", "content-type: text/plain", "-d", "x")[0], 415)
        self.assertEqual(self.curl("/inject", body=b" " * (4 * 1024 * 1024 + 1))[0], 413)
        self.assertEqual(fetch(self.telemetry, "POST", "/metrics")[0], 405)
        self.assertEqual(fetch(self.telemetry, "GET", "/inject")[0], 404)

    def serial(self) -> int:
        with socket.create_connection(("127.0.0.1", self.port), 10) as raw, \
                self.authority.client().wrap_socket(raw, server_hostname="injector") as tls:
            return int(tls.getpeercert()["serialNumber"], 16)  # type: ignore[index, arg-type]

    def test_takes_a_new_certificate_without_a_restart(self) -> None:
        before = self.serial()
        self.use(self.authority.issue("injector", stem="second"))
        after = self.serial()
        self.assertNotEqual(after, before)
        # One that is no good changes nothing.
        wrong = self.authority.issue("injector", stem="third")
        Path(wrong.key).write_text("no key\n")
        self.use(wrong)
        self.assertEqual(self.serial(), after)
        self.assertIn("certificate not replaced", self.log.read_text())
        self.review("replicaset-pod")
        self.use(self.authority.issue("injector", stem="fourth"))
        self.assertNotEqual(self.serial(), after)

    def test_survives_clients_that_speak_no_tls_or_leave(self) -> None:
        for data in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello"):
            with socket.create_connection(("127.0.0.1", self.port), 10) as raw:
                raw.sendall(data)
        with socket.create_connection(("127.0.0.1", self.port), 10) as raw, \
                self.authority.client().wrap_socket(raw, server_hostname="injector") as tls:
            tls.sendall(b"POST /inject HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
                        b"content-length: 100\r\n\r\n{")
        self.review("replicaset-pod")

    def test_serves_several_reviews_on_a_connection(self) -> None:
        text = (REVIEWS / "replicaset-pod.json").read_bytes()
        head = (f"POST /inject HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
                f"content-length: {len(text)}\r\n\r\n").encode()
        with socket.create_connection(("127.0.0.1", self.port), 10) as raw, \
                self.authority.client().wrap_socket(raw, server_hostname="injector") as tls:
            tls.sendall((head + text) * 3)
            got = b""
            while got.count(b'"allowed":true') < 3:
                more = tls.recv(65536)
                self.assertTrue(more, got[-300:])
                got += more

    def test_answers_on_until_api_servers_know_of_its_end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        eventually(lambda: fetch(self.telemetry, "GET", "/readyz")[0] == 503, "not ready")
        self.review("replicaset-pod")


class InjectorStartTest(unittest.TestCase):
    def start(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([BINARY, "injector", *words], capture_output=True, text=True, timeout=30,
                              env={"PATH": os.environ["PATH"]})

    def test_says_what_is_wrong(self) -> None:
        self.assertEqual(self.start().returncode, 2)
        done = self.start("--cert", "/nowhere.crt", "--key", "/nowhere.key", "--listen", "127.0.0.1:0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nowhere.crt", done.stderr)


if __name__ == "__main__":
    unittest.main()
