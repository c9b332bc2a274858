"""The application's probes, asked of Weir: telemetry.probes."""

from __future__ import annotations

import subprocess
import threading
import unittest
from typing import Any

import grpc_bed
from harness import BINARY, WeirTest, fetch, free_port
from origins import Peer, hang
from pki import Authority, TlsOrigin
from wire import Message, response

class ProbeTest(WeirTest):
    def probing(self, probes: str) -> Any:
        self.telemetry = free_port()
        return self.weir("version: 1\nlisteners:\n  - listen: $LISTEN\n    routes: [{respond: {status: 200}}]\n"
                         f"telemetry: {{listen: \"127.0.0.1:{self.telemetry}\", probes: {{{probes}}}}}\n")

    def ask(self, name: str) -> tuple[int, str]:
        return fetch(self.telemetry, "GET", f"/probe/{name}")

    def test_http_is_asked_as_kubelet_would(self) -> None:
        seen: list[Message] = []
        answers = {"/alive": 200, "/moved": 302, "/ill": 500, "/gone": 404, "/odd": 418}

        def answer(peer: Peer, request: Message) -> None:
            seen.append(request)
            peer.send(response(answers[request.target], b"abc"))

        port = self.origin(answer).port
        self.probing(", ".join(f"app/{path[1:]}: {{port: {port}, path: {path}, headers: {{X-Probe: 'a b', Host: shop}}}}"
                               for path in answers))
        got = {path: self.ask(f"app{path}")[0] for path in answers}
        self.assertEqual(got, {"/alive": 200, "/moved": 200, "/ill": 500, "/gone": 404, "/odd": 418})
        self.assertEqual({request.get("x-probe") for request in seen}, {"a b"})
        self.assertEqual({request.get("host") for request in seen}, {"shop"})

    def test_one_that_does_not_answer_in_time_is_ill(self) -> None:
        port = self.origin(hang).port
        self.probing(f"app/liveness: {{port: {port}, timeout: 100ms}}")
        status, text = self.ask("app/liveness")
        self.assertEqual(status, 503)
        self.assertIn("100ms", text)
        # Others are answered meanwhile.
        asking = threading.Thread(target=self.ask, args=("app/liveness",))
        asking.start()
        self.assertEqual(fetch(self.telemetry, "GET", "/readyz")[0], 200)
        asking.join()

    def test_tcp_is_a_connection(self) -> None:
        port = self.origin().port
        self.probing(f"app/liveness: {{type: tcp, port: {port}}}, app/readiness: {{type: tcp, port: {free_port()}}}")
        self.assertEqual(self.ask("app/liveness")[0], 200)
        status, text = self.ask("app/readiness")
        self.assertEqual((status, text), (503, "connection refused\n"))

    def test_https_is_not_verified(self) -> None:
        authority = Authority()
        self.addCleanup(authority.close)
        origin = TlsOrigin(authority.server(authority.issue("elsewhere", "DNS:elsewhere")))
        self.addCleanup(origin.close)
        port = origin.port
        self.probing(f"app/liveness: {{port: {port}, scheme: https}}")
        self.assertEqual(self.ask("app/liveness")[0], 200)

    @unittest.skipUnless(grpc_bed.grpc, grpc_bed.NOT_HERE)
    def test_grpc_is_its_health_protocol(self) -> None:
        grpc = grpc_bed.grpc
        from concurrent import futures

        states = {b"": b"\x08\x01", b"\x0a\x04shop": b"\x08\x02"}

        class Health(grpc.GenericRpcHandler):  # type: ignore[name-defined, misc]
            def service(self, details: Any) -> Any:
                if details.method != "/grpc.health.v1.Health/Check":
                    return None
                return grpc.unary_unary_rpc_method_handler(lambda request, _: states[request])

        server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[Health()])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(lambda: server.stop(None).wait(10))
        self.probing(f"app/liveness: {{type: grpc, port: {port}}}, app/readiness: {{type: grpc, port: {port}, service: shop}}")
        self.assertEqual(self.ask("app/liveness"), (200, "SERVING\n"))
        self.assertEqual(self.ask("app/readiness"), (503, "NOT_SERVING\n"))

    def test_others_are_not_there(self) -> None:
        self.probing(f"app/liveness: {{port: {free_port()}}}")
        for path in ("/probe/app/other", "/probe/app", "/probe/app/liveness/more", "/probe//liveness"):
            self.assertEqual(fetch(self.telemetry, "GET", path)[0], 404, path)
        self.assertEqual(fetch(self.telemetry, "POST", "/probe/app/liveness")[0], 405)

    def test_follow_a_reload(self) -> None:
        port = self.origin().port
        proxy = self.probing(f"app/liveness: {{port: {port}}}")
        text = proxy.file.read_text()
        proxy.reload(text.replace("app/liveness", "app/readiness"))
        self.assertEqual(self.ask("app/liveness")[0], 404)
        self.assertEqual(self.ask("app/readiness")[0], 200)

    def test_are_checked(self) -> None:
        for probes, says in (("liveness: {port: 1}", "CONTAINER/KIND"), ("a/b: {}", "has no port"),
                             ("a/b: {port: 1, path: x}", "begins with a slash"),
                             ("a/b: {port: 1, type: ftp}", "kind of probe"),
                             ("a/b: {port: 1, headers: {'a b': c}}", "no header"),
                             ("a/b: {prot: 1}", "did you mean 'port'?")):
            done = subprocess.run([BINARY, "check", "/dev/stdin"], capture_output=True, text=True, timeout=30,
                                  input="version: 1\nlisteners: [{listen: ':0', to: 'a:1'}]\n"
                                        f"telemetry: {{probes: {{{probes}}}}}\n")
            self.assertEqual(done.returncode, 1, probes)
            self.assertIn(says, done.stderr)


if __name__ == "__main__":
    unittest.main()
