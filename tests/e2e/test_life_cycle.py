"""A sidecar's life: held until it knows where to, told to drain before the app ends, ended after it; and a rollout of an
application that dies where it stands, in pods that are network namespaces."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

from h2wire import H2Client, pseudo
from harness import BINARY, Weir, WeirTest, eventually, fetch, free_port
from origins import Peer, fixed
from test_redirect import INBOUND, UID, Pod, run
from wire import Message, RawClient, Truncated, request, response

# Answers after some milliseconds, so that requests are in flight when it dies: of SIGTERM, with no handler for it.
APP = """
import asyncio, sys
ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nok\\n"
class App(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.bytes = transport, b""
    def data_received(self, data):
        self.bytes += data
        while b"\\r\\n\\r\\n" in self.bytes:
            self.bytes = self.bytes.split(b"\\r\\n\\r\\n", 1)[1]
            asyncio.get_running_loop().call_later(0.003, self.transport.write, ANSWER)
async def main():
    loop = asyncio.get_running_loop()
    await (await loop.create_server(App, "127.0.0.1", 8080, backlog=1024)).serve_forever()
asyncio.run(main())
"""


class Begins(WeirTest):
    def test_the_first_wait_until_it_is_known_where_to(self) -> None:
        origin = self.origin(fixed(body=b"ok"))
        with TemporaryDirectory(prefix="weir-life-") as folder:
            file, tcp = Path(folder) / "endpoints.yaml", free_port()
            weir = Weir("version: 1\nlisteners:\n  - {mode: outbound, listen: $LISTEN, to: c}\n"
                        f"  - {{name: tcp, mode: outbound, protocol: tcp, listen: \"127.0.0.1:{tcp}\", to: c}}\n"
                        f"clusters:\n  c: {{discovery: {{type: file, path: \"{file}\"}}}}\n")
            self.addCleanup(weir.stop)
            eventually(lambda: self.listens(weir.admin_port) and self.listens(weir.port), "it listens")
            self.assertEqual([fetch(weir.telemetry_port, "GET", path)[0] for path in ("/startupz", "/readyz", "/healthz")],
                             [503, 503, 200])
            with weir.connect() as client, RawClient(tcp) as opaque:
                for each in (client, opaque):
                    each.send(request())
                fresh = file.with_suffix(".fresh")
                fresh.write_text(f"- {origin.address}\n")
                fresh.rename(file)
                for each in (client, opaque):
                    self.assertEqual((each.answer().status), 200)
            weir.wait_ready()
            self.assertEqual(fetch(weir.telemetry_port, "GET", "/startupz")[0], 200)

    def listens(self, port: int) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0


class Ends(WeirTest):
    def sidecar(self, answer: object = None) -> tuple[Weir, int]:
        """Both sides of one, and the port of the outbound side."""
        origin = self.origin(answer or fixed(body=b"ok"))  # type: ignore[arg-type]
        out = free_port()
        weir = self.weir("version: 1\nlisteners:\n  - {name: in, mode: inbound, listen: $LISTEN, to: c}\n"
                         f"  - {{name: out, mode: outbound, listen: \"127.0.0.1:{out}\", to: c}}\n"
                         f"clusters:\n  c: {{endpoints: [\"{origin.address}\"]}}\ndrain: 60s\n")
        return weir, out

    def is_sent_away(self, client: RawClient) -> bool:
        """By a word in the answer, or, when it was idle, by the end of its connection."""
        try:
            return client.ask(request()).get("connection") == "close"
        except (Truncated, ConnectionError):
            return True

    def test_at_first_only_who_calls_the_app_is_sent_away(self) -> None:
        weir, out = self.sidecar()
        with weir.connect() as caller, RawClient(out) as app:
            for client in (caller, app):
                self.assertIsNone(client.ask(request()).get("connection"))
            self.assertEqual(fetch(weir.admin_port, "POST", "/api/v1/drain")[0], 200)
            self.assertEqual(fetch(weir.telemetry_port, "GET", "/readyz")[0], 503)
            self.assertEqual(fetch(weir.telemetry_port, "GET", "/startupz")[0], 200)
            self.assertTrue(self.is_sent_away(caller))
            for _ in range(3):  # the app's own calls go on, on the connection it has
                self.assertIsNone(app.ask(request()).get("connection"))
            with weir.connect() as late, RawClient(out) as another:  # and who comes is still served
                self.assertEqual(late.ask(request()).get("connection"), "close")
                self.assertIsNone(another.ask(request()).get("connection"))
            weir.signal(signal.SIGTERM)
            eventually(lambda: self.is_sent_away(app), "the app's side drains, too")
        self.assertEqual(weir.process.wait(15), 0)

    def test_streams_of_callers_end_gently(self) -> None:
        weir, out = self.sidecar()
        with H2Client(weir.port) as caller, H2Client(out) as app:
            for client in (caller, app):
                self.assertIsInstance(client.ask(pseudo()), Message)
            self.assertEqual(fetch(weir.admin_port, "POST", "/api/v1/drain")[0], 200)
            self.assertEqual(caller.goaway().code, 0)
            for _ in range(3):
                self.assertIsInstance(app.ask(pseudo()), Message)
            weir.signal(signal.SIGTERM)
            self.assertEqual(app.goaway().code, 0)
        self.assertEqual(weir.process.wait(15), 0)

    def test_a_listener_that_comes_while_it_drains_drains(self) -> None:
        weir, _ = self.sidecar()
        self.assertEqual(fetch(weir.admin_port, "POST", "/api/v1/drain")[0], 200)
        more = free_port()
        text = weir.file.read_text().replace("  - {name: out,", f"  - {{listen: \"127.0.0.1:{more}\", to: c}}\n  - {{name: out,")
        weir.reload(text)
        with RawClient(more) as client:
            self.assertEqual(client.ask(request()).get("connection"), "close")

    def slow(self) -> tuple[threading.Event, threading.Event, object]:
        asked, may_answer = threading.Event(), threading.Event()
        self.addCleanup(may_answer.set)

        def answer(peer: Peer, message: Message) -> None:
            asked.set()
            may_answer.wait(20)
            peer.send(response(200, b"late"))

        return asked, may_answer, answer

    def test_it_ends_when_the_last_answer_is_out(self) -> None:
        asked, may_answer, answer = self.slow()
        weir, _ = self.sidecar(answer)
        with weir.connect() as client:
            client.send(request())
            self.assertTrue(asked.wait(10))
            weir.signal(signal.SIGTERM)
            eventually(lambda: weir.api("status")["draining"], "it drains")
            self.assertIsNone(weir.process.poll())
            may_answer.set()
            self.assertEqual(client.answer().body, b"late")
        self.assertEqual(weir.process.wait(15), 0)

    def test_it_ends_with_the_process_of_its_job(self) -> None:
        asked, may_answer, answer = self.slow()
        job = subprocess.Popen(["sleep", "300"])
        self.addCleanup(job.wait)
        self.addCleanup(job.kill)
        origin = self.origin(answer)  # type: ignore[arg-type]
        file = Path(self.temporary()) / "weir.yaml"
        port, admin = free_port(), free_port()
        file.write_text(f"version: 1\nlisteners: [{{listen: \"127.0.0.1:{port}\", to: \"{origin.address}\"}}]\n"
                        f"admin: {{listen: \"127.0.0.1:{admin}\"}}\ntelemetry: {{listen: off}}\ndrain: 60s\n")
        weir = subprocess.Popen([BINARY, "run", "--exit-with", str(job.pid), str(file)], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)
        self.addCleanup(weir.communicate)
        self.addCleanup(weir.kill)

        def is_ready() -> bool:
            try:
                return fetch(admin, "GET", "/readyz")[0] == 200
            except OSError:
                return False

        eventually(is_ready, "ready")
        with RawClient(port) as client:
            client.send(request())
            self.assertTrue(asked.wait(10))
            self.assertIsNone(weir.poll())
            job.terminate()  # nobody has waited for it: that it ended is what counts
            eventually(lambda: fetch(admin, "GET", "/readyz")[0] == 503, "it drains")
            may_answer.set()
            self.assertEqual(client.answer().body, b"late")
        _, errors = weir.communicate(timeout=15)
        self.assertEqual(weir.returncode, 0, errors)
        self.assertIn(f'"ended":"{job.pid}"', errors)

    def test_a_process_that_is_not_there_is_an_error(self) -> None:
        gone = subprocess.Popen(["true"])
        gone.wait()
        for value, code, word in ((str(gone.pid), 1, "No such process"), ("0", 2, "--exit-with"), ("x", 2, "--exit-with")):
            with self.subTest(value):
                done = subprocess.run([BINARY, "run", "--exit-with", value, "--from", "127.0.0.1:0", "--to", "127.0.0.1:9"],
                                      capture_output=True, text=True, timeout=20)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(word, done.stderr)

    def temporary(self) -> str:
        folder = TemporaryDirectory(prefix="weir-life-")
        self.addCleanup(folder.cleanup)
        return folder.name


class Requests(threading.Thread):
    """Asks from within a pod, thousand by thousand on connections of their own, until it is told to stop and has asked
    at least so many."""

    def __init__(self, pod: Pod, url: str, least: int) -> None:
        super().__init__(daemon=True)
        self.pod, self.url, self.least = pod, url, least
        self.asked = self.good = 0
        self.failures: list[str] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set() or self.asked < self.least:
            done = subprocess.run(["ip", "netns", "exec", self.pod.name, "h2load", "--h1", "-n", "1000", "-c", "8", self.url],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50)
            counts = re.search(r"^status codes: (\d+) 2xx", done.stdout, re.M)
            good = int(counts[1]) if counts else 0
            self.asked += 1000
            self.good += good
            if good != 1000:
                self.failures.append(done.stdout + done.stderr)


class Rollouts(unittest.TestCase):
    maxDiff = None
    def setUp(self) -> None:
        self.assertTrue(BINARY, "WEIR_BINARY names no binary")
        self.assertEqual(os.geteuid(), 0, "this test makes network namespaces: run it as root")
        self.count = 0
        self.node = Pod(self, "node")
        self.node.run("ip", "link", "add", "bridge", "type", "bridge")
        self.node.run("ip", "link", "set", "bridge", "up")
        self.endpoints = self.node.root / "endpoints.yaml"

    def pod(self, name: str) -> tuple[Pod, str]:
        """On the node's bridge, and its address."""
        self.count += 1
        pod, link, address = Pod(self, f"{name}{self.count}"), f"pod{self.count}", f"10.78.0.{self.count}"
        run("ip", "link", "add", "pod0", "netns", pod.name, "type", "veth", "peer", "name", link, "netns", self.node.name)
        self.node.run("ip", "link", "set", link, "master", "bridge", "up")
        pod.run("ip", "addr", "add", f"{address}/24", "dev", "pod0")
        pod.run("ip", "link", "set", "pod0", "up")
        pod.run("ip", "route", "add", "default", "dev", "pod0")
        return pod, address

    def publish(self, pods: list[tuple[Pod, str]]) -> None:
        fresh = self.endpoints.with_suffix(".fresh")
        fresh.write_text("".join(f"- {address}:80\n" for _, address in pods))
        fresh.rename(self.endpoints)

    def start(self) -> tuple[Pod, str]:
        """App and sidecar; the app starts when the sidecar has, as the kubelet does it."""
        pod, address = self.pod("app")
        pod.weir(INBOUND)
        pod.redirect("apply", "--outbound-port", "0")
        self.assertIn("ready", pod.run(BINARY, "status", "--ready", "--wait", "10s"))
        pod.spawn(sys.executable, "-c", APP)
        eventually(lambda: pod.curl("http://127.0.0.1:8080/", check=False) == "ok\n", "the app listens")
        return pod, address

    def end(self, pod: Pod, left: list[tuple[Pod, str]], requests: Requests) -> None:
        """In the order of the kubelet; the others hear of it when the app is dead."""
        weir, app = pod.processes
        pod.run(BINARY, "drain")  # preStop of the sidecar; the app has none
        app.send_signal(signal.SIGTERM)
        self.assertEqual(app.wait(10), -signal.SIGTERM)
        asked = requests.asked
        eventually(lambda: requests.asked > asked, "requests meet the dead app", within=30)
        self.publish(left)
        weir.send_signal(signal.SIGTERM)
        self.assertEqual(weir.wait(15), 0)

    def test_lose_no_request_though_the_app_dies_where_it_stands(self) -> None:
        rollouts = 10 if os.environ.get("WEIR_FULL") else 2
        client, _ = self.pod("client")
        pods = [self.start() for _ in range(3)]
        self.publish(pods)
        client.weir(f"""\
            version: 1
            threads: 1
            listeners:
              - name: out
                mode: outbound
                listen: "127.0.0.1:15001"
                transparent: true
                routes: [{{host: 10.96.0.10, to: orders}}]
            clusters:
              orders:
                discovery: {{type: file, path: {self.endpoints}}}
                # Of what an app had begun when it died its sidecar says 502.
                retry: {{on: [connect, refused, reused, 503, 502]}}
            """)
        client.redirect("apply", "--inbound-port", "0")
        requests = Requests(client, "http://10.96.0.10/", least=20_000)
        requests.start()
        self.addCleanup(requests.join)
        self.addCleanup(requests.stopping.set)
        for _ in range(rollouts):
            for _ in range(3):
                pods.append(self.start())
                self.publish(pods)
                self.end(pods[0][0], pods[1:], requests)
                del pods[0]
        requests.stopping.set()
        requests.join()
        self.assertGreaterEqual(requests.asked, 20_000)
        lost = [record for record in client.records() if record["status"] != 200]
        self.assertEqual((lost, requests.failures), ([], []))
        self.assertEqual(requests.good, requests.asked)
        for pod, _ in pods:
            self.assertTrue(pod.records(), "a pod that nobody asked")


if __name__ == "__main__":
    unittest.main()
